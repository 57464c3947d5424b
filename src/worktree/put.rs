//! Puts another version of a model into the work tree, and into the index.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::loose::Loose;
use super::materialize::{self, MaterializeError};
use super::pending::Pending;
use super::{Context, models};
use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};
use crate::git::{BlobId, Git, GitError};
use crate::manifest::{BYTES_MAX, Manifest};
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
    /// The file that is there cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
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

/// Whether nothing is lost when the file at `path` (from the top of the work tree) is written over: it is not there, or it is
/// one that the manifests of these blobs stand for.
///
/// # Errors
/// Blobs that cannot be had, and a file that cannot be read.
pub fn is_known(context: &Context, path: &[u8], known: &[BlobId], progress: &dyn Progress) -> Result<bool, PutError> {
    let Some(file) = context.file_path(path).filter(|file| file.symlink_metadata().is_ok()) else { return Ok(true) };
    if let Some(text) = models::manifest_in_place(context, path) {
        return Ok(known.contains(&context.repo.hash_blob(&text)?));
    }
    let failed = |source| PutError::Read { path: crate::git::shown(path), source };
    let there = Loose::open(&file, context.settings.workers, progress).map_err(failed)?;
    for &blob in known {
        let text = context.repo.blob_up_to(blob, BYTES_MAX)?;
        if text.and_then(|text| Manifest::parse(&text).ok()).is_some_and(|manifest| there.is_like(&manifest)) {
            return Ok(true);
        }
    }
    Ok(false)
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
    let mode = merged_mode(&staged);
    // A line with mode 0 removes all stages there are.
    let zero = "0".repeat(id.to_string().len());
    let mut input = [format!("0 {zero}\t").as_bytes(), path, b"\0"].concat();
    input.extend([mode.as_slice(), format!(" {id} 0\t").as_bytes(), path, b"\0"].concat());
    Git::new(["update-index", "-z", "--index-info"]).output_with_input(&input).map(drop)
}

/// The mode of a file whose entries `git ls-files --stage -z` has listed: `<mode> <blob> <stage>\t<path>`. Of a file in
/// conflict, the one that one side has changed.
fn merged_mode(listed: &[u8]) -> Vec<u8> {
    let mut modes = [None; 4];
    for line in listed.split(|&byte| byte == 0) {
        let mut words = line.split(|byte| b" \t".contains(byte));
        if let (Some(mode), Some(&[stage])) = (words.next(), words.nth(1)) {
            modes[usize::from(stage - b'0') % modes.len()] = Some(mode);
        }
    }
    let [merged, base, ours, theirs] = modes;
    let one_sided = if ours == base { theirs.or(ours) } else { ours.or(theirs) };
    merged.or(one_sided).or(base).unwrap_or(b"100644").to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_that_one_side_has_changed_is_taken() {
        let merged = |modes: [&str; 3]| {
            let lines = (1..).zip(modes).filter(|(_, mode)| !mode.is_empty());
            let lines: String = lines.map(|(stage, mode)| format!("{mode} abc {stage}\tfile 1\0")).collect();
            String::from_utf8(merged_mode(lines.as_bytes())).expect("text")
        };
        let (plain, executable) = ("100644", "100755");
        assert_eq!(merged([plain, plain, executable]), executable);
        assert_eq!(merged([plain, executable, plain]), executable);
        assert_eq!(merged([executable, plain, executable]), plain);
        assert_eq!(merged(["", executable, plain]), executable);
        assert_eq!(merged([plain, "", plain]), plain);
        assert_eq!(merged(["", "", ""]), plain);
        assert_eq!(merged_mode(b"100755 abc 0\tfile\0"), executable.as_bytes());
    }
}
