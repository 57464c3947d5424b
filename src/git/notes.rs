//! Notes: text that git keeps beside commits, under a ref of its own.
//!
//! Source: `git-notes(1)`.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use super::history::CommitId;
use super::{BlobId, Git, GitError, Repo};

/// The notes below `refs/notes/` of one name.
#[derive(Debug, Clone, Copy)]
pub struct Notes {
    name: &'static str,
}

impl Notes {
    /// The notes of this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    fn git(self, args: &[&str]) -> Git {
        Git::new(["notes", &format!("--ref={}", self.name)]).args(args)
    }

    /// Each commit that has a note, and the note.
    ///
    /// # Errors
    /// Git cannot say.
    pub fn list(self) -> Result<Vec<(CommitId, BlobId)>, GitError> {
        let output = self.git(&["list"]).output()?;
        let output = String::from_utf8_lossy(&output);
        let broken = |line: &str| GitError::read("the list of notes", format!("unexpected line `{line}`"));
        output
            .lines()
            .map(|line| {
                let (note, commit) = line.split_once(' ').ok_or_else(|| broken(line))?;
                Ok((commit.parse()?, note.parse()?))
            })
            .collect()
    }

    /// Adds a line to the note of a commit. Who does the same at the same time waits.
    ///
    /// # Errors
    /// Git cannot write it.
    pub fn add_line(self, repo: &Repo, commit: CommitId, line: &str) -> Result<(), GitError> {
        let failed = |error: std::io::Error| GitError::read("the repository's folder", error);
        let folder = File::open(repo.common_dir()).map_err(failed)?;
        // What is read and written again would be lost between two writers. Some network file systems have no such locks.
        let _ = flock(&folder, FlockOperation::LockExclusive);
        let commit = commit.to_string();
        let mut text = self.git(&["show", &commit]).answer()?.unwrap_or_default();
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        self.git(&["add", "--force", "--file=-", &commit]).output_with_input(&text).map(drop)
    }
}
