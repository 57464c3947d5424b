//! A manifest and the store → the file's bytes, on all cores or as a stream.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::Context;
use crate::atomic_file::write_checked_at;
use crate::format::Skeleton;
use crate::id::{BlockId, ObjectId};
use crate::manifest::{Content, Manifest, Tensor};
use crate::parallel;
use crate::progress::Progress;
use crate::store::{BLOCK_BYTES, BlockReader, Recipe, Store, StoreError};

/// Recipes are small: a thread is worth its while for so many.
const RECIPES_AT_A_TIME: usize = 256;

/// Why a file cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The store lacks something or is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object of a tensor is not there.
    #[error("tensor `{tensor}` is missing: {source}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What is missing.
        source: StoreError,
    },
    /// The objects do not fit the manifest.
    #[error("the manifest does not fit its objects: {0}")]
    Misfit(String),
    /// The file could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl AssembleError {
    /// Whether objects are missing rather than broken: fetching them may help.
    pub const fn is_missing(&self) -> bool {
        match self {
            Self::Store(source) | Self::Tensor { source, .. } => source.is_missing(),
            Self::Misfit(_) | Self::Write(_) => false,
        }
    }
}

/// A file's bytes, as parts to be written one behind the other.
pub struct Assembly {
    parts: Vec<Part>,
    size: u64,
}

enum Part {
    Gap(Vec<u8>),
    Block(BlockId, u32),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Gap(bytes) => bytes.len(),
            Self::Block(_, len) => *len as usize,
        }
    }
}

impl Assembly {
    /// Looks up everything the file consists of, with several workers.
    ///
    /// # Errors
    /// Missing objects or blocks, and objects that do not add up to what the manifest says.
    pub fn plan(store: &Store, manifest: &Manifest, workers: usize) -> Result<Self, AssembleError> {
        let mut parts = Vec::new();
        match &manifest.content {
            Content::Opaque { sha256, .. } => push_blocks(&mut parts, &complete_recipe(store, sha256)?),
            Content::Model { skeleton, tensors, .. } => {
                let skeleton = read_skeleton(store, skeleton)?;
                if skeleton.gap_count() != tensors.len() + 1 {
                    return Err(AssembleError::Misfit(format!(
                        "{} gaps for {} tensors",
                        skeleton.gap_count(),
                        tensors.len()
                    )));
                }
                let mut gaps = skeleton.gaps();
                push_gap(&mut parts, gaps.next());
                for recipe in recipes(store, tensors, workers) {
                    push_blocks(&mut parts, &recipe?);
                    push_gap(&mut parts, gaps.next());
                }
            }
        }
        let size = parts.iter().map(|part| part.len() as u64).sum();
        if size != manifest.size {
            return Err(AssembleError::Misfit(format!("{size} bytes where {} are expected", manifest.size)));
        }
        Ok(Self { parts, size })
    }

    /// As [`Assembly::plan`]; what is missing is looked for in remotes on this file system first.
    ///
    /// # Errors
    /// Those of [`Assembly::plan`].
    pub fn plan_or_fetch(context: &Context, manifest: &Manifest) -> Result<Self, AssembleError> {
        let plan = || Self::plan(&context.store, manifest, context.settings.workers);
        plan().or_else(|error| {
            if !error.is_missing() {
                return Err(error);
            }
            fetch_missing(context, manifest);
            plan()
        })
    }

    /// Writes the bytes to `out`, front to back.
    pub fn stream(&self, store: &Store, out: &mut dyn Write) -> Result<(), AssembleError> {
        let mut reader = BlockReader::new(store);
        let mut buffer = Vec::new();
        for part in &self.parts {
            buffer.resize(part.len(), 0);
            part.fill(&mut reader, &mut buffer)?;
            out.write_all(&buffer)?;
        }
        Ok(())
    }

    /// Writes the bytes into `file` from its start, with several workers.
    pub fn write_to(
        &self,
        store: &Store,
        file: &File,
        workers: usize,
        progress: &dyn Progress,
    ) -> Result<(), AssembleError> {
        let runs = self.runs();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failure = Mutex::new(None);
        let output = Output::new(file, 2 * workers);
        let work = || {
            let mut reader = BlockReader::new(store);
            let mut attempt = |run: &Run| {
                let mut buffer = output.buffer();
                run.fill(&self.parts, &mut reader, &mut buffer)?;
                progress.advance(buffer.len() as u64);
                Ok(output.put(buffer, run.offset)?)
            };
            let fail = |error: AssembleError| {
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                failed.store(true, Ordering::Relaxed);
            };
            while !failed.load(Ordering::Relaxed)
                && let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed))
            {
                attempt(run).unwrap_or_else(fail);
            }
            if !failed.load(Ordering::Relaxed) {
                output.finish().unwrap_or_else(|error| fail(error.into()));
            }
        };
        std::thread::scope(|scope| {
            let helpers = workers.min(runs.len()).saturating_sub(1);
            (0..helpers).for_each(|_| {
                // Where no more threads can be had, those there are do the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            });
            work();
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Bytes of the whole file.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Neighbouring parts that together are about a block: tiny tensors are written many at a time.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut offset = 0;
        for (at, part) in self.parts.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if run.len + part.len() <= BLOCK_BYTES => {
                    run.len += part.len();
                    run.end = at + 1;
                }
                _ => runs.push(Run { start: at, end: at + 1, offset, len: part.len() }),
            }
            offset += part.len() as u64;
        }
        runs
    }
}

/// What several workers write to one file.
///
/// The kernel lets one at a time write to a file. So whoever finds nobody writing writes for all, and the others go on
/// decoding instead of waiting for their turn.
struct Output<'a> {
    file: &'a File,
    turn: Mutex<()>,
    waiting: Mutex<Vec<(Vec<u8>, u64)>>,
    waiting_max: usize,
    spare: Mutex<Vec<Vec<u8>>>,
}

impl<'a> Output<'a> {
    fn new(file: &'a File, waiting_max: usize) -> Self {
        Self { file, turn: Mutex::default(), waiting: Mutex::default(), waiting_max, spare: Mutex::default() }
    }

    /// A buffer to fill.
    fn buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Writes `bytes` at `offset`, now or before [`Output::finish`] returns.
    fn put(&self, bytes: Vec<u8>, offset: u64) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((bytes, offset));
        let is_full = waiting.len() >= self.waiting_max;
        drop(waiting);
        match self.turn.try_lock() {
            Ok(_turn) => self.write_waiting(),
            Err(_) if is_full => self.finish(),
            Err(_) => Ok(()),
        }
    }

    /// Writes all that waits.
    fn finish(&self) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_waiting()
    }

    fn write_waiting(&self) -> io::Result<()> {
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((bytes, offset)) = next else { return Ok(()) };
            write_checked_at(self.file, &bytes, offset)?;
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

struct Run {
    start: usize,
    end: usize,
    offset: u64,
    len: usize,
}

impl Run {
    fn fill(&self, parts: &[Part], reader: &mut BlockReader, buffer: &mut Vec<u8>) -> Result<(), AssembleError> {
        buffer.resize(self.len, 0);
        let mut rest = &mut buffer[..];
        for part in &parts[self.start..self.end] {
            let (out, tail) = rest.split_at_mut(part.len());
            part.fill(reader, out)?;
            rest = tail;
        }
        Ok(())
    }
}

impl Part {
    fn fill(&self, reader: &mut BlockReader, out: &mut [u8]) -> Result<(), AssembleError> {
        match self {
            Self::Gap(bytes) => out.copy_from_slice(bytes),
            Self::Block(id, _) => reader.read(id, out)?,
        }
        Ok(())
    }
}

/// Brings the objects of `manifest` that are missing here if a remote on this file system has them. What cannot be had stays
/// missing, which whoever reads it finds out.
pub fn fetch_missing(context: &Context, manifest: &Manifest) {
    if manifest.objects().any(|id| !context.store.contains_object(&id)) {
        crate::sync::fetch::from_local_remotes(&context.repo, &context.store, manifest);
    }
}

/// Reads and decodes a skeleton.
pub fn read_skeleton(store: &Store, id: &ObjectId) -> Result<Skeleton, AssembleError> {
    let object = BlockReader::new(store).read_object_by_id(id)?;
    Skeleton::decode(&object).ok_or_else(|| AssembleError::Misfit(format!("object {id} is not a skeleton")))
}

fn push_gap(parts: &mut Vec<Part>, gap: Option<&[u8]>) {
    if let Some(gap) = gap.filter(|gap| !gap.is_empty()) {
        parts.push(Part::Gap(gap.to_vec()));
    }
}

fn push_blocks(parts: &mut Vec<Part>, recipe: &Recipe) {
    parts.extend(recipe.blocks.iter().map(|&(id, len)| Part::Block(id, len)));
}

/// The recipe of an object all of whose blocks the store has.
fn complete_recipe(store: &Store, id: &ObjectId) -> Result<Recipe, StoreError> {
    let recipe = store.recipe(id)?;
    match recipe.blocks.iter().find(|(block, _)| !store.contains_block(block)) {
        Some(&(block, _)) => Err(StoreError::MissingBlock(block)),
        None => Ok(recipe),
    }
}

/// The recipes of these tensors, in their order.
fn recipes(store: &Store, tensors: &[Tensor], workers: usize) -> Vec<Result<Recipe, AssembleError>> {
    let recipe = |tensor: &Tensor| {
        let missing = |source| AssembleError::Tensor { tensor: tensor.name.clone(), source };
        let recipe = complete_recipe(store, &tensor.sha256).map_err(missing)?;
        if Some(recipe.len) != tensor.byte_len() {
            return Err(AssembleError::Misfit(format!("tensor `{}` has another size", tensor.name)));
        }
        Ok(recipe)
    };
    let shares: Vec<&[Tensor]> = tensors.chunks(RECIPES_AT_A_TIME).collect();
    parallel::for_each(workers, shares.len(), || (), |(), at| shares[at].iter().map(recipe).collect())
}

/// Whether the store has everything that `manifest` names.
pub fn is_complete(store: &Store, manifest: &Manifest) -> bool {
    manifest.objects().all(|id| complete_recipe(store, &id).is_ok())
}

/// Puts the file together at `path`, as a new file; for tests and tools.
pub fn write_new(store: &Store, manifest: &Manifest, path: &Path, workers: usize) -> Result<(), AssembleError> {
    let file = File::create_new(path)?;
    Assembly::plan(store, manifest, workers)?.write_to(store, &file, workers, &crate::progress::Silent)
}
