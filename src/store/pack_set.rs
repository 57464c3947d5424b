//! Which packs there are, and which copy of an entry is the one to read.

use std::sync::Arc;

use super::pack::{Kind, Pack, Record};

/// The packs that were there at one moment.
#[derive(Default)]
pub struct PackSet {
    packs: Vec<Arc<Pack>>,
}

/// An entry and the pack it is in.
pub struct Found<'a> {
    pub pack: &'a Arc<Pack>,
    /// The pack's place in its set.
    pub at: usize,
    pub record: Record,
}

impl PackSet {
    /// These packs, those to be asked first in front.
    pub const fn new(packs: Vec<Arc<Pack>>) -> Self {
        Self { packs }
    }

    /// The copy of an entry that has the fewest deltas below it.
    ///
    /// Copies of one block in several packs may be deltas against different bases. A delta is always written against a
    /// base of lesser depth, so whoever takes the copy of least depth at every step never walks in a circle.
    pub fn find(&self, id: &[u8; 32], kind: Kind) -> Option<Found<'_>> {
        let mut best: Option<Found<'_>> = None;
        for found in self.copies(id, kind) {
            if found.record.depth == 0 {
                return Some(found);
            }
            if best.as_ref().is_none_or(|best| found.record.depth < best.record.depth) {
                best = Some(found);
            }
        }
        best
    }

    /// All copies of an entry.
    pub fn copies<'a>(&'a self, id: &[u8; 32], kind: Kind) -> impl Iterator<Item = Found<'a>> {
        let id = *id;
        self.packs
            .iter()
            .enumerate()
            .filter_map(move |(at, pack)| pack.find(&id, kind).map(|record| Found { pack, at, record }))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pack>> {
        self.packs.iter()
    }

    pub fn pack(&self, at: usize) -> &Arc<Pack> {
        &self.packs[at]
    }
}
