//! How much room objects take.

use std::collections::HashSet;

use super::Store;
use super::pack::Kind;
use crate::id::ObjectId;

/// Adds up objects; what was counted or known before counts nothing.
pub struct Measure<'a> {
    store: &'a Store,
    seen: HashSet<[u8; 32]>,
}

impl<'a> Measure<'a> {
    /// Nothing is known yet.
    pub fn new(store: &'a Store) -> Self {
        Self { store, seen: HashSet::new() }
    }

    /// Bytes that the recipe and the blocks of an object take in packs. An object or block that the store lacks counts
    /// nothing; neither does the base of a delta.
    pub fn add(&mut self, object: &ObjectId) -> u64 {
        if !self.seen.insert(*object.as_bytes()) {
            return 0;
        }
        let packs = self.store.packs();
        let Some(recipe) = packs.find(object.as_bytes(), Kind::Recipe) else { return 0 };
        let mut bytes = u64::from(recipe.record.len);
        for (block, _) in self.store.recipe(object).map(|recipe| recipe.blocks).unwrap_or_default() {
            if self.seen.insert(*block.as_bytes()) {
                bytes += packs.find(block.as_bytes(), Kind::Block).map_or(0, |found| u64::from(found.record.len));
            }
        }
        bytes
    }
}
