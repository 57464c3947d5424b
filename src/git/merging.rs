//! What git is merging at this moment.
//!
//! Source: `gitrepository-layout(5)` and the refs that `git-merge(1)`, `git-cherry-pick(1)`, `git-revert(1)` and
//! `git-rebase(1)` keep while they are stopped.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::revision::{Named, look_up};
use super::{BlobId, Git, GitError, Repo};

/// Each ref that may be there, and what of it is merged: a revert merges the parent.
const REFS: [(&str, &str); 4] =
    [("CHERRY_PICK_HEAD", ""), ("REVERT_HEAD", "^"), ("REBASE_HEAD", ""), ("MERGE_HEAD", "")];

/// `git merge` has a variable for each commit that it merges: this and the commit's name.
const MERGED_BY_GIT: &str = "GITHEAD_";
const INDEX_VARIABLE: &str = "GIT_INDEX_FILE";

/// The commits that are being merged, as revisions; what is merged by a revert is a parent.
pub fn commits(repo: &Repo) -> Vec<String> {
    let mut commits: Vec<String> = REFS
        .iter()
        .filter(|(name, _)| repo.git_dir().join(name).exists())
        .map(|(name, of)| format!("{name}{of}"))
        .collect();
    // An octopus has more than one.
    commits.extend(written_down(repo).into_iter().skip(1));
    if commits.is_empty() {
        // A merge that succeeds at once never writes them down.
        commits = named_by_git();
    }
    commits
}

/// The commits that will be parents of the next one beside `HEAD`.
pub fn merged(repo: &Repo) -> Vec<String> {
    let merged = written_down(repo);
    // A merge that succeeds at once never writes them down.
    if merged.is_empty() { named_by_git() } else { merged }
}

fn written_down(repo: &Repo) -> Vec<String> {
    let merged = std::fs::read_to_string(repo.git_dir().join("MERGE_HEAD")).unwrap_or_default();
    merged.lines().map(str::to_owned).collect()
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

/// The conflicts that the index has at `path`, and remembers after they were ended by `git add`: in each the blobs of the
/// base, ours and theirs. While a part of the work tree is committed, git has an index of its own for that; both are asked.
///
/// # Errors
/// Git cannot be asked.
pub fn conflicts(repo: &Repo, path: &[u8]) -> Result<Vec<[Option<BlobId>; 3]>, GitError> {
    let pathspec = OsString::from_vec([b":(top,literal)", path].concat());
    let mut found = Vec::new();
    let main = std::env::var_os(INDEX_VARIABLE).map(|_| repo.git_dir().join("index"));
    for index in [None, main.as_ref()].into_iter().take(1 + usize::from(main.is_some())) {
        for kind in ["--unmerged", "--resolve-undo"] {
            let mut git = Git::new(["ls-files", kind, "-z", "--"]).arg(&pathspec);
            if let Some(index) = index {
                git = git.env(INDEX_VARIABLE, index);
            }
            let blobs = stages(&git.output()?);
            if blobs.iter().any(Option::is_some) {
                found.push(blobs);
            }
        }
    }
    Ok(found)
}

/// The blobs of the stages in a listing `<mode> <blob> <stage>\t<path>`.
fn stages(listing: &[u8]) -> [Option<BlobId>; 3] {
    let mut blobs = [None; 3];
    for line in listing.split(|&byte| byte == 0) {
        let mut words = line.split(|byte| b" \t".contains(byte)).skip(1);
        let blob = words.next().and_then(|blob| std::str::from_utf8(blob).ok()?.parse().ok());
        if let Some(&[stage @ b'1'..=b'3']) = words.next() {
            blobs[usize::from(stage - b'1')] = blob;
        }
    }
    blobs
}

/// The names of the commits that `git merge` is merging while it runs; none of others.
pub fn named_by_git() -> Vec<String> {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    variables.filter_map(|name| Some(name.strip_prefix(MERGED_BY_GIT)?.to_owned())).collect()
}

/// Whether all these commits are in the history of `HEAD`.
///
/// # Errors
/// Git cannot be asked.
pub fn are_in_head(commits: &[String]) -> Result<bool, GitError> {
    for commit in commits {
        if Git::new(["merge-base", "--is-ancestor"]).arg(commit).arg("HEAD").answer()?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The blob that `HEAD` has at `path`.
///
/// # Errors
/// Git cannot be asked.
pub fn head_blob(path: &[u8]) -> Result<Option<BlobId>, GitError> {
    Ok(match look_up(&named("HEAD", path))? {
        Some(Named::Blob(id)) => Some(id),
        _ => None,
    })
}

/// Whether a rebase is stopped.
pub fn is_rebasing(repo: &Repo) -> bool {
    ["rebase-merge", "rebase-apply"].iter().any(|folder| repo.git_dir().join(folder).exists())
}

fn named(commit: &str, path: &[u8]) -> OsString {
    OsString::from_vec([commit.as_bytes(), b":", path].concat())
}
