//! A version that can be judged: the index, or a commit.

use std::borrow::Cow;
use std::ffi::OsString;

use crate::git::changes::{self, Changed, Versions};
use crate::git::history::{CommitId, History};
use crate::git::{BlobId, Git, GitError, Repo, is_amending, merging, revision};

/// The index, or a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// What the next commit would have; `GIT_INDEX_FILE` counts.
    Index,
    /// A commit, and how it is called.
    Commit {
        /// For messages.
        name: String,
        /// The commit.
        id: CommitId,
    },
}

impl Version {
    /// How it is called; empty for the index.
    pub fn name(&self) -> &str {
        match self {
            Self::Index => "",
            Self::Commit { name, .. } => name,
        }
    }

    /// What it has at `path`, from the top.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn blob(&self, repo: &Repo, path: &str) -> Result<Option<BlobId>, GitError> {
        match self {
            Self::Index => Ok(repo.index_file(path.as_bytes())),
            Self::Commit { id, .. } => History::new(repo)?.blob_at(*id, path.as_bytes()),
        }
    }

    /// Whether it has a file with such a path.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn has_file(&self, is_meant: impl Fn(&str) -> bool) -> Result<bool, GitError> {
        let listing = match self {
            Self::Index => Git::new(["ls-files", "-z", "--full-name", ":/"]),
            Self::Commit { id, .. } => {
                Git::new(["ls-tree", "-r", "-z", "--name-only", "--full-tree"]).arg(id.to_string())
            }
        };
        let listing = listing.output()?;
        Ok(listing.split(|&byte| byte == 0).any(|path| is_meant(&String::from_utf8_lossy(path))))
    }

    /// That there is no such file.
    pub(super) fn lacks(&self, path: &str) -> String {
        match self {
            Self::Index => format!("there is no `{path}` in the index; `git add {path}`"),
            Self::Commit { name, .. } => format!("there is no `{path}` in {name}"),
        }
    }

    /// The commits before it, with their names: in a merge first the one that is merged into. What `git commit --amend` replaces
    /// is not before it.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn parents(&self, repo: &Repo) -> Result<Vec<(String, CommitId)>, GitError> {
        let history = History::new(repo)?;
        match self {
            Self::Index => {
                let Some(head) = history.head()? else { return Ok(Vec::new()) };
                if is_amending() {
                    return Ok(named(history.commit(head)?.parents));
                }
                let mut parents = vec![("HEAD".to_owned(), head)];
                for name in merging::merged(repo) {
                    parents.extend(revision::commit(&OsString::from(&name))?.map(|id| (short(id), id)));
                }
                Ok(parents)
            }
            Self::Commit { id, .. } => Ok(named(history.commit(*id)?.parents)),
        }
    }

    /// The files in which it differs from the commit before.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn changed(&self, repo: &Repo) -> Result<Vec<Changed>, GitError> {
        let before = self.parents(repo)?.first().map(|&(_, id)| id);
        let before = before.map_or_else(changes::empty_tree, |id| Ok(id.to_string().into()))?;
        let versions = match self {
            Self::Index => Versions::Index(before),
            Self::Commit { id, .. } => Versions::Commits(before, id.to_string().into()),
        };
        changes::changed_files(&versions, &[])
    }
}

fn named(commits: Vec<CommitId>) -> Vec<(String, CommitId)> {
    commits.into_iter().map(|id| (short(id), id)).collect()
}

/// A commit's name for people.
pub fn short(id: CommitId) -> String {
    const DIGITS: usize = 10;
    id.to_string().chars().take(DIGITS).collect()
}

/// The paths of changed files, those before a renaming too. A policy names paths as text; others are none of its.
pub fn paths(changed: &[Changed]) -> impl Iterator<Item = Cow<'_, str>> {
    changed
        .iter()
        .flat_map(|changed| [Some(&changed.path), changed.from.as_ref()])
        .flatten()
        .map(|path| String::from_utf8_lossy(path))
}
