//! Materialize: puts whole files in the place of manifests.
//!
//! Each file is written beside its manifest under no name, on all cores, and takes the manifest's place only if that
//! still is exactly the manifest that was answered. No folder on the way may be a link. The file's time is set two
//! seconds into the past and its stat data are written into git's index where the index has that very manifest, so the
//! next `git status` asks nothing. With an index in place of the work tree's own, the time stays as it is: the own index
//! is not told of the new content, and must not find the times of the old on it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};

use super::Context;
use super::assemble::{AssembleError, Assembly};
use super::pending::Pending;
use crate::atomic_file::AtomicFile;
use crate::git::index_stat::{self, Update};
use crate::git::{BlobId, Git};
use crate::manifest::{BYTES_MAX, Manifest, ParseError};
use crate::progress::Progress;

/// An index entry younger than its index is not trusted by git; so files are made older.
const AGE: Duration = Duration::from_secs(2);
/// Another git may hold the index for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// Why a file still holds its manifest.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// It does not hold the manifest any more, or is not a plain file in plain folders.
    #[error("it was changed meanwhile")]
    Changed,
    /// Its content is not to be had or not to be written.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// Its text cannot be used.
    #[error(transparent)]
    Manifest(#[from] ParseError),
    /// The file system refused.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

/// What became of the files.
#[derive(Default)]
pub struct Report {
    /// Files that are whole now.
    pub done: Vec<Vec<u8>>,
    /// Files that still hold their manifests, and why.
    pub failed: Vec<(Vec<u8>, MaterializeError)>,
    /// Files whose index entries could not be brought up to date: git will read them once more.
    pub index_error: Option<io::Error>,
}

impl Report {
    /// The files that need another try: those that failed, and all of them if git's index could not be told.
    pub fn unresolved(&self) -> Vec<Vec<u8>> {
        let untold = self.index_error.iter().flat_map(|_| &self.done);
        self.failed.iter().map(|(path, _)| path).chain(untold).cloned().collect()
    }
}

/// Materializes what is pending. Files that were changed meanwhile are left alone and not mentioned.
pub fn materialize(context: &Context, pending: &[Pending], progress: &dyn Progress) -> Report {
    let mut report = Report::default();
    let Some(top) = context.repo.work_dir() else { return report };
    let mut updates = HashMap::new();
    for pending in pending {
        match materialize_one(context, &top, pending, progress) {
            Ok(metadata) => {
                let blob = pending.manifest.as_bytes().to_vec();
                updates.insert(pending.path.clone(), Update { blob, metadata });
                report.done.push(pending.path.clone());
            }
            Err(MaterializeError::Changed) => {}
            Err(error) => report.failed.push((pending.path.clone(), error)),
        }
    }
    if !updates.is_empty() {
        report.index_error = update_index(context, &updates).err();
    }
    report
}

pub(super) fn update_index(context: &Context, updates: &HashMap<Vec<u8>, Update>) -> io::Result<()> {
    for attempt in 1.. {
        match index_stat::update(&context.repo.index_path(), context.repo.hash_kind(), updates) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < LOCK_TRIES => {
                std::thread::sleep(LOCK_WAIT);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Ok(patched) if patched < updates.len() => return refresh_rest(context, updates),
            other => return other.map(drop),
        }
    }
    Ok(())
}

/// Has git itself look at the files whose entries were not found although the index has them: those in the shared part
/// of a split index. Entries with another blob stay as they are, and so do those in conflict: to git, looking at one is
/// to resolve it.
fn refresh_rest(context: &Context, updates: &HashMap<Vec<u8>, Update>) -> io::Result<()> {
    let Some(top) = context.repo.work_dir() else { return Ok(()) };
    let mut list = Vec::new();
    for (path, update) in updates {
        let has_blob = context.repo.merged_index_blob(path).is_some_and(|blob| blob.as_bytes() == update.blob);
        let now = context.file_path(path).and_then(|path| std::fs::symlink_metadata(path).ok());
        if has_blob && now.is_some_and(|now| is_same_file(&now, &update.metadata)) {
            list.extend_from_slice(path);
            list.push(0);
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    let git = Git::new(["update-index", "-z", "--stdin"]).current_dir(&top);
    git.output_with_input(&list).map(drop).map_err(io::Error::other)
}

fn materialize_one(
    context: &Context,
    top: &Path,
    pending: &Pending,
    progress: &dyn Progress,
) -> Result<Metadata, MaterializeError> {
    let (folder, name) = open_parent(top, &pending.path).map_err(gone)?;
    let (text, target) = read_manifest(&folder, name, &pending.manifest, context)?;
    let manifest = Manifest::parse(&text)?;
    let assembly = Assembly::plan_or_fetch(context, &manifest)?;

    let file = AtomicFile::create_in(folder.as_fd(), target.mode() & 0o7777)?;
    reserve(file.file(), assembly.size())?;
    progress.begin(&String::from_utf8_lossy(&pending.path), Some(assembly.size()));
    let written = assembly.write_to(&context.store, file.file(), context.settings.workers, progress);
    progress.end();
    written?;
    if context.repo.uses_own_index() {
        file.file().set_times(FileTimes::new().set_modified(SystemTime::now() - AGE))?;
    }

    let again = open_target(&folder, name)?.metadata()?;
    if !is_same_file(&target, &again) {
        return Err(MaterializeError::Changed);
    }
    let handle = file.file().try_clone()?;
    let written = handle.metadata()?;
    file.persist(name)?;
    let metadata = handle.metadata()?;
    // Whoever writes into the file from now on may do so before its times are known: then git has to look at it.
    let is_as_written = metadata.size() == written.size() && metadata.modified()? == written.modified()?;
    if is_as_written { Ok(metadata) } else { Err(MaterializeError::Changed) }
}

/// The file's blocks, before they are written: a full disk shows at once, not after minutes. The size grows with what is
/// written, so that a file cut short by a crash does not have the size that git's index tells of.
fn reserve(file: &File, size: u64) -> io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        other => other.map_err(Into::into),
    }
}

/// Opens the folder of `path`, one step after the other, through no link.
fn open_parent<'a>(top: &Path, path: &'a [u8]) -> io::Result<(OwnedFd, &'a OsStr)> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::openat(CWD, top, flags, Mode::empty())?;
    let mut steps: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let name = steps.pop().filter(|name| !name.is_empty()).ok_or(io::ErrorKind::InvalidInput)?;
    for step in steps {
        if step == b".." || step.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        folder = rustix::fs::openat(&folder, OsStr::from_bytes(step), flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok((folder, OsStr::from_bytes(name)))
}

fn open_target(folder: &OwnedFd, name: &OsStr) -> Result<File, MaterializeError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).map(File::from).map_err(|error| gone(error.into()))
}

/// A path that is no longer there, or goes through a link now, was changed by someone; all else is a failure.
fn gone(error: io::Error) -> MaterializeError {
    use rustix::io::Errno;
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => MaterializeError::Changed,
        _ => MaterializeError::Io(error),
    }
}

/// The target's text, if it is the manifest that was answered.
fn read_manifest(
    folder: &OwnedFd,
    name: &OsStr,
    expected: &BlobId,
    context: &Context,
) -> Result<(Vec<u8>, Metadata), MaterializeError> {
    let file = open_target(folder, name)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.size() > BYTES_MAX {
        return Err(MaterializeError::Changed);
    }
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text)?;
    match context.repo.hash_blob(&text) {
        Ok(id) if id == *expected => Ok((text, metadata)),
        _ => Err(MaterializeError::Changed),
    }
}

pub(super) fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    let key = |metadata: &Metadata| {
        (
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime_nsec(),
        )
    };
    key(a) == key(b)
}
