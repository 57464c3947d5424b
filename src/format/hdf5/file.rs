//! The superblock, and what follows from it: how wide addresses and lengths are.

use std::cell::Cell;

use super::super::cursor::Cursor;
use super::super::{ParseError, Source, malformed};

/// Superblock versions that are known here; 2 and 3 read alike.
const VERSION_MAX: u8 = 3;
/// Headers, nodes and messages are some dozens of bytes.
const BUFFER_BYTES: usize = 512;
/// What walking a file may cost, where every header, message and link counts as [`STEP_BYTES`] and its name. Ends
/// cycles, and bounds the memory that links take; a file of 50,000 datasets needs about 20 MiB.
const COST_BYTES_MAX: u64 = 128 << 20;
const STEP_BYTES: u64 = 64;
/// A small file may cost this, and so much more for each byte: an empty message, the smallest step, is four bytes.
const COST_BYTES_MIN: u64 = 1 << 20;
const COST_PER_BYTE: u64 = 64;

/// A file being walked.
pub(super) struct File<'a> {
    source: &'a dyn Source,
    address_bytes: usize,
    length_bytes: usize,
    left: Cell<u64>,
}

impl<'a> File<'a> {
    /// Reads the superblock, whose version stands at `start`; also returns the address of the root group.
    pub(super) fn open(source: &'a dyn Source, start: u64) -> Result<(Self, u64), ParseError> {
        let mut superblock = Cursor::new(source, start, u64::MAX, BUFFER_BYTES);
        let version = superblock.u8()?;
        if version > VERSION_MAX {
            return Err(malformed(format!("HDF5 superblock version {version} is unknown")));
        }
        // Versions 0 and 1: four versions and a reserved byte stand before the widths.
        if version < 2 {
            superblock.skip(4)?;
        }
        let address_bytes = width(superblock.u8()?)?;
        let length_bytes = width(superblock.u8()?)?;
        let budget = source.len().saturating_mul(COST_PER_BYTE).saturating_add(COST_BYTES_MIN).min(COST_BYTES_MAX);
        let file = Self { source, address_bytes, length_bytes, left: Cell::new(budget) };
        let addresses = 4 * address_bytes as u64;
        let before_root = match version {
            // Reserved, group parameters (2 × 2), flags (4); four addresses; the root's link name.
            0 => 9 + addresses + address_bytes as u64,
            // Also the chunk parameter (2) and 2 reserved bytes.
            1 => 13 + addresses + address_bytes as u64,
            // Flags; base, extension and end of file.
            _ => 1 + 3 * address_bytes as u64,
        };
        superblock.skip(before_root)?;
        let root = file.address(&mut superblock)?.ok_or_else(|| malformed("the HDF5 file has no root group"))?;
        Ok((file, root))
    }

    /// A cursor from `address` to the end of the file.
    pub(super) fn cursor(&self, address: u64) -> Cursor<'a> {
        Cursor::new(self.source, address, u64::MAX, BUFFER_BYTES)
    }

    /// A cursor over the `len` bytes at `address`.
    pub(super) fn part(&self, address: u64, len: u64) -> Result<Cursor<'a>, ParseError> {
        address
            .checked_add(len)
            .filter(|&end| end <= self.source.len())
            .map(|end| Cursor::new(self.source, address, end, BUFFER_BYTES))
            .ok_or_else(|| malformed(format!("the {len} bytes at address {address} reach past the end of the file")))
    }

    /// A cursor behind the signature and the version of the structure at `address`.
    pub(super) fn structure(&self, address: u64, signature: &[u8; 4], version: u8) -> Result<Cursor<'a>, ParseError> {
        self.spend(0)?;
        let mut cursor = self.cursor(address);
        if &cursor.array()? != signature {
            let name = String::from_utf8_lossy(signature);
            return Err(malformed(format!("there is no HDF5 structure `{name}` at address {address}")));
        }
        let found = cursor.u8()?;
        if found != version {
            return Err(malformed(format!("version {found} of an HDF5 structure at address {address} is unknown")));
        }
        Ok(cursor)
    }

    /// The next field as an address; `None` if it is undefined (all bits set).
    pub(super) fn address(&self, cursor: &mut Cursor) -> Result<Option<u64>, ParseError> {
        let address = cursor.uint(self.address_bytes)?;
        let undefined = u64::MAX >> (64 - 8 * self.address_bytes);
        Ok((address != undefined).then_some(address))
    }

    /// The next field as a length.
    pub(super) fn length(&self, cursor: &mut Cursor) -> Result<u64, ParseError> {
        cursor.uint(self.length_bytes)
    }

    /// Bytes of an address.
    pub(super) fn address_bytes(&self) -> u64 {
        self.address_bytes as u64
    }

    /// Bytes of a length.
    pub(super) fn length_bytes(&self) -> u64 {
        self.length_bytes as u64
    }

    /// Accounts for one more step and `bytes` more bytes kept.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), ParseError> {
        let left = self.left.get().checked_sub(STEP_BYTES + bytes as u64);
        self.left.set(left.ok_or_else(|| malformed("the HDF5 file has too many objects, or they form a cycle"))?);
        Ok(())
    }
}

fn width(bytes: u8) -> Result<usize, ParseError> {
    match bytes {
        2 | 4 | 8 => Ok(bytes.into()),
        _ => Err(malformed(format!("HDF5 addresses or lengths of {bytes} bytes are not supported"))),
    }
}
