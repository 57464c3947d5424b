//! Mends what a check has found.
//!
//! A damaged pack gets a second name in quarantine first, then what is good in it goes into new packs, and only when
//! those are durable does it lose its old name. What is missing after that is looked for in packs put aside earlier, and
//! then in the work tree, whose files are stored again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::finding::{Finding, Repair};
use super::salvage::{Wanted, link_to_quarantine, salvage};
use crate::atomic_file::{open_folder, sync_folder};
use crate::id::ObjectId;
use crate::progress::Progress;
use crate::store::pack::{EntryId, Kind};
use crate::store::{Store, StoreError};

/// Whoever can store objects again.
pub trait Restore {
    /// Stores again, into `store`, the files that may hold some of the missing objects, and returns which. A file that
    /// cannot be stored is told to `progress`. No other handle of the store may be used: it may still know packs that
    /// have been put aside.
    fn restore(&self, store: &Store, missing: &BTreeSet<ObjectId>, progress: &dyn Progress) -> BTreeSet<PathBuf>;
}

/// Packs to be put aside, and what is not to be saved of each.
type Unwanted = BTreeMap<PathBuf, HashSet<(EntryId, Kind)>>;

/// Puts damaged packs aside; saves what is good in them.
pub fn replace_packs(store: &Store, findings: &[Finding], progress: &dyn Progress) -> Result<Vec<Repair>, StoreError> {
    let mut damaged = Unwanted::new();
    for finding in findings {
        match finding {
            Finding::Pack { path, .. } => drop(damaged.entry(path.clone()).or_default()),
            Finding::Entry { path, entry, .. } => {
                damaged.entry(path.clone()).or_default().insert(*entry);
            }
            Finding::Object { object, is_recipe_wrong: true, .. } => {
                collect_recipe(store, object, &mut damaged);
            }
            _ => {}
        }
    }
    replace_all(store, damaged, progress)
}

/// Puts aside the packs that hold these objects' recipes, and saves everything else in them.
pub fn drop_recipes(
    store: &Store,
    objects: &BTreeSet<ObjectId>,
    progress: &dyn Progress,
) -> Result<Vec<Repair>, StoreError> {
    let mut unwanted = Unwanted::new();
    objects.iter().for_each(|object| collect_recipe(store, object, &mut unwanted));
    replace_all(store, unwanted, progress)
}

fn collect_recipe(store: &Store, object: &ObjectId, unwanted: &mut Unwanted) {
    let entry = (*object.as_bytes(), Kind::Recipe);
    let packs = store.packs();
    let paths = packs.copies(&entry.0, entry.1).map(|found| found.pack.path().to_owned());
    for path in paths.filter(|path| path.parent() == Some(&store.packs_dir())) {
        unwanted.entry(path).or_default().insert(entry);
    }
}

fn replace_all(store: &Store, packs: Unwanted, progress: &dyn Progress) -> Result<Vec<Repair>, StoreError> {
    let replace = |(path, unwanted): (PathBuf, HashSet<_>)| {
        progress.note(&format!("saving what is good in `{}`", path.display()));
        replace_pack(store, &path, &unwanted)
    };
    packs.into_iter().map(replace).collect()
}

fn replace_pack(store: &Store, path: &Path, unwanted: &HashSet<(EntryId, Kind)>) -> Result<Repair, StoreError> {
    let to = link_to_quarantine(store, path)?;
    let saved = salvage(store, &to, &Wanted::AllBut(unwanted))?;
    // A new pack with the same entries in the same order has the same name, and has taken the damaged one's place.
    if !saved.packs.iter().any(|pack| pack == path) {
        let _lock = store.lock_exclusive()?;
        let folder = store.packs_dir();
        std::fs::remove_file(path)
            .and_then(|()| sync_folder(open_folder(&folder)?))
            .map_err(|source| StoreError::io("put aside", path, source))?;
    }
    Ok(Repair::Quarantined { pack: path.into(), to, saved: saved.entries.len() })
}

/// Looks for entries the store does not have in all packs put aside.
pub fn recover_from_quarantine(store: &Store) -> Result<Vec<Repair>, StoreError> {
    let Ok(entries) = std::fs::read_dir(store.dir().join("quarantine")) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pack"));
    paths.sort();
    let mut repairs = Vec::new();
    for from in paths {
        let saved = salvage(store, &from, &Wanted::Missing)?.entries.len();
        if saved > 0 {
            repairs.push(Repair::Recovered { from, saved });
        }
    }
    Ok(repairs)
}

/// Objects whose recipes name blocks that no pack has.
pub fn incomplete_objects(store: &Store) -> BTreeSet<ObjectId> {
    let packs = store.packs();
    let recipes = packs.iter().flat_map(|pack| pack.records()).filter(|record| record.kind == Kind::Recipe);
    recipes
        .map(|record| ObjectId::from_bytes(record.id))
        .filter(|id| {
            let is_there = |block: &crate::id::BlockId| packs.find(block.as_bytes(), Kind::Block).is_some();
            !store.recipe(id).is_ok_and(|recipe| recipe.blocks.iter().all(|(block, _)| is_there(block)))
        })
        .collect()
}
