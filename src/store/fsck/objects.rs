//! Checks objects: the blocks of every recipe, put together, have the SHA-256 that the object is named by.

use std::sync::Arc;

use super::finding::Finding;
use crate::id::ObjectId;
use crate::parallel;
use crate::progress::Progress;
use crate::store::pack::{Kind, Pack};
use crate::store::{BlockReader, Store};

/// Checks every object that these packs have a recipe for; returns how many, and what was found.
pub fn check_objects(store: &Store, packs: &[Arc<Pack>], progress: &dyn Progress) -> (usize, Vec<Finding>) {
    let recipes = packs.iter().flat_map(|pack| pack.records().filter(|record| record.kind == Kind::Recipe));
    let mut ids: Vec<ObjectId> = recipes.map(|record| ObjectId::from_bytes(record.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    progress.begin("checking objects", None);
    let state = || BlockReader::new(store);
    let findings = parallel::for_each(parallel::cores(), ids.len(), state, |reader, at| {
        check_object(reader, ids[at], progress).into_iter().collect()
    });
    progress.end();
    (ids.len(), findings)
}

fn check_object(reader: &mut BlockReader, object: ObjectId, progress: &dyn Progress) -> Option<Finding> {
    match reader.true_name(&object, |len| progress.advance(len)) {
        Err(error) => Some(Finding::Object { object, what: error.to_string(), is_recipe_wrong: false }),
        Ok(name) if name == object => None,
        Ok(_) => {
            let what = "its blocks are whole, but make another object".to_owned();
            Some(Finding::Object { object, what, is_recipe_wrong: true })
        }
    }
}
