//! Where a page is written to.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};

/// A file that will appear, or be replaced, when its content is there.
pub struct Target {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    File(AtomicFile, PathBuf, OsString),
    /// A pipe or a device, which is written into.
    Stream(File),
}

/// Why it cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl Target {
    /// Prepares to write, so that a path which cannot be written to is told before long work is done for it.
    ///
    /// # Errors
    /// No such folder, or no permission.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let kind = Kind::open(path).map_err(|source| WriteError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Writes the content. Returns when it is on disk.
    ///
    /// # Errors
    /// A full disk, for instance; then what was there before is still there.
    pub fn write(self, content: &str) -> Result<(), WriteError> {
        let failed = |source| WriteError { path: self.path.clone(), source };
        self.kind.write(content.as_bytes()).map_err(failed)
    }
}

impl Kind {
    fn open(path: &Path) -> io::Result<Self> {
        // A link stays, what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mode = match path.metadata() {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => return Ok(Self::Stream(File::options().write(true).open(&path)?)),
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(_) => mode_by_umask(0o666),
        };
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let file = AtomicFile::create_in(open_folder(folder)?.as_fd(), mode)?;
        Ok(Self::File(file, folder.to_owned(), name))
    }

    fn write(self, content: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file, folder, name) => {
                file.file().write_all(content)?;
                file.file().sync_data()?;
                file.persist(&name)?;
                sync_folder(open_folder(&folder)?)
            }
            Self::Stream(mut stream) => match stream.write_all(content) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            },
        }
    }
}
