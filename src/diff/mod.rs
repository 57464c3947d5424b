//! What has changed between two versions of a model, tensor by tensor.
//!
//! [`plan`] tells from two manifests which tensors differ and how; [`compare`](mod@compare) reads those, and only those,
//! for the numbers; [`modules`] sums them up; [`mod@text`], [`mod@json`] and
//! [`mod@html`] show them.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;

use crate::git::changes::{self, Content, Versions};
use crate::git::{BlobId, GitError};
use crate::manifest::{BYTES_MAX, Manifest, Tensor};
use crate::progress::Progress;
use crate::worktree::assemble::fetch_missing;
use crate::worktree::loose::Loose;
use crate::worktree::{Context, models};

pub mod compare;
pub mod html;
pub mod json;
pub mod modules;
pub mod plan;
pub mod side;
pub mod text;
mod words;

use compare::{Numbers, Options, Read};
use plan::Change;
use side::{ReadError, Side};

/// Everything that differs.
pub struct Report {
    /// The models that differ, by path.
    pub files: Vec<FileDiff>,
    /// The paths of models in conflict, which have no two versions to compare.
    pub unmerged: Vec<Vec<u8>>,
    /// What was read to tell.
    pub read: Read,
}

/// A model that differs.
pub struct FileDiff {
    /// Its path from the top of the work tree, in the new version if it is there; empty if two blobs were named.
    pub path: Vec<u8>,
    /// Its path in the old version, if that was another.
    pub from: Option<Vec<u8>>,
    /// The old version.
    pub old: Version,
    /// The new version.
    pub new: Version,
    /// The tensors have the same names, types and shapes, and the bytes between them, such as a header's metadata, differ.
    pub is_metadata_changed: bool,
    /// The tensors that differ, those of the new version first, in its order.
    pub entries: Vec<Entry>,
    /// How many tensors are the same in both.
    pub unchanged: usize,
    /// The names of those that are the same, in the order of the new version.
    pub same: Vec<String>,
    /// How many tensors each module has in the new version, or had in the old one if the file is gone.
    pub module_sizes: BTreeMap<String, usize>,
}

/// What a file is in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Not there.
    Absent,
    /// A model, or an opaque file (`format` is `opaque`, and there are no tensors).
    Model {
        /// The format's name.
        format: String,
        /// How many tensors it has.
        tensors: usize,
        /// Bytes of the file.
        bytes: u64,
    },
    /// A file of so many bytes that git has as it is.
    Raw(u64),
    /// A link or a submodule.
    Other,
}

/// A tensor that differs.
pub struct Entry {
    /// How.
    pub change: Change,
    /// The numbers, where they were asked for and there are any; or why they cannot be had.
    pub numbers: Option<Result<Numbers, ReadError>>,
}

impl Entry {
    /// The numbers, if they are there.
    pub fn known(&self) -> Option<&Numbers> {
        self.numbers.as_ref()?.as_ref().ok()
    }
}

impl FileDiff {
    /// How many tensors were changed, added, removed, and renamed.
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for entry in &self.entries {
            counts[match entry.change {
                Change::Added(_) => 1,
                Change::Removed(_) => 2,
                Change::Renamed { .. } => 3,
                Change::Values(_) | Change::Cast(_) | Change::Rows(_) | Change::Reshaped(_) | Change::Replaced(_) => 0,
            }] += 1;
        }
        counts
    }
}

/// Why versions cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// Git could not say what differs.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file of the work tree could not be read.
    #[error("cannot read `{path}`: {source}")]
    File {
        /// Its path from the top.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Compares all models within `paths` (all of them if there are none); with the numbers if `options` are given.
///
/// # Errors
/// What git does not understand, and files that cannot be read. A tensor that cannot be read fails alone.
pub fn diff(
    context: &Context,
    versions: &Versions,
    paths: &[OsString],
    options: Option<&Options>,
    progress: &dyn Progress,
) -> Result<Report, DiffError> {
    let mut report = Report { files: Vec::new(), unmerged: Vec::new(), read: Read::default() };
    for changed in changes::changed_files(versions, paths)? {
        if changed.new == Content::Unmerged {
            if is_model_in_conflict(context, &changed.path)? {
                report.unmerged.push(changed.path);
            }
            continue;
        }
        let old_path = changed.from.as_ref().unwrap_or(&changed.path);
        let old = load(context, changed.old, old_path, true, progress)?;
        let is_model = old.manifest().is_some();
        let new = load(context, changed.new, &changed.path, is_model, progress)?;
        if !is_model && new.manifest().is_none() {
            continue;
        }
        let mut file = plan_file(changed.path, changed.from, &old, &new);
        if let Some(options) = options {
            for side in [&old, &new] {
                if let Side::Stored(manifest) = side {
                    fetch_missing(context, manifest);
                }
            }
            let changes: Vec<Change> = file.entries.iter().map(|entry| entry.change.clone()).collect();
            let (numbers, read) = compare::compare(&context.store, (&old, &new), &changes, options, progress);
            for (entry, numbers) in file.entries.iter_mut().zip(numbers) {
                entry.numbers = numbers;
            }
            report.read.tensors += read.tensors;
            report.read.bytes += read.bytes;
        }
        let is_changed = file.is_metadata_changed || !file.entries.is_empty() || file.old != file.new;
        if is_changed || file.from.is_some() {
            report.files.push(file);
        }
    }
    report.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}

fn is_model_in_conflict(context: &Context, path: &[u8]) -> Result<bool, GitError> {
    for blob in [context.repo.index_blob(path), context.repo.their_index_blob(path)].into_iter().flatten() {
        if load_blob(context, blob)?.manifest().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn plan_file(path: Vec<u8>, from: Option<Vec<u8>>, old: &Side, new: &Side) -> FileDiff {
    let tensors = |side: &Side| side.manifest().map_or_else(Vec::new, |manifest| manifest.tensors().to_vec());
    let (old_tensors, new_tensors) = (tensors(old), tensors(new));
    let changes = plan::changes(&old_tensors, &new_tensors);
    let differing: HashSet<&str> =
        changes.iter().filter(|change| !matches!(change, Change::Removed(_))).map(Change::name).collect();
    let is_same = |tensor: &&Tensor| !differing.contains(tensor.name.as_str());
    let same: Vec<String> = new_tensors.iter().filter(is_same).map(|tensor| tensor.name.clone()).collect();
    let is_metadata_changed = is_same_structure(&old_tensors, &new_tensors) && {
        let rest = |side: &Side| side.manifest().and_then(|manifest| manifest.objects().next());
        rest(old) != rest(new)
    };
    let mut module_sizes = BTreeMap::new();
    for tensor in if new.manifest().is_some() { &new_tensors } else { &old_tensors } {
        *module_sizes.entry(modules::module_of(&tensor.name).to_owned()).or_insert(0) += 1;
    }
    FileDiff {
        path,
        from,
        module_sizes,
        old: Version::of(old),
        new: Version::of(new),
        is_metadata_changed,
        unchanged: same.len(),
        same,
        entries: changes.into_iter().map(|change| Entry { change, numbers: None }).collect(),
    }
}

/// Whether both have the same tensors, whatever their values: then what lies between them need not have changed.
fn is_same_structure(old: &[Tensor], new: &[Tensor]) -> bool {
    let same =
        |(old, new): (&Tensor, &Tensor)| old.name == new.name && old.dtype == new.dtype && old.shape == new.shape;
    old.len() == new.len() && old.iter().zip(new).all(same)
}

impl Version {
    fn of(side: &Side) -> Self {
        match side {
            Side::Absent => Self::Absent,
            Side::Raw(len) => Self::Raw(*len),
            Side::Other => Self::Other,
            Side::Stored(Manifest { size, .. }) | Side::Loose(Loose { manifest: Manifest { size, .. }, .. }) => {
                let manifest = side.manifest();
                Self::Model {
                    format: manifest.map_or("", Manifest::format).to_owned(),
                    tensors: manifest.map_or(0, |manifest| manifest.tensors().len()),
                    bytes: *size,
                }
            }
        }
    }
}

/// One version of a file; a file of the work tree is looked into only if it may be a model.
fn load(
    context: &Context,
    content: Content,
    path: &[u8],
    may_be_model: bool,
    progress: &dyn Progress,
) -> Result<Side, DiffError> {
    Ok(match content {
        Content::Absent => Side::Absent,
        Content::Other | Content::Unmerged => Side::Other,
        Content::Blob(id) => load_blob(context, id)?,
        Content::WorkTree => {
            let Some(file) = context.file_path(path) else { return Ok(Side::Absent) };
            if let Some(text) = models::manifest_in_place(context, path)
                && let Ok(manifest) = Manifest::parse(&text)
            {
                return Ok(Side::Stored(manifest));
            }
            match file.symlink_metadata() {
                Err(_) => Side::Absent,
                Ok(metadata) if !metadata.is_file() => Side::Other,
                Ok(metadata) if !may_be_model || metadata.len() == 0 => Side::Raw(metadata.len()),
                Ok(_) => {
                    let failed = |source| DiffError::File { path: String::from_utf8_lossy(path).into_owned(), source };
                    Side::Loose(Loose::open(&file, context.settings.workers, progress).map_err(failed)?)
                }
            }
        }
    })
}

fn load_blob(context: &Context, id: BlobId) -> Result<Side, GitError> {
    let len = context.repo.blob_len(id)?;
    if len <= BYTES_MAX
        && let Ok(manifest) = Manifest::parse(&context.repo.blob(id)?)
    {
        return Ok(Side::Stored(manifest));
    }
    Ok(Side::Raw(len))
}
