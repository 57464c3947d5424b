//! The files of the work tree as a source for objects that were lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Context, clean, models};
use crate::id::ObjectId;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::store::Store;
use crate::store::fsck::Restore;

/// The tracked models in the work tree around the current folder.
///
/// **Limitations.** Files of other work trees of the repository are not looked at; run the repair there.
pub struct WorkTreeFiles;

impl Restore for WorkTreeFiles {
    fn restore(&self, store: &Store, missing: &BTreeSet<ObjectId>, progress: &dyn Progress) -> BTreeSet<PathBuf> {
        let Ok(mut context) = Context::discover() else { return BTreeSet::new() };
        context.store = store.clone();
        let mut restored = BTreeSet::new();
        for path in candidates(&context, missing) {
            match store_again(&context, &path) {
                Ok(true) => drop(restored.insert(PathBuf::from(std::ffi::OsStr::from_bytes(&path)))),
                Ok(false) => {}
                Err(error) => {
                    progress.warn(&format!("`{}` cannot be stored again: {error}", String::from_utf8_lossy(&path)));
                }
            }
        }
        restored
    }
}

/// Paths whose manifest in the index, on any side of a conflict, names something that is missing.
fn candidates(context: &Context, missing: &BTreeSet<ObjectId>) -> BTreeSet<Vec<u8>> {
    // In a bare repository there are none.
    let tracked = models::tracked(&[]).unwrap_or_default();
    let mut names_missing = BTreeMap::new();
    for model in tracked {
        let manifest = context.repo.blob(model.blob).ok().and_then(|text| Manifest::parse(&text).ok());
        let is_candidate = manifest.is_some_and(|manifest| manifest.objects().any(|object| missing.contains(&object)));
        *names_missing.entry(model.path).or_insert(false) |= is_candidate;
    }
    names_missing.into_iter().filter(|(_, is_candidate)| *is_candidate).map(|(path, _)| path).collect()
}

/// Stores the file, if it is one and not its manifest.
fn store_again(context: &Context, path: &[u8]) -> Result<bool, clean::CleanError> {
    let Some(file_path) = context.file_path(path).filter(|path| is_regular(path)) else { return Ok(false) };
    let cleaned = clean::clean(context, path, &mut File::open(file_path)?)?;
    Ok(cleaned.summary.is_some())
}

fn is_regular(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}
