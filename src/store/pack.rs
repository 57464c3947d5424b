//! Packs: files of encoded blocks and recipes, written once.
//!
//! `GMPACK01`, the entries, the index (records sorted by id), a footer. The index stands in the pack itself and is
//! mapped from there, so that an add makes one file durable, not two, and a reader with range requests needs the tail
//! only. Ids are digests, spread evenly, so a lookup interpolates and needs no fan-out table.
//!
//! The pack's name is the SHA-256 of its index: the index names every block and recipe by its own digest, and every
//! read is checked against that digest.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::codec::{Codec, Encoded};
use crate::id::{BlockId, PackId, Sha256};

const MAGIC: &[u8; 8] = b"GMPACK01";
const END_MAGIC: &[u8; 8] = b"GMPKEND1";
const FOOTER_LEN: usize = 64;
const RECORD_LEN: usize = 46;
const ENTRY_HEADER_LEN: usize = 12;
const FLAG_DELTA: u8 = 1;
/// No entry's plain bytes are more than this; recipes of the largest objects come near.
pub const PLAIN_LEN_MAX: u32 = 1 << 30;

/// BLAKE3 of a block or SHA-256 of a recipe's object.
pub type EntryId = [u8; 32];

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes of an object, under their BLAKE3.
    Block,
    /// The list of blocks of an object, under the object's SHA-256.
    Recipe,
}

/// An entry, as the index knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// What it is found by.
    pub id: EntryId,
    /// Where the entry starts in the pack.
    pub offset: u64,
    /// Its length, header included.
    pub len: u32,
    /// What it holds.
    pub kind: Kind,
    /// How it is encoded.
    pub codec: u8,
    /// How many deltas lie below it: 0 for one that stands alone.
    pub depth: u8,
}

impl Record {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.offset.to_le_bytes()[..6]);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&[kind_byte(self.kind), self.codec, self.depth, 0]);
    }

    fn read(bytes: &[u8]) -> Self {
        let mut id = [0; 32];
        id.copy_from_slice(&bytes[..32]);
        let mut offset = [0; 8];
        offset[..6].copy_from_slice(&bytes[32..38]);
        let len = u32::from_le_bytes([bytes[38], bytes[39], bytes[40], bytes[41]]);
        let kind = if bytes[42] == kind_byte(Kind::Recipe) { Kind::Recipe } else { Kind::Block };
        Self { id, offset: u64::from_le_bytes(offset), len, kind, codec: bytes[43], depth: bytes[44] }
    }
}

const fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Block => 1,
        Kind::Recipe => 2,
    }
}

/// The parts of an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it holds.
    pub kind: Kind,
    /// How the payload is encoded.
    pub codec: Codec,
    /// How many deltas lie below it.
    pub depth: u8,
    /// Length of the decoded bytes.
    pub plain_len: u32,
    /// The block the payload is a delta against.
    pub base: Option<BlockId>,
    /// Where the payload stands in the entry's bytes.
    pub payload: Range<usize>,
}

impl Entry {
    /// Where the id of an entry's base ends, in an entry that has one.
    pub const BASE_END: usize = ENTRY_HEADER_LEN + 32;

    /// The block that the entry whose first [`Entry::BASE_END`] bytes are `start` is a delta against.
    pub fn base_of(start: &[u8]) -> Option<BlockId> {
        let flags = *start.get(3)?;
        let base = start.get(ENTRY_HEADER_LEN..Self::BASE_END)?;
        (flags & FLAG_DELTA != 0).then(|| BlockId::from_bytes(base.try_into().unwrap_or_default()))
    }

    /// Whether the entry's own header says what the index says of it.
    pub fn agrees_with(&self, record: &Record) -> bool {
        let is_delta = self.base.is_some();
        self.kind == record.kind
            && self.codec as u8 == record.codec
            && self.depth == record.depth
            && is_delta == (record.depth > 0)
    }

    /// The length of the entry that starts with these bytes, as far as its header can be believed.
    pub fn len_at(start: &[u8]) -> Option<u64> {
        let header = start.get(..ENTRY_HEADER_LEN)?;
        let stored_len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let base_len = if header[3] & FLAG_DELTA != 0 { 32 } else { 0 };
        matches!(header[0], 1 | 2).then_some(ENTRY_HEADER_LEN as u64 + base_len + u64::from(stored_len))
    }

    /// Reads the header at the start of an entry's bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..ENTRY_HEADER_LEN)?;
        let kind = match header[0] {
            1 => Kind::Block,
            2 => Kind::Recipe,
            _ => return None,
        };
        let codec = Codec::from_byte(header[1])?;
        let plain_len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let stored_len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let mut start = ENTRY_HEADER_LEN;
        let base = if header[3] & FLAG_DELTA != 0 {
            let mut base = [0; 32];
            base.copy_from_slice(bytes.get(start..start + 32)?);
            start += 32;
            Some(BlockId::from_bytes(base))
        } else {
            None
        };
        let end = start.checked_add(stored_len)?;
        let is_known = header[3] & !FLAG_DELTA == 0;
        (end == bytes.len() && plain_len <= PLAIN_LEN_MAX && is_known).then_some(Self {
            kind,
            codec,
            depth: header[2],
            plain_len,
            base,
            payload: start..end,
        })
    }
}

/// Entries on their way into a pack, with offsets counted from the batch's start.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Batch {
    /// Bytes gathered so far.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was gathered.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets what was gathered.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Appends an entry that is stored as it is, and returns its length.
    pub fn push_raw(&mut self, id: [u8; 32], kind: Kind, payload: &[u8]) -> u64 {
        let plain_len = payload.len() as u32;
        self.push(id, kind, None, plain_len, |out| {
            out.extend_from_slice(payload);
            Encoded { codec: Codec::Raw, delta: false }
        })
    }

    /// Appends an entry whose payload `encode` appends, and returns its length. `base` is the block that the payload
    /// may turn out to be a delta against, and that block's depth.
    pub fn push(
        &mut self,
        id: [u8; 32],
        kind: Kind,
        base: Option<(BlockId, u8)>,
        plain_len: u32,
        encode: impl FnOnce(&mut Vec<u8>) -> Encoded,
    ) -> u64 {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ENTRY_HEADER_LEN]);
        if let Some((base, _)) = base {
            self.bytes.extend_from_slice(base.as_bytes());
        }
        let payload_start = self.bytes.len();
        let Encoded { codec, delta } = encode(&mut self.bytes);
        let payload_len = (self.bytes.len() - payload_start) as u32;
        if !delta && base.is_some() {
            self.bytes.drain(start + ENTRY_HEADER_LEN..payload_start);
        }
        let depth = base.filter(|_| delta).map_or(0, |(_, base_depth)| base_depth.saturating_add(1));
        let header = &mut self.bytes[start..start + ENTRY_HEADER_LEN];
        header[..4].copy_from_slice(&[kind_byte(kind), codec as u8, depth, if delta { FLAG_DELTA } else { 0 }]);
        header[4..8].copy_from_slice(&plain_len.to_le_bytes());
        header[8..].copy_from_slice(&payload_len.to_le_bytes());
        let len = self.bytes.len() - start;
        self.records.push(Record { id, offset: start as u64, len: len as u32, kind, codec: codec as u8, depth });
        len as u64
    }

    /// Appends an entry as another pack has it.
    pub fn push_verbatim(&mut self, record: &Record, entry: &[u8]) {
        self.records.push(Record { offset: self.bytes.len() as u64, ..*record });
        self.bytes.extend_from_slice(entry);
    }

    /// The entries' bytes, and their records as they are when the batch starts at `offset` of a pack.
    pub fn placed_at(&self, offset: u64) -> (&[u8], impl Iterator<Item = Record>) {
        (&self.bytes, self.records.iter().map(move |record| Record { offset: record.offset + offset, ..*record }))
    }
}

/// What a pack starts with.
pub const fn header() -> &'static [u8] {
    MAGIC
}

/// Sorts `records` and returns the index and footer that close a pack whose entries end at `end`, and the pack's name.
pub fn close(records: &mut [Record], end: u64) -> (Vec<u8>, PackId) {
    records.sort_unstable_by_key(|record| record.id);
    let mut tail = Vec::with_capacity(records.len() * RECORD_LEN + FOOTER_LEN);
    for record in records.iter() {
        record.write(&mut tail);
    }
    let mut name = Sha256::default();
    name.update(&tail);
    let name = PackId::from_bytes(name.finish());
    let index_len = tail.len() as u64;
    let digest = BlockId::of(&tail);
    tail.extend_from_slice(&end.to_le_bytes());
    tail.extend_from_slice(&index_len.to_le_bytes());
    tail.extend_from_slice(&[0; 8]);
    tail.extend_from_slice(digest.as_bytes());
    tail.extend_from_slice(END_MAGIC);
    (tail, name)
}

/// An index up to this size is read, a larger one mapped: a process may have 65,530 maps, and a store more small packs.
const INDEX_READ_BYTES_MAX: u64 = 16 << 10;

enum Index {
    Read(Vec<u8>),
    Mapped(memmap2::Mmap),
}

/// A pack on disk and its index. The file itself is opened only to read entries.
pub struct Pack {
    path: PathBuf,
    name: PackId,
    index: Index,
    index_digest: BlockId,
    entries_end: u64,
}

impl Pack {
    /// Opens the pack `<name>.pack` at `path` and checks its frame; [`Pack::verify_index`] checks the index.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt { path: path.into(), what: what.into() };
        let io_error = |source| StoreError::io("read", path, source);
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok())
            .ok_or_else(|| corrupt("a pack's name is a SHA-256"))?;
        let file = File::open(path).map_err(io_error)?;
        let len = file.metadata().map_err(io_error)?.len();
        let footer_start = len
            .checked_sub(FOOTER_LEN as u64)
            .filter(|&start| start >= MAGIC.len() as u64)
            .ok_or_else(|| corrupt("the pack ends early"))?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, 0).map_err(io_error)?;
        let mut footer = [0; FOOTER_LEN];
        file.read_exact_at(&mut footer, footer_start).map_err(io_error)?;
        if magic != *MAGIC || footer[56..] != *END_MAGIC {
            return Err(corrupt("not a pack of version 1"));
        }
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&footer[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (entries_end, index_len) = (word(0), word(8));
        let mut digest = [0; 32];
        digest.copy_from_slice(&footer[24..56]);
        if entries_end.checked_add(index_len) != Some(footer_start)
            || entries_end < MAGIC.len() as u64
            || !index_len.is_multiple_of(RECORD_LEN as u64)
        {
            return Err(corrupt("the footer does not fit the pack"));
        }
        let index = if index_len <= INDEX_READ_BYTES_MAX {
            let mut index = vec![0; index_len as usize];
            file.read_exact_at(&mut index, entries_end).map_err(io_error)?;
            Index::Read(index)
        } else {
            Index::Mapped(super::map::map(&file, entries_end, index_len as usize).map_err(io_error)?)
        };
        Ok(Self { path: path.into(), name, index, index_digest: BlockId::from_bytes(digest), entries_end })
    }

    /// Where the pack is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub const fn name(&self) -> PackId {
        self.name
    }

    /// Whether the index is what was written: by the footer's BLAKE3 and by the pack's name.
    pub fn verify_index(&self) -> bool {
        let mut name = Sha256::default();
        name.update(self.index());
        BlockId::of(self.index()) == self.index_digest && PackId::from_bytes(name.finish()) == self.name
    }

    fn index(&self) -> &[u8] {
        match &self.index {
            Index::Read(bytes) => bytes,
            Index::Mapped(map) => map,
        }
    }

    /// The number of entries.
    pub fn entry_count(&self) -> usize {
        self.index().len() / RECORD_LEN
    }

    /// All entries, sorted by id.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.index().chunks_exact(RECORD_LEN).map(Record::read)
    }

    /// The first bytes of all ids, sorted.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.index().chunks_exact(RECORD_LEN).map(key_of)
    }

    /// The entry at this place in the order of ids.
    pub fn record(&self, at: usize) -> Record {
        Record::read(&self.index()[at * RECORD_LEN..(at + 1) * RECORD_LEN])
    }

    /// The entry with this id and kind.
    pub fn find(&self, id: &[u8; 32], kind: Kind) -> Option<Record> {
        self.find_at(id, kind).map(|(_, record)| record)
    }

    /// The entry with this id and kind, and its place in the order of ids.
    pub fn find_at(&self, id: &[u8; 32], kind: Kind) -> Option<(usize, Record)> {
        let index = self.index();
        let (mut low, mut high) = (0, index.len() / RECORD_LEN);
        let (mut low_key, mut high_key) = (0_u64, u64::MAX);
        let key = key_of(id);
        // Interpolate while the range is wide: ids are evenly spread. Finish by halving, which bounds the worst case.
        for round in 0.. {
            if low >= high {
                return None;
            }
            let width = (high - low) as u128;
            let guess = if round < 6 && width > 8 && key >= low_key && high_key > low_key {
                let share = u128::from(key - low_key) * width / (u128::from(high_key - low_key) + 1);
                low + (share.min(width - 1)) as usize
            } else {
                low + (high - low) / 2
            };
            let bytes = &index[guess * RECORD_LEN..(guess + 1) * RECORD_LEN];
            match key_of(bytes).cmp(&key).then_with(|| bytes[..32].cmp(id)) {
                std::cmp::Ordering::Equal => {
                    let record = Record::read(bytes);
                    return (record.kind == kind).then_some((guess, record));
                }
                std::cmp::Ordering::Less => (low, low_key) = (guess + 1, key_of(&bytes[..32])),
                std::cmp::Ordering::Greater => (high, high_key) = (guess, key_of(&bytes[..32])),
            }
        }
        None
    }

    /// Whether the bytes that nothing else guards are what was written: the entries follow each other without gaps, and
    /// what is reserved in the footer is zero.
    pub fn verify_frame(&self, file: &File) -> io::Result<bool> {
        let mut spans: Vec<(u64, u32)> = self.records().map(|record| (record.offset, record.len)).collect();
        spans.sort_unstable();
        let mut end = MAGIC.len() as u64;
        for (offset, len) in spans {
            if offset != end {
                return Ok(false);
            }
            end += u64::from(len);
        }
        let mut reserved = [0; 8];
        file.read_exact_at(&mut reserved, self.entries_end + self.index().len() as u64 + 16)?;
        Ok(end == self.entries_end && reserved == [0; 8])
    }

    /// Where the entries end.
    pub const fn entries_end(&self) -> u64 {
        self.entries_end
    }

    /// The block that an entry of the open pack is a delta against; reads the entry's header only.
    pub fn read_base(&self, file: &File, record: &Record) -> io::Result<Option<BlockId>> {
        let mut start = [0; Entry::BASE_END];
        let len = start.len().min(record.len as usize);
        file.read_exact_at(&mut start[..len], record.offset)?;
        Ok(Entry::base_of(&start[..len]))
    }

    /// Reads an entry's bytes from the open pack into `out`.
    pub fn read_entry(&self, file: &File, record: &Record, out: &mut Vec<u8>) -> io::Result<()> {
        let end = record.offset.checked_add(u64::from(record.len));
        if end.is_none_or(|end| end > self.entries_end) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry lies outside the pack"));
        }
        out.resize(record.len as usize, 0);
        file.read_exact_at(out, record.offset)
    }
}

/// The first bytes of an id, or of a record.
pub fn key_of(id: &[u8]) -> u64 {
    let mut key = [0; 8];
    key.copy_from_slice(&id[..8]);
    u64::from_be_bytes(key)
}
