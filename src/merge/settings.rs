//! Where a repository's rules come from: the environment, git's settings, `.gitmodel.toml`.

use std::io;

use serde::{Deserialize, Serialize};

use super::rules::{Decision, Rules, RulesError};
use crate::git::{BlobId, GitError, Repo, revision};

/// The file with the rules, at the top of the work tree.
const FILE: &str = ".gitmodel.toml";
const VARIABLE: &str = "GIT_MODEL_MERGE_STRATEGY";
const KEY: &str = "model.merge.strategy";

/// Why there are no rules.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// What stands there cannot be followed.
    #[error("{place}: {source}")]
    Rules {
        /// Where it stands.
        place: String,
        /// What is wrong with it.
        source: RulesError,
    },
    /// The file cannot be read.
    #[error("cannot read `{FILE}`: {0}")]
    Io(#[from] io::Error),
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The text of rules, and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// There are none.
    #[default]
    Nowhere,
    /// For one merge, in this variable or this setting.
    Once(String, String),
    /// In the repository's file.
    File(String),
}

impl Source {
    /// The rules for merges in `repo`: those of one command before those of the repository.
    ///
    /// The file is the one in the work tree, or that of `HEAD` where there is none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn find(repo: &Repo) -> Result<Self, SettingsError> {
        if let Ok(text) = std::env::var(VARIABLE)
            && !text.trim().is_empty()
        {
            return Ok(Self::Once(VARIABLE.into(), text));
        }
        if let Some(text) = repo.config_string(KEY) {
            return Ok(Self::Once(KEY.into(), text));
        }
        let text = file(repo)?;
        Ok(text.map_or(Self::Nowhere, |text| Self::File(String::from_utf8_lossy(&text).into_owned())))
    }

    /// The rules.
    ///
    /// # Errors
    /// Rules that cannot be followed.
    pub fn rules(&self) -> Result<Rules, SettingsError> {
        let failed = |place: &str| {
            let place = place.to_owned();
            |source| SettingsError::Rules { place, source }
        };
        match self {
            Self::Nowhere => Ok(Rules::default()),
            Self::Once(place, text) => Decision::parse(text).map(Rules::all).map_err(failed(place)),
            Self::File(text) => Rules::parse(text).map_err(failed(FILE)),
        }
    }
}

fn file(repo: &Repo) -> Result<Option<Vec<u8>>, SettingsError> {
    if let Some(top) = repo.work_dir() {
        match std::fs::read(top.join(FILE)) {
            Ok(text) => return Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let head = format!("HEAD:{FILE}");
    let blob: Option<BlobId> = match revision::look_up(head.as_ref())? {
        Some(revision::Named::Blob(id)) => Some(id),
        _ => None,
    };
    Ok(blob.map(|id| repo.blob(id)).transpose()?)
}
