//! What a walk through history is going to read.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::sync::Arc;

use super::Place;
use crate::git::history::History;
use crate::git::{BlobId, GitError};

/// Goes through history ahead of the walk, to tell which texts it is going to need.
pub struct Scout<'a> {
    history: &'a History<'a>,
    queue: BinaryHeap<(i64, Reverse<usize>, Place, BlobId)>,
    seen: HashSet<Place>,
    found: VecDeque<BlobId>,
}

impl<'a> Scout<'a> {
    pub fn new(history: &'a History<'a>, place: &Place, blob: BlobId) -> Result<Self, GitError> {
        let mut scout = Self { history, queue: BinaryHeap::new(), seen: HashSet::new(), found: VecDeque::new() };
        scout.add(place.clone(), blob)?;
        Ok(scout)
    }

    fn add(&mut self, place: Place, blob: BlobId) -> Result<(), GitError> {
        if self.seen.insert(place.clone()) {
            let seconds = place.commit(self.history)?.seconds;
            self.queue.push((seconds, Reverse(self.seen.len()), place, blob));
        }
        Ok(())
    }

    /// The next text, as far as paths stay the same.
    pub fn next(&mut self) -> Result<Option<BlobId>, GitError> {
        while self.found.is_empty() {
            let Some((_, _, place, blob)) = self.queue.pop() else { return Ok(None) };
            let mut parents = Vec::new();
            for parent in place.commit(self.history)?.parents {
                if let Some(there) = self.history.blob_at(parent, &place.path)? {
                    parents.push((Place { commit: Some(parent), path: Arc::clone(&place.path) }, there));
                }
            }
            if let Some(at) = parents.iter().position(|(_, there)| *there == blob) {
                parents = vec![parents.swap_remove(at)];
            }
            for (parent, there) in parents {
                if there != blob {
                    self.found.push_back(there);
                }
                self.add(parent, there)?;
            }
        }
        Ok(self.found.pop_front())
    }
}
