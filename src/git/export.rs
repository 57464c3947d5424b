//! The files of a commit, in a folder outside the work tree.

use std::ffi::OsString;
use std::path::Path;

use super::history::CommitId;
use super::{Git, GitError};

/// Writes the files of a commit into an empty folder; weights as their manifests.
///
/// # Errors
/// A git that fails, a folder that cannot be written.
pub fn check_out(commit: CommitId, folder: &Path) -> Result<(), GitError> {
    let index = folder.join(".git-model-index");
    Git::new(["read-tree"]).env("GIT_INDEX_FILE", &index).arg(commit.to_string()).output()?;
    let mut work_tree = OsString::from("--work-tree=");
    work_tree.push(folder);
    let git = Git::new([work_tree.as_os_str()]).env("GIT_INDEX_FILE", &index).env("GIT_MODEL_SMUDGE", "skip");
    git.args(["checkout-index", "--all", "--force", "--quiet"]).output()?;
    // It was needed for this alone.
    let _ = std::fs::remove_file(&index);
    Ok(())
}
