//! Archives taken apart into members and put together again.
//!
//! Source: PKWARE's APPNOTE 6.3.10, as for the reader of directories. All records are carried over as they stand, and
//! only what must change does: offsets, checksums, counts. Sizes never change. New zip64 fields appear where Python's
//! `zipfile`, with which numpy writes, would have them: for offsets from 2 GiB on.
//!
//! **Limitations.** A member with a data descriptor that does not agree with the directory can not be taken apart.

use std::collections::HashMap;

use super::builder::Builder;
use super::sparse::Sparse;
use super::{CannotRebuild, Merge, Rebuilt, cannot};
use crate::format::zip;
use directory::{End, Entry};

mod directory;

const LOCAL_BYTES: u64 = 30;
const LOCAL_CRC: usize = 14;
const ENTRY_CRC: usize = 16;
const DESCRIPTOR_SIGNATURE: &[u8] = b"PK\x07\x08";
/// The flag of members whose checksum and sizes stand in a descriptor behind them.
const HAS_DESCRIPTOR: u16 = 1 << 3;

/// What a member's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of a gap.
    Bytes(Vec<u8>),
    /// A tensor: its index in its file, in the end that of its part.
    Tensor(usize),
}

/// A member with all that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub name: String,
    pub crc32: u32,
    /// Its bytes as they stand in the archive.
    pub pieces: Vec<Piece>,
    /// Bytes before the local header that belong to no member.
    lead: Vec<u8>,
    /// The local header with name and extra fields.
    local: Vec<u8>,
    descriptor: Vec<u8>,
    entry: Entry,
}

/// An archive, taken apart.
pub(super) struct Archive {
    /// In file order.
    pub units: Vec<Unit>,
    pub end: End,
    by_name: HashMap<String, usize>,
}

impl Archive {
    pub fn read(file: &Sparse) -> Result<Self, CannotRebuild> {
        let broken = || cannot(format!("the archive of {} can not be taken apart", file.who));
        // Whatever is wrong with an archive as a whole is found by its reader.
        match zip::members(file, |_| true) {
            Ok(Some(_)) => Self::take_apart(file).ok_or_else(broken),
            Ok(None) | Err(_) => Err(broken()),
        }
    }

    fn take_apart(file: &Sparse) -> Option<Self> {
        let (mut end, directory) = End::find(file)?;
        let bytes = file.bytes(directory.clone())?;
        let mut rest = &bytes[..];
        let mut entries = Vec::new();
        while !rest.is_empty() {
            entries.push(Entry::take(&mut rest)?);
        }
        entries.sort_by_key(|entry| entry.local_offset);
        let mut reader = Reader { file, position: 0, tensor: 0 };
        let units = entries.into_iter().map(|entry| reader.unit(entry)).collect::<Option<Vec<_>>>()?;
        end.lead = file.bytes(reader.position..directory.start)?;
        let by_name = units.iter().enumerate().map(|(index, unit)| (unit.name.clone(), index)).collect();
        (reader.tensor == file.tensors.len()).then_some(Self { units, end, by_name })
    }

    pub fn get(&self, name: &str) -> Option<&Unit> {
        self.by_name.get(name).map(|&index| &self.units[index])
    }

    /// The members' names in file order.
    pub fn names(&self) -> Vec<&str> {
        self.units.iter().map(|unit| unit.name.as_str()).collect()
    }
}

/// Reads members one behind the other.
struct Reader<'a> {
    file: &'a Sparse<'a>,
    /// Where the last member ended.
    position: u64,
    /// The next tensor that is in no member yet.
    tensor: usize,
}

impl Reader<'_> {
    fn unit(&mut self, entry: Entry) -> Option<Unit> {
        let (file, start) = (self.file, entry.local_offset);
        let lead = file.bytes(self.position..start)?;
        let fixed = file.bytes(start..start.checked_add(LOCAL_BYTES)?)?;
        let data_start = start + LOCAL_BYTES + u64::from(u16_at(&fixed, 26)?) + u64::from(u16_at(&fixed, 28)?);
        let data_end = data_start.checked_add(entry.packed_len)?;
        let local = file.bytes(start..data_start)?;
        let pieces = self.pieces(data_start, data_end)?;
        let descriptor = match u16_at(&local, 6)? & HAS_DESCRIPTOR {
            0 => Vec::new(),
            _ => self.descriptor(data_end, &entry)?,
        };
        self.position = data_end + descriptor.len() as u64;
        Some(Unit { name: entry.name(), crc32: entry.crc32, pieces, lead, local, descriptor, entry })
    }

    fn pieces(&mut self, start: u64, end: u64) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut position = start;
        while self.tensor < self.file.tensors.len() && self.file.tensor(self.tensor).end <= end {
            let tensor = self.file.tensor(self.tensor);
            push_bytes(&mut pieces, self.file.bytes(position..tensor.start)?);
            pieces.push(Piece::Tensor(self.tensor));
            position = tensor.end;
            self.tensor += 1;
        }
        push_bytes(&mut pieces, self.file.bytes(position..end)?);
        Some(pieces)
    }

    /// The descriptor at `start`, in whichever of its forms: with a signature or without, its sizes narrow or wide.
    fn descriptor(&self, start: u64, entry: &Entry) -> Option<Vec<u8>> {
        let forms = [(true, false), (true, true), (false, false), (false, true)];
        forms.into_iter().find_map(|(signed, wide)| {
            let mut form = if signed { DESCRIPTOR_SIGNATURE.to_vec() } else { Vec::new() };
            form.extend(entry.crc32.to_le_bytes());
            for len in [entry.packed_len, entry.plain_len] {
                form.extend_from_slice(&len.to_le_bytes()[..if wide { 8 } else { 4 }]);
            }
            let there = self.file.bytes(start..start.checked_add(form.len() as u64)?)?;
            (there == form).then_some(form)
        })
    }
}

fn push_bytes(pieces: &mut Vec<Piece>, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        pieces.push(Piece::Bytes(bytes));
    }
}

impl Unit {
    /// The tensor in it, if there is one and no more.
    pub fn tensor(&self) -> Option<usize> {
        let mut tensors = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Tensor(tensor) => Some(*tensor),
            Piece::Bytes(_) => None,
        });
        tensors.next().filter(|_| tensors.next().is_none())
    }

    /// Whether there is no tensor in it.
    pub fn is_plain(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Bytes(_)))
    }

    /// How its bytes are packed: 0 if they are stored.
    pub fn method(&self) -> u16 {
        self.entry.method
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.entry.plain_len == 0
    }

    /// The tensor in it becomes part `part`.
    pub fn place(&mut self, part: usize) {
        for piece in &mut self.pieces {
            if let Piece::Tensor(tensor) = piece {
                *tensor = part;
            }
        }
    }

    /// Its checksum if the tensor in it, of `len` bytes, has the checksum `crc32`.
    pub fn crc32_around(&self, crc32: u32, len: u64) -> u32 {
        let mut whole = crc32fast::Hasher::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => whole.update(bytes),
                Piece::Tensor(_) => whole.combine(&crc32fast::Hasher::new_with_initial_len(crc32, len)),
            }
        }
        whole.finalize()
    }

    /// Writes `crc32` wherever the old checksum stands.
    pub fn set_crc32(&mut self, crc32: u32) {
        let (old, new) = (self.crc32.to_le_bytes(), crc32.to_le_bytes());
        // A header before a descriptor has a zero there, but for some writers that go back to it.
        let local = &mut self.local[LOCAL_CRC..LOCAL_CRC + 4];
        if self.descriptor.is_empty() || local == old {
            local.copy_from_slice(&new);
        }
        // Of its forms, those of 16 and 24 bytes start with a signature.
        let at = if self.descriptor.len().is_multiple_of(8) { DESCRIPTOR_SIGNATURE.len() } else { 0 };
        if let Some(there) = self.descriptor.get_mut(at..at + 4) {
            there.copy_from_slice(&new);
        }
        self.entry.bytes[ENTRY_CRC..ENTRY_CRC + 4].copy_from_slice(&new);
        self.crc32 = crc32;
    }
}

/// The archive of these members, whose tensors are parts.
pub(super) fn write(
    merge: &Merge,
    units: &[Unit],
    end: &End,
    conflicts: Vec<String>,
) -> Result<Rebuilt, CannotRebuild> {
    let mut file = Builder::new(merge.parts);
    let mut directory = Vec::new();
    for unit in units {
        file.bytes(&unit.lead);
        let entry = unit.entry.moved_to(file.position());
        directory.extend(entry.ok_or_else(|| cannot(format!("member `{}` has too many extra fields", unit.name)))?);
        file.bytes(&unit.local);
        for piece in &unit.pieces {
            match piece {
                Piece::Bytes(bytes) => file.bytes(bytes),
                Piece::Tensor(part) => file.part(*part)?,
            }
        }
        file.bytes(&unit.descriptor);
    }
    file.bytes(&end.lead);
    let start = file.position();
    file.bytes(&directory);
    file.bytes(&end.record(start..file.position(), units.len() as u64));
    Ok(file.finish(conflicts))
}

// Numbers in records; nothing if the bytes are not there.

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
