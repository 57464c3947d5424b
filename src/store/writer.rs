//! Writes one pack. Many threads append; nothing is visible before [`PackWriter::commit`].

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{File, FileTimes};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::SystemTime;

use crossbeam_channel::{Sender, bounded};
use rustix::fs::{Advice, Timespec, Timestamps};

use super::pack::{self, Batch, EntryId, Kind, Record};
use super::{Store, StoreError};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder, write_checked_at};
use crate::id::PackId;

/// The disk begins to write whenever so many bytes have come.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// The disk is asked to make durable what has come, whenever it is so much.
const SYNC_BYTES: u64 = 64 << 20;

/// A pack in the making.
pub struct PackWriter {
    store: Store,
    claimed: Mutex<HashSet<[u8; 32]>>,
    body: Mutex<Option<Body>>,
}

struct Body {
    file: AtomicFile,
    end: u64,
    /// Up to here the disk has been asked to begin.
    begun: u64,
    /// Up to here it has been asked to make it durable.
    syncing: u64,
    early: Option<EarlySync>,
    records: Vec<Record>,
}

impl PackWriter {
    /// A pack for `store`. No file is made before something is written.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), claimed: Mutex::default(), body: Mutex::default() }
    }

    /// True for the first who asks for this id; that one writes the entry.
    pub fn claim(&self, id: &[u8; 32]) -> bool {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(*id)
    }

    /// Writes the batch's entries and clears it.
    pub fn append(&self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let dir = self.store.packs_dir();
        let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
        if body.is_none() {
            *body = Some(self.begin(&dir)?);
        }
        let Some(body) = body.as_mut() else { return Ok(()) };
        let (bytes, records) = batch.placed_at(body.end);
        write_checked_at(body.file.file(), bytes, body.end).map_err(|source| StoreError::io("write", &dir, source))?;
        body.end += bytes.len() as u64;
        body.records.extend(records);
        batch.clear();
        if body.end - body.begun >= WRITE_BACK_BYTES {
            begin_write_back(body.file.file(), body.begun, body.end);
            body.begun = body.end;
        }
        if body.end - body.syncing >= SYNC_BYTES {
            body.syncing = body.end;
            if body.early.is_none() {
                body.early = EarlySync::start(body.file.file());
            }
            body.early.as_ref().inspect(|early| early.more());
        }
        Ok(())
    }

    fn begin(&self, dir: &Path) -> Result<Body, StoreError> {
        let permissions = self.store.permissions();
        permissions.create_dir_all(dir).map_err(|source| StoreError::io("make the folder", dir, source))?;
        let create = || {
            let folder = open_folder(dir)?;
            let file = AtomicFile::create_in(folder.as_fd(), permissions.file_mode())?;
            write_checked_at(file.file(), pack::header(), 0)?;
            let end = pack::header().len() as u64;
            Ok(Body { file, end, begun: 0, syncing: 0, early: None, records: Vec::new() })
        };
        create().map_err(|source| StoreError::io("make a pack in", dir, source))
    }

    /// Bytes of the pack so far.
    pub fn len(&self) -> u64 {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |body| body.end)
    }

    /// Makes the pack durable and visible; `relied_on` are the entries of older packs that the new objects use.
    ///
    /// When this returns, every entry is on disk, and no `gc` deletes what is relied on before the grace period ends.
    /// `None` if there was nothing to write.
    ///
    /// # Errors
    /// Besides those of writing: what is relied on has been deleted meanwhile.
    pub fn commit(self, relied_on: &[ReliedOn]) -> Result<Option<PackId>, StoreError> {
        self.commit_dated(relied_on, None)
    }

    /// As [`PackWriter::commit`], with a modification time other than now.
    pub fn commit_dated(
        self,
        relied_on: &[ReliedOn],
        modified: Option<SystemTime>,
    ) -> Result<Option<PackId>, StoreError> {
        let body = self.body.into_inner().unwrap_or_else(PoisonError::into_inner);
        if body.is_none() && relied_on.is_empty() {
            return Ok(None);
        }
        let dir = self.store.packs_dir();
        let written = match body {
            None => None,
            Some(mut body) => {
                let (tail, name) = pack::close(&mut body.records, body.end);
                let mut close = || {
                    write_checked_at(body.file.file(), &tail, body.end)?;
                    if let Some(modified) = modified {
                        body.file.file().set_times(FileTimes::new().set_modified(modified))?;
                    }
                    body.early.take().map_or(Ok(()), EarlySync::finish)?;
                    body.file.file().sync_data()
                };
                close().map_err(|source| StoreError::io("write", &dir, source))?;
                Some((body.file, name))
            }
        };
        let _lock = match self.store.lock_shared() {
            Ok(lock) => Some(lock),
            // Where nobody can write, nobody deletes either.
            Err(_) if written.is_none() => None,
            Err(error) => return Err(error),
        };
        mark_relied_on(&self.store, relied_on)?;
        let Some((file, name)) = written else { return Ok(None) };
        let publish = || {
            file.persist(&OsString::from(format!("{name}.pack")))?;
            sync_folder(open_folder(&dir)?)
        };
        publish().map_err(|source| StoreError::io("publish a pack in", &dir, source))?;
        Ok(Some(name))
    }
}

/// Has the disk write what stands between `start` and `end`, while more is being encoded, and waits for nothing: the
/// final sync then finds little left to do. Advice only, so there is nothing that could fail.
fn begin_write_back(file: &File, start: u64, end: u64) {
    // Linux begins to write the range's dirty pages, and drops from its cache only those that were written before.
    let _ = rustix::fs::fadvise(file, start, NonZeroU64::new(end - start), Advice::DontNeed);
}

/// Syncs a file again and again while more is written to it. A disk with a cache of its own may take as long to empty
/// that as it took to write; where all of that is left to the end, it is time spent waiting.
struct EarlySync {
    wake: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl EarlySync {
    /// `None` where no more threads can be had: then the last sync does all.
    fn start(file: &File) -> Option<Self> {
        let file = file.try_clone().ok()?;
        let (wake, woken) = bounded(1);
        let run = move || woken.into_iter().try_for_each(|()| file.sync_data());
        Some(Self { wake, thread: std::thread::Builder::new().spawn(run).ok()? })
    }

    /// More has come.
    fn more(&self) {
        // One call that waits is enough; and after an error there is none to come.
        let _ = self.wake.try_send(());
    }

    /// Waits for a sync at work. The kernel tells of an error once: one that was told here is not told to the next.
    fn finish(self) -> io::Result<()> {
        drop(self.wake);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs has panicked")))
    }
}

/// Entries of a pack that new objects use.
pub struct ReliedOn {
    /// The pack.
    pub pack: PathBuf,
    /// The entries.
    pub entries: Vec<(EntryId, Kind)>,
}

/// Marks the packs of these entries as used, which keeps `gc` away. The caller holds the shared lock.
///
/// A pack may have been deleted since it was found; mostly because `gc` has copied what is of use in it to another pack,
/// which is then marked instead.
pub fn mark_relied_on(store: &Store, relied_on: &[ReliedOn]) -> Result<(), StoreError> {
    let mark = |path: &Path| match touch(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::io("mark as used", path, source)),
    };
    let mut moved_to = HashSet::new();
    for ReliedOn { pack, entries } in relied_on {
        if mark(pack)? {
            continue;
        }
        store.rescan()?;
        let packs = store.packs();
        for (id, kind) in entries {
            let found = packs.find(id, *kind).ok_or_else(|| StoreError::Vanished(pack.clone()))?;
            moved_to.insert(found.pack.path().to_owned());
        }
    }
    for path in moved_to {
        if !mark(&path)? {
            return Err(StoreError::Vanished(path));
        }
    }
    Ok(())
}

/// Makes a file as young as now, which takes no more than the right to write it: in a shared repository packs have many
/// owners. One that may only be read is in a repository that ours borrows from, whose `gc` knows nothing of us anyway.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    match rustix::fs::futimens(File::open(path)?, &times).map_err(io::Error::from) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}
