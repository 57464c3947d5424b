//! Deletes packs of which nothing is needed any more, all in one go, under the exclusive lock.
//!
//! While packs were copied, writers went on. One that relies on an entry marks the entry's pack as used; what needs
//! nothing but old packs may have come back into history. So, with writers kept out, a pack is spared if it was marked,
//! and if anything needs it that was not there when the plan was made.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::GcError;
use super::mark::{Marked, read_base, read_recipe};
use crate::atomic_file::{open_folder, sync_folder};
use crate::id::ObjectId;
use crate::store::pack::{EntryId, Kind, Pack, Record};
use crate::store::{BlockReader, Store, StoreError, superseded};

/// What the plan was made of and has come to.
pub struct Sweep<'a> {
    /// The store.
    pub store: &'a Store,
    /// All packs there were when the plan was made.
    pub planned: &'a [Marked],
    /// Those of them that are to go.
    pub doomed: HashSet<PathBuf>,
    /// The packs written since by this `gc`.
    pub written: &'a [Arc<Pack>],
    /// Doomed packs with damaged entries: they stay.
    pub damaged: HashSet<PathBuf>,
    /// What is written has other bases than what is doomed: nothing may go unless all of it does.
    pub at_once: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Swept {
    /// Packs that are gone.
    pub deleted: Vec<PathBuf>,
    /// Packs that were to go and are needed after all.
    pub spared: u64,
    /// Packs with copies that were relied on and are damaged.
    pub damaged: Vec<(PathBuf, String)>,
}

impl Sweep<'_> {
    /// Deletes what may be deleted. `returned` tells of the objects that history needs now and did not before; it is
    /// asked when writers are kept out.
    pub fn run(mut self, returned: impl FnOnce() -> Result<Vec<ObjectId>, GcError>) -> Result<Swept, GcError> {
        let mut swept = Swept::default();
        // What is written has taken the place of a pack of the same name, which is the same pack.
        for pack in self.written {
            self.doomed.remove(pack.path());
        }
        let doomed_before = self.doomed.len() as u64;
        swept.damaged = self.check_what_remains()?;
        let _lock = self.store.lock_exclusive()?;
        let mut survey = Survey::new(&self)?;
        for id in returned()? {
            survey.need(id.as_bytes(), Kind::Recipe);
        }
        survey.settle(self.store)?;
        if self.at_once {
            swept.deleted.extend(survey.doomed);
            swept.spared = doomed_before - swept.deleted.len() as u64;
            if !swept.deleted.is_empty() {
                superseded::delete(self.store, &swept.deleted)?;
            }
            return Ok(swept);
        }
        let folder_path = self.store.packs_dir();
        for path in survey.doomed {
            std::fs::remove_file(&path).map_err(|source| StoreError::io("delete", &path, source))?;
            swept.deleted.push(path);
        }
        if !swept.deleted.is_empty() {
            open_folder(&folder_path)
                .and_then(sync_folder)
                .map_err(|source| StoreError::io("write", &folder_path, source))?;
        }
        swept.spared = doomed_before - swept.deleted.len() as u64;
        Ok(swept)
    }

    /// Before the last look under the lock: every entry of a doomed pack must have a good copy elsewhere if it is kept.
    /// Doomed packs for which that does not hold count as damaged from here on.
    fn check_what_remains(&mut self) -> Result<Vec<(PathBuf, String)>, StoreError> {
        let staying: Vec<Arc<Pack>> = self
            .planned
            .iter()
            .filter(|marked| {
                let path = marked.pack.path();
                !self.doomed.contains(path) || self.damaged.contains(path)
            })
            .map(|marked| Arc::clone(&marked.pack))
            .collect();
        let own: Vec<Arc<Pack>> = self.written.iter().chain(&staying).cloned().collect();
        let all: Vec<Arc<Pack>> = own.iter().cloned().chain(self.store.borrowed_packs()).collect();
        let view = self.store.pinned(all);
        let mut reader = BlockReader::new(&view);
        let mut found_damaged = Vec::new();
        for marked in self.planned.iter().filter(|marked| self.doomed.contains(marked.pack.path())) {
            let path = marked.pack.path();
            if self.damaged.contains(path) {
                continue;
            }
            for (at, record) in marked.pack.records().enumerate() {
                let is_written = self.written.iter().any(|pack| pack.find(&record.id, record.kind).is_some());
                if is_written {
                    continue;
                }
                let copy = staying.iter().find(|pack| pack.find(&record.id, record.kind).is_some());
                let problem = match copy {
                    None if marked.kept.contains(at) => Some((path.to_owned(), "an entry was not copied".to_owned())),
                    None => None,
                    Some(pack) => check_copy(&view, &mut reader, &record)
                        .err()
                        .map(|error| (pack.path().to_owned(), error.to_string())),
                };
                if let Some(problem) = problem {
                    found_damaged.push(problem);
                    self.damaged.insert(path.to_owned());
                    break;
                }
            }
        }
        Ok(found_damaged)
    }
}

fn check_copy(view: &Store, reader: &mut BlockReader, record: &Record) -> Result<(), StoreError> {
    match record.kind {
        Kind::Recipe => view.recipe(&ObjectId::from_bytes(record.id)).map(drop),
        Kind::Block => reader.verify(&crate::id::BlockId::from_bytes(record.id)),
    }
}

/// The packs that are there now, with writers kept out.
struct Survey {
    packs: Vec<Arc<Pack>>,
    doomed: HashSet<PathBuf>,
    /// Packs whose entries' needs were not looked at yet.
    to_visit: Vec<Arc<Pack>>,
}

impl Survey {
    fn new(sweep: &Sweep<'_>) -> Result<Self, StoreError> {
        let known: HashMap<&Path, &Marked> = sweep.planned.iter().map(|marked| (marked.pack.path(), marked)).collect();
        let written: HashSet<&Path> = sweep.written.iter().map(|pack| pack.path()).collect();
        let mut survey = Self { packs: Vec::new(), doomed: HashSet::new(), to_visit: Vec::new() };
        for path in sweep.store.own_pack_paths()? {
            let is_unchanged = known.get(&*path).is_some_and(|marked| modified(&path) == Some(marked.modified));
            let pack = match known.get(&*path) {
                Some(marked) if !written.contains(&*path) => Arc::clone(&marked.pack),
                _ => Arc::new(Pack::open(&path)?),
            };
            survey.packs.push(Arc::clone(&pack));
            if sweep.doomed.contains(&path) && is_unchanged && !sweep.damaged.contains(&path) {
                survey.doomed.insert(path);
            } else if sweep.doomed.contains(&path) || !known.contains_key(&*path) && !written.contains(&*path) {
                survey.to_visit.push(pack);
            }
        }
        Ok(survey)
    }

    /// Spares whatever packs the entry needs; of its copies, the one with the fewest deltas below it must remain.
    fn need(&mut self, id: &EntryId, kind: Kind) {
        let copies = self.packs.iter().filter_map(|pack| Some((pack.find(id, kind)?.depth, pack)));
        let best = copies.min_by_key(|(depth, pack)| (*depth, self.doomed.contains(pack.path())));
        if let Some((_, pack)) = best
            && self.doomed.remove(pack.path())
        {
            self.to_visit.push(Arc::clone(pack));
        }
    }

    /// Follows the needs of all packs that are new or spared, to the end.
    fn settle(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut buffer = Vec::new();
        while let Some(pack) = self.to_visit.pop() {
            let file = store.pack_file(&pack).map_err(|source| StoreError::io("read", pack.path(), source))?;
            for record in pack.records() {
                match record.kind {
                    Kind::Recipe => {
                        for (block, _) in read_recipe(&pack, &file, &record, &mut buffer)?.blocks {
                            self.need(block.as_bytes(), Kind::Block);
                        }
                    }
                    Kind::Block if record.depth > 0 => {
                        self.need(read_base(&pack, &file, &record)?.as_bytes(), Kind::Block);
                    }
                    Kind::Block => {}
                }
            }
        }
        Ok(())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
