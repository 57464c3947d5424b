//! The one kind of error at the edge: what failed, on which path, what to run next; and the table of exit codes.

use std::fmt;

use crate::git::GitError;
use crate::store::StoreError;

/// Exit codes of `git-model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The command could not do its work; or versions differ, and it was asked to say so, in git's way.
    Failed = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// A check found something: damage, a problem, a difference.
    Found = 3,
    /// The command could not do its work, where 1 says something else.
    Fatal = 128,
    /// A merge must not go on: what tells git so.
    Abort = 129,
}

/// What the user reads when a command fails.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    code: Option<u8>,
    message: String,
    hints: Vec<String>,
}

/// The result of a command.
pub type Result<T = ()> = std::result::Result<T, Error>;

impl Error {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), hints: Vec::new() }
    }

    /// An exit code alone: all was said already.
    pub const fn silent(kind: Kind) -> Self {
        Self { kind, code: None, message: String::new(), hints: Vec::new() }
    }

    /// Whether there is nothing to print.
    pub const fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// The same error with another exit code.
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error with the exit code of a command that was run for the user.
    pub const fn with_code(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code.unwrap_or(self.kind as u8)
    }

    /// A command that could not do its work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code's kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do next, if that is known.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            GitError::NoRepository(_) => failure.hint("run this inside a git repository, or make one with `git init`"),
            GitError::NoRevision(_) => failure
                .hint("`git log --oneline` lists revisions, `git model ls-files` the models; put `--` before paths"),
            GitError::NoSuchFile { path, revision } => failure.hint(if revision.is_empty() {
                "`git model ls-files` lists the models".to_owned()
            } else {
                format!("`git ls-tree -r --name-only {revision}` lists its files; was `{path}` renamed?")
            }),
            GitError::Read { .. } | GitError::Command { .. } => failure,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            StoreError::MissingObject(_) | StoreError::MissingBlock(_) | StoreError::Corrupt { .. } => {
                failure.hint("run `git model fsck --repair` to find what is damaged and mend what can be mended")
            }
            StoreError::Vanished(_) | StoreError::Busy(_) => failure,
            StoreError::Io { .. } => failure.hint("run `git model doctor` to check the store's folder"),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
