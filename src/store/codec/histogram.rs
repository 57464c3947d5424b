//! How often each byte value occurs, in a sample or in all of a plane, and what that promises.

/// Pieces of a sample.
const SAMPLE_PIECES: usize = 16;
/// Bytes of a piece.
const PIECE_BYTES: usize = 1024;

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
