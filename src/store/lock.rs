//! The store's lock: shared while a writer publishes a pack, exclusive while `gc` deletes.
//!
//! Readers take no lock. A writer that relies on blocks of older packs marks those packs as used (touches them) and
//! publishes its own under the shared lock; `gc` looks at the marks and deletes under the exclusive one. So nothing is
//! deleted between being relied upon and being marked.
//!
//! A second lock, `gc.lock`, is held for as long as `gc` or `fsck` is at work: there is never more than one that moves
//! packs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;

use super::{Store, StoreError, superseded};

/// Held until dropped.
pub struct Lock(#[allow(dead_code)] File);

impl Store {
    /// Waits until no `gc` is deleting, and finishes what one that was killed has left to delete.
    pub(crate) fn lock_shared(&self) -> Result<Lock, StoreError> {
        loop {
            let lock = self.lock("lock", FlockOperation::LockShared)?;
            if !superseded::is_there(self) {
                return Ok(lock);
            }
            drop(lock);
            drop(self.lock_exclusive()?);
        }
    }

    /// Waits until no writer is publishing, and finishes as [`Store::lock_shared`] does.
    pub(crate) fn lock_exclusive(&self) -> Result<Lock, StoreError> {
        let lock = self.lock("lock", FlockOperation::LockExclusive)?;
        if superseded::is_there(self) {
            superseded::finish(self)?;
        }
        Ok(lock)
    }

    /// Keeps every other `gc` and repair away, without waiting.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if there is one at work.
    pub(crate) fn lock_care(&self) -> Result<Lock, StoreError> {
        self.lock("gc.lock", FlockOperation::NonBlockingLockExclusive)
    }

    fn lock(&self, name: &str, operation: FlockOperation) -> Result<Lock, StoreError> {
        let path = self.dir().join(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(self.permissions().file_mode())
            .open(&path)
            .map_err(|source| StoreError::io("open", &path, source))?;
        self.permissions().share(&file).map_err(|source| StoreError::io("share", &path, source))?;
        match rustix::fs::flock(&file, operation) {
            Ok(()) => Ok(Lock(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Busy(self.dir().to_owned())),
            Err(error) => Err(StoreError::io("lock", &path, error.into())),
        }
    }
}
