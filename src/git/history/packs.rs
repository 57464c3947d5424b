//! Versions out of packs, as [`Rope`]s.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gix::odb::pack::data::entry::Header;
use gix::odb::pack::{Bundle, data};

use super::rope::Rope;
use crate::git::GitError;

/// What is kept of texts that others are deltas of.
const CACHE_BYTES_MAX: usize = 64 << 20;
/// A longer chain of deltas than any git makes: it goes round.
const CHAIN_MAX: usize = 1 << 16;

/// The packs of a repository and of those it borrows from.
pub struct Packs {
    bundles: Vec<Bundle>,
    len_max: u64,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    ropes: HashMap<(usize, data::Offset), Arc<Rope>>,
    /// The oldest first, with the bytes that it added.
    order: VecDeque<((usize, data::Offset), usize)>,
    bytes: usize,
    inflate: gix::zlib::Inflate,
}

/// What a pack has.
pub enum Packed {
    /// The text.
    Text(Arc<Rope>),
    /// It, or what it is a delta of, is longer than wanted.
    TooLong,
}

impl Packs {
    /// The packs in these object folders. Texts above `len_max` bytes are not wanted.
    pub fn open(object_dirs: &[PathBuf], hash: gix::hash::Kind, len_max: u64) -> Self {
        let entries = object_dirs.iter().filter_map(|dir| std::fs::read_dir(dir.join("pack")).ok()).flatten().flatten();
        let indexes = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "idx"));
        // A pack that cannot be opened is left to git, which says what is wrong with it.
        let bundles = indexes.filter_map(|path| Bundle::at(path, hash).ok()).collect();
        Self { bundles, len_max, cache: Mutex::default() }
    }

    /// Whether a pack has it.
    pub fn contains(&self, id: &gix::oid) -> bool {
        self.bundles.iter().any(|bundle| bundle.index.lookup(id).is_some())
    }

    /// The blob of this name; `None` if no pack has it.
    ///
    /// # Errors
    /// A broken pack.
    pub fn find(&self, id: &gix::oid) -> Result<Option<Packed>, GitError> {
        for (number, bundle) in self.bundles.iter().enumerate() {
            if let Some(at) = bundle.index.lookup(id) {
                let offset = bundle.index.pack_offset_at_index(at);
                return self.read(number, offset).map(Some);
            }
        }
        Ok(None)
    }

    fn read(&self, number: usize, offset: data::Offset) -> Result<Packed, GitError> {
        let bundle = &self.bundles[number];
        let failed = |why: &dyn std::fmt::Display| GitError::read(format!("`{}`", bundle.pack.path().display()), why);
        let broken = || failed(&"a broken delta; run `git fsck`");
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut deltas = Vec::new();
        let mut at = offset;
        let mut text = loop {
            if let Some(text) = cache.ropes.get(&(number, at)) {
                break Arc::clone(text);
            }
            let entry = bundle.pack.entry(at).map_err(|error| failed(&error))?;
            if entry.decompressed_size > self.len_max {
                return Ok(Packed::TooLong);
            }
            let base = match entry.header {
                Header::OfsDelta { base_distance } => entry.checked_base_pack_offset(base_distance),
                Header::RefDelta { base_id } => {
                    bundle.index.lookup(base_id).map(|base| bundle.index.pack_offset_at_index(base))
                }
                Header::Blob => {
                    let bytes = cache.inflate(&bundle.pack, &entry).map_err(|error| failed(&error))?;
                    break cache.keep((number, at), bytes.len(), Rope::from(bytes));
                }
                Header::Commit | Header::Tree | Header::Tag => return Err(failed(&"no blob")),
            };
            deltas.push((at, entry));
            at = base.filter(|_| deltas.len() < CHAIN_MAX).ok_or_else(broken)?;
        };
        while let Some((at, entry)) = deltas.pop() {
            let delta = cache.inflate(&bundle.pack, &entry).map_err(|error| failed(&error))?;
            let delta_len = delta.len();
            let rope = Rope::patched(&text, delta).ok_or_else(broken)?;
            let bytes =
                if rope.pieces() == 1 { rope.len() } else { delta_len + rope.pieces() * size_of::<[usize; 2]>() };
            text = cache.keep((number, at), bytes, rope);
        }
        Ok(if text.len() as u64 > self.len_max { Packed::TooLong } else { Packed::Text(text) })
    }
}

impl Cache {
    fn inflate(&mut self, pack: &data::File, entry: &data::Entry) -> gix::Result<Vec<u8>> {
        let mut bytes = vec![0; entry.decompressed_size as usize];
        pack.decompress_entry(entry, &mut self.inflate, &mut bytes)?;
        Ok(bytes)
    }

    /// A walk into the past goes through a chain from its end, so what was made last is needed next. (Where a text goes,
    /// others may still hold its buffer, and it counts no more: then a chain's deltas are held beyond the limit.)
    fn keep(&mut self, key: (usize, data::Offset), bytes: usize, rope: Rope) -> Arc<Rope> {
        let rope = Arc::new(rope);
        self.ropes.insert(key, Arc::clone(&rope));
        self.bytes += bytes;
        self.order.push_back((key, bytes));
        while self.bytes > CACHE_BYTES_MAX
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.ropes.remove(&oldest);
            self.bytes -= bytes;
        }
        rope
    }
}
