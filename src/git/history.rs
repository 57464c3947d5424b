//! A file's way through history: commits and their parents, what each has at a path, where a path was renamed.

use std::fmt;

use super::{BlobId, Git, GitError, Repo, revision};

pub mod delta;
pub mod delta_log;
mod packs;
pub mod rope;
pub mod texts;
pub mod walk;

/// Trees and commits that are kept.
const OBJECT_CACHE_BYTES: usize = 16 << 20;

/// The name of a commit in git.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CommitId(gix::ObjectId);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for CommitId {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        gix::ObjectId::from_hex(text.as_bytes()).map(Self).map_err(|error| GitError::read(text, error))
    }
}

/// What a walk needs of a commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its parents in order; none where a shallow clone ends.
    pub parents: Vec<CommitId>,
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// The clone is shallow and ends here.
    pub is_cut: bool,
}

/// What people want to know of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The commit.
    pub id: CommitId,
    /// The shortest name that is unique.
    pub short: String,
    /// The author's name, after `.mailmap`.
    pub author: String,
    /// The author's address, after `.mailmap`.
    pub email: String,
    /// When it was written: ISO 8601, with the author's time zone.
    pub date: String,
    /// The message's first line.
    pub summary: String,
}

/// A repository's commits.
pub struct History<'r> {
    gix: gix::Repository,
    repo: &'r Repo,
    cut: Vec<gix::ObjectId>,
}

impl<'r> History<'r> {
    /// The history of a repository.
    pub fn new(repo: &'r Repo) -> Result<Self, GitError> {
        let mut gix = repo.gix.clone();
        gix.object_cache_size(OBJECT_CACHE_BYTES);
        let shallow = gix.shallow_commits().map_err(|error| GitError::read("where the clone ends", error))?;
        let cut = shallow.map(|commits| commits.iter().copied().collect()).unwrap_or_default();
        Ok(Self { gix, repo, cut })
    }

    /// The repository.
    pub const fn repo(&self) -> &Repo {
        self.repo
    }

    /// A commit.
    pub fn commit(&self, id: CommitId) -> Result<Commit, GitError> {
        let failed = |error| GitError::read(format!("commit {id}"), error);
        let commit = self.gix.find_commit(id.0).map_err(failed)?;
        let is_cut = self.cut.contains(&id.0);
        let parents = if is_cut { Vec::new() } else { commit.parent_ids().map(|id| CommitId(id.detach())).collect() };
        Ok(Commit { parents, seconds: commit.time().map_err(failed)?.seconds, is_cut })
    }

    /// The file that a commit has at `path`, from the top.
    pub fn blob_at(&self, id: CommitId, path: &[u8]) -> Result<Option<BlobId>, GitError> {
        let failed = |error| GitError::read(format!("the files of commit {id}"), error);
        let tree = self.gix.find_commit(id.0).and_then(|commit| commit.tree()).map_err(failed)?;
        let entry = tree.lookup_entry(path.split(|&byte| byte == b'/')).map_err(failed)?;
        Ok(entry.filter(|entry| entry.mode().is_blob()).map(|entry| BlobId(entry.object_id())))
    }

    /// What stood at `path` before, if the step from `parent` to `child` has renamed it, as git sees it: the path there
    /// and its blob. Without a child, the step to the index.
    pub fn renamed_from(
        &self,
        parent: CommitId,
        child: Option<CommitId>,
        path: &[u8],
    ) -> Result<Option<(Vec<u8>, BlobId)>, GitError> {
        let options = ["--raw", "--no-abbrev", "-z", "-M", "--diff-filter=RC"];
        let git = match child {
            Some(child) => Git::new(["diff-tree", "-r"]).args(options).args([parent.to_string(), child.to_string()]),
            None => Git::new(["diff-index", "--cached"]).args(options).arg(parent.to_string()),
        };
        let output = git.output()?;
        // `:<mode> <mode> <blob> <blob> R<score>` NUL `<old path>` NUL `<new path>` NUL
        let mut fields = output.split(|&byte| byte == 0);
        while let (Some(head), Some(old), Some(new)) = (fields.next(), fields.next(), fields.next()) {
            if new == path {
                let blob = String::from_utf8_lossy(head).split(' ').nth(2).unwrap_or_default().parse()?;
                return Ok(Some((old.to_vec(), blob)));
            }
        }
        Ok(None)
    }

    /// The commit that `HEAD` is at; `None` before the first one.
    pub fn head(&self) -> Result<Option<CommitId>, GitError> {
        match self.gix.head().and_then(|mut head| Ok(head.try_peel_to_id()?.map(|id| CommitId(id.detach())))) {
            Ok(id) => Ok(id),
            // gix does not know every way in which git keeps refs.
            Err(_) => revision::commit("HEAD".as_ref()),
        }
    }

    /// What a commit of the index would have as its parents: `HEAD`, and what is being merged.
    pub fn heads(&self) -> Result<Vec<CommitId>, GitError> {
        let mut heads: Vec<_> = self.head()?.into_iter().collect();
        let merged = std::fs::read_to_string(self.repo.git_dir().join("MERGE_HEAD")).unwrap_or_default();
        for line in merged.lines() {
            heads.push(line.parse()?);
        }
        Ok(heads)
    }

    /// Descriptions of these commits, in no certain order.
    pub fn describe(&self, ids: impl IntoIterator<Item = CommitId>) -> Result<Vec<Description>, GitError> {
        let names: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let options = ["--no-walk=unsorted", "--stdin", "--no-show-signature", "--encoding=UTF-8", "-z"];
        let git = Git::new(["log"]).args(options).arg("--format=%H%n%h%n%aN%n%aE%n%aI%n%s");
        let output = git.output_with_input((names.join("\n") + "\n").as_bytes())?;
        let output = String::from_utf8_lossy(&output);
        let entries = output.split('\0').filter(|entry| !entry.trim().is_empty());
        entries.map(describe).collect()
    }
}

fn describe(entry: &str) -> Result<Description, GitError> {
    let lines: Vec<&str> = entry.split('\n').collect();
    let line = |at: usize| lines.get(at).copied().unwrap_or_default().to_owned();
    Ok(Description {
        id: line(0).parse()?,
        short: line(1),
        author: line(2),
        email: line(3),
        date: line(4),
        summary: line(5),
    })
}
