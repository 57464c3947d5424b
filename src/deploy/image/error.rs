//! Why there is no image, and what to do next.

use std::io;
use std::path::PathBuf;

use crate::git::GitError;
use crate::metrics::check::CheckError;
use crate::worktree::assemble::AssembleError;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The policy, or the metrics.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// There is nothing to serve.
    #[error("model `{model}` has no weights in commit {commit}")]
    NoWeights {
        /// The model.
        model: String,
        /// The commit's short name.
        commit: String,
    },
    /// A file of weights cannot be put together.
    #[error("cannot restore `{path}`: {source}")]
    Weights {
        /// The file.
        path: String,
        /// Why.
        source: AssembleError,
    },
    /// What stands in git for a file of weights is broken.
    #[error("the manifest of `{path}` cannot be read: {why}")]
    Manifest {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The program that serves cannot go into an image.
    #[error("`{}` cannot go into an image: {why}", path.display())]
    Program {
        /// The program, or a library of it.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The image cannot be written.
    #[error("cannot write the image: {0}")]
    Write(#[from] io::Error),
    /// A layer is not what it was a moment ago.
    #[error("the layer with {0} came out differently than it did before")]
    Changed(String),
    /// The commit has no such Dockerfile.
    #[error("there is no file `{path}` in commit {commit}")]
    NoDockerfile {
        /// The file.
        path: String,
        /// The commit's short name.
        commit: String,
    },
    /// A `.dockerignore` that cannot be understood.
    #[error("`{path}`, line {line}: {why}")]
    Ignore {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
}

impl ImageError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoWeights { model, .. } => {
                format!("`git model list` lists models; do the `weights` of `{model}` in `.gitmodel.toml` name files?")
            }
            Self::Weights { source, .. } if source.is_missing() => {
                "fetch the missing objects from a clone that has them".into()
            }
            Self::Weights { .. } | Self::Manifest { .. } => "run `git model fsck --repair`".into(),
            Self::Program { .. } => {
                "name a git-model for Linux with `--binary`; a static one needs nothing else".into()
            }
            Self::Changed(_) => "run it again; if it fails again, run `git model fsck`".into(),
            Self::NoDockerfile { .. } => "commit it, or leave it out for the built-in image".into(),
            Self::Git(_) | Self::Check(_) | Self::Read { .. } | Self::Write(_) | Self::Ignore { .. } => return None,
        })
    }

    /// What went wrong while the file at `path` was put together.
    pub(super) fn weights(path: &str, error: AssembleError) -> Self {
        match error {
            AssembleError::Write(error) => Self::Write(error),
            source => Self::Weights { path: path.to_owned(), source },
        }
    }
}
