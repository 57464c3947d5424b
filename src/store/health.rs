//! A quick look at a store: what stands in its folder, and whether it can be used. `fsck` is the thorough one.

use std::path::PathBuf;
use std::time::SystemTime;

use rustix::fs::Access;

use super::gc::tidy;
use super::pack::Pack;
use super::{Store, StoreError};

/// What was seen.
#[derive(Debug, Default)]
pub struct Health {
    /// Packs of the store itself.
    pub packs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Packs that do not open or have another index than they were written with, and what is wrong.
    pub unreadable: Vec<(PathBuf, StoreError)>,
    /// What interrupted commands have left behind.
    pub leftovers: Vec<PathBuf>,
    /// Folders that this user may not read and write.
    pub forbidden: Vec<PathBuf>,
}

/// Looks at the store.
///
/// # Errors
/// A folder that cannot be listed although this user may.
pub fn health(store: &Store) -> Result<Health, StoreError> {
    let mut health = Health::default();
    for dir in [store.dir().to_owned(), store.packs_dir()] {
        let wanted = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
        if dir.exists() && rustix::fs::access(&dir, wanted).is_err() {
            health.forbidden.push(dir);
        }
    }
    if !health.forbidden.is_empty() {
        return Ok(health);
    }
    for path in store.own_pack_paths()? {
        health.packs += 1;
        health.bytes += path.metadata().map_or(0, |metadata| metadata.len());
        match Pack::open(&path) {
            Ok(pack) if pack.verify_index() => {}
            Ok(_) => {
                let what = "its index is not what was written".into();
                health.unreadable.push((path.clone(), StoreError::Corrupt { path, what }));
            }
            Err(error) => health.unreadable.push((path, error)),
        }
    }
    health.leftovers = tidy::leftovers(store.dir(), SystemTime::now());
    Ok(health)
}
