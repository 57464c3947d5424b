//! How it stands with each model: in the last commit, the index and the work tree.
//!
//! Git says which files differ ([`crate::git::status`]); manifests say by which tensors. No weight is read here.
//!
//! **Limitations.** How many tensors differ between the work tree and the index is not known before `git add`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;

use super::{Context, models};
use crate::git::status::{self, Difference, Staged};
use crate::git::{BlobId, GitError, attributes};
use crate::manifest::{BYTES_MAX, Content, Manifest};

/// What stands in the work tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The weights, as they are in the index.
    Whole,
    /// Other weights than in the index.
    Modified,
    /// The manifest, in place of the weights.
    Manifest,
    /// Nothing.
    Missing,
}

impl Place {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "materialized",
            Self::Modified => "modified",
            Self::Manifest => "manifest",
            Self::Missing => "missing",
        }
    }
}

/// How many tensors differ between two versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TensorChanges {
    /// Only the new version has them.
    pub added: usize,
    /// They have another content, type or shape.
    pub changed: usize,
    /// Only the old version has them.
    pub removed: usize,
}

impl TensorChanges {
    /// Compares by name. A file without tensors counts as one.
    pub fn between(old: Option<&Manifest>, new: &Manifest) -> Self {
        let tensors = |manifest: &Manifest| -> HashMap<String, _> {
            match &manifest.content {
                Content::Opaque { sha256, .. } => HashMap::from([(String::new(), (*sha256, None))]),
                Content::Model { tensors, .. } => tensors
                    .iter()
                    .map(|tensor| {
                        (tensor.name.clone(), (tensor.sha256, Some((tensor.dtype.clone(), tensor.shape.clone()))))
                    })
                    .collect(),
            }
        };
        let (old, new) = (old.map(tensors).unwrap_or_default(), tensors(new));
        Self {
            added: new.keys().filter(|name| !old.contains_key(*name)).count(),
            changed: new.iter().filter(|(name, tensor)| old.get(*name).is_some_and(|old| old != *tensor)).count(),
            removed: old.keys().filter(|name| !new.contains_key(*name)).count(),
        }
    }
}

/// A model and how it stands with it.
#[derive(Debug)]
pub struct Model {
    /// The path from the top of the work tree.
    pub path: Vec<u8>,
    /// The index against the last commit.
    pub staged: Staged,
    /// What the index has: `None` for a file that is not there.
    pub blob: Option<BlobId>,
    /// What the index has, or the last commit for a deleted file; `None` for a file that git has as it is.
    pub manifest: Option<Manifest>,
    /// Git has the file as it is, not tensor by tensor.
    pub is_raw: bool,
    /// The store has all objects that the manifest in the index names. Their blocks are not looked at.
    pub is_stored: bool,
    /// The work tree.
    pub place: Place,
    /// Tensors that differ between the last commit and the index.
    pub changes: TensorChanges,
}

/// All models within `paths` (relative to the current folder), or of the whole work tree, by path.
pub fn models(context: &Context, paths: &[OsString]) -> Result<Vec<Model>, GitError> {
    let mut differences = status::differences()?;
    let mut all = BTreeMap::new();
    for tracked in models::tracked(paths)? {
        let difference = differences.remove(&tracked.path);
        // In a conflict a file has several entries.
        if !all.contains_key(&tracked.path) {
            all.insert(tracked.path.clone(), in_index(context, tracked, difference)?);
        }
    }
    if paths.is_empty() {
        for model in not_in_index(context, &differences)? {
            all.insert(model.path.clone(), model);
        }
    }
    Ok(all.into_values().collect())
}

fn in_index(context: &Context, tracked: models::Tracked, difference: Option<Difference>) -> Result<Model, GitError> {
    let manifest = read_manifest(context, tracked.blob)?;
    let is_raw = manifest.is_none() && context.repo.blob_len(tracked.blob)? > 0;
    let staged = difference.as_ref().map_or(Staged::Unchanged, |difference| difference.staged);
    let head = match (&difference, staged) {
        (Some(difference), Staged::Modified) => difference.head.map(|head| read_manifest(context, head)).transpose()?,
        _ => None,
    };
    let changes = match (&manifest, staged) {
        (Some(manifest), Staged::New | Staged::Modified) => TensorChanges::between(head.flatten().as_ref(), manifest),
        _ => TensorChanges::default(),
    };
    let is_modified = difference.is_some_and(|difference| difference.is_modified);
    let place = place(context, &tracked.path, is_modified);
    let is_stored = manifest
        .as_ref()
        .is_none_or(|manifest| manifest.objects().all(|object| context.store.contains_object(&object)));
    Ok(Model { path: tracked.path, staged, blob: Some(tracked.blob), manifest, is_raw, is_stored, place, changes })
}

/// Models that were deleted from the index, and those that nobody has added yet.
fn not_in_index(context: &Context, differences: &BTreeMap<Vec<u8>, Difference>) -> Result<Vec<Model>, GitError> {
    let Some(top) = context.repo.work_dir() else { return Ok(Vec::new()) };
    let candidates: Vec<_> = differences
        .iter()
        .filter(|(path, difference)| difference.staged == Staged::Untracked && is_file(context, path))
        .map(|(path, _)| path)
        .collect();
    let attributes = attributes::check_in(&top, &candidates)?;
    let untracked = candidates.into_iter().zip(attributes).filter(|(_, attributes)| attributes.is_filtered());
    let mut all: Vec<Model> =
        untracked.map(|(path, _)| gone_or_unknown(context, path, Staged::Untracked, None)).collect();
    for (path, difference) in differences {
        if let (Staged::Deleted, Some(head)) = (difference.staged, difference.head)
            && let Some(manifest) = read_manifest(context, head)?
        {
            all.push(gone_or_unknown(context, path, Staged::Deleted, Some(manifest)));
        }
    }
    Ok(all)
}

fn gone_or_unknown(context: &Context, path: &[u8], staged: Staged, manifest: Option<Manifest>) -> Model {
    let removed = manifest.as_ref().map_or(0, |manifest| manifest.tensors().len().max(1));
    let changes = TensorChanges { removed, ..TensorChanges::default() };
    let place = place(context, path, false);
    Model { path: path.to_vec(), staged, blob: None, manifest, is_raw: false, is_stored: true, place, changes }
}

fn read_manifest(context: &Context, blob: BlobId) -> Result<Option<Manifest>, GitError> {
    if context.repo.blob_len(blob)? > BYTES_MAX {
        return Ok(None);
    }
    Ok(Manifest::parse(&context.repo.blob(blob)?).ok())
}

fn is_file(context: &Context, path: &[u8]) -> bool {
    let metadata = context.file_path(path).and_then(|path| path.symlink_metadata().ok());
    metadata.is_some_and(|metadata| metadata.is_file())
}

fn place(context: &Context, path: &[u8], is_modified: bool) -> Place {
    let is_there = context.file_path(path).is_some_and(|path| path.symlink_metadata().is_ok());
    if !is_there {
        Place::Missing
    } else if models::manifest_in_place(context, path).is_some() {
        Place::Manifest
    } else if is_modified {
        Place::Modified
    } else {
        Place::Whole
    }
}
