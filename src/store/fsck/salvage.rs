//! Gets whatever is good out of a damaged pack.
//!
//! An entry tells its own length, and a block's name is the BLAKE3 of its bytes; so blocks are found without an index.
//! An object's recipe is found without one too: its name is the SHA-256 of the bytes its blocks make.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::id::{BlockId, ObjectId, Sha256};
use crate::store::check::check_entry;
use crate::store::pack::{self, Batch, Entry, EntryId, Kind, Pack, Record};
use crate::store::writer::PackWriter;
use crate::store::{BlockReader, Recipe, Store, StoreError};

const BATCH_BYTES: usize = 1 << 20;
/// Longer entries than this are not believed: blocks are much shorter, and so are recipes of files of a petabyte.
const ENTRY_BYTES_MAX: u64 = 64 << 20;

/// Which entries to save.
pub enum Wanted<'a> {
    /// All that are good, but these.
    AllBut(&'a HashSet<(EntryId, Kind)>),
    /// Those that the store does not have.
    Missing,
}

/// What was saved.
#[derive(Default)]
pub struct Saved {
    /// The entries.
    pub entries: HashSet<(EntryId, Kind)>,
    /// The new, durable packs they are in.
    pub packs: Vec<PathBuf>,
}

/// Saves the good entries of the pack at `path` into new packs.
pub fn salvage(store: &Store, path: &Path, wanted: &Wanted<'_>) -> Result<Saved, StoreError> {
    let mut candidates = candidates(path)?;
    let mut saved = Saved::default();
    // A delta may need a base that is only just being saved: go on for as long as anything is.
    loop {
        let store = store.reopen()?;
        let mut round = Round {
            path,
            reader: BlockReader::new(&store),
            writer: PackWriter::new(&store),
            batch: Batch::default(),
            saved: &mut saved.entries,
            wanted,
            store: &store,
        };
        let before = round.saved.len();
        let mut left = Vec::new();
        for candidate in candidates {
            if !round.take(&candidate)? {
                left.push(candidate);
            }
        }
        round.writer.append(&mut round.batch)?;
        if let Some(name) = round.writer.commit(&[])? {
            saved.packs.push(store.packs_dir().join(format!("{name}.pack")));
        }
        if saved.entries.len() == before || left.is_empty() {
            return Ok(saved);
        }
        candidates = left;
    }
}

/// A run of bytes that may be an entry.
struct Candidate {
    offset: u64,
    len: u32,
    /// What the index says of it, if that can be believed.
    record: Option<Record>,
}

/// By what the index says, and by what the entries say, one after another from the front.
fn candidates(path: &Path) -> Result<Vec<Candidate>, StoreError> {
    let io_error = |source| StoreError::io("read", path, source);
    let file = File::open(path).map_err(io_error)?;
    let file_len = file.metadata().map_err(io_error)?.len();
    let mut found = BTreeMap::new();
    if let Ok(pack) = Pack::open(path) {
        // The name of a damaged index's recipe may be another than it was, and nothing in the recipe tells.
        let is_believed = pack.verify_index();
        for record in pack.records() {
            if record.offset.checked_add(u64::from(record.len)).is_some_and(|end| end <= file_len) {
                let (offset, len) = (record.offset, record.len);
                let record = is_believed.then_some(record);
                found.insert((offset, len), Candidate { offset, len, record });
            }
        }
    }
    let mut offset = pack::header().len() as u64;
    let mut start = [0; Entry::BASE_END];
    while offset < file_len {
        let read = file.read_at(&mut start, offset).map_err(io_error)?;
        let Some(len) = Entry::len_at(&start[..read]).filter(|&len| len <= file_len - offset) else {
            // Behind a header that is not one, the index may know where it goes on.
            match found.range((offset + 1, 0)..).next() {
                Some((&(next, _), _)) => offset = next,
                None => break,
            }
            continue;
        };
        if let Ok(len) = u32::try_from(len) {
            found.entry((offset, len)).or_insert(Candidate { offset, len, record: None });
        }
        offset += len;
    }
    Ok(found.into_values().filter(|candidate| u64::from(candidate.len) <= ENTRY_BYTES_MAX).collect())
}

struct Round<'a> {
    path: &'a Path,
    store: &'a Store,
    reader: BlockReader,
    writer: PackWriter,
    batch: Batch,
    saved: &'a mut HashSet<(EntryId, Kind)>,
    wanted: &'a Wanted<'a>,
}

impl Round<'_> {
    /// Saves the candidate if it is good; whether there is nothing left to do for it.
    fn take(&mut self, candidate: &Candidate) -> Result<bool, StoreError> {
        let io_error = |source| StoreError::io("read", self.path, source);
        let file = File::open(self.path).map_err(io_error)?;
        let mut bytes = vec![0; candidate.len as usize];
        if file.read_exact_at(&mut bytes, candidate.offset).is_err() {
            // A bad sector, most likely.
            return Ok(true);
        }
        let Some(entry) = Entry::parse(&bytes) else { return Ok(true) };
        let Some(id) = self.identify(candidate, &entry, &bytes) else { return Ok(false) };
        let is_wanted = match self.wanted {
            Wanted::AllBut(unwanted) => !unwanted.contains(&(id, entry.kind)),
            Wanted::Missing => self.store.packs().find(&id, entry.kind).is_none(),
        };
        if is_wanted && self.saved.insert((id, entry.kind)) {
            let record = Record {
                id,
                offset: 0,
                len: candidate.len,
                kind: entry.kind,
                codec: entry.codec as u8,
                depth: entry.depth,
            };
            self.batch.push_verbatim(&record, &bytes);
            if self.batch.len() >= BATCH_BYTES {
                self.writer.append(&mut self.batch)?;
            }
        }
        Ok(true)
    }

    /// The entry's name, if its bytes prove it.
    fn identify(&mut self, candidate: &Candidate, entry: &Entry, bytes: &[u8]) -> Option<EntryId> {
        let mut plain = Vec::new();
        if let Some(record) = &candidate.record
            && check_entry(&mut self.reader, record, bytes, &mut plain).is_ok()
        {
            return Some(record.id);
        }
        // Only what agrees with itself: a depth that is not that of its kind would lead readers astray.
        if (entry.depth > 0) != entry.base.is_some() {
            return None;
        }
        match entry.kind {
            Kind::Block => {
                self.reader.decode_entry(entry, bytes, &mut plain).ok()?;
                Some(*BlockId::of(&plain).as_bytes())
            }
            Kind::Recipe => {
                let nameless = Recipe::decode(ObjectId::from_bytes([0; 32]), &bytes[entry.payload.clone()])?;
                let mut hash = Sha256::default();
                for (id, len) in &nameless.blocks {
                    plain.resize(*len as usize, 0);
                    self.reader.read(id, &mut plain).ok()?;
                    hash.update(&plain);
                }
                Some(hash.finish())
            }
        }
    }
}

/// Gives the damaged pack a second name in quarantine, so that nothing of it can be lost.
pub fn link_to_quarantine(store: &Store, path: &Path) -> Result<PathBuf, StoreError> {
    use crate::atomic_file::{open_folder, sync_folder};
    let folder = store.dir().join("quarantine");
    let io_error = |source| StoreError::io("put aside", path, source);
    store.permissions().create_dir_all(&folder).map_err(io_error)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut to = folder.join(format!("{stem}.pack"));
    let mut count = 1;
    loop {
        match std::fs::hard_link(path, &to) {
            Ok(()) => break,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                count += 1;
                to = folder.join(format!("{stem}-{count}.pack"));
            }
            // A file system without links.
            Err(_) => {
                let copy = std::fs::copy(path, &to).and_then(|_| File::open(&to)?.sync_all());
                copy.map_err(io_error)?;
                break;
            }
        }
    }
    open_folder(&folder).and_then(sync_folder).map_err(io_error)?;
    Ok(to)
}
