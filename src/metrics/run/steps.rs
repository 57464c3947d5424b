//! Git commands that a user could have typed, shown as they are typed and run before the user's eyes.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::git::history::{CommitId, History};
use crate::git::install::quote;
use crate::git::{Git, GitError, Repo, merging, revision};
use crate::metrics::check::version::short;
use crate::progress::Progress;

/// Where `HEAD` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch; none if `HEAD` is detached.
    pub branch: Option<String>,
    /// The commit; none before the first one.
    pub commit: Option<CommitId>,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let commit = self.commit.map_or_else(|| "no commit".to_owned(), short);
        match &self.branch {
            Some(branch) => write!(f, "`{branch}` at {commit}"),
            None => write!(f, "no branch at {commit}"),
        }
    }
}

impl Head {
    /// Where it is now.
    pub fn now(repo: &Repo) -> Result<Self, GitError> {
        let branch = Git::new(["symbolic-ref", "--quiet", "--short", "HEAD"]).answer()?;
        let branch = branch.map(|name| String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned());
        Ok(Self { branch, commit: History::new(repo)?.head()? })
    }
}

/// Shows and runs git commands in one folder.
pub struct Steps<'s> {
    pub folder: &'s Path,
    pub progress: &'s dyn Progress,
}

impl Steps<'_> {
    /// Shows the command and runs it; whether it exited with 0. `--quiet` is not shown.
    pub fn run(&self, args: &[OsString]) -> Result<bool, GitError> {
        let words = args.iter().filter(|arg| *arg != "--quiet").map(|arg| quote(arg));
        self.progress.note(&format!("$ git {}", words.collect::<Vec<_>>().join(" ")));
        Git::new(args).current_dir(self.folder).in_view()
    }

    /// The same with words of text.
    pub fn git(&self, args: &[&str]) -> Result<bool, GitError> {
        self.run(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    /// Back to where `HEAD` was.
    pub fn back_to(&self, head: &Head) -> Result<bool, GitError> {
        match (&head.branch, head.commit) {
            (Some(branch), _) => self.git(&["switch", "--quiet", branch]),
            (None, Some(commit)) => self.git(&["switch", "--quiet", "--detach", &commit.to_string()]),
            (None, None) => Ok(true),
        }
    }
}

/// Whether tracked files have changes that are not committed.
pub fn is_dirty() -> Result<bool, GitError> {
    let options = ["status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=dirty"];
    Ok(!Git::new(options).output()?.is_empty())
}

/// What git is in the middle of, in which no run may commit.
pub fn unfinished(repo: &Repo) -> Result<Option<&'static str>, GitError> {
    if !Git::new(["ls-files", "--unmerged", "-z"]).output()?.is_empty() {
        return Ok(Some("there are files in conflict"));
    }
    if merging::is_rebasing(repo) {
        return Ok(Some("a rebase is not finished"));
    }
    let is_merging = !merging::merged(repo).is_empty();
    Ok((is_merging || !merging::commits(repo).is_empty()).then_some("a merge, cherry-pick or revert is not finished"))
}

/// Whether a branch of this name may be made: a name that git takes.
pub fn is_branch_name(name: &str) -> Result<bool, GitError> {
    if name.starts_with('-') {
        return Ok(false);
    }
    Git::new(["check-ref-format", &format!("refs/heads/{name}")]).succeeds()
}

/// The commit of a branch of this repository; none if there is no such branch.
pub fn branch(name: &str) -> Result<Option<CommitId>, GitError> {
    revision::commit(OsStr::new(&format!("refs/heads/{name}")))
}
