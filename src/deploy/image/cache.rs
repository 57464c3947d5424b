//! Names of layers that are known: whoever does not have to send a layer need not read it either.
//!
//! A layer is looked up by what it is made of, and content does not change under its name. So an entry can be wrong only if
//! the file was damaged; whoever writes the layer then notices.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use super::Digest;
use crate::atomic_file::{AtomicFile, open_folder};
use crate::store::Permissions;

/// The file's name.
const FILE: &str = "layers.json";
/// As many names are kept.
const ENTRIES_MAX: usize = 256;
/// A longer file is not ours.
const BYTES_MAX: u64 = 1 << 20;

/// The names of layers, by what they are made of.
pub struct Cache<'s> {
    scratch: &'s Path,
}

impl<'s> Cache<'s> {
    /// The cache in a private folder.
    pub const fn new(scratch: &'s Path) -> Self {
        Self { scratch }
    }

    /// The name of the layer that is made of `key`.
    pub fn get(&self, key: &Digest) -> Option<Digest> {
        self.read().get(&key.to_string())?.parse().ok()
    }

    /// Notes a name. What cannot be noted is found out again next time.
    pub fn put(&self, key: &Digest, diff_id: &Digest) -> std::io::Result<()> {
        let mut entries = self.read();
        while entries.len() >= ENTRIES_MAX {
            entries.pop_first();
        }
        entries.insert(key.to_string(), diff_id.to_string());
        self.write(&entries)
    }

    /// Forgets all names.
    pub fn clear(&self) {
        let _ = std::fs::remove_file(self.scratch.join(FILE));
    }

    fn read(&self) -> BTreeMap<String, String> {
        let path = self.scratch.join(FILE);
        let is_ours = path.metadata().is_ok_and(|metadata| metadata.len() <= BYTES_MAX);
        let bytes = if is_ours { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn write(&self, entries: &BTreeMap<String, String>) -> std::io::Result<()> {
        Permissions::default().create_dir_all(self.scratch)?;
        let folder = open_folder(self.scratch)?;
        let file = AtomicFile::create_in(folder.as_fd(), 0o600)?;
        file.file().write_all(&serde_json::to_vec_pretty(entries)?)?;
        file.persist(FILE.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_but_not_too_many() {
        let dir = tempfile::tempdir().expect("a folder");
        let scratch = dir.path().join("a/b");
        let cache = Cache::new(&scratch);
        let digest = |number: usize| Digest::of(&number.to_le_bytes());
        assert_eq!(cache.get(&digest(0)), None);
        for number in 0..ENTRIES_MAX + 10 {
            cache.put(&digest(number), &digest(number + 1)).expect("kept");
        }
        let last = ENTRIES_MAX + 9;
        assert_eq!(cache.get(&digest(last)), Some(digest(last + 1)));
        assert_eq!(cache.read().len(), ENTRIES_MAX);
        std::fs::write(scratch.join(FILE), "no JSON").expect("written");
        assert_eq!(cache.get(&digest(last)), None);
        cache.clear();
        assert!(!scratch.join(FILE).exists());
    }
}
