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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::chunker::{CHUNK_BYTES_MAX, first_chunk};
use super::codec::Encoder;
use super::pack::{Batch, EntryId, Kind};
use super::writer::{PackWriter, ReliedOn};
use super::{BLOCK_BYTES, BlockReader, PackSet, Recipe, Store, StoreError};
use crate::id::{BlockId, ObjectId, Sha256};

/// Deltas on deltas, at most so many on add; a longer chain would make reading slow.
const DELTA_DEPTH_MAX: u8 = 8;
/// Entries are written to the pack in runs of about this size.
const BATCH_BYTES: usize = 1 << 20;
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

struct Lane {
    spec: ObjectSpec,
    state: Mutex<LaneState>,
}

#[derive(Default)]
struct LaneState {
    /// Pieces that came before their turn.
    waiting: BTreeMap<usize, Arrived>,
    /// A worker is hashing for this lane.
    running: bool,
    blocks: Vec<(BlockId, u32)>,
    /// `None` as long as all blocks equal those of the base.
    hash: Option<Sha256>,
    done: Option<Done>,
}

#[derive(Clone, Copy)]
struct Done {
    id: ObjectId,
    is_new: bool,
}

struct Arrived {
    buffer: Arc<Buffer>,
    range: Range<usize>,
    id: BlockId,
    last: bool,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let done = lanes.iter().map(|lane| lane.state().done).collect::<Option<Vec<_>>>();
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
        let lane = Arc::new(Lane { spec, state: Mutex::default() });
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
            self.current.resize(BUFFER_BYTES, 0);
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

struct Worker<'a> {
    shared: &'a Shared,
    reader: BlockReader,
    encoder: Encoder,
    base: Vec<u8>,
    batch: Batch,
    relied_on: Uses,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            reader: BlockReader::new(&shared.store),
            encoder: Encoder::new(),
            base: Vec::new(),
            batch: Batch::default(),
            relied_on: Uses::new(),
        }
    }

    /// Works until there are no more jobs; returns the entries that were relied on.
    fn run(mut self, queue: &Receiver<Job>) -> Uses {
        for job in queue {
            for piece in job.pieces {
                if self.shared.failed.load(Ordering::Relaxed) {
                    break;
                }
                if let Err(error) = self.take(piece, &job.buffer) {
                    self.fail(error);
                }
            }
        }
        if let Err(error) = self.shared.writer.append(&mut self.batch) {
            self.fail(error);
        }
        self.relied_on
    }

    fn fail(&self, error: StoreError) {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.shared.failed.store(true, Ordering::Relaxed);
    }

    fn take(&mut self, piece: Piece, buffer: &Arc<Buffer>) -> Result<(), StoreError> {
        let bytes = &buffer.bytes[piece.range.clone()];
        let id = BlockId::of(bytes);
        if !bytes.is_empty() && !self.is_stored(id.as_bytes(), Kind::Block) {
            self.store_block(&piece, id, bytes)?;
        }
        let arrived = Arrived { buffer: Arc::clone(buffer), range: piece.range, id, last: piece.last };
        let mut state = piece.lane.state();
        state.waiting.insert(piece.seq, arrived);
        if state.running {
            return Ok(());
        }
        state.running = true;
        drop(state);
        self.run_lane(&piece.lane)
    }

    /// Whether nobody needs to write this entry: the store has it, or someone is about to.
    fn is_stored(&mut self, id: &[u8; 32], kind: Kind) -> bool {
        if let Some(found) = self.shared.packs.find(id, kind) {
            self.relied_on.entry(found.at).or_default().insert((*id, kind));
            return true;
        }
        !self.shared.writer.claim(id)
    }

    fn store_block(&mut self, piece: &Piece, id: BlockId, bytes: &[u8]) -> Result<(), StoreError> {
        let base = self.delta_base(piece, bytes.len())?;
        let base_bytes = base.map(|_| &self.base[..]);
        let (encoder, word_bytes) = (&mut self.encoder, piece.lane.spec.word_bytes);
        let len = self.batch.push(*id.as_bytes(), Kind::Block, base, bytes.len() as u32, |out| {
            encoder.encode(bytes, word_bytes, base_bytes, out)
        });
        self.count_stored(len)
    }

    fn count_stored(&mut self, len: u64) -> Result<(), StoreError> {
        self.shared.stored_bytes.fetch_add(len, Ordering::Relaxed);
        if self.batch.len() >= BATCH_BYTES {
            self.shared.writer.append(&mut self.batch)?;
        }
        Ok(())
    }

    /// Loads the base object's block at the same place, if it is fit for a delta. A damaged one is not, and that is no
    /// reason to refuse new data.
    fn delta_base(&mut self, piece: &Piece, len: usize) -> Result<Option<(BlockId, u8)>, StoreError> {
        let Some(&(id, base_len)) = piece.lane.spec.base.as_ref().and_then(|base| base.blocks.get(piece.seq)) else {
            return Ok(None);
        };
        if base_len as usize != len {
            return Ok(None);
        }
        let Some(found) = self.shared.packs.find(id.as_bytes(), Kind::Block) else { return Ok(None) };
        let (at, depth) = (found.at, found.record.depth);
        if depth >= DELTA_DEPTH_MAX {
            return Ok(None);
        }
        self.base.resize(len, 0);
        match self.reader.read(&id, &mut self.base) {
            Ok(()) => {
                self.relied_on.entry(at).or_default().insert((*id.as_bytes(), Kind::Block));
                Ok(Some((id, depth)))
            }
            Err(StoreError::Io { action, path, source }) => Err(StoreError::Io { action, path, source }),
            Err(_) => Ok(None),
        }
    }

    /// Hashes what has arrived in order, until the next piece is missing.
    fn run_lane(&mut self, lane: &Arc<Lane>) -> Result<(), StoreError> {
        loop {
            let (seq, arrived, mut hash) = {
                let mut state = lane.state();
                let seq = state.blocks.len();
                let Some(arrived) = state.waiting.remove(&seq) else {
                    state.running = false;
                    return Ok(());
                };
                (seq, arrived, state.hash.take())
            };
            let bytes = &arrived.buffer.bytes[arrived.range.clone()];
            let block = (arrived.id, bytes.len() as u32);
            let equals_base = lane.spec.base.as_ref().is_some_and(|base| base.blocks.get(seq) == Some(&block));
            match &mut hash {
                Some(hash) => hash.update(bytes),
                None if equals_base => {}
                None => {
                    let mut fresh = Sha256::default();
                    self.hash_base_prefix(lane, seq, &mut fresh)?;
                    fresh.update(bytes);
                    hash = Some(fresh);
                }
            }
            let (last, is_empty) = (arrived.last, bytes.is_empty());
            drop(arrived);
            let mut state = lane.state();
            if !is_empty {
                state.blocks.push(block);
            }
            state.hash = hash;
            if last {
                let (blocks, hash) = (std::mem::take(&mut state.blocks), state.hash.take());
                drop(state);
                let done = self.finish_lane(lane, blocks, hash)?;
                lane.state().done = Some(done);
                return Ok(());
            }
        }
    }

    /// The blocks before `seq` equal the base's and have been let go; their bytes come from the store.
    fn hash_base_prefix(&mut self, lane: &Lane, seq: usize, hash: &mut Sha256) -> Result<(), StoreError> {
        let Some(base) = lane.spec.base.as_ref() else { return Ok(()) };
        for (id, len) in &base.blocks[..seq] {
            self.base.resize(*len as usize, 0);
            self.reader.read(id, &mut self.base)?;
            hash.update(&self.base);
        }
        Ok(())
    }

    fn finish_lane(
        &mut self,
        lane: &Lane,
        blocks: Vec<(BlockId, u32)>,
        hash: Option<Sha256>,
    ) -> Result<Done, StoreError> {
        let id = match (hash, &lane.spec.base) {
            (None, Some(base)) if base.blocks == blocks => base.id,
            (Some(hash), _) => ObjectId::from_bytes(hash.finish()),
            // The object is a proper prefix of its base.
            (None, _) => {
                let mut hash = Sha256::default();
                self.hash_base_prefix(lane, blocks.len(), &mut hash)?;
                ObjectId::from_bytes(hash.finish())
            }
        };
        if self.is_stored(id.as_bytes(), Kind::Recipe) {
            return Ok(Done { id, is_new: false });
        }
        let len = blocks.iter().map(|&(_, len)| u64::from(len)).sum();
        let payload = Recipe { id, len, blocks }.encode();
        let stored = self.batch.push_raw(*id.as_bytes(), Kind::Recipe, &payload);
        self.count_stored(stored)?;
        Ok(Done { id, is_new: true })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Permissions;

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 57) as u8
            })
            .collect()
    }

    fn open(dir: &Path) -> Store {
        Store::open(dir, Vec::new(), Permissions::default()).expect("a store")
    }

    fn spec(cut: Cut, base: Option<ObjectId>, store: &Store) -> ObjectSpec {
        let base = base.map(|base| Arc::new(store.recipe(&base).expect("a recipe")));
        ObjectSpec { word_bytes: 2, cut, base }
    }

    fn put(store: &Store, cut: Cut, base: Option<ObjectId>, bytes: &[u8]) -> Ingested {
        let mut ingest = Ingest::new(store, 3);
        ingest.bytes(spec(cut, base, store), bytes);
        ingest.finish().expect("stored")
    }

    #[test]
    fn objects_of_any_size_come_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let block = BLOCK_BYTES;
        for cut in [Cut::Even, Cut::Content] {
            for len in [0, 1, 2, 3, 65_535, 65_536, 65_537, block - 1, block, block + 1, 5 * block + 7] {
                let bytes = noise(len, len as u64);
                let ingested = put(&store, cut, None, &bytes);
                assert_eq!(ingested.objects, [ObjectId::of(&bytes)], "{len}");
                let read = BlockReader::new(&open(dir.path())).read_object_by_id(&ingested.objects[0]);
                assert!(read.expect("readable") == bytes, "{len}");
            }
        }
    }

    #[test]
    fn many_objects_keep_their_order() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let mut ingest = Ingest::new(&store, 4);
        let objects: Vec<_> = (0..500).map(|at| noise(at * 37 % 9000 + at / 100 * 300_000, at as u64)).collect();
        for bytes in &objects {
            ingest.bytes(spec(Cut::Even, None, &store), bytes);
        }
        let ingested = ingest.finish().expect("stored");
        assert_eq!(ingested.objects, objects.iter().map(|bytes| ObjectId::of(bytes)).collect::<Vec<_>>());
        assert_eq!(std::fs::read_dir(store.packs_dir()).expect("packs").count(), 1);
    }

    #[test]
    fn a_second_version_is_stored_as_deltas_and_named_right() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let first = noise(4 * BLOCK_BYTES + 10, 1);
        let base = put(&store, Cut::Even, None, &first).objects[0];

        let same = put(&store, Cut::Even, Some(base), &first);
        assert_eq!((same.objects[0], same.stored_bytes, same.is_new[0]), (base, 0, false));

        for at in [0, 3 * BLOCK_BYTES, first.len() - 1] {
            let mut second = first.clone();
            second[at] ^= 1;
            let put = put(&store, Cut::Even, Some(base), &second);
            assert_eq!(put.objects, [ObjectId::of(&second)]);
            assert!(put.is_new[0] && put.stored_bytes < 5000, "{}", put.stored_bytes);
            let read = BlockReader::new(&store).read_object_by_id(&put.objects[0]).expect("readable");
            assert!(read == second);
        }
        let prefix = &first[..2 * BLOCK_BYTES];
        assert_eq!(put(&store, Cut::Even, Some(base), prefix).objects, [ObjectId::of(prefix)]);
        let longer = [&first[..], b"and more"].concat();
        assert_eq!(put(&store, Cut::Even, Some(base), &longer).objects, [ObjectId::of(&longer)]);
    }

    #[test]
    fn chains_of_deltas_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let mut bytes = noise(100_000, 3);
        let mut base = put(&store, Cut::Even, None, &bytes).objects[0];
        for round in 0..20 {
            bytes[round * 1000] ^= 1;
            base = put(&store, Cut::Even, Some(base), &bytes).objects[0];
        }
        assert!(BlockReader::new(&store).read_object_by_id(&base).expect("readable") == bytes);
        let packs = store.packs();
        let depth_max = packs.packs.iter().flat_map(|pack| pack.records().collect::<Vec<_>>());
        assert_eq!(depth_max.map(|record| record.depth).max(), Some(DELTA_DEPTH_MAX));
    }

    #[test]
    fn an_error_of_the_input_is_told_and_nothing_appears() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        let mut ingest = Ingest::new(&store, 2);
        assert!(ingest.object(spec(Cut::Even, None, &store), Some(10), &mut Broken).is_err());
        drop(ingest);
        assert!(!store.packs_dir().exists());
    }
}
