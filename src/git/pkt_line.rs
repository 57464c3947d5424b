//! Packet lines: four hexadecimal digits of length, then the bytes; `0000` ends a list.
//!
//! Source: git's `gitprotocol-common(5)`. Delimiter packets (`0001`, `0002`) do not occur in the filter protocol and are
//! refused like every other length below 4.

use std::io::{self, ErrorKind, Read, Write};

/// Payload of one packet, at most.
pub const DATA_BYTES_MAX: usize = 65_516;
const BUFFER_BYTES: usize = 256 << 10;
const DIRECT_BYTES_MIN: usize = 16 << 10;

/// Reads packets; `R` need not be buffered.
pub struct PacketReader<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes left of the data packet that content is read from.
    left: usize,
    /// The content's flush packet has been read.
    content_ended: bool,
}

/// The head of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    Flush,
    Data(usize),
}

impl<R: Read> PacketReader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            left: 0,
            content_ended: false,
        }
    }

    /// Makes at least `wanted` bytes stand in the buffer, and no more than `max`; false at the end of input before the
    /// first of them.
    fn fill(&mut self, wanted: usize, max: usize) -> io::Result<bool> {
        if self.end - self.start >= wanted {
            return Ok(true);
        }
        if self.start + wanted > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < wanted {
            let stop = self.buffer.len().min(self.start + max);
            match self.input.read(&mut self.buffer[self.end..stop]) {
                Ok(0) if self.start == self.end => return Ok(false),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn head(&mut self, read_max: usize) -> io::Result<Option<Head>> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if !self.fill(4, read_max)? {
            return Ok(None);
        }
        let digits = &self.buffer[self.start..self.start + 4];
        let len = digits
            .iter()
            .try_fold(0_usize, |len, &digit| Some(len << 4 | (digit as char).to_digit(16)? as usize))
            .ok_or_else(|| broken("a packet does not start with its length"))?;
        self.start += 4;
        match len {
            0 => Ok(Some(Head::Flush)),
            4.. if len - 4 <= DATA_BYTES_MAX => Ok(Some(Head::Data(len - 4))),
            _ => Err(broken("a packet has an impossible length")),
        }
    }

    /// Reads the lines up to the next flush packet, without their line ends; `None` if the input ends before the first.
    pub fn list(&mut self) -> io::Result<Option<Vec<Vec<u8>>>> {
        /// Requests are a handful of short lines.
        const LINES_MAX: usize = 1000;
        (self.left, self.content_ended) = (0, false);
        let mut lines = Vec::new();
        loop {
            match self.head(BUFFER_BYTES)? {
                None if lines.is_empty() => return Ok(None),
                None => return Err(ErrorKind::UnexpectedEof.into()),
                Some(Head::Flush) => return Ok(Some(lines)),
                Some(Head::Data(_)) if lines.len() == LINES_MAX => return Err(broken("a list does not end")),
                Some(Head::Data(len)) => {
                    if !self.fill(len, BUFFER_BYTES)? && len > 0 {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    let line = &self.buffer[self.start..self.start + len];
                    lines.push(line.strip_suffix(b"\n").unwrap_or(line).to_vec());
                    self.start += len;
                }
            }
        }
    }

    /// The content that follows a list, up to its flush packet; called again, it goes on where it was left.
    pub const fn content(&mut self) -> Content<'_, R> {
        Content(self)
    }
}

/// The bytes of the data packets up to the next flush packet.
pub struct Content<'a, R>(&'a mut PacketReader<R>);

impl<R: Read> Content<'_, R> {
    /// Reads what is left of the content and drops it.
    pub fn drain(mut self) -> io::Result<()> {
        let mut sink = vec![0; 64 << 10];
        while self.read(&mut sink)? > 0 {}
        Ok(())
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let packets = &mut *self.0;
        // A reader with much room gets the packets' bytes straight from the pipe: then only heads are read ahead.
        let direct = out.len() >= DIRECT_BYTES_MIN;
        while packets.left == 0 {
            if packets.content_ended {
                return Ok(0);
            }
            match packets.head(if direct { 4 } else { BUFFER_BYTES })? {
                None => return Err(ErrorKind::UnexpectedEof.into()),
                Some(Head::Flush) => packets.content_ended = true,
                Some(Head::Data(len)) => packets.left = len,
            }
        }
        if packets.start == packets.end && direct {
            let count = out.len().min(packets.left);
            let count = packets.input.read(&mut out[..count])?;
            packets.left -= count;
            return if count == 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(count) };
        }
        if packets.start == packets.end && !packets.fill(1, BUFFER_BYTES)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let count = out.len().min(packets.left).min(packets.end - packets.start);
        out[..count].copy_from_slice(&packets.buffer[packets.start..packets.start + count]);
        packets.start += count;
        packets.left -= count;
        Ok(count)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Writes `lines` as text packets and ends the list.
pub fn write_list(out: &mut dyn Write, lines: &[&str]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
    }
    bytes.extend_from_slice(b"0000");
    out.write_all(&bytes)?;
    out.flush()
}

/// Writes content as data packets; [`ContentWriter::finish`] ends it.
pub struct ContentWriter<'a> {
    out: &'a mut dyn Write,
    packet: Vec<u8>,
}

impl<'a> ContentWriter<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        let mut packet = Vec::with_capacity(DATA_BYTES_MAX + 4);
        packet.extend_from_slice(b"0000");
        Self { out, packet }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.packet.len() > 4 {
            let head = format!("{:04x}", self.packet.len());
            self.packet[..4].copy_from_slice(head.as_bytes());
            self.out.write_all(&self.packet)?;
            self.packet.truncate(4);
        }
        Ok(())
    }

    /// Sends what is left and the flush packet.
    pub fn finish(mut self) -> io::Result<()> {
        self.send()?;
        self.out.write_all(b"0000")?;
        self.out.flush()
    }
}

impl Write for ContentWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.packet.len() == DATA_BYTES_MAX + 4 {
            self.send()?;
        }
        let count = bytes.len().min(DATA_BYTES_MAX + 4 - self.packet.len());
        self.packet.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Hands out a few bytes at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(self.1);
            self.0.read(&mut out[..count])
        }
    }

    proptest! {
        #[test]
        fn content_comes_back(len in 0_usize..300_000, step in 1_usize..70_000) {
            let content: Vec<u8> = (0..len).map(|at| ((at * 31) >> 3) as u8).collect();
            let mut bytes = Vec::new();
            let mut writer = ContentWriter::new(&mut bytes);
            writer.write_all(&content)?;
            writer.finish()?;
            let mut reader = PacketReader::new(Trickle(&bytes, step));
            let mut read = Vec::new();
            reader.content().read_to_end(&mut read)?;
            prop_assert_eq!(read, content);
            prop_assert!(reader.list()?.is_none());
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, lists: bool) {
            let mut reader = PacketReader::new(&bytes[..]);
            if lists {
                while let Ok(Some(_)) = reader.list() {}
            } else {
                let _ = reader.content().drain();
            }
        }
    }

    #[test]
    fn lists() {
        let mut bytes = Vec::new();
        write_list(&mut bytes, &["command=clean", "pathname=a b"]).expect("written");
        let mut reader = PacketReader::new(&bytes[..]);
        let list = reader.list().expect("readable").expect("a list");
        assert_eq!(list, [b"command=clean".to_vec(), b"pathname=a b".to_vec()]);
    }

    #[test]
    fn broken_packets_are_errors() {
        for bytes in ["zzzz", "0001", "0003", "0006a", "fff5", "00", "0005a"] {
            assert!(PacketReader::new(bytes.as_bytes()).list().is_err(), "{bytes}");
        }
        assert!(PacketReader::new(&b"0008abcd"[..]).content().drain().is_err());
    }
}
