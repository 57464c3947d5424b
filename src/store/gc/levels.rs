//! The packs that `gc --aggressive` writes: such that any number of them, from the first on, has the bases of all it has.
//!
//! Entries of each depth go to packs of their own, which are published in the order of depth. Where all fits into one
//! pack, which is there as a whole or not at all, depth is no matter.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::store::pack::{Batch, EntryId, Pack, Record};
use crate::store::writer::PackWriter;
use crate::store::{Store, StoreError};

/// Packs that are written at the same time are files that are open at the same time.
const PACKS_MAX: u64 = 64;

/// What is live shares packs with its like; what is kept for the grace period with that of the same day.
pub type Route = Option<Option<u64>>;

/// Packs in the making.
pub struct Levels {
    store: Store,
    by_depth: bool,
    bytes_max: u64,
    outputs: Mutex<BTreeMap<(u8, Route, usize), Output>>,
    /// What was written of each entry, to compare when it is read back: the first bytes of its BLAKE3.
    digests: Mutex<HashMap<EntryId, u64>>,
}

struct Output {
    writer: PackWriter,
    modified: SystemTime,
}

impl Levels {
    /// For about `total` bytes, in packs of `bytes_max` or, where these were too many, more.
    pub fn new(store: &Store, total: u64, bytes_max: u64) -> Self {
        Self {
            store: store.clone(),
            by_depth: total > bytes_max,
            bytes_max: bytes_max.max(total / PACKS_MAX),
            outputs: Mutex::default(),
            digests: Mutex::default(),
        }
    }

    /// Writes the one entry in `batch` and clears it. The pack is as old as the youngest that its entries come from.
    pub fn append(&self, route: Route, depth: u8, modified: SystemTime, batch: &mut Batch) -> Result<(), StoreError> {
        let (bytes, records) = batch.placed_at(0);
        let digest = digest(bytes);
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).extend(records.map(|record| (record.id, digest)));
        let depth = if self.by_depth { depth } else { 0 };
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = outputs.range((depth, route, 0)..=(depth, route, usize::MAX)).next_back();
        let number = match newest {
            None => 0,
            Some((&(_, _, number), output)) => {
                let is_full = self.by_depth && output.writer.len() + batch.len() as u64 > self.bytes_max;
                number + usize::from(is_full)
            }
        };
        let output = outputs
            .entry((depth, route, number))
            .or_insert_with(|| Output { writer: PackWriter::new(&self.store), modified: SystemTime::UNIX_EPOCH });
        output.modified = output.modified.max(modified);
        output.writer.append(batch)
    }

    /// Copies an entry that needs no other.
    pub fn copy(
        &self,
        store: &Store,
        pack: &Pack,
        record: &Record,
        route: Route,
        modified: SystemTime,
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::io("read", pack.path(), source);
        let file = store.pack_file(pack).map_err(failed)?;
        let mut entry = Vec::new();
        pack.read_entry(&file, record, &mut entry).map_err(failed)?;
        let mut batch = Batch::default();
        batch.push_verbatim(record, &entry);
        self.append(route, 0, modified, &mut batch)
    }

    /// Makes all packs durable and visible, the lowest depths first, and reads them back.
    pub fn publish(self) -> Result<Vec<Arc<Pack>>, StoreError> {
        let digests = self.digests.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outputs = self.outputs.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut packs = Vec::new();
        for (_, output) in outputs {
            let Some(name) = output.writer.commit_dated(&[], Some(output.modified))? else { continue };
            let path = self.store.packs_dir().join(format!("{name}.pack"));
            let pack = Pack::open(&path)?;
            let read_back = File::open(&path).and_then(|file| is_as_written(&pack, &file, &digests));
            if !read_back.map_err(|source| StoreError::io("read", &path, source))? {
                return Err(StoreError::Corrupt { path, what: "it reads back other than it was written".into() });
            }
            packs.push(Arc::new(pack));
        }
        Ok(packs)
    }
}

fn is_as_written(pack: &Pack, file: &File, digests: &HashMap<EntryId, u64>) -> std::io::Result<bool> {
    let mut entry = Vec::new();
    for record in pack.records() {
        entry.resize(record.len as usize, 0);
        file.read_exact_at(&mut entry, record.offset)?;
        if digests.get(&record.id) != Some(&digest(&entry)) {
            return Ok(false);
        }
    }
    Ok(pack.verify_index())
}

fn digest(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}
