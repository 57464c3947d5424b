//! Writes one pack. Many threads append; nothing is visible before [`PackWriter::commit`].

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::pack::{self, Batch, Record};
use super::{Store, StoreError};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder, write_checked_at};
use crate::id::PackId;

/// A pack in the making.
pub struct PackWriter {
    store: Store,
    claimed: Mutex<HashSet<[u8; 32]>>,
    body: Mutex<Option<Body>>,
}

struct Body {
    file: AtomicFile,
    end: u64,
    records: Vec<Record>,
}

impl PackWriter {
    /// A pack for `store`. No file is made before something is written.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), claimed: Mutex::default(), body: Mutex::default() }
    }

    /// True for the first who asks for this id; that one writes the entry.
    pub fn claim(&self, id: &[u8; 32]) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(*id)
    }

    /// Writes the batch's entries and clears it.
    pub fn append(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let dir = self.store.packs_dir();
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if body.is_none() {
            *body = Some(self.begin(&dir)?);
        }
        let Some(body) = body.as_mut() else { return Ok(()) };
        let (bytes, records) = batch.placed_at(body.end);
        write_checked_at(body.file.file(), bytes, body.end).map_err(|source| StoreError::io("write", &dir, source))?;
        body.end += bytes.len() as u64;
        body.records.extend(records);
        batch.clear();
        Ok(())
    }

    fn begin(&self, dir: &Path) -> Result<Body, StoreError> {
        let permissions = self.store.permissions();
        permissions.create_dir_all(dir).map_err(|source| StoreError::io("make the folder", dir, source))?;
        let create = || {
            let folder = open_folder(dir)?;
            let file = AtomicFile::create_in(folder.as_fd(), permissions.file_mode())?;
            write_checked_at(file.file(), pack::header(), 0)?;
            Ok(Body { file, end: pack::header().len() as u64, records: Vec::new() })
        };
        create().map_err(|source| StoreError::io("make a pack in", dir, source))
    }

    /// Makes the pack durable and visible; `relied_on` are older packs whose entries the new objects use.
    ///
    /// When this returns, every entry is on disk. `None` if there was nothing to write.
    ///
    /// # Errors
    /// Besides those of writing: a pack relied on has been deleted meanwhile.
    pub fn commit(self, relied_on: &[&Path]) -> Result<Option<PackId>, StoreError> {
        let body = self.body.into_inner().unwrap_or_else(PoisonError::into_inner);
        if body.is_none() && relied_on.is_empty() {
            return Ok(None);
        }
        let dir = self.store.packs_dir();
        let written = match body {
            None => None,
            Some(mut body) => {
                let (tail, name) = pack::close(&mut body.records, body.end);
                let close = || {
                    write_checked_at(body.file.file(), &tail, body.end)?;
                    body.file.file().sync_data()
                };
                close().map_err(|source| StoreError::io("write", &dir, source))?;
                Some((body.file, name))
            }
        };
        let _lock = match self.store.lock_shared() {
            Ok(lock) => Some(lock),
            // Where nobody can write, nobody deletes either.
            Err(_) if written.is_none() => None,
            Err(error) => return Err(error),
        };
        for path in relied_on {
            touch(path).map_err(|source| StoreError::io("mark as used", path, source))?;
        }
        let Some((file, name)) = written else { return Ok(None) };
        let publish = || {
            file.persist(&OsString::from(format!("{name}.pack")))?;
            sync_folder(open_folder(&dir)?)
        };
        publish().map_err(|source| StoreError::io("publish a pack in", &dir, source))?;
        Ok(Some(name))
    }
}

/// Sets the modification time to now, which keeps `gc` away. A pack that belongs to someone else cannot be marked; its
/// owner's `gc` knows nothing of us in any case.
fn touch(path: &Path) -> std::io::Result<()> {
    let now = FileTimes::new().set_modified(SystemTime::now());
    match File::open(path)?.set_times(now) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}
