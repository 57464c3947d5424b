//! `gc --aggressive`: writes all that is kept anew, in the smallest way and in the direction that is read most.
//!
//! `git add` can only write a version as the difference to the one before, so what is checked out, the newest, is at the
//! end of every chain. Here each block is decided once, from the tips of branches back: the first tip stands alone, other
//! tips are differences to it, and what came before is the difference to what came after. Blocks that no version in
//! history names (of the index, or kept for the grace period) keep the base they have, or take what was a delta against them.
//!
//! A base is always decided before what is written against it, and has a lesser depth; packs are published in the order
//! of depth. So whatever of the new packs is there, beside all of the old ones, forms no circle: see `superseded.rs` for
//! how the old ones go.
//!
//! **Limitations.** Where the whole of it would not be smaller, all of it is dropped, and time was spent for nothing.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use super::copy::Copied;
use super::levels::{Levels, Route};
use super::mark::{Marked, Marks, read_base};
use super::plan::{Fate, PackFacts};
use super::{GcError, Options, Roots};
use crate::id::{BlockId, ObjectId};
use crate::manifest::{Content, Manifest};
use crate::parallel;
use crate::progress::Progress;
use crate::store::lineage::Step;
use crate::store::pack::{Kind, Pack, Record};
use crate::store::{Store, StoreError};

use encode::{Encoder, Item, Written};

mod encode;
#[cfg(test)]
mod tests;

/// Deltas on deltas, for a version that is the tip of a branch.
pub const TIP_DEPTH_MAX: u8 = 2;
/// The same for all others: as many as `git add` makes.
pub const DEPTH_MAX: u8 = 8;

/// What was written anew, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recoded {
    /// Bytes of the blocks, decoded; 0 where that was not looked at.
    pub bytes_plain: u64,
    /// Bytes that entries took.
    pub bytes_before: u64,
    /// Bytes that they take now; as before if nothing was gained.
    pub bytes_after: u64,
}

/// Where a block has its place in the new packs.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Deltas below it.
    pub depth: u8,
    /// What it is a delta against.
    pub base: Option<BlockId>,
}

/// Encodes all that is kept; `None` where that would not be smaller than it is. Nothing of the old packs is touched.
///
/// # Errors
/// Damage in what is kept, a history that cannot be read, a full disk.
pub fn recode(
    store: &Store,
    marks: &Marks,
    options: &Options,
    roots: &dyn Roots,
    progress: &dyn Progress,
) -> Result<(Option<Copied>, Recoded), GcError> {
    let total: u64 = marks.packs.iter().map(|marked| marked.facts().live + marked.facts().grace).sum();
    progress.begin("encoding", Some(total));
    let mut recoder = Recoder {
        store,
        marks,
        progress,
        places: HashMap::new(),
        dependents: HashMap::new(),
        levels: Levels::new(store, total, options.sizes.bytes_max),
        sums: Recoded { bytes_before: total, ..Recoded::default() },
    };
    let result = recoder.run(roots);
    progress.end();
    result?;
    let mut sums = recoder.sums;
    if sums.bytes_after >= sums.bytes_before {
        sums.bytes_after = sums.bytes_before;
        return Ok((None, sums));
    }
    progress.begin("writing packs", None);
    let packs = recoder.levels.publish();
    progress.end();
    Ok((Some(Copied { packs: packs?, damaged: Vec::new() }), sums))
}

/// What becomes of the old packs when all that is kept has been written to new ones.
pub fn fates(marks: &Marks) -> Vec<Fate> {
    let fate = |facts: PackFacts| if facts.live + facts.grace > 0 { Fate::Rewrite } else { Fate::Delete };
    marks.packs.iter().map(|marked| fate(marked.facts())).collect()
}

struct Recoder<'a> {
    store: &'a Store,
    marks: &'a Marks,
    progress: &'a dyn Progress,
    places: HashMap<BlockId, Place>,
    /// A block that was a delta against this one.
    dependents: HashMap<BlockId, BlockId>,
    levels: Levels,
    sums: Recoded,
}

/// A copy of an entry that is kept.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    marked: &'a Marked,
    record: Record,
    route: Route,
}

impl Kept<'_> {
    fn new(marked: &Marked, at: usize) -> Kept<'_> {
        let route = if marked.live.contains(at) { None } else { Some(marked.day()) };
        Kept { marked, record: marked.pack.record(at), route }
    }
}

impl<'a> Recoder<'a> {
    fn run(&mut self, roots: &dyn Roots) -> Result<(), GcError> {
        let mut result = Ok(());
        roots.steps(&mut |step| {
            if result.is_ok() {
                result = self.step(&step);
            }
        })?;
        result?;
        self.rest()?;
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), StoreError> {
        let mut items = Vec::new();
        // A block may stand in several tensors.
        let mut seen = HashSet::new();
        for (object, word, like) in objects(&step.version, step.like.as_deref()) {
            if like == Some(object) {
                continue;
            }
            let Ok(recipe) = self.store.recipe(&object) else { continue };
            let like = like.and_then(|like| self.store.recipe(&like).ok());
            for (at, &(id, len)) in recipe.blocks.iter().enumerate() {
                let Some(kept) = self.live(&id).filter(|_| seen.insert(id)) else { continue };
                let bases =
                    like.as_ref().and_then(|like| like.blocks.get(at)).filter(|base| base.1 == len && base.0 != id);
                let depth_max = if step.is_tip { TIP_DEPTH_MAX } else { DEPTH_MAX };
                let bases = bases.map(|base| self.bases(base.0, depth_max)).unwrap_or_default();
                items.push(Item { id, word: Some(word), bases, depth_max, kept });
            }
        }
        self.encode(items)
    }

    /// The copy of a block that history needs, if it has no place yet.
    fn live(&self, id: &BlockId) -> Option<Kept<'a>> {
        let marks = self.marks;
        let (pack, at) = marks.find(id.as_bytes(), Kind::Block)?;
        let marked = &marks.packs[pack];
        (marked.live.contains(at) && !self.places.contains_key(id)).then(|| Kept::new(marked, at))
    }

    /// What a block might be written against, the likeliest first: the block itself, or, where the chain would become
    /// too long, those half-way down and at the bottom.
    fn bases(&self, block: BlockId, depth_max: u8) -> Vec<(BlockId, u8)> {
        let mut chain = Vec::new();
        let mut next = Some(block);
        while let Some((id, place)) = next.and_then(|id| Some((id, *self.places.get(&id)?))) {
            chain.push((id, place.depth));
            next = place.base;
        }
        if chain.first().is_some_and(|(_, depth)| *depth < depth_max) {
            chain.truncate(1);
            return chain;
        }
        let half = chain.iter().find(|(_, depth)| *depth <= depth_max / 2).copied();
        let bottom = chain.last().copied().filter(|bottom| Some(*bottom) != half);
        half.into_iter().chain(bottom).filter(|(_, depth)| *depth < depth_max).collect()
    }

    /// All that is kept and has no place yet: first what has the fewest deltas below it.
    fn rest(&mut self) -> Result<(), StoreError> {
        for depth in 0..=u8::MAX {
            let mut items = Vec::new();
            let mut seen = HashSet::new();
            let marks = self.marks;
            for marked in &marks.packs {
                let wanted = (0..marked.pack.entry_count()).filter(|&at| marked.kept.contains(at));
                for kept in wanted.map(|at| Kept::new(marked, at)).filter(|kept| kept.record.depth == depth) {
                    let id = BlockId::from_bytes(kept.record.id);
                    match kept.record.kind {
                        Kind::Recipe => self.levels.copy(
                            self.store,
                            &kept.marked.pack,
                            &kept.record,
                            kept.route,
                            marked.modified,
                        )?,
                        Kind::Block if self.places.contains_key(&id) || !seen.insert(id) => continue,
                        Kind::Block => {
                            let file = open(self.store, &marked.pack)?;
                            let base =
                                if depth > 0 { Some(read_base(&marked.pack, &file, &kept.record)?) } else { None };
                            let like = base.or_else(|| self.dependents.get(&id).copied());
                            let bases = like.map(|like| self.bases(like, DEPTH_MAX)).unwrap_or_default();
                            items.push(Item { id, word: None, bases, depth_max: DEPTH_MAX, kept });
                            continue;
                        }
                    }
                    self.sums.bytes_after += u64::from(kept.record.len);
                    self.progress.advance(u64::from(kept.record.len));
                }
            }
            self.encode(items)?;
        }
        Ok(())
    }

    fn encode(&mut self, items: Vec<Item<'_>>) -> Result<(), StoreError> {
        let failed = Mutex::new(None);
        let state = || Encoder::new(self.store, self.marks, &self.places, &self.levels);
        let encode = |encoder: &mut Encoder<'_>, at: usize| {
            let has_failed = failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if has_failed {
                return Vec::new();
            }
            match encoder.encode(&items[at]) {
                Ok(written) => {
                    self.progress.advance(u64::from(items[at].kept.record.len));
                    vec![(items[at].id, written)]
                }
                Err(error) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    Vec::new()
                }
            }
        };
        let written: Vec<(BlockId, Written)> = parallel::for_each(parallel::cores(), items.len(), state, encode);
        for (id, written) in written {
            self.places.insert(id, written.place);
            if let Some(base) = written.old_base {
                self.dependents.insert(base, id);
            }
            self.sums.bytes_after += u64::from(written.len);
            self.sums.bytes_plain += u64::from(written.plain_len);
        }
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

fn open(store: &Store, pack: &Pack) -> Result<Arc<File>, StoreError> {
    store.pack_file(pack).map_err(|source| StoreError::io("read", pack.path(), source))
}

/// The objects of a version, the width of their elements, and the object in another version that each is likely to be
/// much like: the tensor of the same name, type and shape.
fn objects<'a>(
    version: &'a Manifest,
    like: Option<&'a Manifest>,
) -> impl Iterator<Item = (ObjectId, usize, Option<ObjectId>)> + 'a {
    let other: HashMap<&str, _> =
        like.iter().flat_map(|like| like.tensors()).map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let first = |manifest: &Manifest| match &manifest.content {
        Content::Model { skeleton, .. } => (true, *skeleton),
        Content::Opaque { sha256, .. } => (false, *sha256),
    };
    let (kind, object) = first(version);
    let like_first = like.map(first).filter(|like| like.0 == kind).map(|like| like.1);
    let tensors = version.tensors().iter().map(move |tensor| {
        let like = other.get(tensor.name.as_str());
        let like = like.filter(|like| like.dtype == tensor.dtype && like.shape == tensor.shape);
        (tensor.sha256, tensor.dtype.word_bytes(), like.map(|like| like.sha256))
    });
    std::iter::once((object, 1, like_first)).chain(tensors)
}
