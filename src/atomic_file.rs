//! Files that appear under their name all at once, or not at all.
//!
//! A file is written without a name (`O_TMPFILE`), so that a process killed half-way leaves nothing behind; where the
//! file system cannot do that, under a temporary name in the same folder. Folders are held as descriptors: what happens
//! to their path meanwhile does not matter.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// Opens a folder, so that files can be made in it.
pub fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

/// The permission bits that a new file of the user's gets: `wanted` without what the umask takes away.
pub fn mode_by_umask(wanted: u32) -> u32 {
    // The umask can be read only by setting it.
    let umask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(umask);
    wanted & !umask.as_raw_mode()
}

/// A file that has no name yet; dropped, it is gone.
pub struct AtomicFile {
    file: File,
    folder: OwnedFd,
    temporary_name: Option<String>,
}

impl AtomicFile {
    /// A new, empty file for `folder`, with exactly these permission bits.
    pub fn create_in(folder: BorrowedFd<'_>, mode: u32) -> io::Result<Self> {
        let folder = folder.try_clone_to_owned()?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let (file, temporary_name) =
            match rustix::fs::openat(&folder, ".", flags | OFlags::TMPFILE, Mode::RUSR | Mode::WUSR) {
                Ok(file) if Path::new("/proc/self/fd").exists() => (file, None),
                Ok(_) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
                    let name = unused_name();
                    let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                    (rustix::fs::openat(&folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?, Some(name))
                }
                Err(error) => return Err(error.into()),
            };
        let file = Self { file: File::from(file), folder, temporary_name };
        rustix::fs::fchmod(&file.file, Mode::from_raw_mode(mode))?;
        Ok(file)
    }

    /// The open file.
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, in place of whatever had it. Durable only after the caller's `sync_data` before and
    /// [`sync_folder`] after.
    pub fn persist(mut self, name: &OsStr) -> io::Result<()> {
        if self.temporary_name.is_none() {
            let itself = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let link = |name: &OsStr| rustix::fs::linkat(CWD, &itself, &self.folder, name, AtFlags::SYMLINK_FOLLOW);
            match link(name) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let temporary = unused_name();
            link(OsStr::new(&temporary))?;
            self.temporary_name = Some(temporary);
        }
        if let Some(temporary) = &self.temporary_name {
            rustix::fs::renameat(&self.folder, temporary.as_str(), &self.folder, name)?;
        }
        self.temporary_name = None;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary_name {
            let _ = rustix::fs::unlinkat(&self.folder, name.as_str(), AtFlags::empty());
        }
    }
}

/// Writes `bytes` at `offset` and reads their ends back: a disk or driver that says yes and keeps nothing is noticed
/// before anything relies on it.
pub fn write_checked_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    const ENDS_BYTES: usize = 64;
    file.write_all_at(bytes, offset)?;
    let len = bytes.len().min(ENDS_BYTES);
    for start in [0, bytes.len() - len] {
        let mut kept = [0; ENDS_BYTES];
        let kept = &mut kept[..len];
        match file.read_exact_at(kept, offset + start as u64) {
            Ok(()) if *kept == bytes[start..start + len] => {}
            Ok(()) => return Err(io::Error::other("the file system did not keep what was written")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(io::Error::other("the file system kept less than was written"));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(folder)?)
}

/// Prefix of the temporary names; the process's id follows. Whatever bears it and is old may be deleted.
pub const TEMPORARY_PREFIX: &str = ".git-model-tmp-";

/// Removes temporary files from `folder` whose process no longer runs.
pub fn remove_stale(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY_PREFIX)?.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid| !is_running(pid)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a process with this id runs.
pub fn is_running(pid: i32) -> bool {
    rustix::process::Pid::from_raw(pid)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn unused_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{TEMPORARY_PREFIX}{}-{}-{nanos}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Writes a file that appears when `write` has written all of it, with the mode of one that was there. What a link points
/// to is written, not the link.
///
/// # Errors
/// Those of `write`, and a place that cannot be written, or that has a pipe or a device.
pub fn write_whole<E: From<io::Error>>(to: &Path, write: impl FnOnce(&File) -> Result<(), E>) -> Result<(), E> {
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn appears_at_once_and_replaces() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let folder = open_folder(dir.path())?;
        for content in ["one", "two"] {
            let file = AtomicFile::create_in(folder.as_fd(), 0o640)?;
            file.file().write_all(content.as_bytes())?;
            file.persist(OsStr::new("name"))?;
            assert_eq!(std::fs::read_to_string(dir.path().join("name"))?, content);
        }
        let dropped = AtomicFile::create_in(folder.as_fd(), 0o600)?;
        dropped.file().write_all(b"three")?;
        drop(dropped);
        assert_eq!(std::fs::read_dir(dir.path())?.count(), 1);
        Ok(())
    }
}
