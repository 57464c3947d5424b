//! Whether a version is there, whole and unchanged: every object of every model is put together and hashed.

use std::collections::HashMap;

use crate::git::GitError;
use crate::git::tree::{self, File};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Manifest};
use crate::parallel;
use crate::progress::Progress;
use crate::store::{BlockReader, StoreError};
use crate::worktree::Context;
use crate::worktree::assemble;

/// How it stands with a model.
pub struct Verified {
    /// Its path from the top.
    pub path: Vec<u8>,
    /// Tensors it has.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
    /// What is wrong: the tensor (or the file as a whole), and how.
    pub problems: Vec<(String, String)>,
}

/// Verifies all models of a revision; an object that several share is read once.
///
/// # Errors
/// A revision that is none.
pub fn verify(context: &Context, revision: &str, progress: &dyn Progress) -> Result<Vec<Verified>, GitError> {
    let mut models = Vec::new();
    for File { path, blob, .. } in tree::files(revision)? {
        if context.repo.blob_len(blob)? > BYTES_MAX {
            continue;
        }
        let text = context.repo.blob(blob)?;
        if Manifest::looks_like(&text) {
            models.push((path, Manifest::parse(&text)));
        }
    }
    let manifests: Vec<&Manifest> = models.iter().filter_map(|(_, manifest)| manifest.as_ref().ok()).collect();
    manifests.iter().for_each(|manifest| assemble::fetch_missing(context, manifest));
    let results = check_objects(context, &manifests, progress);
    let verified = models.into_iter().map(|(path, manifest)| match manifest {
        Ok(manifest) => {
            let mut problems = Vec::new();
            let names = manifest.tensors().iter().map(|tensor| tensor.name.as_str());
            for (id, name) in manifest.objects().zip(std::iter::once("(the file's frame)").chain(names)) {
                if let Some(Some(problem)) = results.get(&id) {
                    problems.push((name.to_owned(), problem.clone()));
                }
            }
            if problems.is_empty()
                && let Err(error) = assemble::Assembly::plan(&context.store, &manifest, context.settings.workers)
            {
                problems.push(("(the whole file)".into(), error.to_string()));
            }
            Verified { path, tensors: manifest.tensors().len(), bytes: manifest.size, problems }
        }
        Err(error) => {
            let problems = vec![("(the manifest)".into(), error.to_string())];
            Verified { path, tensors: 0, bytes: 0, problems }
        }
    });
    Ok(verified.collect())
}

/// What is wrong with each object, if anything is.
fn check_objects(
    context: &Context,
    manifests: &[&Manifest],
    progress: &dyn Progress,
) -> HashMap<ObjectId, Option<String>> {
    let mut seen = HashMap::new();
    for id in manifests.iter().flat_map(|manifest| manifest.objects()) {
        seen.entry(id).or_insert_with(|| context.store.recipe(&id).map_or(0, |recipe| recipe.len));
    }
    let ids: Vec<ObjectId> = seen.keys().copied().collect();
    progress.begin("verifying", Some(seen.values().sum()));
    let store = &context.store;
    let results = parallel::for_each(
        context.settings.workers,
        ids.len(),
        || BlockReader::new(store),
        |reader, at| vec![(ids[at], check(reader, &ids[at], progress))],
    );
    progress.end();
    results.into_iter().collect()
}

fn check(reader: &mut BlockReader, id: &ObjectId, progress: &dyn Progress) -> Option<String> {
    match reader.true_name(id, |bytes| progress.advance(bytes)) {
        Ok(name) if name == *id => None,
        Ok(_) => Some(format!("object {id} is not what was stored")),
        Err(error @ (StoreError::MissingObject(_) | StoreError::MissingBlock(_))) => Some(format!("missing: {error}")),
        Err(error) => Some(error.to_string()),
    }
}
