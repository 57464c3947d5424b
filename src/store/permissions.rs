//! Who may read the store's files: the owner, or whom `core.sharedRepository` names.

use std::fs::{DirBuilder, File, Permissions as FilePermissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Permission bits for new files; folders also get the search bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    file_mode: u32,
    shared: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self { file_mode: 0o600, shared: false }
    }
}

impl Permissions {
    /// From the value of `core.sharedRepository`, as git reads it; private where it says `umask` or nothing.
    pub fn from_shared_repository(value: Option<&str>) -> Self {
        let shared = |file_mode| Self { file_mode: 0o600 | file_mode, shared: true };
        match value.map(str::to_ascii_lowercase).as_deref() {
            Some("group" | "true" | "yes" | "on" | "1") => shared(0o660),
            Some("all" | "world" | "everybody" | "2") => shared(0o664),
            Some(octal) if octal.starts_with('0') && octal.len() > 1 => {
                u32::from_str_radix(octal, 8).map_or_else(|_| Self::default(), |mode| shared(mode & 0o666))
            }
            _ => Self::default(),
        }
    }

    /// Bits of a file.
    pub const fn file_mode(self) -> u32 {
        self.file_mode
    }

    /// Gives a file that was made under a umask the bits that a shared repository wants.
    pub fn share(self, file: &File) -> io::Result<()> {
        if !self.shared || file.metadata()?.permissions().mode() & 0o7777 == self.file_mode {
            return Ok(());
        }
        match file.set_permissions(FilePermissions::from_mode(self.file_mode)) {
            // It is someone else's, who has shared it as they saw fit.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            other => other,
        }
    }

    /// Makes a folder and those above it that are missing.
    pub fn create_dir_all(self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.create_dir_all(parent)?;
        }
        let search = (self.file_mode & 0o444) >> 2;
        let mode = self.file_mode | search;
        match DirBuilder::new().mode(mode).create(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            // The umask may have taken bits away that the repository wants; the group must be inherited.
            Ok(()) if self.shared => std::fs::set_permissions(dir, FilePermissions::from_mode(mode | 0o2000)),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_git_reads_it() {
        let mode = |value| Permissions::from_shared_repository(value).file_mode();
        assert_eq!(mode(None), 0o600);
        assert_eq!(mode(Some("umask")), 0o600);
        assert_eq!(mode(Some("false")), 0o600);
        assert_eq!(mode(Some("group")), 0o660);
        assert_eq!(mode(Some("true")), 0o660);
        assert_eq!(mode(Some("all")), 0o664);
        assert_eq!(mode(Some("0640")), 0o640);
        assert_eq!(mode(Some("0999")), 0o600);
    }

    #[test]
    fn shared_folders_pass_their_group_on() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("a/b");
        Permissions::from_shared_repository(Some("group")).create_dir_all(&path)?;
        assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o7777, 0o2770);
        Ok(())
    }
}
