//! Which files differ between two versions of a repository.
//!
//! Source: "Raw output format" of `git-diff-tree(1)`. No content is read: a file of the work tree whose stat data are
//! not those in the index counts as changed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::revision::{self, Named};
use super::status::FILE_MODE;
use super::{BlobId, Git, GitError};

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// The index and the work tree.
    WorkTree,
    /// A commit (by default the last one) and the index.
    Index(OsString),
    /// A commit and the work tree.
    Commit(OsString),
    /// Two commits.
    Commits(OsString, OsString),
    /// Two files, each as it is in some commit.
    Blobs(BlobId, BlobId),
}

/// Where a side of a difference is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is no such file.
    Absent,
    /// In git.
    Blob(BlobId),
    /// In the work tree.
    WorkTree,
    /// A link or a submodule.
    Other,
    /// In conflict: there are several.
    Unmerged,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its path from the top, in the new version if it is there.
    pub path: Vec<u8>,
    /// Its path in the old version, if it was renamed.
    pub from: Option<Vec<u8>>,
    /// The old version.
    pub old: Content,
    /// The new version.
    pub new: Content,
}

/// Takes `[A [B]] [PATH…]` apart: what comes first and is a revision is one, the rest are paths. `paths` are those behind
/// a `--`, if there was one; then nothing before it can be a path.
///
/// # Errors
/// An argument that is neither.
pub fn versions(
    args: &[OsString],
    paths: Option<&[OsString]>,
    cached: bool,
) -> Result<(Versions, Vec<OsString>), GitError> {
    let mut trees: Vec<OsString> = Vec::new();
    let mut blobs = Vec::new();
    let mut rest = args;
    while let Some((first, others)) = rest.split_first() {
        if let Some((from, to)) = revision::range(first)? {
            trees.extend([from, to]);
        } else {
            match revision::look_up(first)? {
                Some(Named::Tree) => trees.push(first.clone()),
                Some(Named::Blob(id)) => blobs.push(id),
                None => break,
            }
        }
        rest = others;
    }
    if let Some(unknown) = rest.iter().find(|arg| paths.is_some() || !is_there(arg)) {
        return Err(GitError::NoRevision(unknown.to_string_lossy().into_owned()));
    }
    let paths = paths.map_or_else(|| rest.to_vec(), <[OsString]>::to_vec);
    let too_many = || GitError::read("the versions to compare", "there may be two at most");
    let versions = match (&trees[..], &blobs[..], cached) {
        ([], [old, new], false) => Versions::Blobs(*old, *new),
        (_, [_, ..], _) => {
            return Err(GitError::read("the versions to compare", "files come in pairs: `A:FILE B:FILE`"));
        }
        ([], [], false) => Versions::WorkTree,
        ([], [], true) => Versions::Index("HEAD".into()),
        ([commit], [], true) => Versions::Index(commit.clone()),
        ([commit], [], false) => Versions::Commit(commit.clone()),
        ([old, new], [], false) => Versions::Commits(old.clone(), new.clone()),
        _ => return Err(too_many()),
    };
    Ok((versions, paths))
}

/// A file, or a pattern that git takes as a pathspec. With a colon further inside it would be a file of a revision.
fn is_there(path: &OsStr) -> bool {
    let bytes = path.as_encoded_bytes();
    let is_magic = [&b":("[..], b":/", b":!", b":^"].iter().any(|magic| bytes.starts_with(magic)) || bytes == b":";
    let is_pattern = is_magic || !bytes.contains(&b':') && bytes.iter().any(|byte| b"*?[".contains(byte));
    is_pattern || Path::new(path).symlink_metadata().is_ok()
}

/// The files that differ, within `paths` if there are any.
///
/// # Errors
/// A revision or a path that git does not take.
pub fn changed_files(versions: &Versions, paths: &[OsString]) -> Result<Vec<Changed>, GitError> {
    let options = ["--raw", "-z", "--no-abbrev", "--ignore-submodules=all"];
    let git = match versions {
        Versions::WorkTree => Git::new(["diff-files"]).args(options),
        Versions::Index(commit) => Git::new(["diff-index", "--cached", "-M"]).args(options).arg(or_empty(commit)?),
        Versions::Commit(commit) => Git::new(["diff-index"]).args(options).arg(or_empty(commit)?),
        Versions::Commits(old, new) => Git::new(["diff-tree", "-r", "-M"]).args(options).arg(old).arg(new),
        Versions::Blobs(old, new) => {
            let (old, new) = (Content::Blob(*old), Content::Blob(*new));
            return Ok(vec![Changed { path: Vec::new(), from: None, old, new }]);
        }
    };
    parse(&git.arg("--").args(paths).output()?)
}

/// The commit; in a repository that has none yet, the empty tree for `HEAD`.
fn or_empty(commit: &OsStr) -> Result<OsString, GitError> {
    if commit != "HEAD" || revision::look_up(commit)?.is_some() {
        return Ok(commit.to_owned());
    }
    empty_tree()
}

/// The name of the tree that has no files.
///
/// # Errors
/// A git that cannot be started.
pub fn empty_tree() -> Result<OsString, GitError> {
    let id = Git::new(["hash-object", "-t", "tree", "--stdin"]).output()?;
    Ok(String::from_utf8_lossy(id.trim_ascii()).into_owned().into())
}

/// `:<mode> <mode> <blob> <blob> <status>`, then one path, or two for a rename.
fn parse(output: &[u8]) -> Result<Vec<Changed>, GitError> {
    let mut fields = output.split(|&byte| byte == 0).filter(|field| !field.is_empty());
    let mut all = Vec::new();
    while let Some(head) = fields.next() {
        let broken =
            || GitError::read("git's list of differences", format!("unexpected `{}`", String::from_utf8_lossy(head)));
        let head_text = std::str::from_utf8(head).ok().and_then(|text| text.strip_prefix(':')).ok_or_else(broken)?;
        let words: Vec<&str> = head_text.split(' ').collect();
        let &[old_mode, new_mode, old, new, status] = &words[..] else { return Err(broken()) };
        let mut path = fields.next().ok_or_else(broken)?.to_vec();
        let mut from = None;
        if status.starts_with(['R', 'C']) {
            from = Some(std::mem::replace(&mut path, fields.next().ok_or_else(broken)?.to_vec()));
        }
        let (mut old, mut new) = (content(old_mode, old)?, content(new_mode, new)?);
        match status.as_bytes().first() {
            Some(b'U') => (old, new) = (Content::Unmerged, Content::Unmerged),
            Some(b'D') => new = Content::Absent,
            _ => {}
        }
        all.push(Changed { path, from, old, new });
    }
    // Beside saying that a file is in conflict, git compares one side of it.
    let unmerged: HashSet<Vec<u8>> =
        all.iter().filter(|changed| changed.new == Content::Unmerged).map(|changed| changed.path.clone()).collect();
    all.retain(|changed| changed.new == Content::Unmerged || !unmerged.contains(&changed.path));
    Ok(all)
}

fn content(mode: &str, id: &str) -> Result<Content, GitError> {
    Ok(if mode == "000000" {
        Content::Absent
    } else if !mode.as_bytes().starts_with(FILE_MODE) {
        Content::Other
    } else if id.bytes().all(|byte| byte == b'0') {
        Content::WorkTree
    } else {
        Content::Blob(id.parse()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_output() {
        let (a, b, zero) = ("a".repeat(40), "b".repeat(40), "0".repeat(40));
        let output = format!(
            ":100644 100755 {a} {b} M\0m\0:000000 100644 {zero} {b} A\0new\0:100644 000000 {a} {zero} D\0old\0\
             :100644 100644 {a} {b} R087\0from\0to\0:100644 100644 {a} {zero} M\0edited\0\
             :100644 120000 {a} {b} T\0link\0:000000 100644 {zero} {zero} U\0conflict\0\
             :100644 100644 {a} {zero} M\0conflict\0"
        );
        let (a, b) = (Content::Blob(a.parse().expect("an id")), Content::Blob(b.parse().expect("an id")));
        let changed = |path: &str, from: Option<&str>, old, new| Changed {
            path: path.into(),
            from: from.map(Into::into),
            old,
            new,
        };
        let expected = vec![
            changed("m", None, a, b),
            changed("new", None, Content::Absent, b),
            changed("old", None, a, Content::Absent),
            changed("to", Some("from"), a, b),
            changed("edited", None, a, Content::WorkTree),
            changed("link", None, a, Content::Other),
            changed("conflict", None, Content::Unmerged, Content::Unmerged),
        ];
        assert_eq!(parse(output.as_bytes()).expect("parsed"), expected);
        assert!(parse(b"garbage\0").is_err());
    }
}
