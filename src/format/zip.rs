//! The directory of a zip archive: which members there are and where their bytes lie.
//!
//! PyTorch, numpy and Keras keep tensors in archives whose members are *stored* (not compressed), so a member's bytes
//! are a run of bytes of the file. The readers of those formats look members up here and never unpack anything.
//!
//! Source: PKWARE's APPNOTE 6.3.10, sections 4.3 (records) and 4.5.3 (zip64).
//!
//! The central directory is trusted for sizes (writers that stream leave them out of the local headers), the local
//! header for where the data starts. Members that overlap each other or the directory, and names that stand twice, make
//! the whole archive malformed: two readers of such a file need not see the same members.
//!
//! **Limitations.** The archive must start with its first member (no self-extracting stub) and be in one part.
//! Compressed and encrypted members are listed but can not be looked into. Checksums are not verified.

use std::collections::HashSet;

use super::{HEADER_BYTES_MAX, ParseError, Source, Window, malformed, read_vec};

/// More members than this are malformed; the largest checkpoints have some hundred thousand storages.
const MEMBERS_MAX: usize = 1 << 20;
/// More bytes than this that belong to no record are not worth cutting a file for.
const LEFT_OUT_BYTES_MAX: u64 = 1 << 20;

const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: u64 = 30;
const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END_BYTES: u64 = 22;
const COMMENT_BYTES_MAX: u64 = u16::MAX as u64;
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: u64 = 20;
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const END64_BYTES: u64 = 56;
const ZIP64_EXTRA: u16 = 1;
const ENCRYPTED: u16 = 1;
const DEFLATE: u16 = 8;

/// A file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path in the archive; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// Whether the bytes in the archive are those of the member: neither compressed nor encrypted.
    pub stored: bool,
    /// Whether they are those of the member compressed with DEFLATE, and not encrypted.
    pub deflated: bool,
    /// Bytes of the member itself, as the directory says.
    pub plain_len: u64,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes it takes in the file.
    pub len: u64,
}

impl Member {
    /// The member's own bytes.
    pub(super) fn window<'a>(&self, source: &'a dyn Source) -> Result<Window<'a>, ParseError> {
        Window::new(source, self.offset, self.len).ok_or_else(|| malformed("a member reaches past the end of the file"))
    }
}

/// The members in directory order, or `None` if this is no archive.
///
/// A broken archive is malformed only if its first member `looks_ours`; else it is somebody else's, and `None`.
pub(super) fn members(
    source: &dyn Source,
    looks_ours: impl Fn(&str) -> bool,
) -> Result<Option<Vec<Member>>, ParseError> {
    let Some(first) = local_header(source, 0)? else { return Ok(None) };
    match directory(source) {
        Ok(members) => Ok(Some(members)),
        Err(ParseError::Malformed(_)) if !looks_ours(&first.name) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Malformed if `bytes`, the size of what a layout would leave out though it may be tensors, is not small.
pub(super) fn check_left_out(bytes: u64, what: &str) -> Result<(), ParseError> {
    if bytes > LEFT_OUT_BYTES_MAX {
        return Err(malformed(format!("{bytes} bytes are in {what}, which are not read")));
    }
    Ok(())
}

/// A local header as far as it is used.
struct Local {
    name: String,
    data_offset: u64,
}

/// The local header at `offset`, or `None` if there is none.
fn local_header(source: &dyn Source, offset: u64) -> Result<Option<Local>, ParseError> {
    let name_offset = match offset.checked_add(LOCAL_BYTES) {
        Some(end) if end <= source.len() => end,
        _ => return Ok(None),
    };
    let mut fixed = [0; LOCAL_BYTES as usize];
    source.read_at(offset, &mut fixed)?;
    if !fixed.starts_with(LOCAL_SIGNATURE) {
        return Ok(None);
    }
    let name_len = u64::from(u16_at(&fixed, 26));
    let data_offset = name_offset + name_len + u64::from(u16_at(&fixed, 28));
    if data_offset > source.len() {
        return Ok(None);
    }
    let name = read_vec(source, name_offset, name_len, u64::from(u16::MAX))?;
    Ok(Some(Local { name: String::from_utf8_lossy(&name).into_owned(), data_offset }))
}

/// Where the central directory lies.
struct End {
    offset: u64,
    len: u64,
    entries: u64,
}

fn directory(source: &dyn Source) -> Result<Vec<Member>, ParseError> {
    let end = find_end(source)?;
    let bytes = read_vec(source, end.offset, end.len, HEADER_BYTES_MAX)?;
    let mut rest = &bytes[..];
    let mut members = Vec::new();
    // Where each member starts (at its local header) and ends, to find those that overlap.
    let mut extents = Vec::new();
    while !rest.is_empty() {
        if members.len() == MEMBERS_MAX {
            return Err(malformed(format!("an archive of more than {MEMBERS_MAX} members")));
        }
        let entry = Entry::take(&mut rest)?;
        let local = local_header(source, entry.local_offset)?
            .filter(|local| local.name == entry.name)
            .ok_or_else(|| malformed(format!("member `{}` is not where the directory says", entry.name)))?;
        let data_end = local
            .data_offset
            .checked_add(entry.packed_len)
            .filter(|&data_end| data_end <= end.offset)
            .ok_or_else(|| malformed(format!("member `{}` reaches into the directory", entry.name)))?;
        extents.push((entry.local_offset, data_end));
        members.push(Member {
            name: entry.name,
            stored: entry.stored,
            deflated: entry.deflated,
            plain_len: entry.plain_len,
            offset: local.data_offset,
            len: entry.packed_len,
        });
    }
    if members.len() as u64 != end.entries {
        return Err(malformed(format!("{} members where {} are announced", members.len(), end.entries)));
    }
    extents.sort_unstable();
    if extents.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return Err(malformed("members of the archive overlap"));
    }
    let mut names = HashSet::new();
    if let Some(member) = members.iter().find(|member| !names.insert(member.name.as_str())) {
        return Err(malformed(format!("two members are named `{}`", member.name)));
    }
    Ok(members)
}

fn find_end(source: &dyn Source) -> Result<End, ParseError> {
    let tail_len = source.len().min(END_BYTES + COMMENT_BYTES_MAX);
    let tail_offset = source.len() - tail_len;
    let tail = read_vec(source, tail_offset, tail_len, tail_len)?;
    let at = (0..tail.len().saturating_sub(END_BYTES as usize - 1))
        .rev()
        .find(|&at| {
            let record = &tail[at..];
            // The comment must end with the file: a comment may itself hold the signature.
            record.starts_with(END_SIGNATURE) && record.len() - END_BYTES as usize == usize::from(u16_at(record, 20))
        })
        .ok_or_else(|| malformed("the archive has no directory, it may be cut short"))?;
    let record = &tail[at..];
    let end_offset = tail_offset + at as u64;
    let (end, limit) = match find_end64(source, end_offset)? {
        Some(found) => found,
        None if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 => {
            return Err(malformed("the archive has several parts"));
        }
        None => {
            let (len, offset) = (u64::from(u32_at(record, 12)), u64::from(u32_at(record, 16)));
            (End { offset, len, entries: u64::from(u16_at(record, 10)) }, end_offset)
        }
    };
    if end.offset.checked_add(end.len).is_none_or(|directory_end| directory_end > limit) {
        return Err(malformed("the archive's directory reaches past its end"));
    }
    Ok(end)
}

/// The zip64 form of the end record and where it stands, if a locator stands before the plain one.
fn find_end64(source: &dyn Source, end_offset: u64) -> Result<Option<(End, u64)>, ParseError> {
    let Some(locator_offset) = end_offset.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let locator = read_vec(source, locator_offset, LOCATOR_BYTES, LOCATOR_BYTES)?;
    if !locator.starts_with(LOCATOR_SIGNATURE) {
        return Ok(None);
    }
    let record_offset = u64_at(&locator, 8);
    let record = read_vec(source, record_offset, END64_BYTES, END64_BYTES)?;
    if !record.starts_with(END64_SIGNATURE) || u32_at(&record, 16) != 0 || u32_at(&record, 20) != 0 {
        return Err(malformed("the archive's zip64 end record is broken"));
    }
    let end = End { offset: u64_at(&record, 48), len: u64_at(&record, 40), entries: u64_at(&record, 32) };
    Ok(Some((end, record_offset)))
}

/// An entry of the central directory.
struct Entry {
    name: String,
    stored: bool,
    deflated: bool,
    plain_len: u64,
    packed_len: u64,
    local_offset: u64,
}

impl Entry {
    fn take(rest: &mut &[u8]) -> Result<Self, ParseError> {
        let short = || malformed("the archive's directory is cut short");
        let fixed = rest.split_off(..46).ok_or_else(short)?;
        if !fixed.starts_with(ENTRY_SIGNATURE) {
            return Err(malformed("the archive's directory is broken"));
        }
        let name = rest.split_off(..usize::from(u16_at(fixed, 28))).ok_or_else(short)?;
        let extra = rest.split_off(..usize::from(u16_at(fixed, 30))).ok_or_else(short)?;
        rest.split_off(..usize::from(u16_at(fixed, 32))).ok_or_else(short)?;

        let mut wide = zip64_fields(extra);
        let mut widen = |narrow: u32| match narrow {
            u32::MAX => wide.split_off(..8).map(|bytes| u64_at(bytes, 0)).ok_or_else(short),
            _ => Ok(u64::from(narrow)),
        };
        // The order in the zip64 field is fixed, whichever of them are there.
        let plain_len = widen(u32_at(fixed, 24))?;
        let packed_len = widen(u32_at(fixed, 20))?;
        let local_offset = widen(u32_at(fixed, 42))?;
        let (flags, method) = (u16_at(fixed, 8), u16_at(fixed, 10));
        Ok(Self {
            name: String::from_utf8_lossy(name).into_owned(),
            stored: method == 0 && flags & ENCRYPTED == 0 && plain_len == packed_len,
            deflated: method == DEFLATE && flags & ENCRYPTED == 0,
            plain_len,
            packed_len,
            local_offset,
        })
    }
}

/// The contents of the zip64 extra field; empty if there is none.
fn zip64_fields(mut extra: &[u8]) -> &[u8] {
    while let Some(header) = extra.split_off(..4) {
        let Some(field) = extra.split_off(..usize::from(u16_at(header, 2))) else { break };
        if u16_at(header, 0) == ZIP64_EXTRA {
            return field;
        }
    }
    &[]
}

// The callers have checked that the bytes are there.

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
pub(super) mod tests;
