//! Fetches what a manifest needs from remotes on the same file system, as `git clone` of a local path does: packs are
//! linked where that is possible, copied where not.
//!
//! A linked or copied pack is taken whole; its index is checked before, every block when it is read.

use crate::git::Repo;
use crate::manifest::Manifest;
use crate::store::Store;

/// Brings the objects of `manifest` here if a remote on this file system has them. What cannot be had stays missing,
/// which the caller finds out when it looks again.
pub fn from_local_remotes(repo: &Repo, store: &Store, manifest: &Manifest) {
    for common_dir in repo.local_remotes() {
        let _ = store.adopt_packs(&common_dir.join("model"), manifest.objects());
    }
}
