//! Which files wait to be materialized.
//!
//! The filter answers git with a manifest and notes the path; when git closes the pipe, the files are put in place. The
//! note is kept on disk too (`model/pending/` of the work tree's git directory), for hooks that run before that, and so
//! that `git model checkout` finds what a killed filter has left undone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::atomic_file::is_running;
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
        file.write_all(&pending.line())
    }
}

impl Notes {
    /// Forgets what was resolved; what was not stays on disk for the next try.
    pub fn finish(self, unresolved: &[Vec<u8>]) {
        if let Some((path, _)) = &self.file {
            keep_only(path, &self.pending, unresolved);
        }
    }
}

/// The notes of one process, as they are on disk.
pub struct Note {
    path: PathBuf,
    /// Whether that process has ended: nobody else will resolve them.
    pub is_stale: bool,
    /// What was noted.
    pub pending: Vec<Pending>,
}

impl Note {
    /// Forgets what was resolved.
    pub fn finish(self, unresolved: &[Vec<u8>]) {
        keep_only(&self.path, &self.pending, unresolved);
    }
}

/// All notes on disk, of running filters and of those that were killed.
pub fn read_all(git_dir: &Path) -> Vec<Note> {
    let Ok(entries) = std::fs::read_dir(dir(git_dir)) else { return Vec::new() };
    let read = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let text = std::fs::read(entry.path()).ok()?;
        let pending = text.split(|&byte| byte == 0).filter_map(parse).collect();
        Some(Note { path: entry.path(), is_stale: !pid.is_some_and(is_running), pending })
    };
    entries.flatten().filter_map(read).collect()
}

/// Failing to write is no harm: the note then names more than is left to do.
fn keep_only(path: &Path, pending: &[Pending], unresolved: &[Vec<u8>]) {
    let left: Vec<u8> =
        pending.iter().filter(|pending| unresolved.contains(&pending.path)).flat_map(Pending::line).collect();
    let _ = if left.is_empty() { std::fs::remove_file(path) } else { std::fs::write(path, left) };
}

impl Pending {
    fn line(&self) -> Vec<u8> {
        let mut line = format!("{} ", self.manifest).into_bytes();
        line.extend_from_slice(&self.path);
        line.push(0);
        line
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

    fn paths(git_dir: &Path) -> Vec<Vec<u8>> {
        read_all(git_dir).into_iter().flat_map(|note| note.pending).map(|pending| pending.path).collect()
    }

    #[test]
    fn notes_stay_until_they_are_resolved() {
        let git_dir = tempfile::tempdir().expect("a folder");
        let manifest: BlobId = "0123456789012345678901234567890123456789".parse().expect("an id");
        let mut notes = Notes::new(git_dir.path(), Permissions::default());
        let files = [b"a b.bin".to_vec(), b"new\nline \xff".to_vec()];
        for path in &files {
            notes.add(Pending { path: path.clone(), manifest });
        }
        assert_eq!(paths(git_dir.path()), files);
        notes.finish(&files[1..]);
        assert_eq!(paths(git_dir.path()), files[1..]);
        for note in read_all(git_dir.path()) {
            assert!(!note.is_stale);
            note.finish(&[]);
        }
        assert!(paths(git_dir.path()).is_empty());
    }
}
