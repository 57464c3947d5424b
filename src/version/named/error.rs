//! Why a name stands for nothing, and what to do next.

use crate::git::GitError;
use crate::metrics::check::CheckError;
use crate::metrics::policy::nearest;

/// Why a name stands for nothing.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    /// There is no such model.
    #[error("there is no model `{name}`{}", if place.is_empty() { String::new() } else { format!(" in {place}") })]
    Unknown {
        /// As the user wrote it.
        name: String,
        /// Where it was looked for.
        place: String,
        /// The models there are.
        known: Vec<String>,
    },
    /// A model has to be named.
    #[error("there are {} models: name one", names.len())]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// There are no models.
    #[error("there are no models in {0}")]
    None(String),
    /// The model has no such version.
    #[error("`{model}` has no version v{version}")]
    NoVersion {
        /// The model.
        model: String,
        /// As the user wrote it.
        version: semver::Version,
        /// The latest that it has.
        latest: Option<semver::Version>,
    },
    /// Nothing holds the stage.
    #[error("no version of `{model}` is in stage `{stage}`")]
    NoStage {
        /// The model.
        model: String,
        /// As the user wrote it.
        stage: String,
        /// The stages that are held.
        held: Vec<String>,
    },
    /// There is no commit yet.
    #[error("there are no commits yet")]
    Unborn,
    /// No such revision.
    #[error("there is no commit `{0}`")]
    NoCommit(String),
    /// The policy, or git.
    #[error(transparent)]
    Check(#[from] CheckError),
}

impl From<GitError> for NameError {
    fn from(error: GitError) -> Self {
        Self::Check(error.into())
    }
}

impl NameError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let listed = "`git model list` lists the models and their versions";
        Some(match self {
            Self::Unknown { name, known, .. } => match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => listed.to_owned(),
                None => format!("there are `{}`", known.join("`, `")),
            },
            Self::Several { names } => format!("one of `{}`", names.join("`, `")),
            Self::None(_) => {
                "`git model track` says how to have weight files stored; or name models in `.gitmodel.toml`".into()
            }
            Self::NoVersion { latest: Some(latest), model, .. } => {
                format!("its latest is {model}@v{latest}; {listed}")
            }
            Self::NoVersion { latest: None, model, .. } => format!("make one with `git model tag {model} v1.0.0`"),
            Self::NoStage { model, stage, held } if held.is_empty() => {
                format!("put one there with `git model promote {model} VERSION --to {stage}`")
            }
            Self::NoStage { held, .. } => format!("its stages are `{}`", held.join("`, `")),
            Self::Unborn => "`git commit` the weights first".into(),
            Self::NoCommit(_) => "`git log --oneline` lists commits, `git model list` versions".into(),
            Self::Check(_) => return None,
        })
    }
}
