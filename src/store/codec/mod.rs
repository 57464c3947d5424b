//! The block codec: how at most 1 MiB of a tensor is written in a pack.
//!
//! Weights look random to a general compressor, because a float spreads what is predictable (sign, exponent) and what is
//! not (mantissa) over bytes that follow each other. The codec transforms elements and splits them into byte planes
//! (`planes.rs`), then writes every plane as its statistics call for (`plane.rs`). A block that changed little since a
//! base block of the same length is written as the difference; given time, sorted by the base's exponents
//! (`classes.rs`). `docs/FORMAT.md` has the bytes.
//!
//! **Limitations.** Order-0 statistics only: what one element tells about its neighbour is not used. A delta is element
//! by element, so rows that moved find no match.

use self::histogram::{Histogram, sample};
use self::plane::{PlaneDecoder, PlaneEncoder};
use self::reader::Reader;

mod classes;
mod frame;
mod histogram;
mod huffman;
mod plane;
mod planes;
mod reader;
mod sorted;
#[cfg(test)]
mod tests;

/// Blocks longer than this are an error in the caller (the store cuts at 1 MiB).
pub const BLOCK_BYTES_MAX: usize = 16 << 20;

/// How a block's bytes are written in a pack.
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Raw = 0,
    /// Not at all: every byte is zero.
    Zero = 1,
    /// As coded byte planes, of the elements or of their differences to a base.
    F = 2,
    /// As coded byte planes of the differences to a base, sorted by what the base says of their size.
    C = 3,
}

impl Codec {
    /// The codec with this number.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Raw),
            1 => Some(Self::Zero),
            2 => Some(Self::F),
            3 => Some(Self::C),
            _ => None,
        }
    }
}

/// What [`Encoder::encode`] chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// How the payload is written.
    pub codec: Codec,
    /// Whether the base is needed to read it.
    pub delta: bool,
}

/// Why a payload is not one of the block it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// It has fewer bytes than it calls for.
    #[error("a block's payload ends early")]
    Truncated,
    /// It has more bytes than it calls for.
    #[error("a block's payload goes on for {0} bytes after its end")]
    Trailing(usize),
    /// It is a delta, and there is no base of the block's length.
    #[error("a block is a delta and its base is missing or of another length")]
    Base,
    /// It breaks a rule of the format.
    #[error("a block's payload is malformed: {0}")]
    Malformed(&'static str),
    /// zstd refused one of its frames.
    #[error("a block's payload is malformed: zstd says `{0}`")]
    Zstd(&'static str),
}

/// Header byte of F: bits 0 and 1 are log2 of the word width, bit 2 says delta, bits 3 to 5 hold the tail's length.
const HEADER_DELTA: u8 = 1 << 2;
const HEADER_TAIL_SHIFT: u32 = 3;
const HEADER_BITS: u8 = 0x3f;

/// Estimates further apart than this factor are trusted; closer ones are settled by encoding twice.
const CLOSE: f64 = 1.05;

/// Writes blocks. Holds buffers and zstd contexts: one per thread, used again and again.
pub struct Encoder {
    planes: PlaneEncoder,
    split: Vec<u8>,
    sample: Vec<u8>,
    sample_base: Vec<u8>,
    other: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder.
    pub fn new() -> Self {
        Self {
            planes: PlaneEncoder::new(),
            split: Vec::new(),
            sample: Vec::new(),
            sample_base: Vec::new(),
            other: Vec::new(),
        }
    }

    /// Appends the payload of `plain` to `out`.
    ///
    /// `word` is the width of an element in bytes: 1, 2, 4 or 8 (any other counts as 1). `base` is used only if it is
    /// as long as `plain`, and only if that makes the payload smaller.
    pub fn encode(&mut self, plain: &[u8], word: usize, base: Option<&[u8]>, out: &mut Vec<u8>) -> Encoded {
        debug_assert!(plain.len() <= BLOCK_BYTES_MAX);
        let start = out.len();
        if plain.iter().all(|&byte| byte == 0) {
            return Encoded { codec: Codec::Zero, delta: false };
        }
        let word = if matches!(word, 2 | 4 | 8) { word } else { 1 };
        let base = base.filter(|base| base.len() == plain.len());
        let delta = self.encode_smaller(plain, word, base, out);
        if out.len() - start < plain.len() {
            return Encoded { codec: Codec::F, delta };
        }
        out.truncate(start);
        out.extend_from_slice(plain);
        Encoded { codec: Codec::Raw, delta: false }
    }

    /// Appends the F payload of `plain`, with or without `base`, whichever is smaller; returns whether with.
    fn encode_smaller(&mut self, plain: &[u8], word: usize, base: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
        let Some(base) = base else {
            self.encode_f(plain, word, None, out);
            return false;
        };
        let bits_plain = self.estimate_bits(plain, word, None);
        let bits_delta = self.estimate_bits(plain, word, Some(base));
        if bits_delta * CLOSE < bits_plain {
            self.encode_f(plain, word, Some(base), out);
            return true;
        }
        let start = out.len();
        self.encode_f(plain, word, None, out);
        if bits_plain * CLOSE < bits_delta {
            return false;
        }
        let mut other = std::mem::take(&mut self.other);
        other.clear();
        self.encode_f(plain, word, Some(base), &mut other);
        let delta = other.len() < out.len() - start;
        if delta {
            out.truncate(start);
            out.extend_from_slice(&other);
        }
        self.other = other;
        delta
    }

    /// What the planes of a sample would take if coded to their order-0 entropy.
    fn estimate_bits(&mut self, plain: &[u8], word: usize, base: Option<&[u8]>) -> f64 {
        gather_sample(plain, &mut self.sample);
        if let Some(base) = base {
            gather_sample(base, &mut self.sample_base);
        }
        let base = base.map(|_| &self.sample_base[..]);
        let elements = self.sample.len() / word;
        self.split.resize(elements * word, 0);
        planes::split(word, &self.sample, base, &mut self.split);
        self.split.chunks_exact(elements.max(1)).map(|plane| Histogram::of(plane).entropy_bits()).sum()
    }

    /// Appends the F payload of `plain`.
    fn encode_f(&mut self, plain: &[u8], word: usize, base: Option<&[u8]>, out: &mut Vec<u8>) {
        let (elements, tail) = plain.split_at(plain.len() / word * word);
        let delta = if base.is_some() { HEADER_DELTA } else { 0 };
        out.push(word.trailing_zeros() as u8 | delta | (tail.len() as u8) << HEADER_TAIL_SHIFT);
        out.extend_from_slice(tail);
        if elements.is_empty() {
            return;
        }
        if word == 1 && base.is_none() {
            // The transform would rotate bytes, which changes no statistics.
            self.planes.encode(elements, true, out);
            return;
        }
        self.split.resize(elements.len(), 0);
        planes::split(word, elements, base, &mut self.split);
        for plane in self.split.chunks_exact(elements.len() / word) {
            self.planes.encode(plane, false, out);
        }
    }
}

fn gather_sample(bytes: &[u8], to: &mut Vec<u8>) {
    to.clear();
    for range in sample(bytes.len()) {
        to.extend_from_slice(&bytes[range]);
    }
}

/// Reads blocks. Holds buffers and a zstd context: one per thread, used again and again.
pub struct Decoder {
    planes: PlaneDecoder,
    split: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder.
    pub fn new() -> Self {
        Self { planes: PlaneDecoder::new(), split: Vec::new() }
    }

    /// Fills `out`, whose length is the block's, from `payload`. `base` is the base block if there is one.
    ///
    /// # Errors
    /// If `payload` is not a well-formed payload of a block of this length; `out` then holds anything. Memory taken is
    /// bounded by the length of `out`, whatever the payload says.
    pub fn decode(
        &mut self,
        codec: Codec,
        payload: &[u8],
        base: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), CodecError> {
        let mut reader = Reader(payload);
        match codec {
            Codec::Raw => out.copy_from_slice(reader.take(out.len())?),
            Codec::Zero => out.fill(0),
            Codec::F => self.decode_f(&mut reader, base, out)?,
            Codec::C => self.decode_c(&mut reader, base, out)?,
        }
        match reader.0.len() {
            0 => Ok(()),
            more => Err(CodecError::Trailing(more)),
        }
    }

    fn decode_f(&mut self, reader: &mut Reader<'_>, base: Option<&[u8]>, out: &mut [u8]) -> Result<(), CodecError> {
        let header = reader.byte()?;
        let word = 1 << (header & 3);
        let tail = usize::from(header >> HEADER_TAIL_SHIFT);
        if header & !HEADER_BITS != 0 || tail != out.len() % word {
            return Err(CodecError::Malformed("header"));
        }
        let base = if header & HEADER_DELTA == 0 {
            None
        } else {
            Some(base.filter(|base| base.len() == out.len()).ok_or(CodecError::Base)?)
        };
        let (elements, tail) = out.split_at_mut(out.len() - tail);
        tail.copy_from_slice(reader.take(tail.len())?);
        if elements.is_empty() {
            return Ok(());
        }
        self.split.resize(elements.len(), 0);
        let mut planes: [&[u8]; 8] = [&[]; 8];
        for (plane, buffer) in planes.iter_mut().zip(self.split.chunks_exact_mut(elements.len() / word)) {
            *plane = self.planes.decode(reader, buffer)?;
        }
        if word == 1 && base.is_none() {
            elements.copy_from_slice(planes[0]);
        } else {
            planes::join(word, &planes, base, elements);
        }
        Ok(())
    }
}
