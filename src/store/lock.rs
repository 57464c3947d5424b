//! The store's lock: shared while a writer publishes a pack, exclusive while `gc` deletes.
//!
//! Readers take no lock. A writer that relies on blocks of older packs marks those packs as used (touches them) and
//! publishes its own under the shared lock; `gc` looks at the marks and deletes under the exclusive one. So nothing is
//! deleted between being relied upon and being marked.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;

use super::{Store, StoreError};

/// Held until dropped.
pub struct Lock(#[allow(dead_code)] File);

impl Store {
    /// Waits until no `gc` is deleting.
    pub(crate) fn lock_shared(&self) -> Result<Lock, StoreError> {
        self.lock(FlockOperation::LockShared)
    }

    /// Waits until no writer is publishing.
    pub(crate) fn lock_exclusive(&self) -> Result<Lock, StoreError> {
        self.lock(FlockOperation::LockExclusive)
    }

    fn lock(&self, operation: FlockOperation) -> Result<Lock, StoreError> {
        let path = self.dir().join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(self.permissions().file_mode())
            .open(&path)
            .map_err(|source| StoreError::io("open", &path, source))?;
        self.permissions().share(&file).map_err(|source| StoreError::io("share", &path, source))?;
        rustix::fs::flock(&file, operation).map_err(|source| StoreError::io("lock", &path, source.into()))?;
        Ok(Lock(file))
    }
}
