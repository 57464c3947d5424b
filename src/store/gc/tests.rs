use std::collections::BTreeSet;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::progress::Silent;
use crate::store::Cut;
use crate::store::testing::{DAY, TestStore, flip, modified, noise, open, packs, put, reads, set_age};

type Meanwhile<'a> = &'a (dyn Fn(&mut BTreeSet<ObjectId>) + Sync);

/// Objects to keep, and what happens between the plan and its execution.
struct TestRoots<'a> {
    keep: Mutex<BTreeSet<ObjectId>>,
    meanwhile: Meanwhile<'a>,
    locks: Vec<PathBuf>,
}

impl<'a> TestRoots<'a> {
    fn new(keep: &[ObjectId]) -> Self {
        Self::with(keep, &|_| ())
    }

    fn with(keep: &[ObjectId], meanwhile: Meanwhile<'a>) -> Self {
        let keep = Mutex::new(keep.iter().copied().collect());
        Self { keep, meanwhile, locks: Vec::new() }
    }
}

impl Roots for TestRoots<'_> {
    fn for_each(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<(), RootsError> {
        self.keep.lock().expect("no panic").iter().copied().for_each(visit);
        Ok(())
    }

    fn commands_at_work(&self) -> Vec<PathBuf> {
        self.locks.clone()
    }
}

impl Progress for TestRoots<'_> {
    fn begin(&self, what: &str, _: Option<u64>) {
        if what == "rewriting packs" {
            (self.meanwhile)(&mut self.keep.lock().expect("no panic"));
        }
    }
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

fn options(grace_days: u32) -> Options {
    let sizes = PackSizes::DEFAULT;
    Options { grace: grace_days * DAY, dry_run: false, aggressive: false, now: SystemTime::now(), sizes }
}

fn collect(store: &Store, roots: &TestRoots<'_>, grace_days: u32) -> Result<Report, GcError> {
    gc(store, roots, &options(grace_days), roots)
}

fn state(store: &Store) -> Vec<(PathBuf, SystemTime)> {
    packs(store.dir()).into_iter().map(|path| (path.clone(), modified(&path))).collect()
}

/// Three versions, each in an old pack of its own, each a delta against the one before.
fn three_versions() -> (TestStore, Vec<ObjectId>, Vec<PathBuf>) {
    let mut test = TestStore::new();
    let mut bytes = noise(5000, 1);
    let (mut ids, mut paths) = (Vec::<ObjectId>::new(), Vec::new());
    for version in 0..3 {
        bytes[version] ^= 1;
        let before = test.packs();
        ids.push(test.put(&bytes, ids.last().copied()));
        paths.push(test.new_pack(&before).expect("a pack"));
    }
    paths.iter().for_each(|path| set_age(path, 30));
    (test, ids, paths)
}

#[test]
fn what_nothing_needs_goes_and_bases_stay() {
    let (test, ids, _) = three_versions();
    let roots = TestRoots::new(&ids[1..2]);
    let dry = gc(&test.store, &roots, &Options { dry_run: true, ..options(14) }, &Silent).expect("planned");
    assert_eq!(test.packs().len(), 3);
    let report = collect(&test.store, &roots, 14).expect("collected");
    assert_eq!((dry.packs_after, report.packs_after, test.packs().len()), (1, 1, 1));
    assert!(report.bytes_after < report.bytes_before);
    assert!(test.reads(ids[1]));
    assert!(!test.has(ids[0]) && !test.has(ids[2]));
    // The same handle finds what has moved.
    assert!(reads(&test.store, ids[1], &test.objects[&ids[1]]));
    assert!(modified(&test.packs()[0]) < SystemTime::now() - 29 * DAY, "old entries do not become young");

    let before = state(&test.store);
    collect(&test.store, &roots, 14).expect("collected");
    assert_eq!(state(&test.store), before);
    collect(&test.store, &TestRoots::new(&[]), 14).expect("collected");
    assert_eq!(test.packs().len(), 0);
}

#[test]
fn young_packs_and_what_they_need_stay_until_their_time_has_come() {
    let (test, ids, paths) = three_versions();
    set_age(&paths[2], 3);
    let roots = TestRoots::new(&[]);
    let report = collect(&test.store, &roots, 14).expect("collected");
    assert!(report.bytes_in_grace > 0);
    assert!(test.reads(ids[2]), "its bases have been kept");
    assert!(!test.has(ids[0]) && !test.has(ids[1]));
    let before = state(&test.store);
    collect(&test.store, &roots, 14).expect("collected");
    assert_eq!(state(&test.store), before, "nothing became younger, and nothing was written for nothing");
    collect(&test.store, &roots, 2).expect("collected");
    assert_eq!(test.packs().len(), 0);
}

#[test]
fn useless_entries_do_not_grow_younger_among_useful_ones() {
    let mut test = TestStore::new();
    for (at, days) in [(0, 12), (1, 12), (2, 1), (3, 1)] {
        let before = test.packs();
        test.put(&noise(3000, at), None);
        set_age(&test.new_pack(&before).expect("a pack"), days);
    }
    let ids: Vec<_> = (0..4).map(|at| ObjectId::of(&noise(3000, at))).collect();
    let roots = TestRoots::new(&[ids[0], ids[2]]);
    collect(&test.store, &roots, 14).expect("collected");
    assert_eq!(test.packs().len(), 3, "the useful, and two days of useless ones");
    assert!(ids.iter().all(|id| test.reads(*id)));
    collect(&test.store, &roots, 11).expect("collected");
    assert!(!test.has(ids[1]) && test.reads(ids[3]));
}

#[test]
fn many_small_packs_become_one() {
    let mut test = TestStore::new();
    let ids: Vec<_> = (0..40).map(|at| test.put(&noise(500 + at, at as u64), None)).collect();
    let roots = TestRoots::new(&ids);
    let report = collect(&test.store, &roots, 14).expect("collected");
    assert_eq!((report.packs_before, report.packs_after, test.packs().len()), (40, 1, 1));
    assert!(ids.iter().all(|id| test.reads(*id)));
    let before = state(&test.store);
    collect(&test.store, &roots, 14).expect("collected");
    assert_eq!(state(&test.store), before);
}

#[test]
fn a_pack_relied_on_meanwhile_is_spared_with_its_bases() {
    let (test, ids, paths) = three_versions();
    let touch = |_: &mut BTreeSet<ObjectId>| set_age(&paths[2], 0);
    let report = collect(&test.store, &TestRoots::with(&[], &touch), 14).expect("collected");
    assert_eq!(report.spared_packs, 3);
    assert!(test.reads(ids[2]));
}

#[test]
fn what_history_needs_again_meanwhile_is_spared() {
    let (test, ids, _) = three_versions();
    let back = |keep: &mut BTreeSet<ObjectId>| assert!(keep.insert(ids[1]));
    let report = collect(&test.store, &TestRoots::with(&[], &back), 14).expect("collected");
    assert_eq!(report.spared_packs, 2);
    assert!(test.reads(ids[1]) && !test.has(ids[2]));
}

#[test]
fn a_writer_that_began_before_finds_its_entries_or_is_told() {
    let (test, ids, _) = three_versions();
    // What the writer relies on is kept, but moves to another pack.
    let writer = open(test.store.dir());
    let fourth = [&test.objects[&ids[2]][..4999], b"x"].concat();
    let mut ingest = crate::store::Ingest::new(&writer, 1);
    let base = std::sync::Arc::new(writer.recipe(&ids[2]).expect("a recipe"));
    let spec = crate::store::ObjectSpec { word_bytes: 1, cut: Cut::Even, base: Some(base) };
    ingest.bytes(spec.clone(), &fourth);
    ingest.bytes(spec, &test.objects[&ids[2]]);
    collect(&test.store, &TestRoots::new(&ids[2..]), 14).expect("collected");
    let stored = ingest.finish().expect("stored").objects;
    assert_eq!(stored, [ObjectId::of(&fourth), ids[2]]);
    assert!(reads(&open(test.store.dir()), stored[0], &fourth) && test.reads(ids[2]));
    let moved_to = test.packs();
    assert!(moved_to.iter().all(|path| modified(path) > SystemTime::now() - DAY), "and is marked as used there");

    // What the writer relies on is gone.
    let (test, ids, _) = three_versions();
    let writer = open(test.store.dir());
    let mut ingest = crate::store::Ingest::new(&writer, 1);
    ingest.bytes(crate::store::ObjectSpec { word_bytes: 1, cut: Cut::Even, base: None }, &test.objects[&ids[0]]);
    collect(&test.store, &TestRoots::new(&[]), 14).expect("collected");
    assert!(matches!(ingest.finish(), Err(StoreError::Vanished(_))));
}

#[test]
fn a_pack_that_appears_meanwhile_keeps_what_it_needs() {
    let (test, ids, _) = three_versions();
    let dir = test.store.dir().to_owned();
    let fourth = [&test.objects[&ids[2]][..4999], b"x"].concat();
    let add = |_: &mut BTreeSet<ObjectId>| {
        put(&open(&dir), &[&fourth], Some(ids[2]), Cut::Even);
    };
    collect(&test.store, &TestRoots::with(&[], &add), 14).expect("collected");
    assert!(reads(&open(&dir), ObjectId::of(&fourth), &fourth));
}

#[test]
fn a_crash_between_writing_and_deleting_is_put_right() {
    let (test, ids, paths) = three_versions();
    let saved: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    let roots = TestRoots::new(&ids);
    collect(&test.store, &roots, 14).expect("collected");
    let after = state(&test.store);
    for (path, bytes) in paths.iter().zip(saved) {
        std::fs::write(path, bytes).expect("written");
        set_age(path, 30);
    }
    collect(&test.store, &roots, 14).expect("collected");
    assert_eq!(state(&test.store), after);
    assert!(ids.iter().all(|id| test.reads(*id)));
}

#[test]
fn only_one_collection_at_a_time_and_none_beside_a_command_without_grace() {
    let (test, ids, _) = three_versions();
    let care = test.store.lock_care().expect("locked");
    assert!(matches!(collect(&test.store, &TestRoots::new(&ids), 14), Err(GcError::Store(StoreError::Busy(_)))));
    drop(care);
    let mut roots = TestRoots::new(&[]);
    roots.locks = vec!["index.lock".into()];
    assert!(matches!(collect(&test.store, &roots, 0), Err(GcError::CommandAtWork(_))));
    assert!(collect(&test.store, &roots, 14).is_ok());
}

#[test]
fn a_damaged_index_frame_recipe_or_base_name_ends_it() {
    let count = {
        let (_test, _, paths) = three_versions();
        std::fs::read(&paths[2]).expect("readable").len()
    };
    let mut refused = 0;
    for at in (0..count).step_by(7) {
        let (test, ids, paths) = three_versions();
        flip(&paths[2], at, 0x10);
        match collect(&test.store, &TestRoots::new(&ids), 14) {
            Err(GcError::Store(StoreError::Corrupt { .. })) => {
                refused += 1;
                assert_eq!(test.packs(), {
                    let mut paths = paths;
                    paths.sort();
                    paths
                });
            }
            Ok(report) => {
                let is_harmless = test.reads(ids[2]);
                assert!(is_harmless || !report.damaged.is_empty(), "byte {at}");
                assert!(is_harmless || paths[2].exists(), "byte {at}");
                assert!(test.reads(ids[0]) && test.reads(ids[1]));
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(refused > 10);
}

#[test]
fn a_damaged_copy_does_not_replace_a_good_one() {
    let mut test = TestStore::new();
    let bytes = noise(3000, 1);
    // Two stores add the same object beside other objects; both packs come together in one store.
    let mut other = TestStore::new();
    let id = other.put_all(&[&bytes, &noise(2000, 2)], None, Cut::Even)[0];
    test.put_all(&[&bytes], None, Cut::Even);
    let (small, large) = (test.packs().remove(0), other.packs().remove(0));
    let name = large.file_name().expect("a name");
    let large_here = small.with_file_name(name);
    std::fs::copy(&large, &large_here).expect("copied");
    set_age(&small, 30);
    set_age(&large_here, 30);
    flip(&large_here, 500, 1);
    assert!(test.reads(id), "the good copy is found");
    let report = collect(&test.store, &TestRoots::new(&[id]), 14).expect("collected");
    assert_eq!(report.damaged.len(), 1);
    assert!(test.reads(id) && large_here.exists());
}

#[test]
fn missing_objects_are_counted_and_with_a_quarantine_refused() {
    let (test, ids, _) = three_versions();
    let roots = TestRoots::new(&[ids[0], ObjectId::of(b"never stored")]);
    let quarantine = test.store.dir().join("quarantine");
    std::fs::create_dir(&quarantine).expect("made");
    std::fs::write(quarantine.join("x.pack"), "").expect("written");
    assert!(matches!(collect(&test.store, &roots, 14), Err(GcError::Quarantine { missing: 1, .. })));
    std::fs::remove_dir_all(&quarantine).expect("removed");
    assert_eq!(collect(&test.store, &roots, 14).expect("collected").missing_objects, 1);
}

#[test]
fn a_store_that_is_borrowed_from_is_left_alone() {
    let (lender, ids, paths) = three_versions();
    let dir = tempfile::tempdir().expect("a folder");
    let borrower = Store::open(dir.path(), vec![lender.store.dir().to_owned()], crate::store::Permissions::default())
        .expect("a store");
    let fourth = [&lender.objects[&ids[2]][..4999], b"x"].concat();
    let fourth_id = put(&borrower, &[&fourth], Some(ids[2]), Cut::Even)[0];
    paths.iter().for_each(|path| set_age(path, 30));
    packs(dir.path()).iter().for_each(|path| set_age(path, 30));
    put(&borrower, &[&noise(100, 1)], None, Cut::Even);
    collect(&borrower, &TestRoots::new(&[fourth_id, ids[0]]), 14).expect("collected");
    assert_eq!(lender.packs().len(), 3);
    assert!(reads(&borrower, fourth_id, &fourth));
}

#[derive(Debug, Clone)]
enum Step {
    /// Stores a variant of an earlier object against it, or a new object.
    Put { base: Option<prop::sample::Index>, seed: u64, with: u8, days: u32 },
    /// Stores bytes that share a long part with those of other such steps.
    PutShared { seed: u64, days: u32 },
    /// Collects with these objects kept.
    Collect { keep: u64, grace_days: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let days = || prop_oneof![Just(0_u32), 1_u32..40];
    prop_oneof![
        5 => (prop::option::weighted(0.8, any::<prop::sample::Index>()), 0_u64..30, 0_u8..3, days())
            .prop_map(|(base, seed, with, days)| Step::Put { base, seed, with, days }),
        1 => (0_u64..4, days()).prop_map(|(seed, days)| Step::PutShared { seed, days }),
        2 => (any::<u64>(), prop_oneof![Just(0_u32), Just(14)])
            .prop_map(|(keep, grace_days)| Step::Collect { keep, grace_days }),
    ]
}

/// Runs the steps; after each collection what was kept reads back, what was not is gone, and a second one does nothing.
///
/// With small packs, useless entries may stay in those that are too large to be rewritten for little.
fn run(steps: &[Step], sizes: PackSizes) -> Result<(), TestCaseError> {
    let mut test = TestStore::new();
    let mut known = Vec::<ObjectId>::new();
    for step in steps {
        let before = test.packs();
        match step {
            Step::Put { base, seed, with, days } => {
                let base = base.filter(|_| !known.is_empty()).map(|at| *at.get(&known));
                let mut bytes = base.map_or_else(|| noise(2000, *seed), |base| test.objects[&base].clone());
                let at = *seed as usize * 7 % bytes.len();
                bytes[at] ^= 1;
                let more: Vec<Vec<u8>> = (0..*with).map(|at| noise(900, seed + u64::from(at))).collect();
                let all: Vec<&[u8]> = std::iter::once(&bytes).chain(&more).map(Vec::as_slice).collect();
                known.extend(test.put_all(&all, base, Cut::Even));
                if let Some(pack) = test.new_pack(&before) {
                    set_age(&pack, *days);
                }
            }
            Step::PutShared { seed, days } => {
                let bytes = [noise(200_000, 77), noise(50_000, *seed)].concat();
                known.extend(test.put_all(&[&bytes], None, Cut::Content));
                if let Some(pack) = test.new_pack(&before) {
                    set_age(&pack, *days);
                }
            }
            Step::Collect { keep, grace_days } => {
                known.sort();
                known.dedup();
                let is_kept = |at: usize| keep >> (at % 64) & 1 == 1;
                let kept: Vec<ObjectId> =
                    known.iter().enumerate().filter(|(at, _)| is_kept(*at)).map(|(_, id)| *id).collect();
                let young = young_objects(&test, *grace_days);
                let roots = TestRoots::new(&kept);
                let options = Options { sizes, ..options(*grace_days) };
                gc(&test.store, &roots, &options, &Silent).expect("collected");
                let is_exact = sizes == PackSizes::DEFAULT || *grace_days == 0;
                for id in &known {
                    let must_stay = kept.contains(id) || young.contains(id);
                    prop_assert!(test.has(*id) || !must_stay);
                    prop_assert!(!test.has(*id) || must_stay || !is_exact);
                    prop_assert!(!test.has(*id) || test.reads(*id), "what stays is whole");
                }
                let before = state(&test.store);
                gc(&test.store, &roots, &options, &Silent).expect("collected");
                prop_assert_eq!(state(&test.store), before);
                known.retain(|id| test.has(*id));
            }
        }
        prop_assert!(known.iter().all(|id| test.reads(*id)));
    }
    Ok(())
}

fn young_objects(test: &TestStore, grace_days: u32) -> BTreeSet<ObjectId> {
    let since = SystemTime::now() - grace_days * DAY;
    let mut young = BTreeSet::new();
    for path in test.packs().iter().filter(|path| modified(path) >= since) {
        let pack = crate::store::pack::Pack::open(path).expect("a pack");
        let recipes = pack.records().filter(|record| record.kind == crate::store::Kind::Recipe);
        young.extend(recipes.map(|record| ObjectId::from_bytes(record.id)));
    }
    young
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn keeps_exactly_what_must_be_kept(steps in prop::collection::vec(step(), 1..25)) {
        run(&steps, PackSizes::DEFAULT)?;
    }

    #[test]
    fn keeps_what_must_be_kept_in_packs_of_any_size(mut steps in prop::collection::vec(step(), 1..25)) {
        // Entries much smaller than packs, as they are.
        steps.retain(|step| !matches!(step, Step::PutShared { .. }));
        run(&steps, PackSizes { bytes_min: 3000, bytes_max: 9000 })?;
    }
}
