//! Why there can be no such tag, and what to do next.

use semver::Version;

use crate::git::GitError;
use crate::git::history::CommitId;
use crate::metrics::check::CheckError;
use crate::metrics::check::version::short;
use crate::version::named::NameError;

/// Why there can be no such tag.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A model or a version that is not there.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is no version.
    #[error("`{text}` is no version")]
    NotAVersion {
        /// As the user wrote it.
        text: String,
        /// How it may have been meant.
        meant: String,
    },
    /// A version has to be given.
    #[error("no version is given for `{model}`")]
    NoNumber {
        /// The model.
        model: String,
    },
    /// More words than mean something.
    #[error("do not know what `{0}` is to mean here")]
    Superfluous(String),
    /// There is none to count up from.
    #[error("`{0}` has no version yet")]
    NoVersions(String),
    /// The version is there.
    #[error("`{model}@v{version}` is there already: it is commit {}", short(*commit))]
    Exists {
        /// The model.
        model: String,
        /// The version.
        version: Version,
        /// Its commit.
        commit: CommitId,
    },
    /// The commit is another version.
    #[error("commit {} is `{model}@v{version}` already, and a commit is one version of a model only", short(*commit))]
    Versioned {
        /// The model.
        model: String,
        /// The version that it is.
        version: Version,
        /// The commit.
        commit: CommitId,
    },
    /// The commit lacks the weights.
    #[error("commit {} has no weights of `{model}`", short(*commit))]
    NoWeights {
        /// The model.
        model: String,
        /// The commit.
        commit: CommitId,
        /// What the policy says where they are.
        patterns: Vec<String>,
    },
    /// What is no name of a stage.
    #[error("`{0}` is no name of a stage")]
    BadStage(String),
    /// It is in that stage.
    #[error("`{called}` is in stage `{stage}` already")]
    InStage {
        /// The version or the commit.
        called: String,
        /// The stage.
        stage: String,
    },
    /// It is not in that stage.
    #[error("`{called}` is not in stage `{stage}`")]
    NotInStage {
        /// The version or the commit.
        called: String,
        /// The stage.
        stage: String,
    },
    /// It is deprecated already, or nobody should take it.
    #[error("`{0}` is deprecated")]
    Deprecated(String),
}

impl From<GitError> for ReleaseError {
    fn from(error: GitError) -> Self {
        Self::Name(error.into())
    }
}

impl From<CheckError> for ReleaseError {
    fn from(error: CheckError) -> Self {
        Self::Name(error.into())
    }
}

impl ReleaseError {
    /// The next command.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name(error) => return error.hint(),
            Self::NotAVersion { meant, .. } => {
                format!(
                    "versions are three numbers, as in `{meant}` (https://semver.org); an early one is `{meant}-rc.1`"
                )
            }
            Self::NoNumber { model } => {
                format!("`git model tag {model} v1.0.0`, or `git model tag {model} --bump patch` for the next one")
            }
            Self::Superfluous(_) => "`git model tag --help` tells the order: the model, the version, the commit".into(),
            Self::NoVersions(model) => format!("make the first one: `git model tag {model} v1.0.0`"),
            Self::Exists { model, .. } => format!("`git model tag {model} --bump patch` makes the next one"),
            Self::Versioned { model, .. } => {
                format!("commit what has changed first; `git model show {model}` shows what is there")
            }
            Self::NoWeights { patterns, .. } if patterns.is_empty() => {
                "say where they are: `weights = [\"…\"]` in `.gitmodel.toml`, or name another commit".into()
            }
            Self::NoWeights { patterns, .. } => {
                format!("`.gitmodel.toml` has them at `{}`; commit them, or name another commit", patterns.join("`, `"))
            }
            Self::BadStage(_) => "letters, digits, `-`, `_` and `/` only, as in `prod`".into(),
            Self::InStage { .. } => return None,
            Self::NotInStage { .. } => "`git model list` lists what is in which stage".into(),
            Self::Deprecated(_) => "`git model list` lists the latest versions".into(),
        })
    }
}
