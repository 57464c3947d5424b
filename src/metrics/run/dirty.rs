//! What was not committed when a run began, as a digest.

use std::io;
use std::path::Path;

use super::RunError;
use super::files;
use super::steps::Head;
use crate::git::{Git, changes};
use crate::id::{ObjectId, Sha256};

/// The SHA-256 of what differs in tracked files since the last commit; none if nothing does.
pub fn digest(head: &Head, top: &Path) -> Result<Option<String>, RunError> {
    let base = match head.commit {
        Some(_) => "HEAD".into(),
        None => changes::empty_tree()?,
    };
    // Unlike `git diff`, this does not follow settings of how a user wants to see differences, but for these.
    let settings = ["-c", "core.quotePath=true", "-c", "diff.suppressBlankEmpty=false"];
    let options = ["-p", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"];
    files::refresh(top)?;
    let mut digest = Digest::default();
    let git = Git::new(settings).arg("diff-index").args(options).arg(base).arg("--");
    git.current_dir(top).copy_output(&mut digest)?;
    Ok(digest.text())
}

/// A SHA-256 of what is written to it.
#[derive(Default)]
struct Digest {
    sha256: Sha256,
    len: u64,
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sha256.update(bytes);
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Digest {
    /// None of nothing.
    fn text(self) -> Option<String> {
        (self.len > 0).then(|| format!("sha256:{}", ObjectId::from_bytes(self.sha256.finish())))
    }
}
