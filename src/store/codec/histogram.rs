//! How often each byte value occurs, in a sample or in all of a plane, and what that promises.

use multiversion::multiversion;

/// Pieces of a sample.
const SAMPLE_PIECES: usize = 16;
/// Bytes of a piece.
const PIECE_BYTES: usize = 1024;

/// Planes shorter than this are counted whole.
const QUARTER_OF_BYTES_MIN: usize = 128 << 10;
/// From one piece of a quarter to the next: no period of a power of two meets the same part of it each time.
const QUARTER_STRIDE: usize = 4 * PIECE_BYTES + 64;
/// So many values at most may be given a count of one that were not counted: each costs a code that may be of no use.
const UNSEEN_MAX: usize = 4;

/// Byte ranges of the sample of `len` bytes: all of them when they are few, else [`SAMPLE_PIECES`] evenly spread pieces.
/// Starts are multiples of 8, so that pieces begin with whole elements of any width.
pub(super) fn sample(len: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let whole = len <= SAMPLE_PIECES * PIECE_BYTES;
    let stride = if whole { 0 } else { (len - PIECE_BYTES) / (SAMPLE_PIECES - 1) / 8 * 8 };
    let (pieces, piece) = if whole { (1, len) } else { (SAMPLE_PIECES, PIECE_BYTES) };
    (0..pieces).map(move |index| index * stride..index * stride + piece)
}

/// Counts of the 256 byte values.
pub(super) struct Histogram {
    pub(super) counts: [u32; 256],
    pub(super) total: usize,
}

impl Histogram {
    /// Counts all of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self::of_pieces(std::iter::once(bytes))
    }

    /// Counts a sample of `bytes`.
    pub(super) fn of_sample(bytes: &[u8]) -> Self {
        Self::of_pieces(sample(bytes.len()).map(|range| &bytes[range]))
    }

    /// Counts enough of `bytes` to write them with the code that the counts call for: a quarter of a long plane, if that shows
    /// the values that occur. No value in `bytes` has a count of zero.
    pub(super) fn of_most(bytes: &[u8]) -> Self {
        if bytes.len() < QUARTER_OF_BYTES_MIN {
            return Self::of(bytes);
        }
        let mut quarter =
            Self::of_pieces(bytes.chunks(QUARTER_STRIDE).map(|chunk| &chunk[..chunk.len().min(PIECE_BYTES)]));
        // What was not counted may still occur, but nothing beyond the least and the greatest value does.
        let (least, greatest) = bounds(bytes);
        let within = &mut quarter.counts[usize::from(least)..=usize::from(greatest)];
        let unseen = within.iter().filter(|&&count| count == 0).count();
        if unseen > UNSEEN_MAX {
            return Self::of(bytes);
        }
        within.iter_mut().filter(|count| **count == 0).for_each(|count| *count = 1);
        quarter.total += unseen;
        quarter
    }

    /// Counts all of `pieces` (at most `u32::MAX` bytes).
    ///
    /// Eight tables: one would wait for the store of the byte before whenever two equal bytes follow each other.
    fn of_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut tables = [[0_u32; 256]; 8];
        let mut total = 0;
        for piece in pieces {
            let (words, rest) = piece.as_chunks::<8>();
            for word in words {
                for (table, &byte) in tables.iter_mut().zip(word) {
                    table[usize::from(byte)] += 1;
                }
            }
            for &byte in rest {
                tables[0][usize::from(byte)] += 1;
            }
            total += piece.len();
        }
        let mut counts = [0; 256];
        for table in &tables {
            for (count, more) in counts.iter_mut().zip(table) {
                *count += more;
            }
        }
        Self { counts, total }
    }

    /// Order-0 entropy of all that was counted, in bits (not per byte).
    pub(super) fn entropy_bits(&self) -> f64 {
        let total = self.total as f64;
        let present = self.counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count));
        present.map(|count| count * (total / count).log2()).sum()
    }

    /// The count of the commonest value.
    pub(super) fn max(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0) as usize
    }
}

/// The least and the greatest of `bytes`; `(255, 0)` if there are none.
#[multiversion(targets("x86_64+avx2"))]
fn bounds(bytes: &[u8]) -> (u8, u8) {
    let (mut least, mut greatest) = ([u8::MAX; 64], [0; 64]);
    let (chunks, rest) = bytes.as_chunks::<64>();
    for chunk in chunks {
        for ((least, greatest), &byte) in least.iter_mut().zip(&mut greatest).zip(chunk) {
            *least = byte.min(*least);
            *greatest = byte.max(*greatest);
        }
    }
    let least = least.iter().chain(rest).copied().min().unwrap_or(u8::MAX);
    let greatest = greatest.iter().chain(rest).copied().max().unwrap_or(0);
    (least, greatest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_that_occurs_goes_without_a_count() {
        let len = QUARTER_OF_BYTES_MIN + 999;
        // Values between 100 and 115, and one more in a place that no piece reaches.
        for (odd, is_near) in [(118, true), (99, true), (121, false), (0, false), (255, false)] {
            for at in [PIECE_BYTES, 3 * QUARTER_STRIDE - 1, len - 1] {
                let mut bytes: Vec<u8> = (0..len).map(|index| 100 + (index % 16) as u8).collect();
                bytes[at] = odd;
                let histogram = Histogram::of_most(&bytes);
                assert!(bytes.iter().all(|&byte| histogram.counts[usize::from(byte)] > 0), "{odd} at {at}");
                assert_eq!(histogram.total, histogram.counts.iter().sum::<u32>() as usize);
                assert_eq!(histogram.total < len / 3, is_near, "{odd} at {at}");
            }
        }
    }
}
