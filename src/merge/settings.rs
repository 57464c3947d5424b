//! Where a repository's rules come from: the environment, git's settings, `.gitmodel.toml`.

use std::io;

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
        place: &'static str,
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

/// The rules for merges in `repo`: those of one command before those of the repository.
///
/// The file is the one in the work tree, or that of `HEAD` where there is none.
///
/// # Errors
/// Rules that cannot be read or followed.
pub fn rules(repo: &Repo) -> Result<Rules, SettingsError> {
    let one = |text: &str, place| {
        Decision::parse(text).map(Rules::all).map_err(|source| SettingsError::Rules { place, source })
    };
    if let Ok(text) = std::env::var(VARIABLE)
        && !text.trim().is_empty()
    {
        return one(&text, VARIABLE);
    }
    if let Some(text) = repo.config_string(KEY) {
        return one(&text, KEY);
    }
    let Some(text) = file(repo)? else { return Ok(Rules::default()) };
    let text = String::from_utf8_lossy(&text);
    Rules::parse(&text).map_err(|source| SettingsError::Rules { place: FILE, source })
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
