//! Huffman-only zstd frames, written directly.
//!
//! zstd codes literals well, but spends half its time on the way there (match search, a histogram and a tree for every
//! 128 KiB, one table lookup a byte). Here one code serves the whole plane and two bytes are looked up at a time, which
//! is twice as fast. The output is an ordinary frame without sequences that any zstd reads.
//!
//! Source: RFC 8878, sections 3.1.1.1 (frame header), 3.1.1.2 (blocks), 3.1.1.3.1 (literals section).
//!
//! **Limitations.** See [`Code`]; what it cannot describe is left to zstd.

use super::huffman::Code;

/// zstd's magic number, a descriptor without content size or checksum, a window of 128 KiB.
const FRAME_HEADER: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3];
/// Bytes of plane in a block: the most zstd allows.
const BLOCK: usize = 128 << 10;
/// Blocks shorter than this are stored raw.
const BLOCK_MIN: usize = 64;

const BLOCK_RAW: usize = 0;
const BLOCK_COMPRESSED: usize = 2;
const LITERALS_COMPRESSED: u64 = 2;
const LITERALS_TREELESS: u64 = 3;
/// Four streams, both sizes in 18 bits.
const LITERALS_SIZE_FORMAT: u64 = 3;
/// Room for a stream of a block: 11 bits a byte, and what a flush writes beyond.
const STREAM_BYTES_MAX: usize = BLOCK / 4 * 11 / 8 + 16;

const LENGTH_BITS: u32 = 6;
const LENGTH_MASK: u32 = (1 << LENGTH_BITS) - 1;

/// Writes frames; holds the pair table and room for the streams.
pub(super) struct FrameWriter {
    /// Codes of two bytes: length in the lowest [`LENGTH_BITS`], the code above. Index: the first byte is the lower one.
    pairs: Vec<u32>,
    streams: Vec<u8>,
}

impl FrameWriter {
    pub(super) fn new() -> Self {
        Self { pairs: vec![0; 1 << 16], streams: vec![0; 4 * STREAM_BYTES_MAX] }
    }

    /// Appends a frame of `plane`, all of whose bytes have a code.
    pub(super) fn write(&mut self, plane: &[u8], code: &Code, out: &mut Vec<u8>) {
        self.fill_pairs(code);
        out.extend_from_slice(&FRAME_HEADER);
        let mut described = false;
        let blocks = plane.len().div_ceil(BLOCK);
        for (index, block) in plane.chunks(BLOCK).enumerate() {
            let last = usize::from(index + 1 == blocks);
            let start = out.len();
            out.extend_from_slice(&[0; 3]);
            let mut kind = BLOCK_COMPRESSED;
            if block.len() >= BLOCK_MIN {
                self.write_literals(block, code, !described, out);
            }
            if block.len() < BLOCK_MIN || out.len() - start - 3 >= block.len() {
                kind = BLOCK_RAW;
                out.truncate(start + 3);
                out.extend_from_slice(block);
            } else {
                described = true;
            }
            let header = last | kind << 1 | (out.len() - start - 3) << 3;
            out[start..start + 3].copy_from_slice(&header.to_le_bytes()[..3]);
        }
    }

    fn fill_pairs(&mut self, code: &Code) {
        let symbols: Vec<usize> = (0..256).filter(|&symbol| code.lengths[symbol] > 0).collect();
        for &second in &symbols {
            let (low, low_bits) = (u32::from(code.codes[second]), u32::from(code.lengths[second]));
            let row = &mut self.pairs[second << 8..][..256];
            for &first in &symbols {
                let bits = low_bits + u32::from(code.lengths[first]);
                row[first] = (low | u32::from(code.codes[first]) << low_bits) << LENGTH_BITS | bits;
            }
        }
    }

    /// Appends literals section and an empty sequences section.
    fn write_literals(&mut self, block: &[u8], code: &Code, describe: bool, out: &mut Vec<u8>) {
        let mut sizes = [0; 4];
        let (rooms, _) = self.streams.as_chunks_mut::<STREAM_BYTES_MAX>();
        let streams = block.chunks(block.len().div_ceil(4)).zip(rooms);
        let pairs = self.pairs.first_chunk::<{ 1 << 16 }>();
        for ((bytes, stream), size) in streams.zip(&mut sizes) {
            if let Some(pairs) = pairs {
                *size = write_stream(bytes, code, pairs, stream);
            }
        }
        let description: &[u8] = if describe { &code.description } else { &[] };
        let kind = if describe { LITERALS_COMPRESSED } else { LITERALS_TREELESS };
        let compressed = description.len() + 6 + sizes.iter().sum::<usize>();
        let header = kind | LITERALS_SIZE_FORMAT << 2 | (block.len() as u64) << 4 | (compressed as u64) << 22;
        out.extend_from_slice(&header.to_le_bytes()[..5]);
        out.extend_from_slice(description);
        for size in &sizes[..3] {
            out.extend_from_slice(&(*size as u16).to_le_bytes());
        }
        for (stream, size) in self.streams.chunks_exact(STREAM_BYTES_MAX).zip(sizes) {
            out.extend_from_slice(&stream[..size]);
        }
        out.push(0);
    }
}

/// Bits not yet written, lowest first.
struct Bits {
    held: u64,
    count: u32,
    end: usize,
}

impl Bits {
    /// Takes in bits, up to 63 of them between flushes.
    #[inline(always)]
    fn put(&mut self, code: u64, bits: u32) {
        self.held |= code.wrapping_shl(self.count);
        self.count += bits;
    }

    /// Writes all whole bytes; at most 7 bits stay.
    #[inline(always)]
    fn flush(&mut self, stream: &mut [u8; STREAM_BYTES_MAX]) {
        // Always so: streams have room for the longest codes. One comparison here spares two in the slice.
        if self.end <= STREAM_BYTES_MAX - 8 {
            stream[self.end..self.end + 8].copy_from_slice(&self.held.to_le_bytes());
        }
        self.end += (self.count >> 3) as usize;
        self.held = self.held.wrapping_shr(self.count & 56);
        self.count &= 7;
    }
}

/// The codes of four bytes, at most 44 bits, and their number.
#[inline(always)]
fn quad(word: u32, pairs: &[u32; 1 << 16]) -> (u64, u32) {
    let high = pairs[(word >> 16) as usize];
    let low = pairs[(word & 0xffff) as usize];
    let code = u64::from(high >> LENGTH_BITS) | u64::from(low >> LENGTH_BITS).wrapping_shl(high & LENGTH_MASK);
    (code, (high + low) & LENGTH_MASK)
}

/// Writes `bytes` from the last to the first, as zstd reads bits backwards; returns the stream's length.
fn write_stream(bytes: &[u8], code: &Code, pairs: &[u32; 1 << 16], stream: &mut [u8; STREAM_BYTES_MAX]) -> usize {
    let mut bits = Bits { held: 0, count: 0, end: 0 };
    let (head, octets) = bytes.as_rchunks::<8>();
    for octet in octets.iter().rev() {
        let word = u64::from_le_bytes(*octet);
        let (high, high_bits) = quad((word >> 32) as u32, pairs);
        let (low, low_bits) = quad(word as u32, pairs);
        bits.put(high, high_bits);
        // Fewer than 64 bits with the 7 that may wait: a shift by 64 would be none.
        if high_bits + low_bits > 63 - 7 {
            bits.flush(stream);
        }
        bits.put(low, low_bits);
        bits.flush(stream);
    }
    for &byte in head.iter().rev() {
        bits.put(u64::from(code.codes[usize::from(byte)]), u32::from(code.lengths[usize::from(byte)]));
        bits.flush(stream);
    }
    bits.put(1, 1);
    bits.flush(stream);
    bits.end + usize::from(bits.count > 0)
}
