//! The store: objects cut into blocks, blocks encoded in packs.
//!
//! An *object* (a tensor's bytes, a skeleton, a whole opaque file) is named by its SHA-256 and kept as a *recipe*: the
//! list of its *blocks*, each named by its BLAKE3. Packs are written once and named by their content, so readers never
//! lock; see `docs/FORMAT.md`.
//!
//! - [`Store`] finds and reads; [`Ingest`] writes the objects of one file as one pack.
//! - [`gc`] and [`fsck`] look after what is there.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::id::{BlockId, ObjectId, PackId};

mod adopt;
mod chunker;
pub mod codec;
mod ingest;
mod lock;
mod map;
mod pack;
mod permissions;
mod read;
mod recipe;
mod writer;

pub use ingest::{Cut, Ingest, Ingested, ObjectSpec};
pub use pack::Kind;
pub use permissions::Permissions;
pub use read::BlockReader;
pub use recipe::{BLOCK_BYTES, Recipe};

use pack::{Pack, Record};

/// Open pack files kept at a time; a process may have few descriptors (`ulimit -n 256`).
const OPEN_FILES_MAX: usize = 48;

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No pack has a recipe for the object.
    #[error("object {0} is not in the store")]
    MissingObject(ObjectId),
    /// A recipe or a delta names a block that no pack has.
    #[error("block {0} is not in the store")]
    MissingBlock(BlockId),
    /// Bytes on disk are not what was written.
    #[error("`{}` is damaged: {what}", path.display())]
    Corrupt {
        /// The pack.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// Whether this says that something is not there, rather than broken.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::MissingObject(_) | Self::MissingBlock(_))
    }
}

/// A store: the folder `model` in a repository's common directory, and the stores it borrows from.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    alternates: Vec<PathBuf>,
    permissions: Permissions,
    packs: RwLock<Arc<PackSet>>,
    open_files: Mutex<Vec<(PackId, Arc<File>)>>,
}

/// The packs that were there at one moment.
#[derive(Default)]
pub(crate) struct PackSet {
    packs: Vec<Arc<Pack>>,
}

/// An entry and the pack it is in.
pub(crate) struct Found<'a> {
    pub pack: &'a Arc<Pack>,
    /// The pack's place in its set.
    pub at: usize,
    pub record: Record,
}

impl PackSet {
    pub(crate) fn find(&self, id: &[u8; 32], kind: Kind) -> Option<Found<'_>> {
        self.packs
            .iter()
            .enumerate()
            .find_map(|(at, pack)| pack.find(id, kind).map(|record| Found { pack, at, record }))
    }

    pub(crate) fn pack(&self, at: usize) -> &Arc<Pack> {
        &self.packs[at]
    }
}

impl Store {
    /// Opens the store at `dir`, which need not exist yet; `alternates` are further stores to read from.
    ///
    /// # Errors
    /// A folder that cannot be listed. Packs that cannot be opened are left out here and reported by `fsck`.
    pub fn open(dir: &Path, alternates: Vec<PathBuf>, permissions: Permissions) -> Result<Self, StoreError> {
        let inner =
            Inner { dir: dir.into(), alternates, permissions, packs: RwLock::default(), open_files: Mutex::default() };
        let store = Self(Arc::new(inner));
        store.rescan()?;
        Ok(store)
    }

    /// The store's folder.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Where packs are.
    pub fn packs_dir(&self) -> PathBuf {
        self.0.dir.join("packs")
    }

    /// Who may read what is written.
    pub fn permissions(&self) -> Permissions {
        self.0.permissions
    }

    /// Looks again which packs there are.
    pub fn rescan(&self) -> Result<(), StoreError> {
        let known: HashMap<PathBuf, Arc<Pack>> =
            self.packs().packs.iter().map(|pack| (pack.path().to_owned(), Arc::clone(pack))).collect();
        let mut packs = Vec::new();
        for dir in std::iter::once(&self.0.dir).chain(&self.0.alternates) {
            for path in list_packs(&dir.join("packs"))? {
                match known.get(&path) {
                    Some(pack) => packs.push(Arc::clone(pack)),
                    // A pack that vanished meanwhile or is damaged has nothing to offer.
                    None => packs.extend(Pack::open(&path).ok().map(Arc::new)),
                }
            }
        }
        *self.0.packs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(PackSet { packs });
        Ok(())
    }

    pub(crate) fn packs(&self) -> Arc<PackSet> {
        Arc::clone(&self.0.packs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the store has a recipe for the object.
    pub fn contains_object(&self, id: &ObjectId) -> bool {
        self.packs().find(id.as_bytes(), Kind::Recipe).is_some()
    }

    /// Whether the store has the block.
    pub fn contains_block(&self, id: &BlockId) -> bool {
        self.packs().find(id.as_bytes(), Kind::Block).is_some()
    }

    /// The recipe of an object.
    ///
    /// # Errors
    /// [`StoreError::MissingObject`] if no pack has it, even after looking again.
    pub fn recipe(&self, id: &ObjectId) -> Result<Recipe, StoreError> {
        let mut bytes = Vec::new();
        let found = self.read_entry(id.as_bytes(), Kind::Recipe, &mut bytes)?;
        let Some((path, entry)) = found else { return Err(StoreError::MissingObject(*id)) };
        let corrupt = |what: &str| StoreError::Corrupt { path: path.clone(), what: format!("recipe {id}: {what}") };
        if entry.codec != codec::Codec::Raw {
            return Err(corrupt("a recipe is stored raw"));
        }
        Recipe::decode(*id, &bytes[entry.payload]).ok_or_else(|| corrupt("the list of blocks is not what was written"))
    }

    /// Reads an entry's bytes; looks again for new packs when it is not found or its pack has gone.
    fn read_entry(
        &self,
        id: &[u8; 32],
        kind: Kind,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<(PathBuf, pack::Entry)>, StoreError> {
        for attempt in 0..2 {
            let packs = self.packs();
            if let Some(found) = packs.find(id, kind) {
                let path = found.pack.path();
                let read =
                    self.pack_file(found.pack).and_then(|file| found.pack.read_entry(&file, &found.record, bytes));
                match read {
                    Ok(()) => {
                        let entry = pack::Entry::parse(bytes).filter(|entry| entry.kind == kind).ok_or_else(|| {
                            StoreError::Corrupt { path: path.into(), what: "an entry's header is broken".into() }
                        })?;
                        return Ok(Some((path.to_owned(), entry)));
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound && attempt == 0 => {}
                    Err(source) => return Err(StoreError::io("read", path, source)),
                }
            }
            if attempt == 0 {
                self.rescan()?;
            }
        }
        Ok(None)
    }

    fn pack_file(&self, pack: &Pack) -> io::Result<Arc<File>> {
        let mut open = self.0.open_files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(name, _)| *name == pack.name()) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(pack.path())?);
        if open.len() == OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((pack.name(), Arc::clone(&file)));
        Ok(file)
    }
}

/// The packs in a folder, newest first (what is asked for is mostly what came last); none if there is no folder.
fn list_packs(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::io("list", dir, source)),
    };
    let mut packs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| StoreError::io("list", dir, source))?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "pack") {
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            packs.push((modified, path));
        }
    }
    packs.sort_by(|a, b| b.cmp(a));
    Ok(packs.into_iter().map(|(_, path)| path).collect())
}
