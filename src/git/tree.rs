//! The files of a commit.

use std::ffi::OsStr;

use super::revision;
use super::status::FILE_MODE;
use super::{BlobId, Git, GitError};

/// A file in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path from the top.
    pub path: Vec<u8>,
    /// Its content.
    pub blob: BlobId,
}

/// What stands at a path of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A file that may be run.
    Executable,
    /// A symbolic link; its target is its content.
    Link,
}

/// A file or a link in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the top.
    pub path: Vec<u8>,
    /// Its content.
    pub blob: BlobId,
    /// What it is.
    pub kind: Kind,
}

/// All files of a commit, but no links and submodules.
///
/// # Errors
/// No such commit.
pub fn files(revision: &str) -> Result<Vec<File>, GitError> {
    let listing = listing(revision)?;
    listing.split(|&byte| byte == 0).filter(|line| line.starts_with(FILE_MODE)).map(parse).collect()
}

/// All files and links of a commit, but no submodules.
///
/// # Errors
/// No such commit.
pub fn entries(revision: &str) -> Result<Vec<Entry>, GitError> {
    let listing = listing(revision)?;
    let entry = |line| kind(line).map(|kind| parse(line).map(|File { path, blob }| Entry { path, blob, kind }));
    listing.split(|&byte| byte == 0).filter_map(entry).collect()
}

fn listing(revision: &str) -> Result<Vec<u8>, GitError> {
    if revision::look_up(OsStr::new(revision))?.is_none() {
        return Err(GitError::NoRevision(revision.into()));
    }
    Git::new(["ls-tree", "-r", "-z", "--full-tree", revision]).output()
}

fn kind(line: &[u8]) -> Option<Kind> {
    match line.get(..6)? {
        b"100755" => Some(Kind::Executable),
        b"120000" => Some(Kind::Link),
        mode if mode.starts_with(FILE_MODE) => Some(Kind::File),
        _ => None,
    }
}

/// `<mode> blob <id>\t<path>`
fn parse(line: &[u8]) -> Result<File, GitError> {
    let broken = || GitError::read("the files of a commit", format!("unexpected `{}`", String::from_utf8_lossy(line)));
    let tab = line.iter().position(|&byte| byte == b'\t').ok_or_else(broken)?;
    let head = std::str::from_utf8(&line[..tab]).map_err(|_| broken())?;
    let blob = head.split(' ').nth(2).ok_or_else(broken)?.parse()?;
    let path = line[tab + 1..].to_vec();
    // Git lets such trees be pushed, and checks them out nowhere.
    let is_odd = |part: &[u8]| matches!(part, b"" | b"." | b"..") || part.eq_ignore_ascii_case(b".git");
    if path.split(|&byte| byte == b'/').any(is_odd) {
        let path = crate::git::shown(&path);
        return Err(GitError::read("the files of a commit", format!("`{path}` would lie outside of the work tree")));
    }
    Ok(File { path, blob })
}

/// The paths of all files in the index, each once.
///
/// # Errors
/// A git that fails.
pub fn staged() -> Result<Vec<Vec<u8>>, GitError> {
    let listing = Git::new(["ls-files", "-z", "--full-name", "--", ":/"]).output()?;
    let mut paths: Vec<Vec<u8>> =
        listing.split(|&byte| byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect();
    paths.dedup();
    Ok(paths)
}
