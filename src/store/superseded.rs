//! The packs that others have taken the place of, while they are being deleted.
//!
//! `gc --aggressive` turns chains of deltas round: what the old packs have as a delta of A against B, the new ones have as
//! a delta of B against A. All old packs beside all new ones are harmless, as are the new ones alone; but of an old pack
//! that outlives another, an entry may be as short a way to A as the new one, and lead to B, which by now leads to A. As
//! files can be deleted only one by one, all that are to go are named in one file first: from the moment it is there,
//! none of them counts.
//!
//! A deletion that was killed is finished by whoever next takes the lock to write; readers need no lock, and leave the
//! named packs out.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::{Store, StoreError};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder, write_checked_at};

const FILE_NAME: &str = "superseded";

/// The file names of the packs in the store at `store_dir` that do not count any more.
pub fn read(store_dir: &Path) -> Result<HashSet<OsString>, StoreError> {
    let path = store_dir.join(FILE_NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(|name| format!("{name}.pack").into()).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
        Err(source) => Err(StoreError::io("read", &path, source)),
    }
}

/// Whether a deletion was not finished.
pub fn is_there(store: &Store) -> bool {
    store.dir().join(FILE_NAME).exists()
}

/// Deletes these packs of the store, all or none of them: killed half-way, the rest does not count and is deleted later.
/// The caller holds the exclusive lock.
pub fn delete(store: &Store, packs: &[PathBuf]) -> Result<(), StoreError> {
    let names = packs.iter().filter_map(|path| path.file_stem()?.to_str());
    let text: String = names.flat_map(|name| [name, "\n"]).collect();
    let dir = store.dir();
    let write = || {
        let folder = open_folder(dir)?;
        let file = AtomicFile::create_in(folder.as_fd(), store.permissions().file_mode())?;
        write_checked_at(file.file(), text.as_bytes(), 0)?;
        file.file().sync_data()?;
        file.persist(FILE_NAME.as_ref())?;
        sync_folder(folder)
    };
    write().map_err(|source| StoreError::io("write", &dir.join(FILE_NAME), source))?;
    finish(store)
}

/// Deletes what is named. The caller holds the exclusive lock.
pub fn finish(store: &Store) -> Result<(), StoreError> {
    for name in read(store.dir())? {
        let path = store.packs_dir().join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("delete", &path, error));
            }
            _ => {}
        }
    }
    // In this order on the disk too: a pack that came back after a loss of power would count again.
    let remove = || {
        sync_folder(open_folder(&store.packs_dir())?)?;
        std::fs::remove_file(store.dir().join(FILE_NAME))?;
        sync_folder(open_folder(store.dir())?)
    };
    remove().map_err(|source| StoreError::io("delete", &store.dir().join(FILE_NAME), source))
}
