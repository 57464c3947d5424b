//! Decides what a merge has left open: the merge is done again, with the decisions made so far.

use std::io;

use super::rules::{Decision, RulesError, Version, matcher};
use super::settings::SettingsError;
use super::state::{Open, State};
use super::three_way::Conflict;
use super::{MergeError, Merged, Versions};
use crate::git::{GitError, Repo};
use crate::manifest::{Manifest, ParseError};
use crate::progress::Progress;
use crate::store::Store;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// No open tensor has a name like this.
    #[error("no tensor in conflict matches `{pattern}`")]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Those in conflict.
        open: Vec<String>,
    },
    /// The decision cannot be followed.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The rules of the repository cannot be followed.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The merge could not be done again.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A version cannot be had from git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A version is no manifest.
    #[error("a version of the file cannot be read: {0}")]
    Manifest(#[from] ParseError),
    /// The strategy has no result for any of the tensors.
    #[error("`{strategy}` decides nothing here")]
    Undecided {
        /// The strategy.
        strategy: String,
        /// Why not, tensor by tensor.
        why: Vec<String>,
    },
    /// The file has been edited since.
    #[error("the file is not as the merge has left it")]
    Edited,
    /// The file as a whole is in conflict, and only a side can be taken.
    #[error("the file can only be taken from one side")]
    WholeOnly,
    /// What was decided could not be written down.
    #[error("cannot write down what was decided: {0}")]
    Io(#[from] io::Error),
}

/// The versions of a merge that left something open.
pub struct Opened {
    base: Option<Manifest>,
    ours: Manifest,
    theirs: Manifest,
}

impl Opened {
    /// Reads them.
    ///
    /// # Errors
    /// Blobs that cannot be had, or are no manifests.
    pub fn read(repo: &Repo, state: &State) -> Result<Self, ResolveError> {
        let manifest =
            |name: &str| -> Result<Manifest, ResolveError> { Ok(Manifest::parse(&repo.blob(State::blob(name)?)?)?) };
        Ok(Self {
            base: state.base.as_deref().map(manifest).transpose()?,
            ours: manifest(&state.ours)?,
            theirs: manifest(&state.theirs)?,
        })
    }

    /// As versions.
    pub const fn versions(&self) -> Versions<'_> {
        Versions { base: self.base.as_ref(), ours: &self.ours, theirs: &self.theirs }
    }
}

/// Decides about the open tensors whose names match `pattern`, or about all, and merges again.
///
/// # Errors
/// A decision that cannot be followed, or fits nothing; then nothing has changed.
pub fn resolve(
    repo: &Repo,
    (store, workers): (&Store, usize),
    state: &mut State,
    pattern: Option<&str>,
    strategy: &str,
    progress: &dyn Progress,
) -> Result<Resolved, ResolveError> {
    let decision = Decision::parse(strategy)?;
    let opened = Opened::read(repo, state)?;
    if state.open.iter().any(|open| open.tensor.is_none()) {
        let Decision::Take(version) = decision else { return Err(ResolveError::WholeOnly) };
        let taken = match version {
            Version::Ours => opened.ours,
            Version::Theirs => opened.theirs,
            Version::Base => opened.base.ok_or(ResolveError::WholeOnly)?,
        };
        state.open.clear();
        return Ok(Resolved { manifest: taken, conflicts: Vec::new(), decided: 1 });
    }
    let matcher = matcher(pattern.unwrap_or("*"))?;
    let names: Vec<String> = state.open.iter().filter_map(|open| open.tensor.clone()).collect();
    let decided: Vec<&String> = names.iter().filter(|name| matcher.is_match(name)).collect();
    if decided.is_empty() {
        return Err(ResolveError::NoMatch { pattern: pattern.unwrap_or("*").into(), open: names });
    }
    state.decisions.extend(decided.iter().map(|name| (globset::escape(name), strategy.to_owned())));
    let before = state.open.len();
    let resolved = again(repo, (store, workers), state, progress)?;
    let decided = before.saturating_sub(state.open.len());
    if decided == 0 {
        let is_meant = |open: &&Open| open.tensor.as_ref().is_none_or(|tensor| matcher.is_match(tensor));
        let why = state.open.iter().filter(is_meant).map(|open| match &open.tensor {
            Some(tensor) => format!("{tensor}: {}", open.why),
            None => open.why.clone(),
        });
        return Err(ResolveError::Undecided { strategy: strategy.into(), why: why.collect() });
    }
    Ok(Resolved { decided, ..resolved })
}

/// Merges again with the decisions that are written down.
///
/// # Errors
/// Versions that cannot be had, or decisions that cannot be followed.
pub fn again(
    repo: &Repo,
    (store, workers): (&Store, usize),
    state: &mut State,
    progress: &dyn Progress,
) -> Result<Resolved, ResolveError> {
    let opened = Opened::read(repo, state)?;
    let mut rules = state.rules.rules()?;
    for (pattern, strategy) in &state.decisions {
        rules.decided(pattern, Decision::parse(strategy)?)?;
    }
    let merged = super::merge(store, workers, &opened.versions(), &rules, progress)?;
    state.open = Open::of(&merged);
    let Merged { manifest, conflicts, .. } = merged;
    Ok(Resolved { manifest, conflicts, decided: 0 })
}

/// What came of a decision.
pub struct Resolved {
    /// The file as it is now.
    pub manifest: Manifest,
    /// What is still open.
    pub conflicts: Vec<Conflict>,
    /// How many tensors are not open any more.
    pub decided: usize,
}
