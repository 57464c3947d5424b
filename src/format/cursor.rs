//! Reads the fields of a file one behind the other, through a small buffer.
//!
//! Binary headers are many short fields, and most of their bytes are skipped. A cursor fetches a few of them at a time,
//! seeks over the rest, and turns every attempt to leave its part of the file into a [`ParseError::Malformed`].

use super::{ParseError, Source, malformed};

/// A position in a part of a file.
pub(super) struct Cursor<'a> {
    source: &'a dyn Source,
    position: u64,
    end: u64,
    buffer: Vec<u8>,
    buffer_start: u64,
    buffer_bytes_max: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over the bytes from `start` to `end`, or to the end of the file if that comes first.
    pub(super) fn new(source: &'a dyn Source, start: u64, end: u64, buffer_bytes_max: usize) -> Self {
        let end = end.min(source.len());
        Self { source, position: start, end, buffer: Vec::new(), buffer_start: start, buffer_bytes_max }
    }

    /// Where in the file the next field starts.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes left in the part.
    pub(super) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Steps over `len` bytes without reading them.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), ParseError> {
        self.position = self.after(len)?;
        Ok(())
    }

    /// Steps over `len` bytes and says where they start.
    pub(super) fn place(&mut self, len: u64) -> Result<u64, ParseError> {
        let start = self.position;
        self.skip(len)?;
        Ok(start)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next `len` bytes; malformed if they are more than `max`.
    pub(super) fn bytes(&mut self, len: u64, max: u64) -> Result<Vec<u8>, ParseError> {
        if len > max {
            return Err(malformed(format!("a field of {len} bytes is over the limit of {max}")));
        }
        self.after(len)?;
        let mut bytes = vec![0; len as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The next byte.
    pub(super) fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(self.array::<1>()?[0])
    }

    /// The next 2 bytes, little-endian.
    pub(super) fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 4 bytes, little-endian.
    pub(super) fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 8 bytes, little-endian.
    pub(super) fn u64(&mut self) -> Result<u64, ParseError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next `width` (1 to 8) bytes, little-endian.
    pub(super) fn uint(&mut self, width: usize) -> Result<u64, ParseError> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes[..width])?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Where `len` more bytes would end.
    fn after(&self, len: u64) -> Result<u64, ParseError> {
        let Self { position, end, .. } = *self;
        position
            .checked_add(len)
            .filter(|&after| after <= end)
            .ok_or_else(|| malformed(format!("the field at byte {position} reaches past byte {end}, its part's end")))
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), ParseError> {
        let after = self.after(out.len() as u64)?;
        if out.len() >= self.buffer_bytes_max {
            self.source.read_at(self.position, out)?;
        } else {
            let buffered = self.buffer_start..self.buffer_start + self.buffer.len() as u64;
            if self.position < buffered.start || after > buffered.end {
                self.refill()?;
            }
            let start = (self.position - self.buffer_start) as usize;
            out.copy_from_slice(&self.buffer[start..start + out.len()]);
        }
        self.position = after;
        Ok(())
    }

    fn refill(&mut self) -> Result<(), ParseError> {
        let len = self.remaining().min(self.buffer_bytes_max as u64) as usize;
        self.buffer.resize(len, 0);
        self.buffer_start = self.position;
        if let Err(error) = self.source.read_at(self.position, &mut self.buffer) {
            self.buffer.clear();
            return Err(error.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Bytes;

    #[test]
    fn reads_skips_and_stops_at_the_end() {
        let bytes: Vec<u8> = (0..64).collect();
        let source = Bytes(&bytes);
        let mut cursor = Cursor::new(&source, 1, 60, 8);
        assert_eq!(cursor.u16().expect("in the part"), 0x0201);
        assert_eq!(cursor.place(20).expect("in the part"), 3);
        assert_eq!(cursor.u8().expect("in the part"), 23);
        assert_eq!(cursor.bytes(12, 12).expect("longer than the buffer"), (24..36).collect::<Vec<u8>>());
        assert_eq!(cursor.uint(3).expect("in the part"), 0x26_25_24);
        assert_eq!((cursor.position(), cursor.remaining()), (39, 21));
        assert!(cursor.bytes(13, 12).is_err(), "over the limit");
        assert!(cursor.skip(22).is_err(), "past the end of the part");
        assert!(cursor.skip(u64::MAX).is_err(), "past the end of the numbers");
        cursor.skip(20).expect("in the part");
        assert!(cursor.u32().is_err(), "past the end of the part");
    }
}
