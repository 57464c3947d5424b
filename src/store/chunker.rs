//! Content-defined chunks, for files without tensors: a cut depends on the bytes before it alone, so an insertion moves
//! no cut but those around it.
//!
//! Gear hash with two masks around the target size (normalized chunking). Sources: Xia et al., "Ddelta" (2014, gear
//! hash) and "FastCDC" (USENIX ATC 2016, normalization).

/// No chunk is shorter, but the last.
pub const CHUNK_BYTES_MIN: usize = 8 << 10;
/// Chunks are mostly around this size.
pub const CHUNK_BYTES_TARGET: usize = 64 << 10;
/// No chunk is longer.
pub const CHUNK_BYTES_MAX: usize = 128 << 10;

/// Before the target size cuts are made rarer, after it more frequent.
const MASK_BEFORE: u64 = mask(17);
const MASK_AFTER: u64 = mask(15);

/// `bits` ones at the top, where the gear hash has taken in the most bytes.
const fn mask(bits: u32) -> u64 {
    u64::MAX << (64 - bits)
}

/// One pseudo-random word a byte value, from splitmix64; part of no format, since chunks carry their lengths.
static GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = 0x6769_745f_6d6f_6465_u64;
    let mut at = 0;
    while at < 256 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[at] = word ^ (word >> 31);
        at += 1;
    }
    table
}

/// The length of the first chunk of `bytes`: all of them if they are no more than the minimum or no cut is found.
pub fn first_chunk(bytes: &[u8]) -> usize {
    if bytes.len() <= CHUNK_BYTES_MIN {
        return bytes.len();
    }
    let end = bytes.len().min(CHUNK_BYTES_MAX);
    let target = end.min(CHUNK_BYTES_TARGET);
    let mut hash = 0_u64;
    for (range, mask) in [(CHUNK_BYTES_MIN..target, MASK_BEFORE), (target..end, MASK_AFTER)] {
        for (at, &byte) in bytes[range.clone()].iter().enumerate() {
            hash = (hash << 1).wrapping_add(GEAR[byte as usize]);
            if hash & mask == 0 {
                return range.start + at + 1;
            }
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        (0..len)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    }

    fn chunks(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut chunks = Vec::new();
        while !bytes.is_empty() {
            let (chunk, rest) = bytes.split_at(first_chunk(bytes));
            chunks.push(chunk);
            bytes = rest;
        }
        chunks
    }

    #[test]
    fn sizes_are_in_bounds_and_near_the_target() {
        let bytes = noise(8 << 20, 1);
        let chunks = chunks(&bytes);
        let (last, others) = chunks.split_last().expect("chunks");
        assert!(others.iter().all(|chunk| (CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&chunk.len())));
        assert!(last.len() <= CHUNK_BYTES_MAX);
        let mean = bytes.len() / chunks.len();
        assert!((CHUNK_BYTES_TARGET / 2..CHUNK_BYTES_TARGET * 2).contains(&mean), "{mean}");
    }

    #[test]
    fn an_insertion_changes_few_chunks() {
        let before = noise(4 << 20, 2);
        let mut after = before.clone();
        after.splice(1 << 20..1 << 20, *b"inserted");
        let known: std::collections::HashSet<_> = chunks(&before).into_iter().collect();
        let new = chunks(&after).into_iter().filter(|chunk| !known.contains(chunk)).count();
        assert!((1..=4).contains(&new), "{new}");
    }
}
