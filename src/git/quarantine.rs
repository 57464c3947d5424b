//! Objects that a push has brought and that are not in the repository yet.
//!
//! Git keeps them in a folder of their own until `pre-receive` has said yes, and tells the hook so by `GIT_QUARANTINE_PATH`,
//! `GIT_OBJECT_DIRECTORY` and `GIT_ALTERNATE_OBJECT_DIRECTORIES` (`git-receive-pack(1)`). gix does not look at these; but it
//! follows `info/alternates`. So it gets an object folder that has nothing but such a file.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::command::QUARANTINE;
use super::{GitError, absolute};

/// Lets `gix` see what is in quarantine, if there is one. The folder must live as long.
pub fn look_into(gix: &mut gix::Repository) -> Result<Option<TempDir>, GitError> {
    let Some(incoming) = std::env::var_os(QUARANTINE) else { return Ok(None) };
    let failed = |error| GitError::read("what was pushed", error);
    let own = gix.objects.store_ref().path().to_owned();
    let mut folders = vec![absolute(&PathBuf::from(incoming)), absolute(&own)];
    let others = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
    folders
        .extend(std::env::split_paths(&others).filter(|path| !path.as_os_str().is_empty()).map(|path| absolute(&path)));
    let folder = TempDir::new().map_err(failed)?;
    std::fs::create_dir(folder.path().join("info")).map_err(failed)?;
    let mut listed = std::fs::File::create(folder.path().join("info/alternates")).map_err(failed)?;
    for path in &folders {
        listed.write_all(&[path.as_os_str().as_bytes(), b"\n"].concat()).map_err(failed)?;
    }
    let objects = gix::odb::at(folder.path(), gix.object_hash()).map_err(failed)?;
    gix.objects = gix::odb::memory::Proxy::new(objects, gix.object_hash());
    Ok(Some(folder))
}
