//! Which entries must be kept: those that history needs, those of young packs, and whatever these need in turn.
//!
//! One bit per entry and kind of need, so that marking a store of ten million entries takes a few megabytes. A block
//! that stands in several packs is marked in one of them, the copy with the fewest deltas below it: deltas are always
//! against a base of lesser depth, so what is kept never forms a circle.
//!
//! Anything damaged ends the marking with an error. From a recipe that cannot be read one cannot tell which blocks it
//! needs, and to take them for useless would make a small damage a large one.

use std::cmp::Reverse;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::plan::PackFacts;
use crate::id::{BlockId, ObjectId};
use crate::store::pack::{Entry, EntryId, Kind, Pack, Record};
use crate::store::{Recipe, Store, StoreError};

/// A set of places in a pack's index.
#[derive(Clone)]
pub struct Places(Vec<u64>);

impl Places {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Adds a place; whether it was not there.
    fn insert(&mut self, at: usize) -> bool {
        let is_new = !self.contains(at);
        self.0[at / 64] |= 1 << (at % 64);
        is_new
    }

    /// Whether the place is there.
    pub fn contains(&self, at: usize) -> bool {
        self.0[at / 64] & 1 << (at % 64) != 0
    }
}

/// A pack of this store, and what is needed of it.
pub struct Marked {
    /// The pack.
    pub pack: Arc<Pack>,
    /// Its length in bytes.
    pub file_len: u64,
    /// When it was last written or relied on.
    pub modified: SystemTime,
    /// It is younger than the grace period.
    pub is_young: bool,
    /// Every entry is to be kept where it is.
    pub stays: bool,
    /// Entries that history needs.
    pub live: Places,
    /// Entries that are kept, `live` among them.
    pub kept: Places,
}

impl Marked {
    /// Opens a pack.
    ///
    /// # Errors
    /// A frame or an index that is not what was written.
    pub fn open(path: &Path, young_since: Option<SystemTime>) -> Result<Self, StoreError> {
        let io_error = |source| StoreError::io("read", path, source);
        let metadata = path.metadata().map_err(io_error)?;
        let modified = metadata.modified().map_err(io_error)?;
        let pack = Pack::open(path)?;
        if !pack.verify_index() {
            return Err(StoreError::Corrupt { path: path.into(), what: "its index is not what was written".into() });
        }
        let places = Places::new(pack.entry_count());
        let is_young = young_since.is_none_or(|since| modified >= since);
        Ok(Self {
            pack: Arc::new(pack),
            file_len: metadata.len(),
            modified,
            is_young,
            stays: false,
            live: places.clone(),
            kept: places,
        })
    }

    /// The numbers from which the pack's fate is decided.
    pub fn facts(&self) -> PackFacts {
        let mut facts = PackFacts { day: self.day(), stays: self.stays, ..PackFacts::default() };
        for (at, record) in self.pack.records().enumerate() {
            let bytes = match (self.live.contains(at), self.kept.contains(at)) {
                (true, _) => &mut facts.live,
                (false, true) => &mut facts.grace,
                (false, false) => &mut facts.dead,
            };
            *bytes += u64::from(record.len);
        }
        facts
    }

    /// The day of its last use, if it is young.
    pub fn day(&self) -> Option<u64> {
        let since_epoch = self.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.is_young.then_some(since_epoch.as_secs() / (24 * 60 * 60))
    }
}

/// Why an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    History,
    Grace,
}

/// The packs of a store with their marks.
pub struct Marks {
    store: Store,
    /// The larger first: of equal copies, that of the larger pack is kept.
    pub packs: Vec<Marked>,
    /// Objects that were asked for and that no pack has.
    pub missing: u64,
    buffer: Vec<u8>,
}

impl Marks {
    /// No marks yet.
    pub fn new(store: &Store, mut packs: Vec<Marked>) -> Self {
        packs.sort_by_key(|marked| (Reverse(marked.file_len), marked.pack.name()));
        Self { store: store.clone(), packs, missing: 0, buffer: Vec::new() }
    }

    /// Marks an object of history with all that it needs.
    pub fn mark_object(&mut self, id: ObjectId) -> Result<(), StoreError> {
        let Some(place) = self.find(id.as_bytes(), Kind::Recipe) else {
            self.missing += u64::from(!self.store.contains_object(&id));
            return Ok(());
        };
        self.mark(place, Need::History)
    }

    /// Whether history is known to need this object.
    pub fn is_live(&self, id: ObjectId) -> bool {
        self.find(id.as_bytes(), Kind::Recipe).is_some_and(|(pack, at)| self.packs[pack].live.contains(at))
    }

    /// Marks every entry of a pack, where it is, and all that these need. Nothing of the pack will move.
    pub fn freeze(&mut self, pack: usize) -> Result<(), StoreError> {
        self.packs[pack].stays = true;
        (0..self.packs[pack].pack.entry_count()).try_for_each(|at| self.mark((pack, at), Need::Grace))
    }

    /// Marks what a young pack has, here or in another pack that is kept as long, and all that this needs.
    pub fn mark_young(&mut self, pack: usize) -> Result<(), StoreError> {
        let day = self.packs[pack].day();
        for at in 0..self.packs[pack].pack.entry_count() {
            let record = self.packs[pack].pack.record(at);
            let is_live =
                self.find(&record.id, record.kind).is_some_and(|(pack, at)| self.packs[pack].live.contains(at));
            // At most one copy per day: copies of one entry must not come together in one pack.
            let place = self.find_among(&record.id, record.kind, |marked| marked.day() == day);
            if let Some(place) = place.filter(|_| !is_live) {
                self.mark(place, Need::Grace)?;
            }
        }
        Ok(())
    }

    /// The copy of an entry that is to be kept: pack and place.
    pub fn find(&self, id: &EntryId, kind: Kind) -> Option<(usize, usize)> {
        self.find_among(id, kind, |_| true)
    }

    fn find_among(&self, id: &EntryId, kind: Kind, is_asked: impl Fn(&Marked) -> bool) -> Option<(usize, usize)> {
        let mut best = None;
        for (pack, marked) in self.packs.iter().enumerate().filter(|(_, marked)| is_asked(marked)) {
            if let Some((at, record)) = marked.pack.find_at(id, kind) {
                if record.depth == 0 {
                    return Some((pack, at));
                }
                if best.is_none_or(|(depth, _)| record.depth < depth) {
                    best = Some((record.depth, (pack, at)));
                }
            }
        }
        best.map(|(_, place)| place)
    }

    fn insert(&mut self, (pack, at): (usize, usize), need: Need) -> bool {
        let marked = &mut self.packs[pack];
        let is_new = marked.kept.insert(at);
        match need {
            Need::History => marked.live.insert(at),
            Need::Grace => is_new,
        }
    }

    fn mark(&mut self, place: (usize, usize), need: Need) -> Result<(), StoreError> {
        if !self.insert(place, need) {
            return Ok(());
        }
        let pack = Arc::clone(&self.packs[place.0].pack);
        let record = pack.record(place.1);
        match record.kind {
            Kind::Block => self.mark_bases(&pack, record, need),
            Kind::Recipe => {
                let file = self.open(&pack)?;
                let recipe = read_recipe(&pack, &file, &record, &mut self.buffer)?;
                for (block, _) in recipe.blocks {
                    self.mark_block(&block, need)?;
                }
                Ok(())
            }
        }
    }

    /// A block that is nowhere leaves nothing to mark; `fsck` tells of it.
    fn mark_block(&mut self, id: &BlockId, need: Need) -> Result<(), StoreError> {
        let Some(place) = self.find(id.as_bytes(), Kind::Block) else { return Ok(()) };
        if !self.insert(place, need) {
            return Ok(());
        }
        let pack = Arc::clone(&self.packs[place.0].pack);
        let record = pack.record(place.1);
        self.mark_bases(&pack, record, need)
    }

    fn mark_bases(&mut self, pack: &Arc<Pack>, record: Record, need: Need) -> Result<(), StoreError> {
        let (mut pack, mut record) = (Arc::clone(pack), record);
        while record.depth > 0 {
            let base = read_base(&pack, &*self.open(&pack)?, &record)?;
            let Some(place) = self.find(base.as_bytes(), Kind::Block) else {
                // In a store this one borrows from; if not even there, the name itself may be what is damaged.
                if self.store.packs().find(base.as_bytes(), Kind::Block).is_some() {
                    return Ok(());
                }
                return Err(corrupt(&pack, format!("block {base}, which an entry is a delta of, is missing")));
            };
            if !self.insert(place, need) {
                return Ok(());
            }
            pack = Arc::clone(&self.packs[place.0].pack);
            record = pack.record(place.1);
        }
        Ok(())
    }

    fn open(&self, pack: &Pack) -> Result<Arc<File>, StoreError> {
        self.store.pack_file(pack).map_err(|source| StoreError::io("read", pack.path(), source))
    }
}

fn corrupt(pack: &Pack, what: String) -> StoreError {
    StoreError::Corrupt { path: pack.path().into(), what }
}

/// The recipe at this record.
pub fn read_recipe(pack: &Pack, file: &File, record: &Record, buffer: &mut Vec<u8>) -> Result<Recipe, StoreError> {
    let id = ObjectId::from_bytes(record.id);
    pack.read_entry(file, record, buffer).map_err(|source| StoreError::io("read", pack.path(), source))?;
    Entry::parse(buffer)
        .filter(|entry| entry.agrees_with(record))
        .and_then(|entry| Recipe::decode(id, &buffer[entry.payload]))
        .ok_or_else(|| corrupt(pack, format!("the recipe of object {id} is not what was written")))
}

/// The base of the delta at this record.
pub fn read_base(pack: &Pack, file: &File, record: &Record) -> Result<BlockId, StoreError> {
    pack.read_base(file, record)
        .map_err(|source| StoreError::io("read", pack.path(), source))?
        .ok_or_else(|| corrupt(pack, format!("block {} has lost the name of its base", BlockId::from_bytes(record.id))))
}
