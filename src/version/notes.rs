//! What was worked out from blobs before: the values of metrics files, and what versions of weights change.
//!
//! It is a cache, as the deltas between manifests are: a log of records that may be deleted at any time, and in which what is
//! damaged or torn is passed over. The form is that of `docs/FORMAT.md`, "Notes about versions".
//!
//! **Limitations.** Records are added with one call; where a file system does not keep writers apart, some are lost.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::store::{Permissions, Store};

/// In the store's folder: the log, and the one before it, whose place it takes when it is full.
const FOLDER: &str = "cache";
const NAMES: [&str; 2] = ["metrics", "metrics.old"];
/// A log is full at this length.
const LEN_MAX: usize = 16 << 20;
/// Begins a record.
const MARKER: [u8; 8] = *b"\xffnotes\0\x01";
/// A longer value is not kept: it is worked out again.
const VALUE_MAX: usize = 64 << 10;
/// Bytes of the BLAKE3 that ends a record.
const CHECK_BYTES: usize = 16;

/// What is known, and what came to be known.
pub struct Notes {
    folder: PathBuf,
    permissions: Permissions,
    bytes: Vec<u8>,
    found: HashMap<Vec<u8>, Range<usize>>,
    added: Vec<u8>,
}

impl Notes {
    /// The notes of a store; none if there are none, or if they cannot be read.
    pub fn read(store: &Store) -> Self {
        Self::open(store.dir().join(FOLDER), store.permissions())
    }

    fn open(folder: PathBuf, permissions: Permissions) -> Self {
        let mut bytes = Vec::new();
        for name in NAMES.iter().rev() {
            if let Ok(file) = File::open(folder.join(name)) {
                let _ = file.take(LEN_MAX as u64).read_to_end(&mut bytes);
            }
        }
        let found = parse(&bytes);
        Self { folder, permissions, bytes, found, added: Vec::new() }
    }

    /// What is noted under `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.found.get(key).map(|range| &self.bytes[range.clone()])
    }

    /// Notes `value` under `key`, which is shorter than 256 bytes, until [`Self::save`] writes it down.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        if value.len() <= VALUE_MAX && self.added.len() < LEN_MAX / 2 {
            self.added.extend(encode(key, value));
        }
    }

    /// Writes down what was added. What cannot be written is worked out again the next time.
    pub fn save(self) {
        if !self.added.is_empty() {
            let _ = self.append();
        }
    }

    fn append(&self) -> io::Result<()> {
        self.permissions.create_dir_all(&self.folder)?;
        let [path, before] = NAMES.map(|name| self.folder.join(name));
        let open = || OpenOptions::new().append(true).create(true).mode(self.permissions.file_mode()).open(&path);
        let mut file = open()?;
        if file.metadata()?.len() + self.added.len() as u64 > LEN_MAX as u64 {
            std::fs::rename(&path, before)?;
            file = open()?;
        }
        self.permissions.share(&file)?;
        file.write_all(&self.added)
    }
}

/// Forgets all notes in a store's folder: what a collection has encoded anew takes other room than they say.
pub fn forget(store_dir: &Path) {
    for name in NAMES {
        let _ = std::fs::remove_file(store_dir.join(FOLDER).join(name));
    }
}

fn encode(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut record = MARKER.to_vec();
    record.push(key.len() as u8);
    record.extend((value.len() as u32).to_le_bytes());
    record.extend([key, value].concat());
    let check = blake3::hash(&record);
    record.extend(&check.as_bytes()[..CHECK_BYTES]);
    record
}

/// Keys and where their values stand; later records win.
fn parse(bytes: &[u8]) -> HashMap<Vec<u8>, Range<usize>> {
    let mut found = HashMap::new();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].windows(MARKER.len()).position(|window| window == MARKER) {
        at += skipped;
        match decode(bytes, at) {
            Some((key, value)) => {
                at = value.end + CHECK_BYTES;
                found.insert(key.to_vec(), value);
            }
            None => at += 1,
        }
    }
    found
}

fn decode(bytes: &[u8], begin: usize) -> Option<(&[u8], Range<usize>)> {
    let head = bytes.get(begin + MARKER.len()..begin + MARKER.len() + 5)?;
    let key_at = begin + MARKER.len() + 5;
    let value_at = key_at + usize::from(head[0]);
    let len = u32::from_le_bytes(head[1..].try_into().ok()?) as usize;
    let end = value_at.checked_add(len).filter(|_| len <= VALUE_MAX)?;
    let check = bytes.get(end..end + CHECK_BYTES)?;
    let is_whole = blake3::hash(&bytes[begin..end]).as_bytes().starts_with(check);
    is_whole.then(|| (&bytes[key_at..value_at], value_at..end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn open(folder: &Path) -> Notes {
        Notes::open(folder.join("cache"), Permissions::from_shared_repository(None))
    }

    proptest! {
        #[test]
        fn what_is_noted_is_found(pairs in prop::collection::hash_map(prop::collection::vec(any::<u8>(), 1..40), prop::collection::vec(any::<u8>(), 0..80), 1..20)) {
            let bytes: Vec<u8> = pairs.iter().flat_map(|(key, value)| encode(key, value)).collect();
            let found = parse(&bytes);
            prop_assert_eq!(found.len(), pairs.len());
            for (key, value) in pairs {
                prop_assert_eq!(found.get(&key).map(|range| &bytes[range.clone()]), Some(&value[..]));
            }
        }

        /// Cut off, or with a wrong bit in it, a record is lost alone.
        #[test]
        fn the_damaged_are_passed_over(count in 1..8_u8, which in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let record = |number: u8| encode(&[number], &[number; 9]);
            let len = record(0).len();
            let mut bytes: Vec<u8> = (0..count).flat_map(record).collect();
            let at = which.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let found = parse(&bytes);
            let damaged = (at / len) as u8;
            for number in (0..count).filter(|&number| number != damaged) {
                prop_assert!(found.contains_key(&[number][..]), "{number}");
            }
            prop_assert!(!found.contains_key(&[damaged][..]));
            let torn = parse(&bytes[..bytes.len() - 1]);
            prop_assert!(!torn.contains_key(&[count - 1][..]));
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            parse(&bytes);
            parse(&[&MARKER[..], &bytes].concat());
        }
    }

    #[test]
    fn the_log_is_limited_and_keeps_what_came_last() {
        let dir = tempfile::tempdir().expect("a folder");
        for number in 0..40_u8 {
            let mut notes = open(dir.path());
            (0..20_u8).for_each(|part| notes.add(&[number, part], &vec![number; VALUE_MAX]));
            notes.save();
        }
        let notes = open(dir.path());
        assert_eq!(notes.get(&[39, 19]), Some(&[39; VALUE_MAX][..]));
        assert_eq!(notes.get(&[0, 0]), None);
        let len: u64 =
            NAMES.iter().map(|name| dir.path().join("cache").join(name).metadata().expect("a file").len()).sum();
        assert!(len <= 2 * LEN_MAX as u64);
        forget(dir.path());
        assert_eq!(open(dir.path()).get(&[39, 19]), None);
    }
}
