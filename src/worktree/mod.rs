//! Files in the work tree to manifests and back.
//!
//! - [`clean`](mod@clean): bytes from git → objects in the store and a manifest for git.
//! - [`smudge`](mod@smudge): decides how git's request for a file is answered.
//! - [`materialize`](mod@materialize): puts whole files in the place of manifests after git has written its work tree.
//! - [`assemble`](mod@assemble): a manifest and the store → the file's bytes.

use std::path::PathBuf;

use crate::config::Settings;
use crate::git::{GitError, Repo};
use crate::store::{Permissions, Store, StoreError};

pub mod assemble;
pub mod clean;
pub mod loose;
pub mod manifest_deltas;
pub mod materialize;
pub mod models;
pub mod pending;
pub mod put;
pub mod recover;
pub mod restore;
pub mod smudge;
mod source;
pub mod status;
pub mod track;

/// A repository, its store and its settings.
pub struct Context {
    /// The repository.
    pub repo: Repo,
    /// Its store.
    pub store: Store,
    /// Its settings.
    pub settings: Settings,
}

/// Why a context could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Context {
    /// The context of the repository around the current folder, or the one the environment names.
    pub fn discover() -> Result<Self, OpenError> {
        let repo = Repo::discover()?;
        let store = open_store(&repo)?;
        let settings = Settings::read(&repo);
        Ok(Self { repo, store, settings })
    }

    /// The path of a file in the work tree, from git's name for it; `None` in a bare repository.
    pub fn file_path(&self, path: &[u8]) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        Some(self.repo.work_dir()?.join(std::ffi::OsStr::from_bytes(path)))
    }
}

/// The folder of a repository's store, which all its work trees share.
fn store_dir(repo: &Repo) -> PathBuf {
    repo.common_dir().join("model")
}

/// The store of a repository, with those of the repositories it borrows from.
pub fn open_store(repo: &Repo) -> Result<Store, StoreError> {
    let shared = repo.config_string("core.sharedRepository");
    let mut lenders = repo.alternate_object_dirs();
    lenders.extend(Repo::environment_object_dirs());
    Store::open(
        &store_dir(repo),
        lenders.iter().filter_map(|objects| crate::sync::fetch::store_beside(objects)).collect(),
        Permissions::from_shared_repository(shared.as_deref()),
    )
}
