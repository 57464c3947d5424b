//! Reading blocks: find, decode (through deltas), verify.

use std::collections::HashSet;

use super::codec::Decoder;
use super::pack::{Entry, Kind};
use super::{BLOCK_BYTES, Recipe, Store, StoreError};
use crate::id::{BlockId, ObjectId, Sha256};

/// Deltas may stand on deltas; a chain longer than this is not ours.
const DEPTH_MAX: usize = 64;

/// Why one copy of a block cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Its own bytes are not what was written.
    #[error("{0}")]
    Damaged(String),
    /// It is a delta, and its base cannot be had.
    #[error("block {0}, which it is a delta of, is missing or damaged")]
    Base(BlockId),
}

/// Reads blocks of a store; holds the scratch memory, so one per thread.
pub struct BlockReader {
    store: Store,
    decoder: Decoder,
    entry: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl BlockReader {
    /// A reader of `store`.
    pub fn new(store: &Store) -> Self {
        Self { store: store.clone(), decoder: Decoder::new(), entry: Vec::new(), spare: Vec::new() }
    }

    /// Fills `out`, which is as long as the block, and checks the block's BLAKE3.
    ///
    /// # Errors
    /// A block that is missing or damaged, or a file that cannot be read.
    pub fn read(&mut self, id: &BlockId, out: &mut [u8]) -> Result<(), StoreError> {
        let error = match self.read_unverified(id, out, 0) {
            Ok(()) if BlockId::of(out) == *id => return Ok(()),
            Ok(()) => {
                let path = self.path_of(id);
                StoreError::Corrupt { path, what: format!("block {id} is not what was written") }
            }
            Err(error) => error,
        };
        // Another pack, or another store, may have a good copy of what is damaged.
        if self.read_any_copy(id, out, &mut HashSet::new()) { Ok(()) } else { Err(error) }
    }

    /// As [`BlockReader::read`]; `known` is a block whose bytes are at hand: if this one is a delta of it, it is not
    /// decoded anew.
    ///
    /// # Errors
    /// Those of [`BlockReader::read`].
    pub fn read_beside(&mut self, id: &BlockId, known: (&BlockId, &[u8]), out: &mut [u8]) -> Result<(), StoreError> {
        let mut bytes = std::mem::take(&mut self.entry);
        let entry = self.store.read_entry(id.as_bytes(), Kind::Block, &mut bytes);
        let is_decoded = entry.is_ok_and(|found| {
            found.is_some_and(|(_, entry)| {
                entry.base == Some(*known.0)
                    && entry.plain_len as usize == out.len()
                    && known.1.len() == out.len()
                    && self.decoder.decode(entry.codec, &bytes[entry.payload], Some(known.1), out).is_ok()
                    && BlockId::of(out) == *id
            })
        });
        self.entry = bytes;
        if is_decoded { Ok(()) } else { self.read(id, out) }
    }

    /// Decodes an entry of some pack into `out` and checks its BLAKE3, whatever other copies of it there are.
    ///
    /// # Errors
    /// The entry is damaged; or its base is missing or damaged everywhere.
    pub(crate) fn decode_block(
        &mut self,
        id: &BlockId,
        entry: &Entry,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        self.decode_entry(entry, bytes, out)?;
        if BlockId::of(out) == *id { Ok(()) } else { Err(DecodeError::Damaged("it is not what was written".into())) }
    }

    /// Decodes an entry of some pack into `out`. Whether the bytes are right is for the caller to say.
    ///
    /// # Errors
    /// The entry cannot be decoded; or its base is missing or damaged everywhere.
    pub(crate) fn decode_entry(&mut self, entry: &Entry, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        if entry.plain_len as usize > BLOCK_BYTES {
            return Err(DecodeError::Damaged("it is longer than any block".into()));
        }
        out.resize(entry.plain_len as usize, 0);
        let mut base = self.spare.pop().unwrap_or_default();
        let is_base_good = entry.base.is_none_or(|base_id| {
            base.resize(out.len(), 0);
            self.read(&base_id, &mut base).is_ok()
        });
        let result = match entry.base {
            Some(base_id) if !is_base_good => Err(DecodeError::Base(base_id)),
            _ => {
                let base = entry.base.map(|_| &base[..]);
                self.decoder
                    .decode(entry.codec, &bytes[entry.payload.clone()], base, out)
                    .map_err(|error| DecodeError::Damaged(error.to_string()))
            }
        };
        self.spare.push(base);
        result
    }

    /// Checks a block without handing out its bytes.
    ///
    /// # Errors
    /// Those of [`BlockReader::read`].
    pub(crate) fn verify(&mut self, id: &BlockId) -> Result<(), StoreError> {
        let Some((path, entry)) = self.store.read_entry(id.as_bytes(), Kind::Block, &mut self.entry)? else {
            return Err(StoreError::MissingBlock(*id));
        };
        let len = entry.plain_len as usize;
        if len > BLOCK_BYTES {
            return Err(StoreError::Corrupt { path, what: format!("block {id} is longer than any block") });
        }
        let mut out = self.spare.pop().unwrap_or_default();
        out.resize(len, 0);
        let result = self.read(id, &mut out);
        self.spare.push(out);
        result
    }

    /// The whole object in memory, for small ones such as skeletons.
    pub fn read_object(&mut self, recipe: &Recipe) -> Result<Vec<u8>, StoreError> {
        let mut object = Vec::new();
        for (id, len) in &recipe.blocks {
            let start = object.len();
            object.resize(start + *len as usize, 0);
            self.read(id, &mut object[start..])?;
        }
        Ok(object)
    }

    /// The bytes of the object `id` in memory.
    pub fn read_object_by_id(&mut self, id: &ObjectId) -> Result<Vec<u8>, StoreError> {
        let recipe = self.store.recipe(id)?;
        self.read_object(&recipe)
    }

    /// The name that the object `id` should have: the SHA-256 of its blocks, each of which `read` is told the length of.
    ///
    /// # Errors
    /// Those of [`BlockReader::read`], and an object without a recipe.
    pub(crate) fn true_name(&mut self, id: &ObjectId, read: impl Fn(u64)) -> Result<ObjectId, StoreError> {
        let mut hash = Sha256::default();
        let mut block = self.spare.pop().unwrap_or_default();
        for (block_id, len) in self.store.recipe(id)?.blocks {
            block.resize(len as usize, 0);
            self.read(&block_id, &mut block)?;
            hash.update(&block);
            read(u64::from(len));
        }
        self.spare.push(block);
        Ok(ObjectId::from_bytes(hash.finish()))
    }

    fn read_unverified(&mut self, id: &BlockId, out: &mut [u8], depth: usize) -> Result<(), StoreError> {
        let mut bytes = std::mem::take(&mut self.entry);
        let found = self.store.read_entry(id.as_bytes(), Kind::Block, &mut bytes)?;
        let Some((path, entry)) = found else { return Err(StoreError::MissingBlock(*id)) };
        let corrupt = |what: String| StoreError::Corrupt { path: path.clone(), what: format!("block {id}: {what}") };
        if entry.plain_len as usize != out.len() {
            return Err(corrupt(format!("{} bytes where {} are expected", entry.plain_len, out.len())));
        }
        let result = match entry.base {
            None => self.decoder.decode(entry.codec, &bytes[entry.payload], None, out),
            Some(_) if depth == DEPTH_MAX => return Err(corrupt("the chain of deltas does not end".into())),
            Some(base_id) => {
                let mut base = self.spare.pop().unwrap_or_default();
                base.resize(out.len(), 0);
                self.read_unverified(&base_id, &mut base, depth + 1)?;
                let result = self.decoder.decode(entry.codec, &bytes[entry.payload], Some(&base), out);
                self.spare.push(base);
                result
            }
        };
        self.entry = bytes;
        result.map_err(|error| corrupt(error.to_string()))
    }

    /// Tries all copies of a block, and of the bases of each, until one is what was written. `hopeless` are the blocks
    /// this one is wanted for and those that failed: without the latter, a chain in two packs would be tried in 2^depth
    /// ways. Slow, and only used where something is damaged.
    fn read_any_copy(&mut self, id: &BlockId, out: &mut [u8], hopeless: &mut HashSet<BlockId>) -> bool {
        if hopeless.len() > DEPTH_MAX || !hopeless.insert(*id) {
            return false;
        }
        let packs = self.store.packs();
        let mut bytes = Vec::new();
        let is_good = packs.copies(id.as_bytes(), Kind::Block).any(|found| {
            let read = self.store.pack_file(found.pack).and_then(|file| {
                found.pack.read_entry(&file, &found.record, &mut bytes)?;
                Ok(Entry::parse(&bytes))
            });
            let Ok(Some(entry)) = read else { return false };
            if entry.plain_len as usize != out.len() {
                return false;
            }
            let mut base = None;
            if let Some(base_id) = entry.base {
                let mut base_bytes = vec![0; out.len()];
                if !self.read_any_copy(&base_id, &mut base_bytes, hopeless) {
                    return false;
                }
                base = Some(base_bytes);
            }
            let decoded = self.decoder.decode(entry.codec, &bytes[entry.payload], base.as_deref(), out);
            decoded.is_ok() && BlockId::of(out) == *id
        });
        if is_good {
            hopeless.remove(id);
        }
        is_good
    }

    fn path_of(&self, id: &BlockId) -> std::path::PathBuf {
        let packs = self.store.packs();
        packs.find(id.as_bytes(), Kind::Block).map_or_else(|| self.store.packs_dir(), |found| found.pack.path().into())
    }
}
