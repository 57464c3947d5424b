//! What git is merging at this moment.
//!
//! Source: `gitrepository-layout(5)` and the refs that `git-merge(1)`, `git-cherry-pick(1)`, `git-revert(1)` and
//! `git-rebase(1)` keep while they are stopped.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::revision::{self, Named, look_up};
use super::{BlobId, Git, GitError, Repo};

/// Each ref that may be there, and what of it is merged: a revert merges the parent.
const REFS: [(&str, &str); 4] =
    [("CHERRY_PICK_HEAD", ""), ("REVERT_HEAD", "^"), ("REBASE_HEAD", ""), ("MERGE_HEAD", "")];

/// `git merge` has a variable for each commit that it merges: this and the commit's name.
const MERGED_BY_GIT: &str = "GITHEAD_";

/// The commits that are being merged, as revisions; what is merged by a revert is a parent.
pub fn commits(repo: &Repo) -> Vec<String> {
    let mut commits: Vec<String> = REFS
        .iter()
        .filter(|(name, _)| repo.git_dir().join(name).exists())
        .map(|(name, of)| format!("{name}{of}"))
        .collect();
    // An octopus has more than one.
    let merged = std::fs::read_to_string(repo.git_dir().join("MERGE_HEAD")).unwrap_or_default();
    commits.extend(merged.lines().skip(1).map(str::to_owned));
    if commits.is_empty() {
        // A merge that succeeds at once never writes them down.
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        commits.extend(variables.filter_map(|name| Some(name.strip_prefix(MERGED_BY_GIT)?.to_owned())));
    }
    commits
}

/// The blobs that the commits which are being merged have at `path`. None where nothing is being merged, or where they
/// have no such file.
///
/// # Errors
/// Git cannot be asked.
pub fn blobs(repo: &Repo, path: &[u8]) -> Result<Vec<BlobId>, GitError> {
    let mut blobs = Vec::new();
    for commit in commits(repo) {
        if let Some(Named::Blob(id)) = look_up(&named(&commit, path))? {
            blobs.push(id);
        }
    }
    Ok(blobs)
}

/// The blobs of a conflict at `path` that was ended by `git add`. The index remembers them until it is read from a commit.
///
/// # Errors
/// Git cannot be asked.
pub fn forgotten_blobs(path: &[u8]) -> Result<Vec<BlobId>, GitError> {
    let pathspec = OsString::from_vec([b":(top,literal)", path].concat());
    let listed = Git::new(["ls-files", "--resolve-undo", "-z", "--"]).arg(pathspec).output()?;
    let blob = |line: &[u8]| std::str::from_utf8(line.split(|&byte| byte == b' ').nth(1)?).ok()?.parse().ok();
    Ok(listed.split(|&byte| byte == 0).filter_map(blob).collect())
}

/// The commit that `HEAD` is at; none if there is none yet.
///
/// # Errors
/// Git cannot be asked.
pub fn head() -> Result<Option<String>, GitError> {
    Ok(revision::commit("HEAD".as_ref())?.map(|commit| commit.to_string()))
}

/// Whether a rebase is stopped.
pub fn is_rebasing(repo: &Repo) -> bool {
    ["rebase-merge", "rebase-apply"].iter().any(|folder| repo.git_dir().join(folder).exists())
}

fn named(commit: &str, path: &[u8]) -> OsString {
    OsString::from_vec([commit.as_bytes(), b":", path].concat())
}
