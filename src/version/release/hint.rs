//! What to do next, where a tag cannot be made.

use super::ReleaseError;

impl ReleaseError {
    /// The next command.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name(error) => return error.hint(),
            Self::NotAVersion { meant, .. } => {
                format!("versions are three numbers, as in `{meant}` (https://semver.org); an early one is `{meant}-rc.1`")
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
