//! Where the room goes: what models take, and what they would take without the store.
//!
//! Every version of every path in history counts, each once. Taken from the oldest on, a version is as long as its file;
//! of that
//!
//! - *dedup* saves the bytes of blocks that an older version, or another tensor, has brought;
//! - of the blocks it brings itself, *compression* saves the difference between plain and stored length where they stand
//!   alone, *deltas* where they are differences to another block. What recipes and entries' headers take counts against
//!   these: recipes against compression;
//! - *missing* is what the store does not have: it is not stored, nor saved.
//!
//! So logical = stored + dedup + compression + deltas + missing, to the byte, for a version, a model and all. The same
//! block is brought by whichever version is the oldest; a skeleton's own header makes dedup a few bytes less than it is.

use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;
use std::path::Path;

use super::pack::Kind;
use super::roots::{self, RootsError};
use super::{Store, StoreError};
use crate::git::{BlobId, Repo, log};
use crate::id::ObjectId;
use crate::manifest::{Content, Manifest};

/// Numbers of bytes, which add up as the module's description says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Of the files.
    pub logical: u64,
    /// In packs, without their indexes.
    pub stored: u64,
    /// Saved as they were there already.
    pub dedup: i64,
    /// Saved by coding.
    pub compression: i64,
    /// Saved by differences to other blocks.
    pub deltas: i64,
    /// Not in the store.
    pub missing: u64,
}

impl AddAssign for Sizes {
    fn add_assign(&mut self, other: Self) {
        self.logical += other.logical;
        self.stored += other.stored;
        self.dedup += other.dedup;
        self.compression += other.compression;
        self.deltas += other.deltas;
        self.missing += other.missing;
    }
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The oldest commit that has it.
    pub commit: String,
    /// That commit's day.
    pub date: String,
    /// The first line of its message.
    pub subject: String,
    /// Of this version; what older ones have brought counts as dedup.
    pub sizes: Sizes,
}

/// A path that was a model in some commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// Its versions, the oldest first.
    pub versions: Vec<Version>,
    /// All of them together.
    pub sizes: Sizes,
}

/// Where the room goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// By path.
    pub models: Vec<(Vec<u8>, Model)>,
    /// Manifests that are in no commit: staged, or of an unfinished merge.
    pub uncommitted: Sizes,
    /// In packs, needed by no manifest, or there twice: what `gc` could free in time.
    pub unneeded: u64,
    /// Indexes of packs.
    pub indexes: u64,
}

/// Adds up the store of the repository with this common folder.
///
/// # Errors
/// A history that cannot be walked.
pub fn usage(store: &Store, common_dir: &Path) -> Result<Usage, RootsError> {
    let mut manifests = roots::readable_manifests(common_dir)?;
    let repo = Repo::open(common_dir)?;
    let mut commits = Vec::new();
    log::walk(common_dir, |mut commit| {
        commit.changes.retain(|change| change.new.is_some_and(|new| manifests.contains(&new)));
        if !commit.changes.is_empty() {
            commits.push(commit);
        }
    })?;
    let mut count = Count { store, seen: HashSet::new(), own_stored: 0 };
    let mut versions_seen = HashSet::<(Vec<u8>, BlobId)>::new();
    let mut models = HashMap::<Vec<u8>, Model>::new();
    for commit in commits.into_iter().rev() {
        for change in commit.changes {
            let Some(blob) = change.new.filter(|new| versions_seen.insert((change.path.clone(), *new))) else {
                continue;
            };
            manifests.remove(&blob);
            let Ok(manifest) = Manifest::parse(&repo.blob(blob)?) else { continue };
            let sizes = count.add(&manifest);
            let model = models.entry(change.path).or_default();
            model.sizes += sizes;
            let (id, date, subject) = (commit.id.clone(), commit.date.clone(), commit.subject.clone());
            model.versions.push(Version { commit: id, date, subject, sizes });
        }
    }
    let mut usage = Usage::default();
    for blob in manifests {
        if let Ok(manifest) = Manifest::parse(&repo.blob(blob)?) {
            usage.uncommitted += count.add(&manifest);
        }
    }
    usage.models = models.into_iter().collect();
    usage.models.sort_by(|a, b| a.0.cmp(&b.0));
    let own = store.packs_dir();
    for pack in store.packs().iter().filter(|pack| pack.path().parent() == Some(&own)) {
        let entries: u64 = pack.records().map(|record| u64::from(record.len)).sum();
        usage.unneeded += entries;
        usage.indexes += pack.path().metadata().map_or(0, |metadata| metadata.len().saturating_sub(entries));
    }
    usage.unneeded = usage.unneeded.saturating_sub(count.own_stored);
    Ok(usage)
}

/// The bytes that `new` objects have added to a store that had the `old` ones: recipes, and blocks that those lack.
///
/// # Errors
/// The first object of which something is missing.
pub fn added(store: &Store, old: &[ObjectId], new: &[ObjectId]) -> Result<u64, ObjectId> {
    let mut count = Count { store, seen: HashSet::new(), own_stored: 0 };
    for object in old {
        count.seen.insert(*object.as_bytes());
        if let Ok(recipe) = store.recipe(object) {
            count.seen.extend(recipe.blocks.iter().map(|(block, _)| *block.as_bytes()));
        }
    }
    let mut sizes = Sizes::default();
    for object in new {
        match count.object(*object, 1, &mut sizes) {
            Ok(_) if sizes.missing == 0 => {}
            _ => return Err(*object),
        }
    }
    Ok(sizes.stored)
}

/// Whether a store knows of an object.
pub fn has(store: &Store, object: ObjectId) -> bool {
    store.packs().find(object.as_bytes(), Kind::Recipe).is_some()
}

struct Count<'a> {
    store: &'a Store,
    /// Objects and blocks that were counted.
    seen: HashSet<[u8; 32]>,
    /// What was counted of this store's own packs.
    own_stored: u64,
}

impl Count<'_> {
    fn add(&mut self, manifest: &Manifest) -> Sizes {
        let mut sizes = Sizes { logical: manifest.size, ..Sizes::default() };
        let tensors: u64 = manifest.tensors().iter().filter_map(crate::manifest::Tensor::byte_len).sum();
        let (first, first_len) = match &manifest.content {
            Content::Model { skeleton, .. } => (*skeleton, manifest.size.saturating_sub(tensors)),
            Content::Opaque { sha256, .. } => (*sha256, manifest.size),
        };
        let each = manifest.tensors().iter().map(|tensor| (tensor.sha256, tensor.byte_len().unwrap_or(0)));
        let mut brought = 0;
        for (object, len) in std::iter::once((first, first_len)).chain(each) {
            brought += self.object(object, len, &mut sizes).unwrap_or(0);
        }
        sizes.dedup = sizes.logical as i64 - sizes.missing as i64 - brought;
        sizes
    }

    /// Adds an object; returns the plain length of the blocks that it brings.
    fn object(&mut self, object: ObjectId, len: u64, sizes: &mut Sizes) -> Result<i64, StoreError> {
        if !self.seen.insert(*object.as_bytes()) {
            return Ok(0);
        }
        let packs = self.store.packs();
        let own = self.store.packs_dir();
        let Some(recipe) = packs.find(object.as_bytes(), Kind::Recipe) else {
            self.seen.remove(object.as_bytes());
            sizes.missing += len;
            return Ok(0);
        };
        let mut stored = |found: &super::pack_set::Found<'_>, sizes: &mut Sizes| {
            let len = u64::from(found.record.len);
            sizes.stored += len;
            if found.pack.path().parent() == Some(&own) {
                self.own_stored += len;
            }
            len as i64
        };
        sizes.compression -= stored(&recipe, sizes);
        let mut brought = 0;
        for (block, len) in self.store.recipe(&object)?.blocks {
            if !self.seen.insert(*block.as_bytes()) {
                continue;
            }
            let Some(found) = packs.find(block.as_bytes(), Kind::Block) else {
                sizes.missing += u64::from(len);
                continue;
            };
            let saved = i64::from(len) - stored(&found, sizes);
            *(if found.record.depth > 0 { &mut sizes.deltas } else { &mut sizes.compression }) += saved;
            brought += i64::from(len);
        }
        Ok(brought)
    }
}
