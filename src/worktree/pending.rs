//! Which files wait to be materialized.
//!
//! The filter answers git with a manifest and notes the path; when git closes the pipe, the files are put in place. The
//! note is kept on disk too (`model/pending/` of the work tree's git directory), for hooks that run before that, and so
//! that `git model checkout` finds what a killed filter has left undone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::git::BlobId;
use crate::store::Permissions;

/// A file that holds a manifest in place of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The path from the top of the work tree.
    pub path: Vec<u8>,
    /// The manifest's name in git.
    pub manifest: BlobId,
}

/// The notes of one filter process.
pub struct Notes {
    dir: PathBuf,
    permissions: Permissions,
    file: Option<(PathBuf, File)>,
    /// What was noted.
    pub pending: Vec<Pending>,
}

impl Notes {
    /// No notes yet, for the work tree with this git directory; `permissions` are those of the store beside it.
    pub fn new(git_dir: &Path, permissions: Permissions) -> Self {
        Self { dir: dir(git_dir), permissions, file: None, pending: Vec::new() }
    }

    /// Notes a file. Failing to write the note down is no failure: this process still knows.
    pub fn add(&mut self, pending: Pending) {
        let _ = self.write_down(&pending);
        self.pending.push(pending);
    }

    fn write_down(&mut self, pending: &Pending) -> io::Result<()> {
        if self.file.is_none() {
            self.permissions.create_dir_all(&self.dir)?;
            let path = self.dir.join(std::process::id().to_string());
            let mode = self.permissions.file_mode();
            let file = OpenOptions::new().create(true).append(true).mode(mode).open(&path)?;
            self.permissions.share(&file)?;
            self.file = Some((path, file));
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        let mut line = format!("{} ", pending.manifest).into_bytes();
        line.extend_from_slice(&pending.path);
        line.push(0);
        file.write_all(&line)
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.file {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// All notes on disk, of running filters and of those that were killed.
pub fn read_all(git_dir: &Path) -> Vec<Pending> {
    let Ok(entries) = std::fs::read_dir(dir(git_dir)) else { return Vec::new() };
    let mut all: Vec<Pending> = entries
        .filter_map(|entry| std::fs::read(entry.ok()?.path()).ok())
        .flat_map(|notes| notes.split(|&byte| byte == 0).filter_map(parse).collect::<Vec<_>>())
        .collect();
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all.dedup();
    all
}

/// Removes the notes of filters that no longer run.
pub fn remove_stale(git_dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir(git_dir)) else { return };
    for entry in entries.flatten() {
        let runs = entry
            .file_name()
            .to_str()
            .and_then(|name| rustix::process::Pid::from_raw(name.parse().ok()?))
            .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH));
        if !runs {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn parse(line: &[u8]) -> Option<Pending> {
    let at = line.iter().position(|&byte| byte == b' ')?;
    let manifest = std::str::from_utf8(&line[..at]).ok()?.parse().ok()?;
    Some(Pending { path: line[at + 1..].to_vec(), manifest })
}

fn dir(git_dir: &Path) -> PathBuf {
    git_dir.join("model/pending")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_back_and_go_with_their_process() {
        let git_dir = tempfile::tempdir().expect("a folder");
        let manifest: BlobId = "0123456789012345678901234567890123456789".parse().expect("an id");
        let mut notes = Notes::new(git_dir.path(), Permissions::default());
        let files = [b"a b.bin".to_vec(), b"new\nline \xff".to_vec()];
        for path in &files {
            notes.add(Pending { path: path.clone(), manifest });
        }
        let read: Vec<_> = read_all(git_dir.path()).into_iter().map(|pending| pending.path).collect();
        assert_eq!(read, files);
        remove_stale(git_dir.path());
        assert_eq!(read_all(git_dir.path()).len(), 2);
        drop(notes);
        assert!(read_all(git_dir.path()).is_empty());
    }
}
