//! Where parsers read from, and the proof that what they read is what git sends.
//!
//! A layout needs random access, but git sends a file through a pipe. The file itself is mostly at hand in the work
//! tree, so the parser reads there, and everything it reads is recorded. While the pipe is drained, the recorded bytes
//! are compared with those that arrive. A parser is a function of the bytes it reads and the length: if these are the
//! same, so is the layout. If not, the layout is dropped (see [`super::clean`]).

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::format::Source;

/// A file on disk.
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Reads `file`, whose length is taken now.
    pub fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

/// Records what is read through it.
pub struct Recorder<'a> {
    source: &'a dyn Source,
    reads: RefCell<Vec<(u64, Vec<u8>)>>,
}

impl<'a> Recorder<'a> {
    /// Records reads of `source`.
    pub const fn new(source: &'a dyn Source) -> Self {
        Self { source, reads: RefCell::new(Vec::new()) }
    }

    /// What was read: the pieces in file order, none overlapping another.
    pub fn into_evidence(self) -> Vec<(u64, Vec<u8>)> {
        let mut reads = self.reads.into_inner();
        reads.sort_by_key(|(offset, _)| *offset);
        let mut evidence: Vec<(u64, Vec<u8>)> = Vec::new();
        for (offset, bytes) in reads {
            let covered = evidence.last().map_or(0, |(start, bytes)| start + bytes.len() as u64);
            let skip = covered.saturating_sub(offset).min(bytes.len() as u64) as usize;
            if skip < bytes.len() {
                evidence.push((offset + skip as u64, bytes[skip..].to_vec()));
            }
        }
        evidence
    }
}

impl Source for Recorder<'_> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.source.read_at(offset, buf)?;
        self.reads.borrow_mut().push((offset, buf.to_vec()));
        Ok(())
    }
}

/// Compares what passes through with evidence.
pub struct Checked<'a, R> {
    input: R,
    position: u64,
    evidence: &'a [(u64, Vec<u8>)],
    same: bool,
}

impl<'a, R: Read> Checked<'a, R> {
    /// Passes `input` on.
    pub const fn new(input: R, evidence: &'a [(u64, Vec<u8>)]) -> Self {
        Self { input, position: 0, evidence, same: true }
    }

    /// How many bytes have passed.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Whether all evidence has passed, and unchanged.
    pub const fn is_same(&self) -> bool {
        self.same && self.evidence.is_empty()
    }

    fn compare(&mut self, bytes: &[u8]) {
        let (start, end) = (self.position, self.position + bytes.len() as u64);
        while let Some((offset, expected)) = self.evidence.first() {
            if *offset >= end {
                break;
            }
            let from = start.max(*offset);
            let until = end.min(offset + expected.len() as u64);
            let passed = &bytes[(from - start) as usize..(until - start) as usize];
            self.same &= *passed == expected[(from - offset) as usize..(until - offset) as usize];
            if until < offset + expected.len() as u64 {
                break;
            }
            self.evidence = &self.evidence[1..];
        }
        self.position = end;
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buf)?;
        self.compare(&buf[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::Bytes;

    proptest! {
        #[test]
        fn evidence_holds_for_the_same_bytes_only(
            bytes in prop::collection::vec(any::<u8>(), 1..400),
            reads in prop::collection::vec((0_usize..400, 0_usize..100), 0..12),
            flip in 0_usize..400,
            step in 1_usize..60,
        ) {
            let source = Bytes(&bytes);
            let recorder = Recorder::new(&source);
            let mut was_read = vec![false; bytes.len()];
            for (offset, len) in reads {
                if recorder.read_at(offset as u64, &mut vec![0; len]).is_ok() {
                    was_read[offset..offset + len].fill(true);
                }
            }
            let evidence = recorder.into_evidence();
            let flip = flip % bytes.len();
            let mut changed = bytes.clone();
            changed[flip] ^= 1;
            for (bytes, expected) in [(&bytes, true), (&changed, !was_read[flip])] {
                let mut checked = Checked::new(&bytes[..], &evidence);
                let mut buffer = vec![0; step];
                while checked.read(&mut buffer)? > 0 {}
                prop_assert_eq!(checked.is_same(), expected);
            }
        }
    }
}
