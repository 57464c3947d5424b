//! Why parameters cannot be had or set.

use std::io;

use crate::git::GitError;
use crate::metrics::check::METRICS_BYTES_MAX;
use crate::metrics::policy::FILE;
use crate::params::edit::EditError;
use crate::params::load::LoadError;
use crate::version::named::NameError;

/// Why parameters cannot be had or set.
#[derive(Debug, thiserror::Error)]
pub enum ParametersError {
    /// Nobody says which file it is.
    #[error("there is no file of parameters")]
    Nowhere,
    /// The model has none.
    #[error("`{FILE}` names no file of parameters for `{0}`")]
    None(String),
    /// It is written in a way that is not known.
    #[error("`{0}` is neither JSON nor YAML nor TOML")]
    Syntax(String),
    /// There is no such file in this version.
    #[error("there is no `{path}`{}", if place.is_empty() { String::new() } else { format!(" in `{place}`") })]
    Absent {
        /// The file.
        path: String,
        /// The version; empty for the work tree.
        place: String,
    },
    /// It is too long.
    #[error("`{path}` has {len} bytes, and at most {METRICS_BYTES_MAX} are read")]
    Long {
        /// The file.
        path: String,
        /// Its bytes.
        len: u64,
    },
    /// It cannot be read or written.
    #[error("cannot {what} `{path}`: {source}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It says nothing that can be understood.
    #[error("`{path}`{}: {source}", if place.is_empty() { String::new() } else { format!(" in `{place}`") })]
    Load {
        /// The file.
        path: String,
        /// The version; empty for the work tree.
        place: String,
        /// What is wrong.
        source: LoadError,
    },
    /// A value cannot be set.
    #[error("`{path}`: {source}")]
    Edit {
        /// The file.
        path: String,
        /// Why.
        source: EditError,
    },
    /// It has no such key.
    #[error("`{path}` has no `{key}`")]
    NoKey {
        /// The file.
        path: String,
        /// As the user wrote it.
        key: String,
        /// The keys there are.
        known: Vec<String>,
    },
    /// The model, the policy, or git.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl From<GitError> for ParametersError {
    fn from(error: GitError) -> Self {
        Self::Name(error.into())
    }
}
