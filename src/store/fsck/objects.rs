//! Checks objects: the blocks of every recipe, put together, have the SHA-256 that the object is named by.

use std::sync::Arc;

use super::finding::Finding;
use super::parallel;
use crate::id::{ObjectId, Sha256};
use crate::progress::Progress;
use crate::store::pack::{Kind, Pack};
use crate::store::{BlockReader, Store, StoreError};

/// Checks every object that these packs have a recipe for; returns how many, and what was found.
pub fn check_objects(store: &Store, packs: &[Arc<Pack>], progress: &dyn Progress) -> (usize, Vec<Finding>) {
    let recipes = packs.iter().flat_map(|pack| pack.records().filter(|record| record.kind == Kind::Recipe));
    let mut ids: Vec<ObjectId> = recipes.map(|record| ObjectId::from_bytes(record.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    progress.begin("checking objects", None);
    let state = || (BlockReader::new(store), Vec::new());
    let findings = parallel::for_each(ids.len(), state, |(reader, block), at| {
        check_object(store, reader, block, ids[at], progress).into_iter().collect()
    });
    progress.end();
    (ids.len(), findings)
}

fn check_object(
    store: &Store,
    reader: &mut BlockReader,
    block: &mut Vec<u8>,
    object: ObjectId,
    progress: &dyn Progress,
) -> Option<Finding> {
    let mut hash = Sha256::default();
    let mut read = || -> Result<(), StoreError> {
        for (id, len) in store.recipe(&object)?.blocks {
            block.resize(len as usize, 0);
            reader.read(&id, block)?;
            hash.update(block);
            progress.advance(u64::from(len));
        }
        Ok(())
    };
    match read() {
        Err(error) => Some(Finding::Object { object, what: error.to_string(), is_recipe_wrong: false }),
        Ok(()) if ObjectId::from_bytes(hash.finish()) == object => None,
        Ok(()) => {
            let what = "its blocks are whole, but make another object".to_owned();
            Some(Finding::Object { object, what, is_recipe_wrong: true })
        }
    }
}
