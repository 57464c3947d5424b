//! What was not committed when a run began, as a digest.

use std::io;
use std::path::Path;

use super::RunError;
use super::files;
use super::steps::Head;
use crate::git::{Git, changes};
use crate::metrics::check::fresh::PREFIX;

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
    sha256: sha2::Sha256,
    len: u64,
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sha2::Digest::update(&mut self.sha256, bytes);
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
        let bytes: [u8; 32] = sha2::Digest::finalize(self.sha256).into();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        (self.len > 0).then(|| format!("{}{hex}", PREFIX))
    }
}
