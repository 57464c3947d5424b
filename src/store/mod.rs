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

use crate::id::{BlockId, ObjectId};

mod adopt;
mod check;
mod chunker;
pub mod codec;
pub mod du;
pub mod fsck;
pub mod gc;
pub mod health;
mod ingest;
pub mod lineage;
mod lock;
mod map;
mod measure;
// Public for the tests of what a damaged or hostile pack can do.
#[doc(hidden)]
pub mod pack;
mod pack_set;
mod permissions;
mod read;
mod recipe;
pub mod roots;
mod superseded;
#[cfg(test)]
mod testing;
mod writer;

pub use ingest::{Cut, Ingest, Ingested, ObjectSpec};
pub use measure::Measure;
pub use pack::Kind;
pub use permissions::Permissions;
pub use read::BlockReader;
pub use recipe::{BLOCK_BYTES, Recipe};

use pack::Pack;
use pack_set::PackSet;

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
    /// A pack that new objects rely on was deleted, and what they need of it with it.
    #[error("`{}` was deleted by a `git model gc` at work at the same time; run the command again", .0.display())]
    Vanished(PathBuf),
    /// Another process looks after the store.
    #[error("another `git model gc` or `git model fsck` is at work in `{}`; wait until it has ended", .0.display())]
    Busy(PathBuf),
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
    /// The set of packs does not follow what is on disk.
    is_pinned: bool,
    open_files: Mutex<Vec<(PathBuf, Arc<File>)>>,
}

impl Store {
    /// Opens the store at `dir`, which need not exist yet; `alternates` are further stores to read from.
    ///
    /// # Errors
    /// A folder that cannot be listed. Packs that cannot be opened are left out here and reported by `fsck`.
    pub fn open(dir: &Path, alternates: Vec<PathBuf>, permissions: Permissions) -> Result<Self, StoreError> {
        let store = Self::new(dir, alternates, permissions, None);
        store.rescan()?;
        Ok(store)
    }

    fn new(dir: &Path, alternates: Vec<PathBuf>, permissions: Permissions, packs: Option<PackSet>) -> Self {
        let is_pinned = packs.is_some();
        let packs = RwLock::new(Arc::new(packs.unwrap_or_default()));
        let open_files = Mutex::default();
        Self(Arc::new(Inner { dir: dir.into(), alternates, permissions, packs, is_pinned, open_files }))
    }

    /// The same store, opened anew: nothing that was mapped or opened before is used again.
    pub(crate) fn reopen(&self) -> Result<Self, StoreError> {
        Self::open(&self.0.dir, self.0.alternates.clone(), self.0.permissions)
    }

    /// This store as if it had these packs and no others, whatever happens on disk.
    pub(crate) fn pinned(&self, packs: Vec<Arc<Pack>>) -> Self {
        Self::new(&self.0.dir, Vec::new(), self.0.permissions, Some(PackSet::new(packs)))
    }

    /// The packs of the stores this one borrows from.
    pub(crate) fn borrowed_packs(&self) -> Vec<Arc<Pack>> {
        let own = self.packs_dir();
        self.packs().iter().filter(|pack| pack.path().parent() != Some(&own)).cloned().collect()
    }

    /// Where this store's own packs are, newest first.
    pub(crate) fn own_pack_paths(&self) -> Result<Vec<PathBuf>, StoreError> {
        list_packs(&self.0.dir)
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
        if self.0.is_pinned {
            return Ok(());
        }
        let known: HashMap<PathBuf, Arc<Pack>> =
            self.packs().iter().map(|pack| (pack.path().to_owned(), Arc::clone(pack))).collect();
        let mut packs = Vec::new();
        for dir in std::iter::once(&self.0.dir).chain(&self.0.alternates) {
            for path in list_packs(dir)? {
                match known.get(&path) {
                    Some(pack) => packs.push(Arc::clone(pack)),
                    // A pack that vanished meanwhile or is damaged has nothing to offer.
                    None => packs.extend(Pack::open(&path).ok().map(Arc::new)),
                }
            }
        }
        *self.0.packs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(PackSet::new(packs));
        Ok(())
    }

    pub(crate) fn packs(&self) -> Arc<PackSet> {
        Arc::clone(&self.0.packs.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Marks everything that the objects consist of as used now: no `gc` deletes it before the grace period ends.
    ///
    /// For whoever names objects anew, in a manifest that git is about to get, without having stored them anew.
    ///
    /// # Errors
    /// An object or a block that is missing, or a pack that cannot be marked.
    pub fn mark_used(&self, objects: impl IntoIterator<Item = ObjectId>) -> Result<(), StoreError> {
        let _lock = self.lock_shared()?;
        self.rescan()?;
        let packs = self.packs();
        let mut used = std::collections::BTreeSet::new();
        for id in objects {
            let found = packs.find(id.as_bytes(), Kind::Recipe).ok_or(StoreError::MissingObject(id))?;
            used.insert(found.at);
            for (block, _) in self.recipe(&id)?.blocks {
                let found = packs.find(block.as_bytes(), Kind::Block).ok_or(StoreError::MissingBlock(block))?;
                used.insert(found.at);
            }
        }
        let mark = |path: &Path| writer::touch(path).map_err(|source| StoreError::io("mark as used", path, source));
        used.into_iter().try_for_each(|at| mark(packs.pack(at).path()))
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
        let first = match self.read_entry(id.as_bytes(), Kind::Recipe, &mut bytes) {
            Ok(None) => return Err(StoreError::MissingObject(*id)),
            Ok(Some((path, entry))) => recipe_in(*id, &path, &entry, &bytes),
            Err(error) => Err(error),
        };
        // Another pack, or another store, may have a good copy of what is damaged.
        first.or_else(|error| {
            let packs = self.packs();
            let good = packs.copies(id.as_bytes(), Kind::Recipe).find_map(|found| {
                let file = self.pack_file(found.pack).ok()?;
                found.pack.read_entry(&file, &found.record, &mut bytes).ok()?;
                recipe_in(*id, found.pack.path(), &pack::Entry::parse(&bytes)?, &bytes).ok()
            });
            good.ok_or(error)
        })
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

    pub(crate) fn pack_file(&self, pack: &Pack) -> io::Result<Arc<File>> {
        let mut open = self.0.open_files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(path, _)| path == pack.path()) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(pack.path())?);
        if open.len() == OPEN_FILES_MAX {
            open.remove(0);
        }
        open.push((pack.path().to_owned(), Arc::clone(&file)));
        Ok(file)
    }
}

/// The recipe in an entry's bytes.
fn recipe_in(id: ObjectId, path: &Path, entry: &pack::Entry, bytes: &[u8]) -> Result<Recipe, StoreError> {
    let corrupt = |what: &str| StoreError::Corrupt { path: path.into(), what: format!("recipe {id}: {what}") };
    if entry.codec != codec::Codec::Raw {
        return Err(corrupt("a recipe is stored raw"));
    }
    let recipe = Recipe::decode(id, &bytes[entry.payload.clone()]);
    recipe.ok_or_else(|| corrupt("the list of blocks is not what was written"))
}

/// The packs of the store in a folder, newest first (what is asked for is mostly what came last); none if there is none.
fn list_packs(store_dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let dir = &store_dir.join("packs");
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
    let superseded = superseded::read(store_dir)?;
    packs.retain(|(_, path)| path.file_name().is_some_and(|name| !superseded.contains(name)));
    packs.sort_by(|a, b| b.cmp(a));
    Ok(packs.into_iter().map(|(_, path)| path).collect())
}
