//! Looks for what is wrong with an installation and a repository, and says by which command it is mended.
//!
//! - [`installation`]: versions, git's settings, hooks.
//! - [`repository`]: the store, and the models of the work tree.
//!
//! **Limitations.** Bytes are not verified: that is what `git model fsck` is for.

use crate::git::{GitError, hooks};
use crate::worktree::OpenError;

pub mod installation;
pub mod repository;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work, or will not.
    Problem,
    /// Something could be better.
    Advice,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// The command that mends it; for a shell in the current folder.
    pub mend: String,
}

impl Finding {
    fn problem(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Problem, what: what.into(), mend: mend.into() }
    }

    fn advice(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { severity: Severity::Advice, what: what.into(), mend: mend.into() }
    }
}

/// What is the case, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Report {
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    fn fact(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.facts.push((name.into(), value.into()));
    }
}

/// Why nobody can say how it is.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The hooks could not be looked at.
    #[error(transparent)]
    Hooks(#[from] hooks::HookError),
    /// The repository or its store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store could not be looked at.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The running program is not to be found.
    #[error("cannot find the running program: {0}")]
    Program(std::io::Error),
}
