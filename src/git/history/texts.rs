//! Many versions of one text, read fast: those that stand next in history are read ahead, on all cores.
//!
//! **Limitations.** Packs that appear while this runs are not seen; git itself is asked then.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use gix::odb::loose;

use super::packs::{Packed, Packs};
use super::rope::Rope;
use crate::git::{BlobId, Git, GitError, Repo};

/// More threads than this gain nothing, and each holds a text.
const THREADS_MAX: usize = 8;

/// A text; `None` for a blob that is too long to be one.
pub type Text = Option<Arc<Rope>>;

/// Where texts are read from.
pub struct Source {
    packs: Packs,
    loose: Vec<loose::Store>,
    len_max: u64,
}

impl Source {
    /// The blobs of `repo`, of at most `len_max` bytes.
    pub fn new(repo: &Repo, len_max: u64) -> Self {
        let mut dirs = vec![repo.objects_dir()];
        dirs.extend(repo.alternate_object_dirs());
        dirs.extend(Repo::environment_object_dirs());
        let hash = repo.gix.object_hash();
        let packs = Packs::open(&dirs, hash, len_max);
        let loose = dirs.into_iter().map(|dir| loose::Store::at(dir, hash)).collect();
        Self { packs, loose, len_max }
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

/// Texts that are being read by threads in the background, and those read last.
pub struct Texts<'s> {
    source: &'s Source,
    jobs: Sender<Job>,
    /// How many may be on their way, and how many are kept.
    ahead_max: usize,
    coming: VecDeque<(BlobId, Receiver<Result<Text, GitError>>)>,
    recent: VecDeque<(BlobId, Text)>,
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

    /// Has a text read that will be asked for soon.
    pub fn announce(&mut self, id: BlobId) {
        if self.has_room() && !self.coming.iter().any(|(coming, _)| *coming == id) {
            let (answer, receiver) = bounded(1);
            if self.jobs.send(Job { id, answer }).is_ok() {
                self.coming.push_back((id, receiver));
            }
        }
    }

    /// The text of this blob.
    ///
    /// # Errors
    /// A blob that is missing or damaged.
    pub fn get(&mut self, id: BlobId) -> Result<Text, GitError> {
        if let Some((_, text)) = self.recent.iter().find(|(recent, _)| *recent == id) {
            return Ok(text.clone());
        }
        let text = match self.coming.iter().position(|(coming, _)| *coming == id) {
            Some(at) => {
                let answer = self.coming.remove(at).map(|(_, receiver)| receiver.recv());
                answer.and_then(Result::ok).unwrap_or_else(|| self.source.read(id))?
            }
            None => {
                if !self.has_room() {
                    // Announced, but passed by: it must not keep the place for ever.
                    self.coming.pop_front();
                }
                self.source.read(id)?
            }
        };
        self.recent.push_back((id, text.clone()));
        if self.recent.len() > 3 {
            self.recent.pop_front();
        }
        Ok(text)
    }
}
