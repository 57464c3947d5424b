//! Puts another version of a model into the work tree, and into the index.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Context;
use super::materialize::{self, MaterializeError};
use super::pending::Pending;
use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};
use crate::git::{BlobId, Git, GitError};
use crate::progress::Progress;

/// Why a version could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Git refused.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The file system refused.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file holds its manifest, as the weights are not to be had.
    #[error("`{path}` holds its manifest, not its weights: {source}")]
    Materialize {
        /// The file.
        path: String,
        /// Why.
        source: MaterializeError,
    },
}

/// Makes the file at `path` (from the top of the work tree) the one that `manifest` stands for; if `is_staged`, for git
/// too. Returns the manifest's name in git.
///
/// # Errors
/// The work tree cannot be written, or objects are missing.
pub fn put(
    context: &Context,
    path: &[u8],
    manifest: &[u8],
    is_staged: bool,
    progress: &dyn Progress,
) -> Result<BlobId, PutError> {
    let name = crate::git::shown(path);
    let id = Git::new(["hash-object", "-w", "--stdin"]).output_with_input(manifest)?;
    let id: BlobId = String::from_utf8_lossy(&id).trim().parse()?;
    let file = context.file_path(path).ok_or_else(|| GitError::NoRepository("there is no work tree".into()))?;
    let failed = |source| PutError::Io { path: name.clone(), source };
    replace(&file, manifest).map_err(failed)?;
    if is_staged {
        stage(path, id)?;
    }
    let pending = Pending { path: path.to_vec(), manifest: id };
    let mut report = materialize::materialize(context, &[pending], progress);
    match report.failed.pop() {
        Some((_, source)) => Err(PutError::Materialize { path: name, source }),
        None => Ok(id),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let folder = open_folder(folder)?;
    let mode =
        path.symlink_metadata().map_or_else(|_| mode_by_umask(0o666), |metadata| metadata.permissions().mode() & 0o777);
    let file = AtomicFile::create_in(folder.as_fd(), mode)?;
    file.file().write_all(bytes)?;
    file.file().sync_data()?;
    file.persist(path.file_name().ok_or(io::ErrorKind::InvalidInput)?)?;
    sync_folder(folder.as_fd())
}

/// The index gets the blob for `path`, whatever conflict it had there.
fn stage(path: &[u8], id: BlobId) -> Result<(), GitError> {
    let pathspec = OsString::from_vec([b":(top,literal)", path].concat());
    let staged = Git::new(["ls-files", "--stage", "-z", "--"]).arg(pathspec).output()?;
    let mode = staged.split(|&byte| byte == b' ').next().filter(|mode| !mode.is_empty()).unwrap_or(b"100644");
    // A line with mode 0 removes all stages there are.
    let zero = "0".repeat(id.to_string().len());
    let mut input = [format!("0 {zero}\t").as_bytes(), path, b"\0"].concat();
    input.extend([mode, format!(" {id} 0\t").as_bytes(), path, b"\0"].concat());
    Git::new(["update-index", "-z", "--index-info"]).output_with_input(&input).map(drop)
}
