//! A whole model, as a file beside the work tree.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::worktree::Context;
use crate::worktree::assemble::{AssembleError, Assembly};

/// Writes the file that `manifest` describes; it appears when it is whole, in place of one that was there.
///
/// # Errors
/// What the store does not have, and a place that cannot be written.
pub fn export(context: &Context, manifest: &Manifest, to: &Path, progress: &dyn Progress) -> Result<(), AssembleError> {
    let assembly = Assembly::plan_or_fetch(context, manifest)?;
    write_whole(to, |file| {
        progress.begin(&to.file_name().unwrap_or_default().to_string_lossy(), Some(assembly.size()));
        let written = assembly.write_to(&context.store, file, context.settings.workers, progress);
        progress.end();
        written
    })
}

/// Writes a file that appears when `write` has written all of it, with the mode of one that was there. What a link points
/// to is written, not the link.
///
/// # Errors
/// Those of `write`, and a place that cannot be written, or that has a pipe or a device.
pub fn write_whole<E: From<io::Error>>(
    to: &Path,
    write: impl FnOnce(&std::fs::File) -> Result<(), E>,
) -> Result<(), E> {
    let linked;
    let to = match to.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            linked = to.canonicalize()?;
            &linked
        }
        _ => to,
    };
    let mode = match to.symlink_metadata() {
        // Renamed onto a device, the file would take its place.
        Ok(there) if !there.is_file() => {
            return Err(io::Error::other("it is there already, and is no regular file").into());
        }
        Ok(there) => there.permissions().mode() & 0o777,
        Err(_) => mode_by_umask(0o666),
    };
    let name = to.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let folder = open_folder(folder)?;
    let file = AtomicFile::create_in(folder.as_fd(), mode)?;
    write(file.file())?;
    file.file().sync_data()?;
    file.persist(name)?;
    Ok(sync_folder(folder)?)
}
