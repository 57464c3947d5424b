//! What a merge has left to decide, kept in `model-merge/` of the work tree's git directory until it is decided.
//!
//! One file of JSON for each conflict, named by the BLAKE3 of the path and of both sides. It names the three versions and the
//! results by their blobs, so that decisions can be made after git has forgotten the versions (`git add` on a file in
//! conflict).
//!
//! What is written there is still open as long as git's index has the conflict, or a result that the merge has left while
//! nothing else was committed: whoever has put another version there has decided. A merge that was given up leaves its file
//! behind. It is told from one that is open by the index alone, which remembers a conflict after `git add` (for
//! `git checkout --merge`), also where git does not know that it is merging: after `merge --squash`, `cherry-pick -n`,
//! `stash pop`.
//!
//! **Limitations.** `git checkout HEAD -- PATH` does not make the index forget; a conflict given up in this way seems open
//! until ours is taken by `git model resolve`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Merged;
use super::settings::Source;
use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder};
use crate::git::{BlobId, GitError, Repo, merging};
use crate::id::BlockId;

const FOLDER: &str = "model-merge";
const EXTENSION: &str = "json";
const LOCK: &str = "lock";

/// A path with decisions to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// From the top of the work tree.
    pub path: PathText,
    /// The blobs of the versions; no base if there is no common version.
    pub base: Option<String>,
    /// See `base`.
    pub ours: String,
    /// See `base`.
    pub theirs: String,
    /// The blob that the merge has left, and then each that a decision has left.
    pub results: Vec<String>,
    /// The commits that `git merge` was merging.
    #[serde(default)]
    pub merged: Vec<String>,
    /// The rules of that merge.
    #[serde(default)]
    pub rules: Source,
    /// What has been decided: patterns of names, each with a strategy and its parameters.
    pub decisions: Vec<(String, String)>,
    /// What is open.
    pub open: Vec<Open>,
}

/// Something to be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The tensor; none for the file as a whole.
    pub tensor: Option<String>,
    /// Why, in words.
    pub why: String,
}

/// A path, as text where it is text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PathText {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl PathText {
    /// As git has it.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for PathText {
    fn from(path: &[u8]) -> Self {
        std::str::from_utf8(path).map_or_else(|_| Self::Bytes(path.into()), |text| Self::Text(text.into()))
    }
}

impl Open {
    /// What a merge has left to decide.
    pub fn of(merged: &Merged) -> Vec<Self> {
        let whole = merged.whole.iter().map(|why| Self { tensor: None, why: why.clone() });
        let tensors = merged
            .conflicts
            .iter()
            .map(|conflict| Self { tensor: Some(conflict.tensor.clone()), why: conflict.why.to_string() });
        whole.chain(tensors).collect()
    }
}

impl State {
    /// Writes it down.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, repo: &Repo) -> io::Result<()> {
        let folder = folder(repo);
        fs::create_dir_all(&folder)?;
        let file = AtomicFile::create_in(open_folder(&folder)?.as_fd(), mode_by_umask(0o666))?;
        // Plain structures of text always serialize.
        file.file().write_all(&serde_json::to_vec_pretty(self).unwrap_or_default())?;
        file.persist(self.file_name().as_ref())
    }

    /// Forgets it.
    pub fn remove(&self, repo: &Repo) {
        // What cannot be removed is told from what is open, as one of a merge that was given up.
        let _ = fs::remove_file(folder(repo).join(self.file_name()));
    }

    fn file_name(&self) -> String {
        let key = [self.path.as_bytes(), self.ours.as_bytes(), self.theirs.as_bytes()].join(&0);
        format!("{}.{EXTENSION}", BlockId::of(&key))
    }

    /// Whether it is still to be decided: the file is in conflict, or was added as the merge has left it.
    ///
    /// # Errors
    /// Git cannot say how it is with the file.
    pub fn is_open(&self, repo: &Repo) -> Result<bool, GitError> {
        let path = self.path.as_bytes();
        let in_conflict = || -> Result<bool, GitError> {
            let conflicts = merging::conflicts(repo, path)?;
            Ok(conflicts.iter().any(|[_, ours, theirs]| {
                let is = |blob: &Option<BlobId>, known: &str| blob.is_some_and(|blob| blob.to_string() == known);
                is(ours, &self.ours) && is(theirs, &self.theirs)
            }))
        };
        let Some(staged) = repo.merged_index_blob(path) else { return in_conflict() };
        let staged = staged.to_string();
        if !self.results.contains(&staged) {
            return Ok(false);
        }
        // What is there has been committed since; where the other side has renamed the file, it is not there yet.
        if merging::head_blob(path)?.is_some_and(|head| head.to_string() != self.ours) {
            return Ok(false);
        }
        if !self.merged.is_empty() && merging::are_in_head(&self.merged)? {
            return Ok(false);
        }
        Ok(staged != self.ours || in_conflict()?)
    }

    /// The blob of a version.
    ///
    /// # Errors
    /// Text that names no blob.
    pub fn blob(name: &str) -> Result<BlobId, GitError> {
        name.parse()
    }
}

/// Keeps others from deciding until it is dropped.
///
/// # Errors
/// Those of the file system.
pub fn lock(repo: &Repo) -> io::Result<File> {
    let folder = folder(repo);
    fs::create_dir_all(&folder)?;
    let file = File::options().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Everything that is open. What is not any more, because something else was committed, is forgotten.
///
/// # Errors
/// Git cannot say how it is with a file; what is written down cannot be read.
pub fn open(repo: &Repo) -> Result<Vec<State>, GitError> {
    let mut open = Vec::new();
    for state in all(repo)? {
        if state.is_open(repo)? {
            open.push(state);
        } else if merging::head_blob(state.path.as_bytes())?.is_some_and(|head| head.to_string() != state.ours) {
            state.remove(repo);
        }
    }
    open.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(open)
}

/// What is open at `path`.
///
/// # Errors
/// Those of [`open`].
pub fn open_at(repo: &Repo, path: &[u8]) -> Result<Option<State>, GitError> {
    for state in all(repo)? {
        if state.path.as_bytes() == path && state.is_open(repo)? {
            return Ok(Some(state));
        }
    }
    Ok(None)
}

fn all(repo: &Repo) -> Result<Vec<State>, GitError> {
    let Ok(entries) = fs::read_dir(folder(repo)) else { return Ok(Vec::new()) };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let notes = paths.filter(|path| path.extension() == Some(OsStr::new(EXTENSION)));
    let damaged = |path: &Path| GitError::Read {
        what: format!("what a merge has left to decide, in `{}`", path.display()),
        why: "it is damaged; delete it when all models are as they should be".into(),
    };
    notes.map(|path| read(&path).ok_or_else(|| damaged(&path))).collect()
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn folder(repo: &Repo) -> PathBuf {
    repo.git_dir().join(FOLDER)
}
