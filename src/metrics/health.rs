//! Whether the weights that are about to be committed are sound: NaN or infinity where the version before had none, and
//! other shapes or element types than before.
//!
//! Only tensors that no parent of the commit has are read.
//!
//! **Limitations.** A tensor that is new has nothing to be compared with: what is in it counts as meant.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::git::changes::{self, Content, Versions};
use crate::git::{BlobId, GitError, Repo, merging, shown};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Manifest, Tensor};
use crate::parallel;
use crate::progress::Progress;
use crate::store::{BlockReader, Store, StoreError};
use crate::tensor::{TensorStats, Unit, is_numeric};

/// Something that may not be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the top of the work tree.
    pub path: Vec<u8>,
    /// The tensor; empty for the file as a whole.
    pub tensor: String,
    /// What is with it.
    pub trouble: Trouble,
}

/// What may not be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Looks at the models in the index that differ from the last commit.
///
/// # Errors
/// Versions that cannot be had.
pub fn check(repo: &Repo, store: &Store, workers: usize, progress: &dyn Progress) -> Result<Vec<Finding>, HealthError> {
    let mut findings = Vec::new();
    let mut jobs = Vec::new();
    for changed in changes::changed_files(&Versions::Index("HEAD".into()), &[])? {
        if let Content::Blob(blob) = changed.new
            && let Some(text) = repo.blob_up_to(blob, BYTES_MAX)?
            && Manifest::looks_like(&text)
            && let Err(error) = Manifest::parse(&text)
        {
            let trouble = Trouble::Broken(error.to_string());
            findings.push(Finding { path: changed.path.clone(), tensor: String::new(), trouble });
        }
        let manifest = |content| match content {
            Content::Blob(blob) => manifest(repo, blob),
            _ => Ok(None),
        };
        let (Some(old), Some(new)) = (manifest(changed.old)?, manifest(changed.new)?) else { continue };
        let mut known: HashSet<ObjectId> = old.tensors().iter().map(|tensor| tensor.sha256).collect();
        for blob in merging::blobs(repo, &changed.path)? {
            let theirs = self::manifest(repo, blob)?;
            known.extend(theirs.iter().flat_map(|theirs| theirs.tensors().iter().map(|tensor| tensor.sha256)));
        }
        let before: HashMap<&str, &Tensor> = old.tensors().iter().map(|tensor| (&*tensor.name, tensor)).collect();
        for tensor in new.tensors().iter().filter(|tensor| !known.contains(&tensor.sha256)) {
            let Some(&before) = before.get(&*tensor.name) else { continue };
            if (&before.dtype, &before.shape) != (&tensor.dtype, &tensor.shape) {
                let described = |tensor: &Tensor| format!("{} {:?}", tensor.dtype, tensor.shape);
                let trouble = Trouble::Drift { before: described(before), now: described(tensor) };
                findings.push(Finding { path: changed.path.clone(), tensor: tensor.name.clone(), trouble });
            }
            if is_numeric(&tensor.dtype) {
                jobs.push((changed.path.clone(), before.clone(), tensor.clone()));
            }
        }
    }
    findings.extend(not_finite(store, workers, &jobs, progress)?);
    Ok(findings)
}

fn manifest(repo: &Repo, blob: BlobId) -> Result<Option<Manifest>, GitError> {
    Ok(repo.blob_up_to(blob, BYTES_MAX)?.and_then(|text| Manifest::parse(&text).ok()))
}

/// Each job is a file, a tensor before, and the same tensor now.
type Job = (Vec<u8>, Tensor, Tensor);

fn not_finite(
    store: &Store,
    workers: usize,
    jobs: &[Job],
    progress: &dyn Progress,
) -> Result<Vec<Finding>, HealthError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    progress.begin("checking weights", Some(jobs.iter().filter_map(|(_, _, tensor)| tensor.byte_len()).sum()));
    let reader = || BlockReader::new(store);
    let found = parallel::for_each(workers, jobs.len(), reader, |reader, at| {
        let (path, before, tensor) = &jobs[at];
        let mut count = |tensor: &Tensor| {
            count(store, reader, tensor, progress).map_err(|source| HealthError::Tensor {
                path: shown(path),
                tensor: tensor.name.clone(),
                source,
            })
        };
        let finding = count(tensor).and_then(|(nan, inf)| {
            // What was there before is read only if there is something to compare with it.
            let is_new = nan + inf > 0 && count(before)? == (0, 0);
            let trouble = Trouble::NotFinite { nan, inf };
            Ok(is_new.then(|| Finding { path: path.clone(), tensor: tensor.name.clone(), trouble }))
        });
        finding.transpose().into_iter().collect()
    });
    progress.end();
    found.into_iter().collect()
}

/// The NaN and infinite elements of a tensor.
fn count(
    store: &Store,
    reader: &mut BlockReader,
    tensor: &Tensor,
    progress: &dyn Progress,
) -> Result<(u64, u64), StoreError> {
    let mut stats = TensorStats::new(&tensor.dtype);
    let unit = Unit::of(&tensor.dtype).bytes;
    let mut bytes = Vec::new();
    for (block, len) in store.recipe(&tensor.sha256)?.blocks {
        // Blocks need not end where a unit does.
        let carried = bytes.len();
        bytes.resize(carried + len as usize, 0);
        reader.read(&block, &mut bytes[carried..])?;
        let whole = bytes.len() / unit * unit;
        stats.push(&bytes[..whole]);
        bytes.drain(..whole);
        progress.advance(len.into());
    }
    Ok((stats.nan(), stats.inf()))
}
