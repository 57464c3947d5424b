//! A log of deltas that make older texts of newer ones: what a pack would have, for versions that are not packed yet.
//!
//! It is a cache: it may be deleted at any time, and what is damaged or torn in it is passed over. The form is that of
//! `docs/FORMAT.md`, "Deltas between manifests".
//!
//! **Limitations.** A record is written with one call, so that writers do not get in each other's way; where a file system
//! does not keep to that, records are lost.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::git::{BlobId, HashKind};

/// The log, and the one before it: when the log is full, it takes that one's place.
const NAMES: [&str; 2] = ["manifest-deltas", "manifest-deltas.old"];
/// A log is full at this length.
const LEN_MAX: u64 = 32 << 20;
/// What is written again and again (each `git status` looks at a file anew) stands at the end of the log.
const TAIL_BYTES: u64 = 1 << 18;
/// Begins a record.
const MARKER: [u8; 8] = *b"\xffdelta\0\x01";
/// Bytes of the BLAKE3 that ends a record.
const CHECK_BYTES: usize = 16;
/// Texts that are looked at for a way from one that is at hand.
const SEARCH_MAX: usize = 64;

/// Adds the delta that makes the text `older` of the text `newer`, in files of `folder`. It does so once, if the log has
/// it from a short time ago. Gives the log, open.
///
/// # Errors
/// A file system that refuses.
pub fn append(folder: &Path, mode: u32, older: BlobId, newer: BlobId, delta: &[u8]) -> io::Result<std::fs::File> {
    let [path, before] = NAMES.map(|name| folder.join(name));
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(mode).open(&path);
    let mut file = open()?;
    let record = encode(older, newer, delta);
    let len = file.metadata()?.len();
    let mut tail = Vec::new();
    let tail_at = len.saturating_sub(TAIL_BYTES.max(record.len() as u64));
    tail.resize((len - tail_at) as usize, 0);
    file.read_exact_at(&mut tail, tail_at)?;
    if tail.windows(CHECK_BYTES).any(|bytes| record.ends_with(bytes)) {
        return Ok(file);
    }
    if len + record.len() as u64 > LEN_MAX {
        std::fs::rename(&path, before)?;
        file = open()?;
    }
    // One call, if the disk is not full: a torn record is passed over.
    file.write_all(&record)?;
    Ok(file)
}

fn encode(older: BlobId, newer: BlobId, delta: &[u8]) -> Vec<u8> {
    let mut record = MARKER.to_vec();
    record.extend((delta.len() as u32).to_le_bytes());
    record.push(newer.as_bytes().len() as u8);
    record.extend([newer.as_bytes(), older.as_bytes(), delta].concat());
    let check = blake3::hash(&record);
    record.extend(&check.as_bytes()[..CHECK_BYTES]);
    record
}

struct Record {
    older: BlobId,
    newer: BlobId,
    /// Where the delta stands, and where the record ends.
    delta: Range<usize>,
    end: usize,
}

/// The record that begins at `begin`, if one does and if it is whole.
fn decode(bytes: &[u8], begin: usize, hash: HashKind) -> Option<Record> {
    let mut at = begin;
    let mut take = |len: usize| {
        let part = bytes.get(at..at.checked_add(len)?)?;
        at += len;
        Some(part)
    };
    if take(MARKER.len())? != MARKER {
        return None;
    }
    let len = u32::from_le_bytes(take(4)?.try_into().ok()?) as usize;
    let hash_len = hash.byte_len();
    if take(1)? != [hash_len as u8] {
        return None;
    }
    let mut id = || Some(BlobId(gix::oid::try_from_bytes(take(hash_len)?).ok()?.to_owned()));
    let (newer, older) = (id()?, id()?);
    take(len)?;
    let check = take(CHECK_BYTES)?;
    let (delta_end, end) = (at - CHECK_BYTES, at);
    let is_whole = blake3::hash(&bytes[begin..delta_end]).as_bytes().starts_with(check);
    is_whole.then_some(Record { older, newer, delta: delta_end - len..delta_end, end })
}

/// What the log has.
#[derive(Default)]
pub struct DeltaLog {
    bytes: Vec<u8>,
    /// What an older text may be made of, and where the delta stands.
    by_older: HashMap<BlobId, Vec<(BlobId, Range<usize>)>>,
}

impl DeltaLog {
    /// The log in the files of `folder`; an empty one if there is none, or if it cannot be read.
    pub fn read(folder: &Path, hash: HashKind) -> Self {
        let mut bytes = Vec::new();
        for name in NAMES {
            if let Ok(file) = std::fs::File::open(folder.join(name)) {
                let len = file.metadata().map_or(0, |metadata| metadata.len().min(LEN_MAX));
                bytes.reserve_exact(len as usize);
                let _ = file.take(LEN_MAX).read_to_end(&mut bytes);
            }
        }
        Self::parse(bytes, hash)
    }

    fn parse(bytes: Vec<u8>, hash: HashKind) -> Self {
        let mut by_older: HashMap<_, Vec<_>> = HashMap::new();
        let mut at = 0;
        while let Some(skipped) = bytes[at..].windows(MARKER.len()).position(|window| window == MARKER) {
            at += skipped;
            let Some(record) = decode(&bytes, at, hash) else {
                at += 1;
                continue;
            };
            by_older.entry(record.older).or_default().push((record.newer, record.delta));
            at = record.end;
        }
        Self { bytes, by_older }
    }

    /// How to make a text of one that is at hand, over as few others as may be: which one, and the deltas in their order.
    pub fn way(&self, wanted: BlobId, is_at_hand: impl Fn(BlobId) -> bool) -> Option<(BlobId, Vec<&[u8]>)> {
        let mut seen = HashSet::from([wanted]);
        let mut ways = VecDeque::from([(wanted, Vec::new())]);
        while let Some((older, way)) = ways.pop_front() {
            for (newer, delta) in self.by_older.get(&older).into_iter().flatten() {
                if !seen.insert(*newer) {
                    continue;
                }
                let mut longer = vec![&self.bytes[delta.clone()]];
                longer.extend(&way);
                if is_at_hand(*newer) {
                    return Some((*newer, longer));
                }
                if seen.len() > SEARCH_MAX {
                    return None;
                }
                ways.push_back((*newer, longer));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(byte: u8) -> BlobId {
        BlobId(gix::ObjectId::from_bytes_or_panic(&[byte; 20]))
    }

    /// The numbers of the older and the newer text of the records, in their order.
    fn found(bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
        let log = DeltaLog::parse(bytes.to_vec(), HashKind::Sha1);
        let mut found: Vec<_> = log
            .by_older
            .iter()
            .flat_map(|(older, newer)| newer.iter().map(|(newer, delta)| (*older, *newer, delta.clone())))
            .collect();
        found.sort_by_key(|(.., delta)| delta.start);
        let byte = |id: BlobId| id.as_bytes()[0];
        found.into_iter().map(|(older, newer, delta)| (byte(older), byte(newer), log.bytes[delta].to_vec())).collect()
    }

    fn log(records: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
        records.iter().flat_map(|(older, newer, delta)| encode(id(*older), id(*newer), delta)).collect()
    }

    fn records() -> impl Strategy<Value = Vec<(u8, u8, Vec<u8>)>> {
        prop::collection::vec((any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 1..6)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in records()) {
            prop_assert_eq!(found(&log(&records)), records);
        }

        /// A record that was cut off, wherever it stands, is lost alone.
        #[test]
        fn the_torn_are_passed_over(records in records(), torn in any::<prop::sample::Index>(), cut in 1..60_usize) {
            let torn = torn.index(records.len());
            let mut bytes = log(&records[..=torn]);
            bytes.truncate(bytes.len() - cut);
            bytes.extend(log(&records[torn + 1..]));
            let mut rest = records;
            rest.remove(torn);
            prop_assert_eq!(found(&bytes), rest);
        }

        /// So is one of which a bit is wrong.
        #[test]
        fn the_damaged_are_passed_over(records in records(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let mut bytes = log(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let begins = (0..records.len()).map(|count| log(&records[..count]).len());
            let damaged = begins.filter(|begin| *begin <= at).count() - 1;
            let mut rest = records;
            rest.remove(damaged);
            prop_assert_eq!(found(&bytes), rest);
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            found(&bytes);
            prop_assert_eq!(found(&[&MARKER[..], &bytes].concat()), []);
        }
    }

    #[test]
    fn names_of_another_hash_are_passed_over() {
        let log = DeltaLog::parse(log(&[(1, 2, vec![3])]), HashKind::Sha256);
        assert!(log.by_older.is_empty());
    }

    #[test]
    fn the_shortest_way_is_found() {
        let log = DeltaLog::parse(
            log(&[(1, 2, vec![12]), (2, 3, vec![23]), (3, 1, vec![31]), (1, 4, vec![14]), (4, 3, vec![43])]),
            HashKind::Sha1,
        );
        assert_eq!(log.way(id(1), |newer| newer == id(2)), Some((id(2), vec![&[12][..]])));
        assert_eq!(log.way(id(1), |newer| newer == id(3)), Some((id(3), vec![&[23][..], &[12]])));
        assert_eq!(log.way(id(1), |newer| newer == id(1)), None);
        assert_eq!(log.way(id(9), |_| true), None);
    }

    #[test]
    fn the_log_is_limited_and_keeps_what_came_last() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let delta = vec![7; 5 << 20];
        for number in 0..20 {
            append(folder.path(), 0o600, id(number), id(number + 1), &delta)?;
        }
        let len = |name: &str| folder.path().join(name).metadata().map_or(0, |metadata| metadata.len());
        assert!(NAMES.iter().all(|name| (1..=LEN_MAX).contains(&len(name))));
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 2);
        let log = DeltaLog::read(folder.path(), HashKind::Sha1);
        assert!((14..20).all(|number| log.by_older.contains_key(&id(number))));
        assert!(!log.by_older.contains_key(&id(0)));
        Ok(())
    }

    #[test]
    fn the_same_is_written_once() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let add = |older, newer| append(folder.path(), 0o600, id(older), id(newer), b"delta")?.metadata();
        let len = add(1, 2)?.len();
        assert_eq!(add(3, 4)?.len(), 2 * len);
        assert_eq!(add(1, 2)?.len(), 2 * len);
        assert_eq!(add(2, 1)?.len(), 3 * len);
        Ok(())
    }
}
