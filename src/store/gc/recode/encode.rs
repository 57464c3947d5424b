//! One block: decodes it, tries what it may be written against, and writes the smallest.

use std::collections::HashMap;

use super::{Kept, Place, open};
use crate::id::BlockId;
use crate::store::codec::{self, Codec, Decoder, Encoded};
use crate::store::gc::levels::Levels;
use crate::store::gc::mark::Marks;
use crate::store::pack::{Batch, Entry, Kind};
use crate::store::{BlockReader, Store, StoreError};

/// A block to write.
pub struct Item<'a> {
    pub id: BlockId,
    /// Width of its elements, where it is known; else as its present entry has it.
    pub word: Option<usize>,
    /// What it may be written against, the likeliest first, and their depths.
    pub bases: Vec<(BlockId, u8)>,
    /// Deltas on deltas, at most.
    pub depth_max: u8,
    pub kept: Kept<'a>,
}

/// What became of it.
pub struct Written {
    pub place: Place,
    /// What it was a delta against.
    pub old_base: Option<BlockId>,
    /// Of the entry.
    pub len: u32,
    pub plain_len: u32,
}

/// One thread's scratch memory.
pub struct Encoder<'a> {
    store: &'a Store,
    marks: &'a Marks,
    places: &'a HashMap<BlockId, Place>,
    levels: &'a Levels,
    reader: BlockReader,
    encoder: codec::Encoder,
    decoder: Decoder,
    entry: Vec<u8>,
    plain: Vec<u8>,
    base: Vec<u8>,
    payload: Vec<u8>,
    best: Vec<u8>,
}

impl<'a> Encoder<'a> {
    pub fn new(store: &'a Store, marks: &'a Marks, places: &'a HashMap<BlockId, Place>, levels: &'a Levels) -> Self {
        Self {
            store,
            marks,
            places,
            levels,
            reader: BlockReader::new(store),
            encoder: codec::Encoder::new(),
            decoder: Decoder::new(),
            entry: Vec::new(),
            plain: Vec::new(),
            base: Vec::new(),
            payload: Vec::new(),
            best: Vec::new(),
        }
    }

    /// Writes the block in the smallest way, which may be the one it has.
    pub fn encode(&mut self, item: &Item<'_>) -> Result<Written, StoreError> {
        let Kept { marked, record, .. } = item.kept;
        let pack = &marked.pack;
        let file = open(self.store, pack)?;
        pack.read_entry(&file, &record, &mut self.entry)
            .map_err(|source| StoreError::io("read", pack.path(), source))?;
        let damaged = |what: &str| StoreError::Corrupt { path: pack.path().into(), what: what.into() };
        let entry = Entry::parse(&self.entry).filter(|entry| entry.agrees_with(&record));
        let entry = entry.ok_or_else(|| damaged("an entry's header is not what was written"))?;
        let payload = &self.entry[entry.payload.clone()];
        let stays = self.may_stay(item, &entry);
        let is_last_word = entry.codec == Codec::C && entry.base == item.bases.first().map(|base| base.0);
        self.plain.resize(entry.plain_len as usize, 0);
        self.reader.read(&item.id, &mut self.plain)?;
        let word = item.word.unwrap_or(match entry.codec {
            Codec::F | Codec::C => 1 << (payload.first().unwrap_or(&0) & 3),
            Codec::Raw | Codec::Zero => 1,
        });
        let mut chosen: Option<(Encoded, Option<(BlockId, u8)>)> = None;
        if !(stays && is_last_word) {
            let bases = item.bases.iter().copied().filter(|base| base.1 < item.depth_max).map(Some);
            let alone = std::iter::once(None).filter(|_| item.bases.is_empty());
            for base in bases.chain(alone) {
                if let Some((base, _)) = base {
                    self.base.resize(self.plain.len(), 0);
                    self.reader.read(&base, &mut self.base)?;
                }
                self.payload.clear();
                let bytes = base.map(|_| &self.base[..]);
                let encoded = self.encoder.encode_smallest(&self.plain, word, bytes, &mut self.payload);
                self.check(encoded, &damaged)?;
                let base = base.filter(|_| encoded.delta);
                let len = |payload: &[u8], base: bool| payload.len() + if base { 32 } else { 0 };
                let is_smaller = chosen
                    .as_ref()
                    .is_none_or(|(_, best)| len(&self.payload, base.is_some()) < len(&self.best, best.is_some()));
                if is_smaller {
                    chosen = Some((encoded, base));
                    std::mem::swap(&mut self.payload, &mut self.best);
                }
            }
        }
        let mut batch = Batch::default();
        let place = match chosen {
            Some((encoded, base)) => {
                let plain_len = self.plain.len() as u32;
                batch.push(record.id, Kind::Block, base, plain_len, |out| {
                    out.extend_from_slice(&self.best);
                    encoded
                });
                Some(Place { depth: base.map_or(0, |base| base.1 + 1), base: base.map(|base| base.0) })
            }
            None => None,
        };
        let place = match place {
            Some(place) if !stays || batch.len() < self.entry.len() => place,
            _ => {
                batch.clear();
                batch.push_verbatim(&record, &self.entry);
                Place { depth: record.depth, base: entry.base }
            }
        };
        let len = batch.len() as u32;
        self.levels.append(item.kept.route, place.depth, marked.modified, &mut batch)?;
        Ok(Written { place, old_base: entry.base, len, plain_len: entry.plain_len })
    }

    /// Whether the present entry may stand in the new packs: with its base at a lesser depth, or in another store.
    fn may_stay(&self, item: &Item<'_>, entry: &Entry) -> bool {
        entry.depth <= item.depth_max
            && match entry.base {
                None => true,
                Some(base) => match self.places.get(&base) {
                    Some(place) => place.depth < entry.depth,
                    None => self.marks.find(base.as_bytes(), Kind::Block).is_none(),
                },
            }
    }

    /// What cannot be read back must not replace what can.
    fn check(&mut self, encoded: Encoded, damaged: &dyn Fn(&str) -> StoreError) -> Result<(), StoreError> {
        let mut back = vec![0; self.plain.len()];
        let base = if encoded.delta { Some(&self.base[..]) } else { None };
        let decoded = self.decoder.decode(encoded.codec, &self.payload, base, &mut back);
        if decoded.is_ok() && back == self.plain {
            Ok(())
        } else {
            Err(damaged("a block does not come back as it was"))
        }
    }
}
