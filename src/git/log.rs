//! Which files each commit changed, newest first, and what the tips of branches hold.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::reachable::Process;
use super::{BlobId, GitError};

/// A file that is another one in a commit than in one of its parents.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// From the top of the work tree.
    pub path: Vec<u8>,
    /// What the parent has there.
    pub old: Option<BlobId>,
    /// What the commit has there.
    pub new: Option<BlobId>,
}

/// A commit and how it differs from one parent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    /// Its name in full.
    pub id: String,
    /// The committer's day: `2026-01-02`.
    pub date: String,
    /// The first line of its message.
    pub subject: String,
    /// What it changed; everything for a commit without parents.
    pub changes: Vec<Change>,
}

/// Calls `visit` with every commit that refs and reflogs reach, children before their parents; a merge comes once for
/// each parent.
///
/// # Errors
/// A git that fails.
pub fn walk(common_dir: &Path, mut visit: impl FnMut(Commit)) -> Result<(), GitError> {
    let args = ["-c", "log.showRoot=true", "-c", "log.showSignature=false", "log", "--all", "--reflog", "--topo-order"];
    let shape = ["-m", "--raw", "--no-renames", "--no-abbrev", "--no-mailmap", "-z", "--format=%x01%H%x00%cs%x00%s"];
    let mut log = Process::start(common_dir, &[&args[..], &shape[..]].concat())?;
    let mut words = BufReader::new(log.output()?).split(0);
    let mut next = || words.next().transpose().map_err(|error| GitError::read("git's history", error));
    let text = |word: Option<Vec<u8>>| String::from_utf8_lossy(&word.unwrap_or_default()).into_owned();
    let mut commit: Option<Commit> = None;
    while let Some(word) = next()? {
        let word = word.strip_prefix(b"\n").unwrap_or(&word);
        if let Some(id) = word.strip_prefix(b"\x01") {
            let id = String::from_utf8_lossy(id).into_owned();
            let (date, subject) = (text(next()?), text(next()?));
            commit.replace(Commit { id, date, subject, changes: Vec::new() }).into_iter().for_each(&mut visit);
        } else if let (Some(blobs), Some(commit)) = (blobs(word), &mut commit) {
            let path = next()?.unwrap_or_default();
            commit.changes.push(Change { path, old: blobs.0, new: blobs.1 });
        }
    }
    commit.into_iter().for_each(visit);
    log.finish()
}

/// The two blobs of `:<mode> <mode> <object> <object> <letter>`; none where there is no regular file.
pub(super) fn blobs(word: &[u8]) -> Option<(Option<BlobId>, Option<BlobId>)> {
    let text = std::str::from_utf8(word.strip_prefix(b":")?).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    let &[old_mode, new_mode, old, new, _] = &words[..] else { return None };
    let blob = |mode: &str, id: &str| mode.starts_with("100").then(|| id.parse().ok()).flatten();
    Some((blob(old_mode, old), blob(new_mode, new)))
}

/// What branches of this and of other repositories hold, and `HEAD`: path and blob, those of `HEAD` first, then branches
/// by the age of their tips, the youngest first.
///
/// # Errors
/// A git that fails.
pub fn tips(common_dir: &Path) -> Result<Vec<(Vec<u8>, BlobId)>, GitError> {
    let head = Process::start(common_dir, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?.lines();
    let listing = ["for-each-ref", "--sort=-committerdate", "--format=%(objectname)", "refs/heads", "refs/remotes"];
    let mut commits = head.unwrap_or_default();
    commits.extend(Process::start(common_dir, &listing)?.lines()?);
    let mut seen = HashSet::new();
    let mut seen_tips = HashSet::new();
    let mut tips = Vec::new();
    for commit in commits {
        if !seen.insert(commit.clone()) {
            continue;
        }
        let mut listing = Process::start(common_dir, &["ls-tree", "-r", "-z", "--full-tree", &commit])?;
        for entry in BufReader::new(listing.output()?).split(0) {
            let entry = entry.map_err(|error| GitError::read("git's trees", error))?;
            tips.extend(in_tree(&entry).filter(|tip| seen_tips.insert(tip.clone())));
        }
        listing.finish()?;
    }
    Ok(tips)
}

/// `<mode> blob <object>\t<path>`
fn in_tree(entry: &[u8]) -> Option<(Vec<u8>, BlobId)> {
    let tab = entry.iter().position(|&byte| byte == b'\t')?;
    let mut head = std::str::from_utf8(&entry[..tab]).ok()?.split(' ').skip(1);
    (head.next()? == "blob").then_some((entry[tab + 1..].to_vec(), head.next()?.parse().ok()?))
}
