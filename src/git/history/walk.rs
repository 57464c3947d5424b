//! The versions of some files along one line of history: each commit that changed one of them, against its first parent.
//!
//! Git itself walks and compares the trees: it knows which commits it need not look into (commit-graph, path filters).
//!
//! **Limitations.** Files that were renamed are not followed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use super::CommitId;
use crate::git::{BlobId, Git, GitError};

/// Digits of a commit's name that are enough for people.
const SHORT_DIGITS: usize = 10;

/// A commit that changed some of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub id: CommitId,
    /// The first digits of its name, enough for people.
    pub short: String,
    /// When it was committed, in seconds since 1970.
    pub seconds: i64,
    /// The committer's day: `2026-01-02`.
    pub date: String,
    /// The message's first line.
    pub summary: String,
    /// The files that it changed.
    pub changes: Vec<Change>,
}

/// A file that a commit changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which of the files that were asked for.
    pub file: usize,
    /// What the first parent has; none for what is no regular file.
    pub old: Option<BlobId>,
    /// What the commit has.
    pub new: Option<BlobId>,
}

/// The commits that changed one of `paths`, from the top, along the first parents of `revisions` (revisions and ranges, as
/// `git log` takes them), the newest first.
///
/// # Errors
/// A revision that is not there, and what else git cannot do.
pub fn steps(revisions: &[OsString], paths: &[Vec<u8>]) -> Result<Vec<Step>, GitError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let settings = ["-c", "log.showRoot=true", "-c", "log.showSignature=false"];
    let shape = ["-m", "--raw", "--no-renames", "--no-abbrev", "--no-mailmap", "--no-notes", "--encoding=UTF-8", "-z"];
    let git = Git::new(settings).arg("log").arg("--first-parent").args(shape);
    let git = git.arg("--format=%x01%H%x00%ct%x00%cs%x00%s").args(revisions).arg("--");
    let only = |path: &Vec<u8>| OsString::from_vec([b":(top,literal)", path.as_slice()].concat());
    let output = git.args(paths.iter().map(only)).output()?;
    let files: HashMap<&[u8], usize> = paths.iter().enumerate().map(|(at, path)| (path.as_slice(), at)).collect();
    let mut words = output.split(|&byte| byte == 0);
    let mut steps: Vec<Step> = Vec::new();
    while let Some(word) = words.next() {
        let word = word.strip_prefix(b"\n").unwrap_or(word);
        let mut text = || words.next().map(|word| String::from_utf8_lossy(word).into_owned()).unwrap_or_default();
        if let Some(id) = word.strip_prefix(b"\x01") {
            let id = String::from_utf8_lossy(id).into_owned();
            let (seconds, date, summary) = (text(), text(), text());
            let (short, id) = (id.chars().take(SHORT_DIGITS).collect(), id.parse()?);
            let seconds = seconds.parse().unwrap_or_default();
            steps.push(Step { id, short, seconds, date, summary, changes: Vec::new() });
        } else if let Some((old, new)) = super::super::log::blobs(word) {
            let file = words.next().and_then(|path| files.get(path)).copied();
            if let (Some(file), Some(step)) = (file, steps.last_mut()) {
                step.changes.push(Change { file, old, new });
            }
        }
    }
    // A folder of one of these names has files that are none of them.
    steps.retain(|step| !step.changes.is_empty());
    Ok(steps)
}

/// A tag, and the commit it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Without `refs/tags/`.
    pub name: String,
    /// The commit.
    pub commit: CommitId,
}

/// All tags of commits, by their names, versions in their order.
///
/// # Errors
/// A git that fails.
pub fn tags() -> Result<Vec<Tag>, GitError> {
    let format = "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname:strip=2)";
    named(&["--sort=version:refname", format, "refs/tags"])
}

/// The tips of all branches, by their names.
///
/// # Errors
/// A git that fails.
pub fn branches() -> Result<Vec<Tag>, GitError> {
    named(&["--format=%(objecttype) %(objectname)   %(refname:strip=2)", "refs/heads"])
}

fn named(args: &[&str]) -> Result<Vec<Tag>, GitError> {
    let output = Git::new(["for-each-ref"]).args(args).output()?;
    let mut tags = Vec::new();
    for line in String::from_utf8_lossy(&output).lines() {
        // Five fields; those of what a tag leads to are empty where it is no object of its own.
        let fields: Vec<&str> = line.splitn(5, ' ').collect();
        let id = match fields[..] {
            ["commit", id, _, _, _] => id,
            ["tag", _, "commit", id, _] => id,
            _ => continue,
        };
        tags.push(Tag { name: fields[4].to_owned(), commit: id.parse()? });
    }
    Ok(tags)
}

/// The branch that `HEAD` is on; `None` if it is detached.
pub fn current_branch() -> Option<String> {
    let name = Git::new(["symbolic-ref", "--quiet", "--short", "HEAD"]).output().ok()?;
    Some(String::from_utf8_lossy(&name).trim().to_owned())
}

/// Revisions and ranges that git can follow; the first one that it cannot is told.
///
/// # Errors
/// A name that git does not know.
pub fn checked(revision: &OsStr) -> Result<Vec<OsString>, GitError> {
    let unknown = || GitError::NoRevision(revision.to_string_lossy().into_owned());
    let output = Git::new(["rev-parse", "--revs-only", "--quiet", "--end-of-options"]).arg(revision).output();
    let names = output.map_err(|_| unknown())?;
    let names: Vec<OsString> = String::from_utf8_lossy(&names).lines().map(OsString::from).collect();
    let names: Vec<OsString> = names.into_iter().filter(|name| name != "--end-of-options").collect();
    if names.is_empty() { Err(unknown()) } else { Ok(names) }
}
