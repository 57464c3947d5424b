//! What the numbers of changed tensors tell.

use super::{Finding, HealthError, Trouble};
use crate::git::shown;
use crate::manifest::Tensor;
use crate::parallel;
use crate::progress::Progress;
use crate::store::{BlockReader, Store, StoreError};
use crate::tensor::{TensorStats, Unit};

/// A tensor before and now.
pub struct Job {
    /// The file.
    pub path: Vec<u8>,
    /// Before.
    pub before: Tensor,
    /// Now.
    pub now: Tensor,
}

pub fn check(
    store: &Store,
    workers: usize,
    jobs: &[Job],
    progress: &dyn Progress,
) -> Result<Vec<Finding>, HealthError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    progress.begin("checking weights", Some(jobs.iter().filter_map(|job| job.now.byte_len()).sum()));
    let reader = || BlockReader::new(store);
    let found = parallel::for_each(workers, jobs.len(), reader, |reader, at| {
        let job = &jobs[at];
        let mut read = |tensor: &Tensor| {
            stats(store, reader, tensor, progress).map_err(|source| HealthError::Tensor {
                path: shown(&job.path),
                tensor: tensor.name.clone(),
                source,
            })
        };
        let trouble = read(&job.now).and_then(|now| {
            let (nan, inf, constant) = (now.nan(), now.inf(), constant(&now));
            if nan + inf == 0 && constant.is_none() {
                return Ok(None);
            }
            // What was there before is read only if there is something to compare with it.
            let before = read(&job.before)?;
            Ok(match constant {
                _ if nan + inf > 0 => (before.nan() + before.inf() == 0).then_some(Trouble::NotFinite { nan, inf }),
                Some(value) => self::constant(&before).is_none().then_some(Trouble::Constant(value)),
                None => None,
            })
        });
        let finding = |trouble| Finding { path: job.path.clone(), tensor: job.now.name.clone(), trouble };
        trouble.transpose().map(|trouble| trouble.map(finding)).into_iter().collect()
    });
    progress.end();
    found.into_iter().collect()
}

/// The one value that all elements have, if there are several.
fn constant(stats: &TensorStats) -> Option<f64> {
    let value = stats.min().filter(|min| stats.max() == Some(*min))?;
    (stats.elements() > 1 && stats.nan() + stats.inf() == 0).then_some(value)
}

/// The numbers of a tensor.
fn stats(
    store: &Store,
    reader: &mut BlockReader,
    tensor: &Tensor,
    progress: &dyn Progress,
) -> Result<TensorStats, StoreError> {
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
    Ok(stats)
}
