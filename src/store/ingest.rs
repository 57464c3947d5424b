//! Writes the objects of one file into the store, streaming, on all cores.
//!
//! The caller reads the file front to back and hands over one object after another. Bytes travel in pooled buffers to
//! worker threads, which name each block (BLAKE3), skip those the store has, encode the others and append them to the
//! file's pack. An object's SHA-256 needs its blocks in order: each object is a *lane* that hashes what has arrived, run
//! by whichever worker brought the next piece.
//!
//! As long as an object's blocks equal those of its base (the same tensor of the version before), its SHA-256 is not
//! computed at all: equal blocks in equal order are the same object, whose name is known.
//!
//! Memory: the buffer pool plus the scratch of each worker, whatever the size of the file.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::chunker::{CHUNK_BYTES_MAX, first_chunk};
use super::pack::{EntryId, Kind};
use super::writer::{PackWriter, ReliedOn};
use super::{BLOCK_BYTES, PackSet, Recipe, Store, StoreError};
use crate::id::{BlockId, ObjectId};

use worker::{Lane, Worker};

#[cfg(test)]
mod tests;
mod worker;

/// Workers beyond this gain nothing: git's pipe is the ceiling.
const WORKERS_MAX: usize = 16;
const BUFFER_BYTES: usize = BLOCK_BYTES;

/// Where an object is cut into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Every [`BLOCK_BYTES`]: tensors.
    Even,
    /// By content: files without tensors, skeletons.
    Content,
}

/// What is known of an object before its bytes.
#[derive(Debug, Clone)]
pub struct ObjectSpec {
    /// Width of the codec's words, see [`crate::tensor::Dtype::word_bytes`].
    pub word_bytes: usize,
    /// Where it is cut.
    pub cut: Cut,
    /// The same tensor in the version before.
    pub base: Option<Arc<Recipe>>,
}

/// What [`Ingest::finish`] hands back.
#[derive(Debug)]
pub struct Ingested {
    /// The objects' names, in the order they were handed over.
    pub objects: Vec<ObjectId>,
    /// For each object: whether the store did not have it before.
    pub is_new: Vec<bool>,
    /// Bytes added to the store.
    pub stored_bytes: u64,
}

/// Entries that were there already, by their pack's place in the set.
type Uses = HashMap<usize, HashSet<(EntryId, Kind)>>;

/// An add in progress.
pub struct Ingest {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    free: Receiver<Vec<u8>>,
    workers: Vec<JoinHandle<Uses>>,
    lanes: Vec<Arc<Lane>>,
    /// The buffer being filled: none yet, or one of [`BUFFER_BYTES`].
    current: Vec<u8>,
    filled: usize,
    pieces: Vec<Piece>,
}

struct Shared {
    store: Store,
    /// The packs there were at the start: blocks found in them are not stored again.
    packs: Arc<PackSet>,
    writer: PackWriter,
    recycle: Sender<Vec<u8>>,
    failed: AtomicBool,
    error: Mutex<Option<StoreError>>,
    stored_bytes: AtomicU64,
}

/// A buffer that returns to the pool when the last piece of it is done.
struct Buffer {
    bytes: Vec<u8>,
    recycle: Sender<Vec<u8>>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // The pool is gone when the ingest is; then so may be the buffer.
        let _ = self.recycle.send(std::mem::take(&mut self.bytes));
    }
}

struct Job {
    buffer: Arc<Buffer>,
    pieces: Vec<Piece>,
}

/// One block of an object.
struct Piece {
    lane: Arc<Lane>,
    seq: usize,
    range: Range<usize>,
    last: bool,
}

impl Ingest {
    /// Starts workers that write to `store`.
    pub fn new(store: &Store, workers: usize) -> Self {
        let workers = workers.clamp(1, WORKERS_MAX);
        let buffers = workers * 3 + 4;
        let (recycle, free) = unbounded();
        for _ in 0..buffers {
            // The receiver lives as long as `self`.
            let _ = recycle.send(Vec::new());
        }
        let (jobs, queue) = bounded::<Job>(buffers);
        let shared = Arc::new(Shared {
            store: store.clone(),
            packs: store.packs(),
            writer: PackWriter::new(store),
            recycle,
            failed: AtomicBool::new(false),
            error: Mutex::default(),
            stored_bytes: AtomicU64::new(0),
        });
        let spawn = |_| {
            let (shared, queue) = (Arc::clone(&shared), queue.clone());
            std::thread::Builder::new().spawn(move || Worker::new(&shared).run(&queue))
        };
        // Where fewer threads can be had, these do the work.
        let workers: Vec<_> = (0..workers).map_while(|at| spawn(at).ok()).collect();
        if workers.is_empty() {
            let error = StoreError::io("start a thread for", store.dir(), io::ErrorKind::WouldBlock.into());
            *shared.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            shared.failed.store(true, Ordering::Relaxed);
        }
        Self {
            shared,
            jobs: Some(jobs),
            free,
            workers,
            lanes: Vec::new(),
            current: Vec::new(),
            filled: 0,
            pieces: Vec::new(),
        }
    }

    /// Takes the next object: up to `len` bytes from `input`, or all of them without `len`. Returns how many came.
    ///
    /// # Errors
    /// Only those of `input`. Failures of the store show in [`Ingest::finish`]; until then input is still drained.
    pub fn object(&mut self, spec: ObjectSpec, len: Option<u64>, input: &mut dyn Read) -> io::Result<u64> {
        let lane = self.new_lane(spec);
        match lane.spec.cut {
            Cut::Even => self.read_even(&lane, len, input),
            Cut::Content => self.read_content(&lane, len, input),
        }
    }

    /// Takes the next object from memory.
    pub fn bytes(&mut self, spec: ObjectSpec, bytes: &[u8]) {
        // Reading from memory cannot fail.
        let _ = self.object(spec, Some(bytes.len() as u64), &mut &bytes[..]);
    }

    /// Waits for the workers, and makes everything durable and visible.
    ///
    /// # Errors
    /// The first failure of any worker; then nothing has become visible.
    pub fn finish(mut self) -> Result<Ingested, StoreError> {
        self.flush();
        drop(self.jobs.take());
        let mut relied_on = Uses::new();
        for worker in std::mem::take(&mut self.workers) {
            // A worker that panicked has left its lanes unfinished, which is found below.
            for (at, entries) in worker.join().unwrap_or_default() {
                relied_on.entry(at).or_default().extend(entries);
            }
        }
        let shared = Arc::clone(&self.shared);
        let lanes = std::mem::take(&mut self.lanes);
        drop(self);
        if let Some(error) = shared.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let done = lanes.iter().map(|lane| lane.done()).collect::<Option<Vec<_>>>();
        let packs_dir = shared.store.packs_dir();
        let unfinished = || StoreError::io("write", &packs_dir, io::Error::other("a worker ended early"));
        let done = done.ok_or_else(unfinished)?;
        drop(lanes);
        let shared = Arc::into_inner(shared).ok_or_else(unfinished)?;
        let relied_on: Vec<ReliedOn> = relied_on
            .into_iter()
            .map(|(at, entries)| ReliedOn {
                pack: shared.packs.pack(at).path().to_owned(),
                entries: entries.into_iter().collect(),
            })
            .collect();
        if shared.writer.commit(&relied_on)?.is_some() {
            shared.store.rescan()?;
        }
        Ok(Ingested {
            objects: done.iter().map(|done| done.id).collect(),
            is_new: done.iter().map(|done| done.is_new).collect(),
            stored_bytes: shared.stored_bytes.into_inner(),
        })
    }

    fn new_lane(&mut self, mut spec: ObjectSpec) -> Arc<Lane> {
        // A base is read again where the object begins to differ from it; one that is not whole cannot be.
        let is_stored = |id: &BlockId| self.shared.packs.find(id.as_bytes(), Kind::Block).is_some();
        spec.base = spec.base.filter(|base| base.blocks.iter().all(|(id, _)| is_stored(id)));
        let lane = Arc::new(Lane::new(spec));
        self.lanes.push(Arc::clone(&lane));
        lane
    }

    /// Makes room for at least `wanted` more bytes, up to a whole buffer.
    fn reserve(&mut self, wanted: usize) {
        if self.filled + wanted > BUFFER_BYTES {
            self.flush();
        }
        if self.current.is_empty() {
            // Workers always return their buffers, even after a failure.
            self.current = self.free.recv().unwrap_or_default();
            if self.current.is_empty() {
                // Zeros from the system cost nothing until they are written over.
                self.current = vec![0; BUFFER_BYTES];
            }
        }
    }

    /// Reads up to `wanted` bytes behind those in the buffer; fewer only at the end of input.
    fn fill(&mut self, wanted: usize, input: &mut dyn Read) -> io::Result<usize> {
        let start = self.filled;
        while self.filled < start + wanted {
            match input.read(&mut self.current[self.filled..start + wanted]) {
                Ok(0) => break,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.filled - start)
    }

    fn flush(&mut self) {
        self.filled = 0;
        if self.pieces.is_empty() {
            return;
        }
        if self.workers.is_empty() {
            self.pieces.clear();
            return;
        }
        let buffer = Buffer { bytes: std::mem::take(&mut self.current), recycle: self.shared.recycle.clone() };
        let job = Job { buffer: Arc::new(buffer), pieces: std::mem::take(&mut self.pieces) };
        if let Some(jobs) = &self.jobs {
            // Workers take jobs until the sender is dropped.
            let _ = jobs.send(job);
        }
    }

    fn push_piece(&mut self, lane: &Arc<Lane>, seq: usize, range: Range<usize>, last: bool) {
        self.pieces.push(Piece { lane: Arc::clone(lane), seq, range, last });
    }

    fn read_even(&mut self, lane: &Arc<Lane>, len: Option<u64>, input: &mut dyn Read) -> io::Result<u64> {
        let len = len.unwrap_or(u64::MAX);
        let (mut total, mut seq) = (0, 0);
        loop {
            let wanted = (len - total).min(BLOCK_BYTES as u64) as usize;
            self.reserve(wanted);
            let start = self.filled;
            let count = self.fill(wanted, input)?;
            total += count as u64;
            let last = count < wanted || total == len;
            self.push_piece(lane, seq, start..start + count, last);
            seq += 1;
            if last {
                return Ok(total);
            }
        }
    }

    fn read_content(&mut self, lane: &Arc<Lane>, len: Option<u64>, input: &mut dyn Read) -> io::Result<u64> {
        let len = len.unwrap_or(u64::MAX);
        let (mut total, mut seq) = (0, 0);
        let mut carried = Vec::new();
        loop {
            let left = len - total;
            self.reserve((left.saturating_add(carried.len() as u64)).min(BUFFER_BYTES as u64) as usize);
            let mut start = self.filled;
            self.filled += carried.len();
            self.current[start..self.filled].copy_from_slice(&carried);
            let wanted = left.min((BUFFER_BYTES - self.filled) as u64) as usize;
            let count = self.fill(wanted, input)?;
            total += count as u64;
            let ended = count < wanted || total == len;
            // Without the end in sight a cut may depend on bytes to come.
            while self.filled - start >= if ended { 1 } else { CHUNK_BYTES_MAX } {
                let chunk = first_chunk(&self.current[start..self.filled]);
                let last = ended && start + chunk == self.filled;
                self.push_piece(lane, seq, start..start + chunk, last);
                (seq, start) = (seq + 1, start + chunk);
            }
            if ended {
                if total == 0 {
                    self.push_piece(lane, 0, start..start, true);
                }
                return Ok(total);
            }
            carried.clear();
            carried.extend_from_slice(&self.current[start..self.filled]);
            self.flush();
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        drop(self.jobs.take());
        for worker in std::mem::take(&mut self.workers) {
            let _ = worker.join();
        }
    }
}
