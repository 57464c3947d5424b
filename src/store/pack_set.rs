//! Which packs there are, and which copy of an entry is the one to read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::pack::{Kind, Pack, Record, key_of};

/// With so many packs, and after so many questions, asking one table is faster than asking each of them.
const PACKS_MIN: usize = 12;
const QUESTIONS_MIN: usize = 1000;
/// A larger table takes more memory than its speed is worth: 16 bytes an entry.
const ENTRIES_MAX: usize = 4 << 20;

/// The packs that were there at one moment.
#[derive(Default)]
pub struct PackSet {
    packs: Vec<Arc<Pack>>,
    questions: AtomicUsize,
    /// For each entry of all packs the first bytes of its id, and the pack's place; sorted. None if it would be too large.
    table: OnceLock<Option<Vec<(u64, u32)>>>,
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
        Self { packs, questions: AtomicUsize::new(0), table: OnceLock::new() }
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
        self.may_have(&id).filter_map(move |at| {
            let pack = &self.packs[at];
            pack.find(&id, kind).map(|record| Found { pack, at, record })
        })
    }

    /// The places of the packs that may have an entry, in their order.
    fn may_have<'a>(&'a self, id: &[u8; 32]) -> impl Iterator<Item = usize> + use<'a> {
        let table = self.table();
        let key = key_of(id);
        let range = match table {
            Some(table) => {
                let start = table.partition_point(|&(other, _)| other < key);
                start..start + table[start..].iter().take_while(|&&(other, _)| other == key).count()
            }
            None => 0..self.packs.len(),
        };
        range.map(move |at| table.map_or(at, |table| table[at].1 as usize))
    }

    /// The table, once it is worth its making.
    fn table(&self) -> Option<&[(u64, u32)]> {
        let is_worth =
            || self.packs.len() >= PACKS_MIN && self.questions.fetch_add(1, Ordering::Relaxed) >= QUESTIONS_MIN;
        if self.table.get().is_none() && !is_worth() {
            return None;
        }
        let make = || {
            let entries: usize = self.packs.iter().map(|pack| pack.entry_count()).sum();
            (entries <= ENTRIES_MAX).then(|| {
                let keys = (0..).zip(&self.packs).flat_map(|(at, pack)| pack.keys().map(move |key| (key, at)));
                let mut table: Vec<(u64, u32)> = keys.collect();
                table.sort_unstable();
                table
            })
        };
        self.table.get_or_init(make).as_deref()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Pack>> {
        self.packs.iter()
    }

    pub fn pack(&self, at: usize) -> &Arc<Pack> {
        &self.packs[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestStore, noise};

    #[test]
    fn the_table_answers_as_the_packs_do() {
        let mut test = TestStore::new();
        for seed in 0..PACKS_MIN as u64 {
            test.put(&noise(300, seed), None);
        }
        let packs: Vec<Arc<Pack>> = test.store.packs().iter().cloned().collect();
        let ids: Vec<([u8; 32], Kind)> =
            packs.iter().flat_map(|pack| pack.records().map(|record| (record.id, record.kind))).collect();
        // Entries may be in more than one pack.
        let packs: Vec<Arc<Pack>> = packs.iter().chain(&packs).cloned().collect();
        let (asked, fresh) = (PackSet::new(packs.clone()), PackSet::new(packs));
        assert!(fresh.packs.len() >= PACKS_MIN);
        assert!((0..=QUESTIONS_MIN).all(|_| asked.find(&[7; 32], Kind::Block).is_none()));
        assert!(asked.table().is_some() && fresh.table().is_none());
        let places = |set: &PackSet, (id, kind): &([u8; 32], Kind)| -> Vec<usize> {
            set.copies(id, *kind).map(|found| found.at).collect()
        };
        for id in ids.iter().chain(&[([7; 32], Kind::Block), ([0xff; 32], Kind::Recipe)]) {
            assert_eq!(places(&asked, id), places(&fresh, id));
        }
    }
}
