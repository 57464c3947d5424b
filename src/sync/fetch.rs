//! Fetches what a manifest needs from remotes on the same file system, as `git clone` of a local path does: packs are
//! linked where that is possible, copied where not (`store/adopt.rs`).
//!
//! A linked or copied pack is taken whole; its index is checked before, every block when it is read.

use std::path::{Path, PathBuf};

use crate::git::Repo;
use crate::manifest::Manifest;
use crate::store::{Permissions, Store, StoreError};

/// Brings the objects of `manifest` here if a remote on this file system has them. What cannot be had stays missing,
/// which the caller finds out when it looks again.
pub fn from_local_remotes(repo: &Repo, store: &Store, manifest: &Manifest) {
    for remote in repo.local_remotes() {
        let _ = open_remote(&remote).and_then(|theirs| store.adopt_packs(&theirs, manifest.objects()));
    }
}

/// The store of another repository, with those it borrows from.
fn open_remote(remote: &Repo) -> Result<Store, StoreError> {
    let lenders = remote.alternate_object_dirs();
    let lenders = lenders.iter().filter_map(|objects| store_beside(objects)).collect();
    Store::open(&remote.common_dir().join("model"), lenders, Permissions::default())
}

/// Where the store of the repository with this object folder is.
pub fn store_beside(objects: &Path) -> Option<PathBuf> {
    Some(objects.parent()?.join("model"))
}
