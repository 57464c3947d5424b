//! Reading blocks: find, decode (through deltas), verify.

use super::codec::Decoder;
use super::pack::Kind;
use super::{Recipe, Store, StoreError};
use crate::id::{BlockId, ObjectId};

/// Deltas may stand on deltas; a chain longer than this is not ours.
const DEPTH_MAX: usize = 64;

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
        self.read_unverified(id, out, 0)?;
        if BlockId::of(out) == *id {
            return Ok(());
        }
        let path = self.path_of(id);
        Err(StoreError::Corrupt { path, what: format!("block {id} is not what was written") })
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

    fn path_of(&self, id: &BlockId) -> std::path::PathBuf {
        let packs = self.store.packs();
        packs.find(id.as_bytes(), Kind::Block).map_or_else(|| self.store.packs_dir(), |found| found.pack.path().into())
    }
}
