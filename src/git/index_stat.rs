//! Writes stat data into git's index, in place.
//!
//! After a file was materialized, its index entry must carry the new file's stat data, or git cleans the whole file
//! again to learn that nothing changed. `git update-index` would clean it too, and rewriting the index with a library
//! drops extensions the library does not know (untracked cache, fsmonitor). So the bytes of the entries' stat fields
//! are patched in a copy of the index, the checksum is renewed, and the copy replaces the index under `index.lock`.
//! Everything else stays as git wrote it.
//!
//! Source: git's `gitformat-index(5)`, versions 2 to 4.
//!
//! **Limitations.** Entries of a split index that stand in the shared part are not found; git itself has to be asked to
//! refresh these.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::HashKind;

const HEADER_LEN: usize = 12;
const STAT_LEN: usize = 40;
const EXTENDED: u16 = 0x4000;
const STAGE_MASK: u16 = 0x3000;
const NAME_MASK: u16 = 0x0fff;

/// The new stat data of a path, to be written only where the entry has this blob.
pub struct Update {
    /// The blob that the entry must have, as raw bytes.
    pub blob: Vec<u8>,
    /// The file's metadata.
    pub metadata: Metadata,
}

/// Patches the entries of `updates` in the bytes of an index; returns how many it found. The checksum is renewed.
///
/// # Errors
/// Bytes that are not an index of a known version, or not what its checksum says.
pub fn patch(index: &mut [u8], hash: HashKind, updates: &HashMap<Vec<u8>, Update>) -> io::Result<usize> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "git's index is not of a version this program knows");
    let word = |bytes: &[u8], at: usize| -> io::Result<u32> {
        let bytes = bytes.get(at..at + 4).ok_or_else(broken)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    if index.get(..4) != Some(b"DIRC") {
        return Err(broken());
    }
    let version = word(index, 4)?;
    let count = word(index, 8)?;
    if !(2..=4).contains(&version) {
        return Err(broken());
    }
    let hash_len = hash.byte_len();
    let checksum_at = index.len().checked_sub(hash_len).filter(|&at| at >= HEADER_LEN).ok_or_else(broken)?;
    // `index.skipHash` leaves zeros in place of the checksum. A wrong one must stay wrong, so that git sees the damage.
    let has_checksum = index[checksum_at..].iter().any(|&byte| byte != 0);
    if has_checksum && hash.digest(&index[..checksum_at]) != index[checksum_at..] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "git's index is damaged; see `git fsck`"));
    }
    let (mut at, mut patched) = (HEADER_LEN, 0);
    let mut name = Vec::new();
    for _ in 0..count {
        let flags_at = at + STAT_LEN + hash_len;
        let flag_bytes = index.get(flags_at..flags_at + 2).ok_or_else(broken)?;
        let flags = u16::from_be_bytes([flag_bytes[0], flag_bytes[1]]);
        let extended = if flags & EXTENDED != 0 && version >= 3 { 2 } else { 0 };
        let mut rest = index.get(flags_at + 2 + extended..checksum_at).ok_or_else(broken)?;
        let rest_len = rest.len();
        if version == 4 {
            let strip = offset_varint(&mut rest).ok_or_else(broken)?;
            let keep = name.len().checked_sub(strip).ok_or_else(broken)?;
            name.truncate(keep);
        } else {
            name.clear();
        }
        let len = match flags & NAME_MASK {
            NAME_MASK => rest.iter().position(|&byte| byte == 0),
            _ if version == 4 => rest.iter().position(|&byte| byte == 0),
            len => Some(usize::from(len)),
        };
        let tail = len.and_then(|len| rest.get(..len)).ok_or_else(broken)?;
        name.extend_from_slice(tail);
        let name_end = flags_at + 2 + extended + (rest_len - rest.len()) + tail.len();
        if flags & STAGE_MASK == 0
            && let Some(update) = updates.get(&name)
            && index.get(at + STAT_LEN..at + STAT_LEN + hash_len) == Some(&update.blob[..])
        {
            write_stat(&mut index[at..at + STAT_LEN], &update.metadata);
            patched += 1;
        }
        // Entries of versions 2 and 3 are padded with 1 to 8 NULs to a multiple of 8.
        at = if version == 4 { name_end + 1 } else { at + ((name_end - at + 8) & !7) };
        if at > checksum_at {
            return Err(broken());
        }
    }
    if has_checksum {
        let checksum = hash.digest(&index[..checksum_at]);
        index[checksum_at..].copy_from_slice(&checksum);
    }
    Ok(patched)
}

/// Everything but the mode, which says what git wants the file to be.
fn write_stat(fields: &mut [u8], metadata: &Metadata) {
    let mut put = |at: usize, value: u32| fields[at..at + 4].copy_from_slice(&value.to_be_bytes());
    put(0, metadata.ctime() as u32);
    put(4, metadata.ctime_nsec() as u32);
    put(8, metadata.mtime() as u32);
    put(12, metadata.mtime_nsec() as u32);
    put(16, metadata.dev() as u32);
    put(20, metadata.ino() as u32);
    put(28, metadata.uid());
    put(32, metadata.gid());
    put(36, metadata.size() as u32);
}

/// git's offset encoding: big-endian groups of seven bits, each continuation adding one.
fn offset_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for round in 0..5 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value = if round == 0 { 0 } else { value + 1 } << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Reads the index, patches it and replaces it, under git's own lock; returns how many entries were patched.
///
/// # Errors
/// `AlreadyExists` if another process holds the lock.
pub fn update(index_path: &Path, hash: HashKind, updates: &HashMap<Vec<u8>, Update>) -> io::Result<usize> {
    use std::io::Write;
    let mut lock_path = index_path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = Path::new(&lock_path);
    let mut lock = std::fs::OpenOptions::new().write(true).create_new(true).open(lock_path)?;
    let mut replace = || {
        let mut index = std::fs::read(index_path)?;
        let patched = patch(&mut index, hash, updates)?;
        if patched == 0 {
            return Ok(0);
        }
        let permissions = std::fs::metadata(index_path)?.permissions();
        lock.set_permissions(permissions)?;
        lock.write_all(&index)?;
        if std::fs::read(lock_path)? != index {
            return Err(io::Error::other("the file system did not keep what was written"));
        }
        std::fs::rename(lock_path, index_path)?;
        Ok(patched)
    };
    let result = replace();
    if !matches!(result, Ok(1..)) {
        let _ = std::fs::remove_file(lock_path);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_as_git_writes_them() {
        for (bytes, value) in [(&[0x00][..], 0), (&[0x7f], 127), (&[0x80, 0x00], 128), (&[0x80, 0x7f], 255)] {
            assert_eq!(offset_varint(&mut &bytes[..]), Some(value));
        }
        assert_eq!(offset_varint(&mut &[0x80][..]), None);
    }

    #[test]
    fn a_damaged_index_is_not_made_good() {
        let mut index = b"DIRC\0\0\0\x02\0\0\0\0".to_vec();
        let checksum = HashKind::Sha1.digest(&index);
        index.extend_from_slice(&checksum);
        assert_eq!(patch(&mut index.clone(), HashKind::Sha1, &HashMap::new()).expect("an empty index"), 0);
        index[12] ^= 1;
        assert!(patch(&mut index, HashKind::Sha1, &HashMap::new()).is_err());
    }

    #[test]
    fn garbage_is_refused() {
        let updates = HashMap::new();
        for bytes in [&b""[..], b"DIRC", b"DIRC\0\0\0\x09\0\0\0\0", b"DIRC\0\0\0\x02\xff\xff\xff\xff................."]
        {
            assert!(patch(&mut bytes.to_vec(), HashKind::Sha1, &updates).is_err());
        }
    }
}
