use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Map;

use super::*;
use crate::id::ObjectId;
use crate::progress::Silent;
use crate::store::gc::{PackSizes, Report, gc};
use crate::store::roots::RootsError;
use crate::store::testing::{DAY, TestStore, noise, open, put, reads, set_age};
use crate::store::{Cut, superseded};

/// Versions of one file, the oldest first; the last is a branch's tip.
struct Line<'a> {
    versions: &'a [ObjectId],
    /// Happens when the new packs are about to be made.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl<'a> Line<'a> {
    fn of(versions: &'a [ObjectId]) -> Self {
        Self { versions, meanwhile: Mutex::default() }
    }
}

fn manifest(sha256: ObjectId) -> Arc<Manifest> {
    Arc::new(Manifest { size: 0, content: Content::Opaque { sha256, extra: Map::new() }, extra: Map::new() })
}

impl Roots for Line<'_> {
    fn for_each(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<(), RootsError> {
        self.versions.iter().copied().for_each(visit);
        Ok(())
    }

    fn steps(&self, visit: &mut dyn FnMut(Step)) -> Result<(), RootsError> {
        let mut newer = None;
        for version in self.versions.iter().rev() {
            visit(Step { version: manifest(*version), like: newer.map(manifest), is_tip: newer.is_none() });
            newer = Some(*version);
        }
        if let Some(meanwhile) = self.meanwhile.lock().expect("no panic").take() {
            meanwhile();
        }
        Ok(())
    }

    fn commands_at_work(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// So many versions of noise, each in an old pack of its own, each a delta against the one before.
fn versions(count: usize) -> (TestStore, Vec<ObjectId>) {
    let mut test = TestStore::new();
    let mut bytes = noise(20_000, 1);
    let mut ids = Vec::<ObjectId>::new();
    for version in 0..count {
        // A change in every fourth byte, which codes of two classes tell better than one.
        for at in (version % 4..bytes.len()).step_by(4) {
            bytes[at] = bytes[at].wrapping_add((at as u8).wrapping_mul(7) >> 6);
        }
        ids.push(test.put(&bytes, ids.last().copied()));
    }
    test.packs().iter().for_each(|path| set_age(path, 30));
    (test, ids)
}

fn collect(test: &TestStore, line: &Line<'_>, sizes: PackSizes) -> Report {
    let options =
        Options { grace: 14 * DAY, dry_run: false, aggressive: true, now: std::time::SystemTime::now(), sizes };
    gc(&test.store, line, &options, &Silent).expect("collected")
}

fn depth(store: &Store, id: ObjectId) -> u8 {
    let block = store.recipe(&id).expect("a recipe").blocks[0].0;
    store.packs().find(block.as_bytes(), Kind::Block).expect("found").record.depth
}

/// The blocks from which whoever takes the copy of least depth at every step does not come down step by step.
fn circles(store: &Store) -> usize {
    let packs = store.packs();
    let mut circles = 0;
    for pack in packs.iter() {
        for record in pack.records().filter(|record| record.kind == Kind::Block) {
            let Some(found) = packs.find(&record.id, Kind::Block).filter(|found| found.record.depth > 0) else {
                continue;
            };
            let file = store.pack_file(found.pack).expect("opened");
            let base = read_base(found.pack, &file, &found.record).expect("a base");
            let base = packs.find(base.as_bytes(), Kind::Block).expect("the base is there");
            circles += usize::from(base.record.depth >= found.record.depth);
        }
    }
    circles
}

/// Every entry goes to a pack of its depth.
const BY_DEPTH: PackSizes = PackSizes { bytes_min: 1, bytes_max: 1 };

#[test]
fn the_newest_version_stands_alone_and_all_become_smaller() {
    for sizes in [PackSizes::DEFAULT, BY_DEPTH] {
        let (test, ids) = versions(6);
        assert_eq!(ids.iter().map(|id| depth(&test.store, *id)).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        let report = collect(&test, &Line::of(&ids), sizes);
        let recoded = report.recoded.expect("asked for");
        assert!(recoded.bytes_after < recoded.bytes_before, "{recoded:?}");
        assert!(report.bytes_after < report.bytes_before);
        let store = open(test.store.dir());
        assert_eq!(ids.iter().map(|id| depth(&store, *id)).collect::<Vec<_>>(), [5, 4, 3, 2, 1, 0]);
        assert!(ids.iter().all(|id| test.reads(*id)));
        assert_eq!(circles(&store), 0);

        let before = test.packs();
        let again = collect(&test, &Line::of(&ids), sizes).recoded.expect("asked for");
        assert_eq!(again.bytes_after, again.bytes_before);
        assert_eq!(test.packs().len(), before.len());
    }
}

#[test]
fn long_histories_have_short_chains() {
    let (test, ids) = versions(30);
    collect(&test, &Line::of(&ids), PackSizes::DEFAULT);
    let store = open(test.store.dir());
    assert_eq!(depth(&store, ids[29]), 0);
    assert!(ids.iter().all(|id| depth(&store, *id) <= DEPTH_MAX && test.reads(*id)));
    assert_eq!(circles(&store), 0);
}

/// A kill at any time: some new packs beside all old ones, or all new ones beside some old ones.
#[test]
fn no_mixture_of_old_and_new_packs_goes_round_in_circles() {
    let (test, ids) = versions(4);
    let dir = test.store.dir();
    let read = |paths: &[PathBuf]| -> Vec<(PathBuf, Vec<u8>)> {
        paths.iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
    };
    let old = read(&test.packs());
    collect(&test, &Line::of(&ids), BY_DEPTH);
    let mut new = read(&test.packs());
    let depth_of = |path: &Path| Pack::open(path).expect("a pack").records().map(|record| record.depth).max();
    new.sort_by_key(|(path, _)| depth_of(path));
    assert!(new.len() >= 4, "one for each depth");
    let lay_out = |packs: &[&(PathBuf, Vec<u8>)]| {
        test.packs().iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
        packs.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("written"));
    };
    for count in 0..=new.len() {
        lay_out(&old.iter().chain(&new[..count]).collect::<Vec<_>>());
        assert_eq!(circles(&open(dir)), 0, "the first {count} new packs");
        assert!(ids.iter().all(|id| test.reads(*id)));
    }
    let mut circles_without_note = 0;
    for mask in 0..1 << old.len() {
        let some = old.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, pack)| pack);
        let there: Vec<_> = some.chain(&new).collect();
        lay_out(&there);
        circles_without_note += circles(&open(dir));
        let names: Vec<_> =
            old.iter().map(|(path, _)| path.file_stem().and_then(|name| name.to_str()).expect("a name")).collect();
        std::fs::write(dir.join("superseded"), names.join("\n") + "\n").expect("written");
        assert_eq!(circles(&open(dir)), 0, "{mask:b}");
        assert!(ids.iter().all(|id| test.reads(*id)));
        // The next writer finishes it.
        drop(test.store.lock_shared().expect("locked"));
        assert!(!superseded::is_there(&test.store));
        assert_eq!(test.packs().len(), new.len());
    }
    assert!(circles_without_note > 0, "the danger is real");
}

#[test]
fn what_is_stored_meanwhile_keeps_what_it_relies_on() {
    let (test, ids) = versions(4);
    let dir = test.store.dir().to_owned();
    let mut fifth = test.objects[&ids[1]].clone();
    fifth[7] ^= 1;
    let line = Line::of(&ids);
    let add = {
        let (dir, fifth, base) = (dir.clone(), fifth.clone(), ids[1]);
        move || drop(put(&open(&dir), &[&fifth], Some(base), Cut::Even))
    };
    *line.meanwhile.lock().expect("no panic") = Some(Box::new(add));
    collect(&test, &line, BY_DEPTH);
    let store = open(&dir);
    assert_eq!(circles(&store), 0);
    assert!(reads(&store, ObjectId::of(&fifth), &fifth) && ids.iter().all(|id| test.reads(*id)));
    let all: Vec<_> = ids.iter().copied().chain([ObjectId::of(&fifth)]).collect();
    collect(&test, &Line::of(&all), BY_DEPTH);
    let store = open(&dir);
    assert_eq!(circles(&store), 0);
    assert!(reads(&store, ObjectId::of(&fifth), &fifth) && ids.iter().all(|id| test.reads(*id)));
}

#[test]
fn what_is_kept_for_the_grace_period_comes_along() {
    let (test, ids) = versions(5);
    test.packs().iter().for_each(|path| set_age(path, 3));
    // The oldest and the newest are not named any more.
    let recoded = collect(&test, &Line::of(&ids[1..4]), BY_DEPTH).recoded.expect("asked for");
    assert!(recoded.bytes_after < recoded.bytes_before, "the oldest has become a delta, though no version names it");
    assert!(ids.iter().all(|id| test.reads(*id)));
    assert_eq!(circles(&open(test.store.dir())), 0);
    test.packs().iter().for_each(|path| set_age(path, 30));
    collect(&test, &Line::of(&ids[1..4]), PackSizes::DEFAULT);
    assert!(ids[1..4].iter().all(|id| test.reads(*id)));
    assert!(!test.has(ids[0]) && !test.has(ids[4]));
    assert_eq!(circles(&open(test.store.dir())), 0);
}
