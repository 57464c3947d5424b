//! Many versions of one text, read fast: those that stand next in history are read ahead, on all cores; those that the
//! log of deltas can make of another one are made in their turn, unread.
//!
//! **Limitations.** Packs that appear while this runs are not seen; git itself is asked then.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use gix::odb::loose;

use super::delta_log::DeltaLog;
use super::packs::{Packed, Packs};
use super::rope::Rope;
use crate::git::{BlobId, Git, GitError, Repo};

/// More threads than this gain nothing, and each holds a text.
const THREADS_MAX: usize = 8;
/// So many texts that were read last are kept, and so many that share their buffers.
const READ_MAX: usize = 3;
const MADE_MAX: usize = 32;

/// A text; `None` for a blob that is too long to be one.
pub type Text = Option<Arc<Rope>>;

/// Where texts are read from.
pub struct Source {
    packs: Packs,
    deltas: DeltaLog,
    loose: Vec<loose::Store>,
    len_max: u64,
}

impl Source {
    /// The blobs of `repo`, of at most `len_max` bytes. `deltas` may spare it reading those that are in no pack.
    pub fn new(repo: &Repo, deltas: DeltaLog, len_max: u64) -> Self {
        let mut dirs = vec![repo.objects_dir()];
        dirs.extend(repo.alternate_object_dirs());
        dirs.extend(Repo::environment_object_dirs());
        let hash = repo.gix.object_hash();
        let packs = Packs::open(&dirs, hash, len_max);
        let loose = dirs.into_iter().map(|dir| loose::Store::at(dir, hash)).collect();
        Self { packs, deltas, loose, len_max }
    }

    fn read(&self, id: BlobId) -> Result<Text, GitError> {
        match self.packs.find(&id.0)? {
            Some(Packed::Text(text)) => return Ok(Some(text)),
            Some(Packed::TooLong) => return Ok(None),
            None => {}
        }
        let failed = |error| GitError::read(format!("blob {id}"), error);
        for store in &self.loose {
            match store.try_header(&id.0).map_err(failed)? {
                Some((len, _)) if len > self.len_max => return Ok(None),
                Some(_) => {
                    let mut bytes = Vec::new();
                    if store.try_find(&id.0, &mut bytes).map_err(failed)?.is_some() {
                        return Ok(Some(Arc::new(Rope::from(bytes))));
                    }
                }
                None => {}
            }
        }
        self.ask_git(id)
    }

    /// How the log makes a text that is in no pack of one that is at hand.
    fn way(&self, id: BlobId, is_at_hand: impl Fn(BlobId) -> bool) -> Option<(BlobId, Vec<&[u8]>)> {
        let way = self.deltas.way(id, is_at_hand)?;
        (!self.packs.contains(&id.0)).then_some(way)
    }

    /// What was packed or deleted a moment ago, and what a remote has promised.
    fn ask_git(&self, id: BlobId) -> Result<Text, GitError> {
        let len = Git::new(["cat-file", "-s", &id.to_string()]).output()?;
        let len: Option<u64> = String::from_utf8_lossy(&len).trim().parse().ok();
        if len.is_none_or(|len| len > self.len_max) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Rope::from(Git::new(["cat-file", "blob", &id.to_string()]).output()?))))
    }
}

struct Job {
    id: BlobId,
    answer: Sender<Result<Text, GitError>>,
}

/// A text that was announced.
enum Coming {
    /// A thread reads it.
    Read(Receiver<Result<Text, GitError>>),
    /// It will be at hand when its turn comes, or the log will make it of one that is at hand then.
    InTurn,
}

struct Recent {
    id: BlobId,
    text: Text,
    /// The text that was read and that this one was made of; itself if it was read.
    root: BlobId,
}

/// Texts that are being read by threads in the background, and those had last.
pub struct Texts<'s> {
    source: &'s Source,
    jobs: Sender<Job>,
    /// How many may be on their way, and how many are kept.
    ahead_max: usize,
    coming: VecDeque<(BlobId, Coming)>,
    recent: VecDeque<Recent>,
}

/// Calls `work` with the texts of `source`.
pub fn with_texts<T>(source: &Source, work: impl FnOnce(Texts<'_>) -> T) -> T {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let (jobs, queue) = unbounded::<Job>();
    std::thread::scope(|scope| {
        let mut started = 0;
        for _ in 0..threads {
            let queue = queue.clone();
            let run = move || {
                for job in queue {
                    // Nobody waits any more for a text that was not needed after all.
                    let _ = job.answer.send(source.read(job.id));
                }
            };
            started += usize::from(std::thread::Builder::new().spawn_scoped(scope, run).is_ok());
        }
        drop(queue);
        let ahead_max = if started == 0 { 0 } else { threads + 2 };
        work(Texts { source, jobs, ahead_max, coming: VecDeque::new(), recent: VecDeque::new() })
    })
}

impl Texts<'_> {
    /// Whether more should be announced.
    pub fn has_room(&self) -> bool {
        self.coming.len() < self.ahead_max
    }

    /// Has a text read that will be asked for soon; not if it will be at hand or can be made of what will be.
    pub fn announce(&mut self, id: BlobId) {
        if !self.has_room() || self.coming.iter().any(|(coming, _)| *coming == id) {
            return;
        }
        let will_be_at_hand = |id| self.recent(id).is_some() || self.coming.iter().any(|(coming, _)| *coming == id);
        if will_be_at_hand(id) || self.source.way(id, will_be_at_hand).is_some() {
            self.coming.push_back((id, Coming::InTurn));
            return;
        }
        let (answer, receiver) = bounded(1);
        if self.jobs.send(Job { id, answer }).is_ok() {
            self.coming.push_back((id, Coming::Read(receiver)));
        }
    }

    /// The text of this blob.
    ///
    /// # Errors
    /// A blob that is missing or damaged.
    pub fn get(&mut self, id: BlobId) -> Result<Text, GitError> {
        let announced = self.coming.iter().position(|(coming, _)| *coming == id);
        let coming = announced.and_then(|at| self.coming.remove(at)).map(|(_, coming)| coming);
        if let Some(recent) = self.recent(id) {
            return Ok(recent.text.clone());
        }
        let (text, root) = match coming {
            Some(Coming::Read(receiver)) => (receiver.recv().unwrap_or_else(|_| self.source.read(id))?, id),
            Some(Coming::InTurn) => self.make_or_read(id)?,
            None => {
                if !self.has_room() {
                    // Announced, but passed by: it must not keep the place for ever.
                    self.coming.pop_front();
                }
                self.make_or_read(id)?
            }
        };
        self.recent.push_back(Recent { id, text: text.clone(), root });
        while self.recent.len() > MADE_MAX || self.buffers() > READ_MAX {
            self.recent.pop_front();
        }
        Ok(text)
    }

    fn recent(&self, id: BlobId) -> Option<&Recent> {
        self.recent.iter().find(|recent| recent.id == id)
    }

    /// How many texts that were read the recent ones hold.
    fn buffers(&self) -> usize {
        self.recent.iter().map(|recent| recent.root).collect::<HashSet<_>>().len()
    }

    /// A text and the one it was made of.
    fn make_or_read(&self, id: BlobId) -> Result<(Text, BlobId), GitError> {
        match self.make(id) {
            Some((text, root)) => Ok((Some(Arc::new(text)), root)),
            None => Ok((self.source.read(id)?, id)),
        }
    }

    fn make(&self, id: BlobId) -> Option<(Rope, BlobId)> {
        let (newer, deltas) = self.source.way(id, |newer| self.recent(newer).is_some())?;
        let Recent { text, root, .. } = self.recent(newer)?;
        let mut made = Rope::clone(text.as_ref()?);
        for delta in deltas {
            made = Rope::patched(&made, delta.to_vec())?;
        }
        // In one piece, it was written out.
        let root = if made.pieces() == 1 { id } else { *root };
        (made.len() as u64 <= self.source.len_max).then_some((made, root))
    }
}
