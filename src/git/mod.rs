//! Everything that talks to git: the only place that names `gix` or starts `git`.
//!
//! What can be read in process is read with gix; what changes git's state or has rules of its own (config writes,
//! pathspecs with attributes, object walks) is left to git itself.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

mod alternates;
pub mod attributes;
pub mod changes;
mod command;
pub mod display;
pub mod export;
pub mod filter_protocol;
pub mod history;
pub mod hooks;
pub mod index_stat;
pub mod install;
pub mod ledger;
pub mod log;
pub mod merging;
pub mod notes;
mod parameters;
mod pkt_line;
pub mod push;
mod quarantine;
pub mod reachable;
mod remotes;
pub mod revision;
pub mod status;
pub mod tags;
pub mod time;
pub mod tree;
pub mod unpushed;

pub use command::{Git, LOCAL_VARIABLES, caller, git_version, is_amending};

/// What went wrong with git.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository here.
    #[error("not in a git repository: {0}")]
    NoRepository(String),
    /// The repository has something that cannot be read.
    #[error("cannot read {what}: {why}")]
    Read {
        /// What was asked for.
        what: String,
        /// Why it could not be had.
        why: String,
    },
    /// A name that is no revision, nor anything else that could stand there.
    #[error("no such revision or file: `{0}`")]
    NoRevision(String),
    /// A revision without this file.
    #[error("there is no file `{path}` in {}", if revision.is_empty() { "the index".to_owned() } else { format!("`{revision}`") })]
    NoSuchFile {
        /// As the user wrote it.
        path: String,
        /// As the user wrote it; empty for the index.
        revision: String,
    },
    /// A `git` that was started failed.
    #[error("`git {args}` failed: {why}")]
    Command {
        /// Its arguments.
        args: String,
        /// What it printed, or why it could not be started.
        why: String,
    },
}

impl GitError {
    fn read(what: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Read { what: what.into(), why: why.to_string() }
    }
}

/// The name of a blob in git.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlobId(gix::ObjectId);

impl BlobId {
    /// The digest's bytes: 20, or 32 in a SHA-256 repository.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl std::fmt::Display for BlobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BlobId {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        gix::ObjectId::from_hex(text.as_bytes()).map(Self).map_err(|error| GitError::read(text, error))
    }
}

/// The hash a repository names its objects with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// 20 bytes.
    Sha1,
    /// 32 bytes.
    Sha256,
}

impl HashKind {
    /// Bytes of a digest.
    pub const fn byte_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    const fn gix(self) -> gix::hash::Kind {
        match self {
            Self::Sha1 => gix::hash::Kind::Sha1,
            Self::Sha256 => gix::hash::Kind::Sha256,
        }
    }

    /// The digest of `bytes`, as it closes an index file.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = gix::hash::hasher(self.gix());
        hasher.update(bytes);
        // Finalizing fails on a SHA-1 collision attack only; zeros make git reject the file, which is right then.
        hasher.try_finalize().map_or_else(|_| vec![0; self.byte_len()], |id| id.as_slice().to_vec())
    }
}

/// A repository, opened for reading.
pub struct Repo {
    gix: gix::Repository,
    work_dir: Option<PathBuf>,
    /// What makes gix see objects that are not in the repository yet.
    _quarantine: Option<tempfile::TempDir>,
}

impl Repo {
    /// The repository that the environment names, or the one around the current folder.
    pub fn discover() -> Result<Self, GitError> {
        let mut gix =
            gix::discover_with_environment_overrides(".").map_err(|error| GitError::NoRepository(error.to_string()))?;
        let given = std::env::var("GIT_CONFIG_PARAMETERS").ok();
        if let Some(settings) = given.as_deref().and_then(parameters::parse) {
            let broken = |error| GitError::read("the settings given with `git -c`", error);
            let mut config = gix.config_snapshot_mut();
            config.append_config(settings.iter().map(String::as_str), gix::config::Source::Cli).map_err(broken)?;
            config.commit().map_err(broken)?;
        }
        let work_dir = if is_work_dir_implied(&gix) { std::env::current_dir().ok() } else { work_dir_of(&gix) };
        let quarantine = quarantine::look_into(&mut gix)?;
        Ok(Self { gix, work_dir, _quarantine: quarantine })
    }

    /// The repository at `path`: a work tree's top or a bare repository.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        let gix = gix::open(path).map_err(|error| GitError::NoRepository(error.to_string()))?;
        let work_dir = work_dir_of(&gix);
        Ok(Self { gix, work_dir, _quarantine: None })
    }

    /// The folder of this work tree's `HEAD` and index.
    pub fn git_dir(&self) -> PathBuf {
        absolute(self.gix.git_dir())
    }

    /// The folder that all work trees share.
    pub fn common_dir(&self) -> PathBuf {
        absolute(self.gix.common_dir())
    }

    /// The folder of git's own objects.
    fn objects_dir(&self) -> PathBuf {
        absolute(self.gix.objects.store_ref().path())
    }

    /// The top of the work tree; `None` in a bare repository.
    pub fn work_dir(&self) -> Option<PathBuf> {
        self.work_dir.clone()
    }

    /// The index that git uses: `GIT_INDEX_FILE` if set.
    pub fn index_path(&self) -> PathBuf {
        self.gix.index_path()
    }

    /// Whether that is the work tree's own index, not one that `GIT_INDEX_FILE` puts in its place for a while.
    pub fn uses_own_index(&self) -> bool {
        let path = absolute(&self.index_path());
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        path.file_name() == Some("index".as_ref()) && folder == self.git_dir().canonicalize().ok()
    }

    /// The hash of object names.
    pub fn hash_kind(&self) -> HashKind {
        if self.gix.object_hash() == gix::hash::Kind::Sha256 { HashKind::Sha256 } else { HashKind::Sha1 }
    }

    /// A setting as text.
    pub fn config_string(&self, key: &str) -> Option<String> {
        self.gix.config_snapshot().string(key).map(|value| value.to_string())
    }

    /// A setting as a number; git's suffixes `k`, `m` and `g` count.
    pub fn config_integer(&self, key: &str) -> Option<i64> {
        self.gix.config_snapshot().integer(key)
    }

    /// A setting as yes or no.
    pub fn config_boolean(&self, key: &str) -> Option<bool> {
        self.gix.config_snapshot().boolean(key)
    }

    /// The blob that the index has for `path`, the side of this branch in a conflict.
    pub fn index_blob(&self, path: &[u8]) -> Option<BlobId> {
        use gix::index::entry::Stage;
        self.index_blob_at(path, &[Stage::Unconflicted, Stage::Ours])
    }

    /// The blob that the index has for the regular file at `path`; none for one in conflict, for a link or a submodule.
    pub fn index_file(&self, path: &[u8]) -> Option<BlobId> {
        use gix::index::entry::{Mode, Stage};
        let index = self.gix.index_or_empty().ok()?;
        let entry = index.entry_by_path_and_stage(path.into(), Stage::Unconflicted)?;
        [Mode::FILE, Mode::FILE_EXECUTABLE].contains(&entry.mode).then_some(BlobId(entry.id))
    }

    /// The blob that the index has for `path`; none for one in conflict.
    pub fn merged_index_blob(&self, path: &[u8]) -> Option<BlobId> {
        self.index_blob_at(path, &[gix::index::entry::Stage::Unconflicted])
    }

    /// The blob that the index has for `path` of the other side of a conflict.
    pub fn their_index_blob(&self, path: &[u8]) -> Option<BlobId> {
        self.index_blob_at(path, &[gix::index::entry::Stage::Theirs])
    }

    fn index_blob_at(&self, path: &[u8], stages: &[gix::index::entry::Stage]) -> Option<BlobId> {
        let index = self.gix.index_or_empty().ok()?;
        let entry = stages.iter().find_map(|&stage| index.entry_by_path_and_stage(path.into(), stage))?;
        Some(BlobId(entry.id))
    }

    /// A blob's content, unless it is longer than `len_max`.
    pub fn blob_up_to(&self, id: BlobId, len_max: u64) -> Result<Option<Vec<u8>>, GitError> {
        if self.blob_len(id)? > len_max {
            return Ok(None);
        }
        self.blob(id).map(Some)
    }

    /// The blob that the commit at `HEAD` has for `path`.
    pub fn head_blob(&self, path: &[u8]) -> Option<BlobId> {
        let tree = self.gix.head_tree().ok()?;
        let entry = tree.lookup_entry(path.split(|&byte| byte == b'/')).ok()??;
        entry.mode().is_blob().then(|| BlobId(entry.object_id()))
    }

    /// A blob's length, without reading all of it.
    pub fn blob_len(&self, id: BlobId) -> Result<u64, GitError> {
        match self.gix.find_header(id.0) {
            Ok(header) => Ok(header.size()),
            Err(error) => {
                let len = by_git(["cat-file", "-s"], id, &error)?;
                String::from_utf8_lossy(len.trim_ascii())
                    .parse()
                    .map_err(|_| GitError::read(format!("blob {id}"), error))
            }
        }
    }

    /// A blob's content.
    pub fn blob(&self, id: BlobId) -> Result<Vec<u8>, GitError> {
        match self.gix.find_blob(id.0) {
            Ok(mut blob) => Ok(blob.take_data()),
            Err(error) => by_git(["cat-file", "blob"], id, &error),
        }
    }

    /// The name that git gives to a blob of these bytes.
    pub fn hash_blob(&self, bytes: &[u8]) -> Result<BlobId, GitError> {
        gix::objs::compute_hash(self.gix.object_hash(), gix::objs::Kind::Blob, bytes)
            .map(BlobId)
            .map_err(|error| GitError::read("a blob's hash", error))
    }
}

/// What gix cannot read, git may fetch: in a partial clone blobs come when they are asked for.
fn by_git(question: [&str; 2], id: BlobId, error: &dyn std::fmt::Display) -> Result<Vec<u8>, GitError> {
    Git::new(question).arg(id.to_string()).output().map_err(|_| GitError::read(format!("blob {id}"), error))
}

fn work_dir_of(gix: &gix::Repository) -> Option<PathBuf> {
    gix.workdir().map(absolute)
}

/// Whether the current folder is the top of the work tree: so git says where `GIT_DIR` names the repository and nothing
/// names the work tree. Git sets `GIT_DIR` for what it starts in `clone`, in hooks and in linked work trees.
fn is_work_dir_implied(gix: &gix::Repository) -> bool {
    let is_set = |name| std::env::var_os(name).is_some();
    let config = gix.config_snapshot();
    let is_denied = std::env::var("GIT_IMPLICIT_WORK_TREE").is_ok_and(|value| matches!(&*value, "0" | "false" | "no"));
    let is_bare = config.boolean("core.bare").unwrap_or(false);
    is_set("GIT_DIR") && !is_set("GIT_WORK_TREE") && !is_denied && !is_bare && config.string("core.worktree").is_none()
}

/// A path from the top of the work tree, as git takes it in the current folder.
pub fn path_for_user(path: &[u8]) -> Result<OsString, GitError> {
    let at_top = Git::new(["rev-parse", "--show-prefix"]).output()? == b"\n";
    let magic: &[u8] = if at_top { b"" } else { b":/" };
    Ok(OsString::from_vec([magic, path].concat()))
}

/// A path as it is shown: in C quotes, as git writes it, if it holds what would not show.
pub fn shown(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => gix::quote::ansi_c::quote(path.into()).to_string(),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
