//! What a merge has left to decide, kept in `model-merge/` of the work tree's git directory until it is decided.
//!
//! One file of JSON for each path, named by the BLAKE3 of the path. It names the three versions and the results by their
//! blobs, so that decisions can be made after git has forgotten the versions (`git add` on a file in conflict).
//!
//! What is written there is still open as long as git's index has a result that the merge has left, or the conflict:
//! whoever has put another version there has decided. A merge that was given up leaves its file behind; it is told from
//! one that is open by the conflict that git's index remembers (for `git checkout --merge`) until the next commit, also
//! where git itself does not know that it is merging: after `git merge --squash`, `cherry-pick -n`, `stash pop`.

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
    /// The commit that was merged into; none if there was none yet.
    pub head: Option<String>,
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
        file.persist(file_name(self.path.as_bytes()).as_ref())
    }

    /// What is written down for `path`.
    pub fn load(repo: &Repo, path: &[u8]) -> Option<Self> {
        read(&file(repo, path))
    }

    /// Forgets it.
    pub fn remove(&self, repo: &Repo) {
        // What cannot be removed is told from what is open, as one of a merge that was given up.
        let _ = fs::remove_file(file(repo, self.path.as_bytes()));
    }

    /// Whether it is still to be decided: the file is in conflict, or was added as the merge has left it.
    ///
    /// # Errors
    /// Git cannot say what is being merged.
    pub fn is_open(&self, repo: &Repo) -> Result<bool, GitError> {
        let path = self.path.as_bytes();
        let Some(staged) = repo.merged_index_blob(path) else {
            // In conflict still, if this is that conflict.
            return Ok(repo.index_blob(path).is_some_and(|ours| ours.to_string() == self.ours)
                || repo.their_index_blob(path).is_some_and(|theirs| theirs.to_string() == self.theirs));
        };
        if !self.results.contains(&staged.to_string()) || self.head != merging::head()? {
            return Ok(false);
        }
        let was_in_conflict = |theirs: &BlobId| theirs.to_string() == self.theirs;
        Ok(merging::blobs(repo, path)?.iter().any(was_in_conflict)
            || merging::forgotten_blobs(path)?.iter().any(was_in_conflict))
    }

    /// The blob that the merge, or the last decision, has left.
    pub fn result(&self) -> &str {
        self.results.last().map_or(&self.ours, |result| result)
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

/// Everything that is open. What merges before the last commit have left behind is forgotten.
///
/// # Errors
/// Git cannot say what is being merged; what is written down cannot be read.
pub fn open(repo: &Repo) -> Result<Vec<State>, GitError> {
    let Ok(entries) = fs::read_dir(folder(repo)) else { return Ok(Vec::new()) };
    let mut open = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension() != Some(OsStr::new(EXTENSION)) {
            continue;
        }
        let state = read(&path).ok_or_else(|| GitError::Read {
            what: format!("what a merge has left to decide, in `{}`", path.display()),
            why: "it is damaged; delete it when all models are as they should be".into(),
        })?;
        if state.is_open(repo)? {
            open.push(state);
        } else if state.head != merging::head()? {
            state.remove(repo);
        }
    }
    open.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    Ok(open)
}

fn read(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn folder(repo: &Repo) -> PathBuf {
    repo.git_dir().join(FOLDER)
}

fn file(repo: &Repo, path: &[u8]) -> PathBuf {
    folder(repo).join(file_name(path))
}

fn file_name(path: &[u8]) -> String {
    format!("{}.{EXTENSION}", BlockId::of(path))
}
