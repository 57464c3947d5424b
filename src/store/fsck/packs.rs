//! Checks packs: frame, index, and every entry by decoding it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::Finding;
use crate::parallel;
use crate::progress::Progress;
use crate::store::check::{check_entry, entry_name};
use crate::store::pack::{Pack, Record};
use crate::store::{BlockReader, Store, StoreError};

/// Entries that a thread takes at a time.
const RUN: usize = 64;

/// The packs whose index can be believed.
pub struct Packs {
    /// The packs.
    pub good: Vec<Arc<Pack>>,
    /// What is wrong with these, and with others.
    pub findings: Vec<Finding>,
}

/// Checks frame and index of every pack of the store's own.
pub fn open_packs(store: &Store) -> Result<Packs, StoreError> {
    let mut packs = Packs { good: Vec::new(), findings: Vec::new() };
    for path in store.own_pack_paths()? {
        match open_pack(&path) {
            Ok(pack) => packs.good.push(Arc::new(pack)),
            Err(what) if path.exists() => packs.findings.push(Finding::Pack { path, what }),
            // It was there a moment ago: somebody has deleted it.
            Err(_) => {}
        }
    }
    Ok(packs)
}

fn open_pack(path: &Path) -> Result<Pack, String> {
    let pack = match Pack::open(path) {
        Ok(pack) => pack,
        Err(StoreError::Corrupt { what, .. }) => return Err(what),
        Err(error) => return Err(error.to_string()),
    };
    let frame = std::fs::File::open(path).and_then(|file| pack.verify_frame(&file));
    match (pack.verify_index(), frame) {
        (false, _) => Err("its index is not what was written".into()),
        (_, Ok(true)) => Ok(pack),
        (_, Ok(false)) => Err("its parts do not fit together".into()),
        (_, Err(error)) => Err(error.to_string()),
    }
}

/// Decodes every entry of these packs and checks it against its name.
pub fn check_entries(store: &Store, packs: &[Arc<Pack>], progress: &dyn Progress) -> Vec<Finding> {
    let mut runs = Vec::new();
    for pack in packs {
        let mut places: Vec<(u64, u32)> =
            (0..pack.entry_count()).map(|at| (pack.record(at).offset, at as u32)).collect();
        places.sort_unstable();
        let places: Vec<u32> = places.into_iter().map(|(_, at)| at).collect();
        runs.extend(places.chunks(RUN).map(|places| (Arc::clone(pack), places.to_vec())));
    }
    progress.begin("checking packs", Some(packs.iter().map(|pack| pack.entries_end()).sum()));
    let checker = || Checker { reader: BlockReader::new(store), entry: Vec::new(), plain: Vec::new() };
    let findings = parallel::for_each(parallel::cores(), runs.len(), checker, |checker, run| {
        let (pack, places) = &runs[run];
        let findings = places.iter().filter_map(|&at| checker.check(store, pack, &pack.record(at as usize), progress));
        findings.collect()
    });
    progress.end();
    findings
}

struct Checker {
    reader: BlockReader,
    entry: Vec<u8>,
    plain: Vec<u8>,
}

impl Checker {
    fn check(&mut self, store: &Store, pack: &Pack, record: &Record, progress: &dyn Progress) -> Option<Finding> {
        let entry = (record.id, record.kind);
        let read = store.pack_file(pack).and_then(|file| pack.read_entry(&file, record, &mut self.entry));
        progress.advance(u64::from(record.len));
        let what = match read {
            Ok(()) => check_entry(&mut self.reader, record, &self.entry, &mut self.plain).err()?,
            Err(error) => format!("{} cannot be read: {error}", entry_name(entry)),
        };
        let path: PathBuf = pack.path().into();
        Some(Finding::Entry { path, entry, what })
    }
}
