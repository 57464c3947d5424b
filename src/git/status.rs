//! What `git status` says, file by file.
//!
//! Source: `git-status(1)`, porcelain format version 2. Git compares by stat data and asks the filter only about files
//! whose data differ from the index.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{BlobId, Git, GitError};

/// What a file is in the index, compared with the last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// Not in the last commit.
    New,
    /// Another content or mode.
    Modified,
    /// In the last commit only.
    Deleted,
    /// The same.
    Unchanged,
    /// Not in the index.
    Untracked,
    /// Both sides of a merge have changed it.
    Conflict,
}

/// How the modes of files begin; those of links and submodules do not.
pub const FILE_MODE: &[u8] = b"100";

/// A file that differs somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The index against the last commit.
    pub staged: Staged,
    /// The work tree has another content than the index.
    pub is_modified: bool,
    /// What the last commit has; `None` if it has no such file, or a link or submodule there.
    pub head: Option<BlobId>,
}

/// The files whose stat data are not those in the index, by their path from the top of the work tree. Nothing is read to
/// see whether their content differs.
pub fn with_other_stat_data() -> Result<BTreeSet<Vec<u8>>, GitError> {
    let output = Git::new(["diff-files", "-z", "--name-only", "--ignore-submodules=all"]).output()?;
    Ok(output.split(|&byte| byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect())
}

/// Whether the stat data of this file, by its path from the `top` of the work tree, are not those in the index.
pub fn has_other_stat_data(top: &Path, path: &[u8]) -> Result<bool, GitError> {
    let asked = ["--literal-pathspecs", "diff-files", "-z", "--name-only", "--ignore-submodules=all", "--"];
    Ok(!Git::new(asked).arg(OsStr::from_bytes(path)).current_dir(top).output()?.is_empty())
}

/// All differing files by their path from the top of the work tree.
pub fn differences() -> Result<BTreeMap<Vec<u8>, Difference>, GitError> {
    let options = ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=all"];
    // Git refreshes its index on the way, if it can: not on a disk that is full.
    let output = Git::new(options).output().or_else(|_| Git::new(["--no-optional-locks"]).args(options).output())?;
    let mut lines = output.split(|&byte| byte == 0);
    let mut all = BTreeMap::new();
    while let Some(line) = lines.next() {
        let broken = || GitError::read("git's status", format!("unexpected line `{}`", String::from_utf8_lossy(line)));
        let fields = |count: usize| -> Option<Vec<&[u8]>> {
            let fields: Vec<&[u8]> = line.splitn(count, |&byte| byte == b' ').collect();
            (fields.len() == count).then_some(fields)
        };
        match line.first() {
            Some(b'1') => {
                let fields = fields(9).ok_or_else(broken)?;
                all.insert(fields[8].to_vec(), difference(fields[1], fields[3], fields[6])?);
            }
            Some(b'2') => {
                let fields = fields(10).ok_or_else(broken)?;
                let from = lines.next().ok_or_else(broken)?;
                let renamed = difference(fields[1], fields[3], fields[6])?;
                let gone = Difference { staged: Staged::Deleted, is_modified: false, head: renamed.head };
                if fields[1].starts_with(b"R") {
                    all.insert(from.to_vec(), gone);
                }
                all.insert(fields[9].to_vec(), Difference { staged: Staged::New, head: None, ..renamed });
            }
            Some(b'u') => {
                let fields = fields(11).ok_or_else(broken)?;
                all.insert(fields[10].to_vec(), Difference { staged: Staged::Conflict, is_modified: true, head: None });
            }
            Some(b'?') => {
                let path = fields(2).ok_or_else(broken)?[1].to_vec();
                all.insert(path, Difference { staged: Staged::Untracked, is_modified: false, head: None });
            }
            _ => {}
        }
    }
    Ok(all)
}

/// From git's two letters (index, work tree), and mode and name of what is committed.
fn difference(letters: &[u8], mode: &[u8], head: &[u8]) -> Result<Difference, GitError> {
    let staged = match letters.first() {
        Some(b'.') => Staged::Unchanged,
        Some(b'A') => Staged::New,
        Some(b'D') => Staged::Deleted,
        _ => Staged::Modified,
    };
    let head = match staged {
        Staged::New => None,
        _ if !mode.starts_with(FILE_MODE) => None,
        _ => Some(String::from_utf8_lossy(head).parse()?),
    };
    Ok(Difference { staged, is_modified: letters.get(1).is_some_and(|&letter| letter != b'.'), head })
}
