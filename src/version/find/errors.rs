//! Why a model, or a part of one, cannot be had.

use std::io;

use crate::git::GitError;
use crate::store::StoreError;
use crate::version::named::NameError;
use crate::worktree::OpenError;
use crate::worktree::assemble::AssembleError;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No repository, or no store.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No such revision, or no such file in it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A name of a model that stands for nothing.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No such file here.
    #[error("there is no file `{0}`, neither here nor in the index")]
    NoFile(String),
    /// The file could not be read.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// As the user wrote it.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A revision that has not just one model.
    #[error("`{revision}` has {} models", paths.len())]
    NotOne {
        /// As the user wrote it.
        revision: String,
        /// The models it has.
        paths: Vec<String>,
    },
    /// It is something else.
    #[error("`{spec}` is no model: {why}")]
    NotAModel {
        /// As the user wrote it.
        spec: String,
        /// What it is.
        why: String,
    },
}

/// Why a tensor cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The model has no tensor of this name.
    #[error("there is no tensor `{name}`")]
    Unknown {
        /// As the user wrote it.
        name: String,
        /// Names that are close to it.
        similar: Vec<String>,
    },
    /// Its bytes could not be had from the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its bytes could not be read from the file.
    #[error("cannot read the file: {0}")]
    File(#[from] io::Error),
}

/// Why what lies between tensors cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SkeletonError {
    /// From the store.
    #[error(transparent)]
    Store(#[from] AssembleError),
    /// From the file.
    #[error("cannot read the file: {0}")]
    File(#[from] io::Error),
}
