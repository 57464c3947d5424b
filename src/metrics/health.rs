//! Whether the weights that are about to be committed are sound: NaN or infinity where the version before had none, tensors
//! that have become constant or are gone, other shapes or element types than before, weights that git has as they are.
//!
//! Only tensors that no parent of the commit has are read.
//!
//! **Limitations.** A tensor that is new has nothing to be compared with: what is in it counts as meant. Weights that git has
//! as they are are told by the extension of their file.

mod numbers;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use crate::git::attributes::{self, Attributes};
use crate::git::changes::{Changed, Content};
use crate::git::{BlobId, GitError, Repo, merging, shown};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Manifest, Tensor};
use crate::progress::Progress;
use crate::store::{Store, StoreError};
use crate::tensor::is_numeric;

use numbers::Job;

/// Smaller files may well be kept by git as they are, and are read to see whether they are manifests.
const RAW_BYTES_MIN: u64 = 1 << 20;
/// Extensions of files that are weights.
const EXTENSIONS: [&str; 11] =
    ["safetensors", "pt", "pth", "ckpt", "gguf", "onnx", "npy", "npz", "h5", "hdf5", "keras"];

/// Something that may not be meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The file, from the top of the work tree.
    pub path: Vec<u8>,
    /// The tensor; empty for the file as a whole.
    pub tensor: String,
    /// What is with it.
    pub trouble: Trouble,
}

/// What may not be meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// So many elements are NaN, and so many infinite; none was before.
    NotFinite {
        /// NaN.
        nan: u64,
        /// Infinite.
        inf: u64,
    },
    /// The file begins as a manifest and is none; why.
    Broken(String),
    /// All elements are this now, and were not before.
    Constant(f64),
    /// It was there before.
    Vanished,
    /// So many bytes of weights that git has as they are.
    Raw(u64),
    /// Another shape or element type than before, both as they are shown.
    Drift {
        /// Before.
        before: String,
        /// Now.
        now: String,
    },
}

impl Trouble {
    /// Whether a commit should not have it.
    pub const fn is_grave(&self) -> bool {
        matches!(self, Self::NotFinite { .. } | Self::Broken(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", shown(&self.path))?;
        if !self.tensor.is_empty() {
            write!(f, "{}: ", self.tensor)?;
        }
        match &self.trouble {
            Trouble::Broken(why) => write!(f, "begins as a manifest and is no manifest ({why})"),
            Trouble::NotFinite { nan, inf } => write!(f, "{nan} NaN and {inf} infinite, none before"),
            Trouble::Constant(0.0) => f.write_str("all zero, and was not before"),
            Trouble::Constant(value) => write!(f, "{value} in all elements, and was not before"),
            Trouble::Vanished => f.write_str("was there before and is gone"),
            Trouble::Raw(bytes) => write!(
                f,
                "{} of weights that git would keep as they are; `git model track {}` and `git add` it again",
                crate::text::Units::Si.bytes(*bytes),
                track_pattern(&self.path)
            ),
            Trouble::Drift { before, now } => write!(f, "{now}, {before} before"),
        }
    }
}

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Git cannot say what is about to be committed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A tensor cannot be read.
    #[error("`{path}`: tensor `{tensor}` cannot be read: {source}")]
    Tensor {
        /// The file.
        path: String,
        /// The tensor.
        tensor: String,
        /// Why.
        source: StoreError,
    },
}

/// Looks at the models among the files in which the index differs from the last commit.
///
/// # Errors
/// Versions that cannot be had.
pub fn check(
    repo: &Repo,
    store: &Store,
    changed: &[Changed],
    workers: usize,
    progress: &dyn Progress,
) -> Result<Vec<Finding>, HealthError> {
    let mut findings = Vec::new();
    let mut jobs = Vec::new();
    for changed in changed {
        let Content::Blob(blob) = changed.new else { continue };
        let finding =
            |tensor: &str, trouble| Finding { path: changed.path.clone(), tensor: tensor.to_owned(), trouble };
        let new = match kept(repo, &changed.path, blob)? {
            Kept::Model(new) => new,
            Kept::Broken(why) => {
                findings.push(finding("", Trouble::Broken(why)));
                continue;
            }
            Kept::Raw(bytes) => {
                findings.push(finding("", Trouble::Raw(bytes)));
                continue;
            }
            Kept::Other => continue,
        };
        let Content::Blob(old) = changed.old else { continue };
        let Some(old) = manifest(repo, old)? else { continue };
        let mut known: HashSet<ObjectId> = old.tensors().iter().map(|tensor| tensor.sha256).collect();
        let mut is_merged = false;
        for blob in merging::blobs(repo, &changed.path)? {
            let theirs = manifest(repo, blob)?;
            is_merged |= theirs.is_some();
            known.extend(theirs.iter().flat_map(|theirs| theirs.tensors().iter().map(|tensor| tensor.sha256)));
        }
        // What is gone after a merge is gone on a side that has gone through this.
        if !is_merged {
            findings.extend(vanished(&old, &new).map(|tensor| finding(&tensor.name, Trouble::Vanished)));
        }
        let before: HashMap<&str, &Tensor> = old.tensors().iter().map(|tensor| (&*tensor.name, tensor)).collect();
        for tensor in new.tensors().iter().filter(|tensor| !known.contains(&tensor.sha256)) {
            let Some(&before) = before.get(&*tensor.name) else { continue };
            if (&before.dtype, &before.shape) != (&tensor.dtype, &tensor.shape) {
                let described = |tensor: &Tensor| format!("{} {:?}", tensor.dtype, tensor.shape);
                let trouble = Trouble::Drift { before: described(before), now: described(tensor) };
                findings.push(finding(&tensor.name, trouble));
            }
            if is_numeric(&tensor.dtype) {
                jobs.push(Job { path: changed.path.clone(), before: before.clone(), now: tensor.clone() });
            }
        }
    }
    findings.extend(numbers::check(store, workers, &jobs, progress)?);
    Ok(findings)
}

/// How git keeps a file.
enum Kept {
    /// As a manifest.
    Model(Manifest),
    /// As what begins as a manifest and is none; why.
    Broken(String),
    /// As it is, so many bytes of weights.
    Raw(u64),
    /// It is no model.
    Other,
}

/// Large files are read only if they may be manifests.
fn kept(repo: &Repo, path: &[u8], blob: BlobId) -> Result<Kept, GitError> {
    let len = repo.blob_len(blob)?;
    let has_extension = has_extension(path);
    if len > RAW_BYTES_MIN && !has_extension && !attributes::check(&[path])?.iter().any(Attributes::is_filtered) {
        return Ok(Kept::Other);
    }
    let Some(text) = repo.blob_up_to(blob, BYTES_MAX)?.filter(|text| Manifest::looks_like(text)) else {
        return Ok(if has_extension && len > RAW_BYTES_MIN { Kept::Raw(len) } else { Kept::Other });
    };
    Ok(match Manifest::parse(&text) {
        Ok(manifest) => Kept::Model(manifest),
        Err(error) => Kept::Broken(error.to_string()),
    })
}

fn has_extension(path: &[u8]) -> bool {
    let path = String::from_utf8_lossy(path).to_ascii_lowercase();
    let path = Path::new(&path);
    let is = |part: Option<&std::ffi::OsStr>, meant: &dyn Fn(&str) -> bool| {
        part.and_then(|part| part.to_str()).is_some_and(meant)
    };
    // Much else is called `.bin`.
    is(path.extension(), &|extension| EXTENSIONS.contains(&extension))
        || is(path.file_name(), &|name| name.ends_with(".bin") && name.contains("model"))
}

/// What to track so that a file like this one is a model.
fn track_pattern(path: &[u8]) -> String {
    let path = shown(path);
    Path::new(&path)
        .extension()
        .map_or_else(|| path.clone(), |extension| format!("'*.{}'", extension.to_string_lossy()))
}

/// Tensors that are in the old version, and neither by name nor by content in the new one.
fn vanished<'m>(old: &'m Manifest, new: &Manifest) -> impl Iterator<Item = &'m Tensor> {
    let names: HashSet<String> = new.tensors().iter().map(|tensor| tensor.name.clone()).collect();
    let contents: HashSet<ObjectId> = new.tensors().iter().map(|tensor| tensor.sha256).collect();
    let is_gone = move |tensor: &&Tensor| !names.contains(&*tensor.name) && !contents.contains(&tensor.sha256);
    old.tensors().iter().filter(is_gone)
}

fn manifest(repo: &Repo, blob: BlobId) -> Result<Option<Manifest>, GitError> {
    Ok(repo.blob_up_to(blob, BYTES_MAX)?.and_then(|text| Manifest::parse(&text).ok()))
}
