//! The end of an archive: an entry for each member, and the records behind them.

use std::ops::Range;

use super::{u16_at, u32_at, u64_at};
use crate::format::Source;
use crate::format::rebuild::sparse::Sparse;

const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const COMMENT_BYTES_MAX: u64 = u16::MAX as u64;
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const END64_BYTES: u64 = 56;
const ZIP64_EXTRA: u16 = 1;
/// The version of the format that has zip64.
const ZIP64_VERSION: u16 = 45;
/// Larger numbers stand in zip64 fields, as in Python's `zipfile`.
const NARROW_MAX: u64 = i32::MAX as u64;

/// A member's entry in the directory.
#[derive(Debug, Clone)]
pub(in crate::format::rebuild) struct Entry {
    pub bytes: Vec<u8>,
    pub method: u16,
    pub crc32: u32,
    pub packed_len: u64,
    pub plain_len: u64,
    pub local_offset: u64,
    name_len: usize,
    /// Where in `bytes` the offset stands in a zip64 field, if it does.
    wide_offset_at: Option<usize>,
    /// Where in `bytes` a zip64 field has its length, if there is one, and where its last used number ends.
    zip64: Option<(usize, usize)>,
}

impl Entry {
    pub fn take(rest: &mut &[u8]) -> Option<Self> {
        let len = |at| u16_at(rest, at).map(usize::from);
        let (name_len, extra_len, comment_len) = (len(28)?, len(30)?, len(32)?);
        let bytes = rest.split_off(..ENTRY_BYTES + name_len + extra_len + comment_len)?;
        if !bytes.starts_with(ENTRY_SIGNATURE) {
            return None;
        }
        let extra_start = ENTRY_BYTES + name_len;
        let field = zip64_field(&bytes[..extra_start + extra_len], extra_start);
        let mut at = field.as_ref().map_or(0, |field| field.start);
        // The order in the zip64 field is fixed, whichever of them are there.
        let mut number = |narrow_at| match u32_at(bytes, narrow_at)? {
            u32::MAX => {
                let place = at;
                at += 8;
                let field_end = field.as_ref()?.end;
                (at <= field_end).then_some(())?;
                Some((u64_at(bytes, place)?, Some(place)))
            }
            narrow => Some((u64::from(narrow), None)),
        };
        let (plain_len, _) = number(24)?;
        let (packed_len, _) = number(20)?;
        let (local_offset, wide_offset_at) = number(42)?;
        Some(Self {
            bytes: bytes.to_vec(),
            method: u16_at(bytes, 10)?,
            crc32: u32_at(bytes, super::ENTRY_CRC)?,
            packed_len,
            plain_len,
            local_offset,
            name_len,
            wide_offset_at,
            zip64: field.map(|field| (field.start - 2, at)),
        })
    }

    /// The member's name; bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.bytes[ENTRY_BYTES..ENTRY_BYTES + self.name_len]).into_owned()
    }

    /// The entry's bytes when the member's local header stands at `offset`; `None` if there is no room for them.
    pub fn moved_to(&self, offset: u64) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        if offset == self.local_offset {
            return Some(bytes);
        }
        if let Some(at) = self.wide_offset_at {
            bytes[at..at + 8].copy_from_slice(&offset.to_le_bytes());
            return Some(bytes);
        }
        if offset <= NARROW_MAX {
            bytes[42..46].copy_from_slice(&(offset as u32).to_le_bytes());
            return Some(bytes);
        }
        bytes[42..46].fill(0xff);
        let version = u16_at(&bytes, 6)?.max(ZIP64_VERSION);
        bytes[6..8].copy_from_slice(&version.to_le_bytes());
        let added = match self.zip64 {
            Some((len_at, end)) => {
                grow(&mut bytes, len_at, 8)?;
                bytes.splice(end..end, offset.to_le_bytes());
                8
            }
            None => {
                let field = [&ZIP64_EXTRA.to_le_bytes()[..], &8_u16.to_le_bytes(), &offset.to_le_bytes()].concat();
                let start = ENTRY_BYTES + self.name_len;
                let added = field.len() as u16;
                bytes.splice(start..start, field);
                added
            }
        };
        grow(&mut bytes, 30, added)?;
        Some(bytes)
    }
}

/// Adds to the 16-bit number at `at`.
fn grow(bytes: &mut [u8], at: usize, by: u16) -> Option<()> {
    let number = u16_at(bytes, at)?.checked_add(by)?;
    bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
    Some(())
}

/// Where the contents of the zip64 extra field lie.
fn zip64_field(bytes: &[u8], extra_start: usize) -> Option<Range<usize>> {
    let mut at = extra_start;
    loop {
        let (id, len) = (u16_at(bytes, at)?, usize::from(u16_at(bytes, at + 2)?));
        let field = at + 4..at + 4 + len;
        if field.end > bytes.len() {
            return None;
        }
        if id == ZIP64_EXTRA {
            return Some(field);
        }
        at = field.end;
    }
}

/// What stands behind the members.
#[derive(Debug, Clone)]
pub(in crate::format::rebuild) struct End {
    /// Bytes before the directory that belong to no member.
    pub lead: Vec<u8>,
    /// All that follows the directory.
    bytes: Vec<u8>,
    /// Where in them the end record is.
    end_at: usize,
    /// Where in them the zip64 end record is, if there is one.
    end64_at: Option<usize>,
}

impl End {
    /// The end of an archive without its lead, and where its directory lies.
    pub fn find(file: &Sparse) -> Option<(Self, Range<u64>)> {
        let tail_start = file.len().saturating_sub(END_BYTES as u64 + COMMENT_BYTES_MAX);
        let mut tail = vec![0; (file.len() - tail_start) as usize];
        file.read_at(tail_start, &mut tail).ok()?;
        let at = tail.windows(END_BYTES).enumerate().rposition(|(at, record)| {
            let comment_len = tail.len() - at - END_BYTES;
            record.starts_with(END_SIGNATURE) && u16_at(record, 20).map(usize::from) == Some(comment_len)
        })?;
        let end_offset = tail_start + at as u64;
        let end64_offset = Self::find_end64(file, end_offset)?;
        let (start, len) = match end64_offset {
            Some(offset) => {
                let record = file.bytes(offset..offset.checked_add(END64_BYTES)?)?;
                (u64_at(&record, 48)?, u64_at(&record, 40)?)
            }
            None => (u64::from(u32_at(&tail, at + 16)?), u64::from(u32_at(&tail, at + 12)?)),
        };
        let directory = start..start.checked_add(len)?;
        let within = |offset: u64| offset.checked_sub(directory.end).map(|at| at as usize);
        let end = Self {
            lead: Vec::new(),
            bytes: file.bytes(directory.end..file.len())?,
            end_at: within(end_offset)?,
            end64_at: match end64_offset {
                Some(offset) => Some(within(offset)?),
                None => None,
            },
        };
        Some((end, directory))
    }

    /// Where the zip64 end record is, if there is one; nothing at all if there should be.
    fn find_end64(file: &Sparse, end_offset: u64) -> Option<Option<u64>> {
        let Some(start) = end_offset.checked_sub(LOCATOR_BYTES as u64) else { return Some(None) };
        let mut locator = [0; LOCATOR_BYTES];
        file.read_at(start, &mut locator).ok()?;
        if !locator.starts_with(LOCATOR_SIGNATURE) {
            return Some(None);
        }
        let offset = u64_at(&locator, 8)?;
        let record_end = offset.checked_add(END64_BYTES)?;
        let record = file.bytes(offset..record_end)?;
        (record.starts_with(END64_SIGNATURE) && record_end <= start).then_some(Some(offset))
    }

    /// The archive's comment.
    pub fn comment(&self) -> &[u8] {
        &self.bytes[self.end_at + END_BYTES..]
    }

    /// What stands behind this directory of so many entries.
    pub fn record(&self, directory: Range<u64>, entries: u64) -> Vec<u8> {
        let Self { mut bytes, mut end_at, mut end64_at, .. } = self.clone();
        let len = directory.end - directory.start;
        let is_wide = entries > u64::from(u16::MAX) || len > NARROW_MAX || directory.start > NARROW_MAX;
        if end64_at.is_none() && is_wide {
            let records = empty_end64();
            end64_at = Some(end_at);
            let added = records.len();
            bytes.splice(end_at..end_at, records);
            end_at += added;
        }
        if let Some(at) = end64_at {
            for (at, number) in [(at + 24, entries), (at + 32, entries), (at + 40, len), (at + 48, directory.start)] {
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            let locator_at = end_at - LOCATOR_BYTES;
            bytes[locator_at + 8..locator_at + 16].copy_from_slice(&(directory.end + at as u64).to_le_bytes());
        }
        let wide = end64_at.is_some();
        for (at, width, number) in [(8, 2, entries), (10, 2, entries), (12, 4, len), (16, 4, directory.start)] {
            write_narrow(&mut bytes[end_at + at..][..width], number, wide);
        }
        bytes
    }
}

/// A zip64 end record and its locator, as `zipfile` writes them, without numbers.
fn empty_end64() -> Vec<u8> {
    let mut records = END64_SIGNATURE.to_vec();
    records.extend((END64_BYTES - 12).to_le_bytes());
    records.extend(ZIP64_VERSION.to_le_bytes());
    records.extend(ZIP64_VERSION.to_le_bytes());
    records.resize(END64_BYTES as usize, 0);
    records.extend_from_slice(LOCATOR_SIGNATURE);
    records.extend([0; 12]);
    records.extend(1_u32.to_le_bytes());
    records
}

/// Writes a number into a field that has the highest value where another record has the number.
fn write_narrow(field: &mut [u8], number: u64, is_in_other: bool) {
    let is_saturated = field.iter().all(|&byte| byte == 0xff);
    let fits = number < 1 << (8 * field.len());
    if !fits || is_in_other && is_saturated {
        field.fill(0xff);
    } else {
        let len = field.len();
        field.copy_from_slice(&number.to_le_bytes()[..len]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Skeleton;
    use crate::format::rebuild::Side;

    const FAR: u64 = 5 << 30;

    /// An entry of member `a` with these extra fields; sizes narrow unless they stand there.
    fn entry(sizes: u32, offset: u32, extra: &[u8]) -> Entry {
        let mut bytes = ENTRY_SIGNATURE.to_vec();
        bytes.resize(ENTRY_BYTES, 0);
        bytes[20..24].copy_from_slice(&sizes.to_le_bytes());
        bytes[24..28].copy_from_slice(&sizes.to_le_bytes());
        bytes[28] = 1;
        bytes[30] = extra.len() as u8;
        bytes[42..46].copy_from_slice(&offset.to_le_bytes());
        bytes.push(b'a');
        bytes.extend_from_slice(extra);
        Entry::take(&mut &bytes[..]).expect("an entry")
    }

    fn field(id: u16, numbers: &[u64]) -> Vec<u8> {
        let mut field = [id.to_le_bytes(), (8 * numbers.len() as u16).to_le_bytes()].concat();
        field.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        field
    }

    #[test]
    fn entries_move_near_and_far() {
        let other = field(7, &[1]);
        let cases = [
            (entry(9, 5, &other), 9),
            (entry(9, u32::MAX, &[&other[..], &field(1, &[5])].concat()), 9),
            (entry(u32::MAX, 5, &[&field(1, &[FAR, FAR]), &other[..]].concat()), FAR),
            (entry(u32::MAX, u32::MAX, &[&field(1, &[FAR, FAR, 5]), &other[..]].concat()), FAR),
        ];
        for (entry, len) in cases {
            assert_eq!(entry.local_offset, 5);
            assert_eq!(entry.moved_to(5).expect("room"), entry.bytes);
            for offset in [6, FAR] {
                let moved = entry.moved_to(offset).expect("room");
                let mut rest = &moved[..];
                let read = Entry::take(&mut rest).expect("an entry");
                assert!(rest.is_empty());
                assert_eq!((read.local_offset, read.packed_len, read.plain_len), (offset, len, len));
                assert_eq!(read.name(), "a");
                assert!(moved.windows(other.len()).any(|window| window == other));
            }
        }
    }

    #[test]
    fn ends_grow_when_numbers_do() {
        let end = |bytes: Vec<u8>| {
            let mut skeleton = Skeleton::new();
            skeleton.push(&bytes);
            let file = Sparse::new("a file", &Side { skeleton: &skeleton, tensors: &[] }).expect("a file");
            let (end, directory) = End::find(&file).expect("an end");
            (end, directory)
        };
        let mut plain = END_SIGNATURE.to_vec();
        plain.resize(END_BYTES, 0);
        plain[20] = 2;
        plain.extend_from_slice(b"hi");
        let (narrow, directory) = end(plain.clone());
        assert_eq!((directory.clone(), narrow.comment()), (0..0, &b"hi"[..]));
        assert_eq!(narrow.record(directory, 0), plain);
        assert_eq!(narrow.record(3..50, 1).len(), plain.len());

        let wide = narrow.record(FAR..FAR + 47, 70_000);
        assert_eq!((u64_at(&wide, 24), u64_at(&wide, 32)), (Some(70_000), Some(70_000)));
        assert_eq!((u64_at(&wide, 40), u64_at(&wide, 48)), (Some(47), Some(FAR)));
        assert_eq!(u64_at(&wide, 56 + 8), Some(FAR + 47), "the locator");
        assert_eq!(wide[76 + 8..76 + 20], [0xff, 0xff, 0xff, 0xff, 47, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        let (again, directory) = end(narrow.record(0..0, 70_000));
        assert_eq!((directory, again.comment()), (0..0, &b"hi"[..]));
        assert_eq!(again.record(0..0, 70_000), narrow.record(0..0, 70_000));
    }
}
