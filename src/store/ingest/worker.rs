//! The worker threads of an [`Ingest`](super::Ingest): name, encode and hash what they are handed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Receiver;

use super::{Buffer, Job, ObjectSpec, Piece, Shared, Uses};
use crate::id::{BlockId, ObjectId, Sha256};
use crate::store::codec::Encoder;
use crate::store::pack::{Batch, Kind};
use crate::store::{BlockReader, Recipe, StoreError};

/// Deltas on deltas, at most so many on add; a longer chain would make reading slow.
pub(super) const DELTA_DEPTH_MAX: u8 = 8;
/// Entries are written to the pack in runs of about this size.
const BATCH_BYTES: usize = 1 << 20;

/// An object on its way into the store, whose blocks must be hashed in order.
pub(super) struct Lane {
    pub(super) spec: ObjectSpec,
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

/// What became of a lane.
#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) id: ObjectId,
    /// The store did not have it before.
    pub(super) is_new: bool,
}

struct Arrived {
    buffer: Arc<Buffer>,
    range: Range<usize>,
    id: BlockId,
    last: bool,
}

impl Lane {
    pub(super) fn new(spec: ObjectSpec) -> Self {
        Self { spec, state: Mutex::default() }
    }

    /// `None` as long as blocks are on their way.
    pub(super) fn done(&self) -> Option<Done> {
        self.state().done
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's scratch memory and what it has gathered.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    reader: BlockReader,
    encoder: Encoder,
    base: Vec<u8>,
    batch: Batch,
    relied_on: Uses,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
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
    pub(super) fn run(mut self, queue: &Receiver<Job>) -> Uses {
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
