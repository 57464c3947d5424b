//! The numbers of what has changed, computed on all cores.
//!
//! Only the tensors that a plan names are read, a piece of both versions at a time. A block that both share is read once,
//! and one that is a delta of the other is decoded from it.

use std::sync::{Mutex, PoisonError};

use super::plan::{Change, Pair};
use super::side::{Place, RangeReader, ReadError, Side};
use crate::parallel;
use crate::progress::Progress;
use crate::store::{BLOCK_BYTES, Store};
use crate::tensor::{self, ChangeStats, Dtype, Rank, RankSketch, Unit};

/// Pieces a thread takes at a time: accumulators are joined once for so many.
const PIECES_PER_TASK: u64 = 8;
/// The sketches of all runs start from the same seed, so that a rank is the same each time.
const SEED: u64 = 0x6769_746d_6f64_656c;

/// How the numbers of a tensor have changed.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// The sums and counts over all elements that were compared.
    pub stats: ChangeStats,
    /// The rank of the difference, for matrices of the same shape.
    pub rank: Option<Rank>,
}

/// What is compared and how much of it.
pub struct Options {
    /// Threads.
    pub workers: usize,
    /// Count differences by magnitude too.
    pub histograms: bool,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Tensors whose numbers were compared.
    pub tensors: u64,
    /// Bytes of both versions that were decoded, or read from a file.
    pub bytes: u64,
}

/// The numbers of each change, in their order: `None` where there are none to compare.
pub fn compare(
    store: &Store,
    (old, new): (&Side, &Side),
    changes: &[Change],
    options: &Options,
    progress: &dyn Progress,
) -> (Vec<Option<Result<Numbers, ReadError>>>, Read) {
    let jobs: Vec<Job<'_>> = changes
        .iter()
        .enumerate()
        .filter_map(|(at, change)| Job::new(store, (old, new), at, change, options))
        .collect();
    let total = jobs.iter().map(Job::bytes).sum();
    let tasks: Vec<(usize, u64)> = jobs
        .iter()
        .enumerate()
        .flat_map(|(at, job)| (0..job.pieces()).step_by(PIECES_PER_TASK as usize).map(move |first| (at, first)))
        .collect();
    progress.begin("comparing", Some(total));
    let readers = || [RangeReader::new(store), RangeReader::new(store)];
    let bytes_read = parallel::for_each(options.workers, tasks.len(), readers, |sides, at| {
        let (job, first) = tasks[at];
        jobs[job].run(first, sides, progress);
        vec![sides.iter_mut().map(RangeReader::take_bytes_read).sum::<u64>()]
    });
    progress.end();
    let mut results: Vec<_> = changes.iter().map(|_| None).collect();
    let mut read = Read { tensors: 0, bytes: bytes_read.into_iter().sum() };
    for job in jobs {
        let (at, result) = job.finish();
        read.tensors += u64::from(result.is_ok());
        results[at] = Some(result);
    }
    (results, read)
}

/// A tensor to be compared.
struct Job<'a> {
    /// Which change it is.
    at: usize,
    pair: &'a Pair,
    places: Result<[Place<'a>; 2], ReadError>,
    elements: u64,
    piece_elements: u64,
    has_histogram: bool,
    state: Mutex<State>,
}

/// What the threads have found out so far.
struct State {
    stats: ChangeStats,
    sketch: Option<RankSketch>,
    error: Option<ReadError>,
    pieces_left: u64,
    rank: Option<Rank>,
}

impl<'a> Job<'a> {
    fn new(
        store: &Store,
        (old, new): (&'a Side, &'a Side),
        at: usize,
        change: &'a Change,
        options: &Options,
    ) -> Option<Self> {
        let (pair, elements) = change.comparable()?;
        if !tensor::is_comparable(&pair.old.dtype, &pair.new.dtype) {
            return None;
        }
        let piece_elements = piece_elements(&pair.old.dtype, &pair.new.dtype);
        let has_histogram = options.histograms;
        let places = old.locate(store, &pair.old).and_then(|old| Ok([old, new.locate(store, &pair.new)?]));
        let pieces = elements.div_ceil(piece_elements);
        let stats = empty_stats(pair, has_histogram);
        let state = Mutex::new(State { stats, sketch: None, error: None, pieces_left: pieces, rank: None });
        Some(Self { at, pair, places, elements, piece_elements, has_histogram, state })
    }

    fn bytes(&self) -> u64 {
        self.places.as_ref().map_or(0, |places| places[0].len() + places[1].len())
    }

    fn pieces(&self) -> u64 {
        if self.places.is_ok() { self.elements.div_ceil(self.piece_elements) } else { 0 }
    }

    fn sketch(&self) -> Option<RankSketch> {
        let shape = &self.pair.new.shape;
        if shape != &self.pair.old.shape || shape.len() < 2 || !tensor::is_numeric(&self.pair.new.dtype) {
            return None;
        }
        Some(RankSketch::new(shape[0], self.elements / shape[0].max(1), SEED))
    }

    /// Compares some pieces and adds what it found; the last one to do so estimates the rank.
    fn run(&self, first: u64, sides: &mut [RangeReader; 2], progress: &dyn Progress) {
        let Ok(places) = &self.places else { return };
        let last = self.pieces().min(first + PIECES_PER_TASK);
        let mut stats = empty_stats(self.pair, self.has_histogram);
        let mut sketch = self.sketch();
        let outcome =
            (first..last).try_for_each(|piece| self.piece(places, piece, sides, &mut stats, &mut sketch, progress));
        let mut state = self.lock();
        state.stats.merge(stats);
        match (&mut state.sketch, sketch) {
            (Some(all), Some(sketch)) => all.merge(sketch),
            (all, sketch) => *all = sketch,
        }
        if let Err(error) = outcome {
            state.error.get_or_insert(error);
        }
        state.pieces_left -= last - first;
        if state.pieces_left == 0 {
            // The sketch is the one thing here that takes much memory.
            state.rank = state.sketch.take().map(|sketch| sketch.estimate());
        }
    }

    fn piece(
        &self,
        places: &[Place<'_>; 2],
        piece: u64,
        [old, new]: &mut [RangeReader; 2],
        stats: &mut ChangeStats,
        sketch: &mut Option<RankSketch>,
        progress: &dyn Progress,
    ) -> Result<(), ReadError> {
        let start = piece * self.piece_elements;
        let count = self.piece_elements.min(self.elements - start);
        let range = |dtype: &Dtype| (dtype.byte_len(start).unwrap_or(0), dtype.byte_len(count).unwrap_or(0) as usize);
        let (dtype_a, dtype_b) = (&self.pair.old.dtype, &self.pair.new.dtype);
        let (at, len) = range(dtype_a);
        let a = old.read(&places[0], at, len, None)?;
        let (at, len) = range(dtype_b);
        let (_, b) = new.read(&places[1], at, len, Some(a).filter(|_| dtype_a == dtype_b))?;
        stats.push(start, a.1, b);
        if let Some(sketch) = sketch
            && a.1 != b
        {
            sketch.push_bytes(start, dtype_a, a.1, dtype_b, b);
        }
        progress.advance((a.1.len() + b.len()) as u64);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(self) -> (usize, Result<Numbers, ReadError>) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let result = match (self.places, state.error) {
            (Err(error), _) | (_, Some(error)) => Err(error),
            _ => Ok(Numbers { stats: state.stats, rank: state.rank }),
        };
        (self.at, result)
    }
}

fn empty_stats(pair: &Pair, has_histogram: bool) -> ChangeStats {
    let stats = ChangeStats::new(&pair.old.dtype, &pair.new.dtype);
    if has_histogram { stats.with_histogram() } else { stats }
}

/// As many elements as a block has, or somewhat fewer, so that a piece is made of whole units of both types.
fn piece_elements(a: &Dtype, b: &Dtype) -> u64 {
    let (a, b) = (Unit::of(a), Unit::of(b));
    let fit = |unit: &Unit| BLOCK_BYTES as u64 / unit.bytes as u64 * unit.elements as u64;
    // Units have a power of two of elements: those of one type fill those of the other.
    let step = a.elements.max(b.elements) as u64;
    fit(&a).min(fit(&b)) / step * step
}

/// Where in a tensor of this shape the element with the flat index `at` stands.
pub fn position(shape: &[u64], mut at: u64) -> Vec<u64> {
    let mut position: Vec<u64> = shape
        .iter()
        .rev()
        .map(|&dim| {
            let here = at % dim.max(1);
            at /= dim.max(1);
            here
        })
        .collect();
    position.reverse();
    position
}
