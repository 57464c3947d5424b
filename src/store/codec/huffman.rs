//! Huffman codes as zstd has them: at most 11 bits, canonical, described by weights.
//!
//! Source: RFC 8878, section 4.2 (Huffman coding); lengths by Huffman 1952 with the two queues of van Leeuwen 1976.
//!
//! **Limitations.** Codes over the limit are cut and the rest is made to fit, which is not quite optimal. Only the plain
//! description of weights, four bits each, is written: codes with symbols above 128 are left to zstd.

use super::histogram::Histogram;

/// Longest code in zstd's literals.
const BITS_MAX: u32 = 11;
/// Highest symbol the plain description reaches: it holds 128 weights, and that of the last symbol goes without saying.
const SYMBOL_MAX: usize = 128;

/// A complete prefix code for the symbols of a plane.
pub(super) struct Code {
    /// Bits of each symbol's code; 0 for symbols that do not occur.
    pub(super) lengths: [u8; 256],
    /// Each symbol's code, first bit highest.
    pub(super) codes: [u16; 256],
    /// The description that goes before the first block coded so.
    pub(super) description: Vec<u8>,
}

impl Code {
    /// A code for these counts, at least two of them above zero; `None` if it has no plain description.
    pub(super) fn new(histogram: &Histogram) -> Option<Self> {
        let last = histogram.counts.iter().rposition(|&count| count > 0)?;
        if last > SYMBOL_MAX {
            return None;
        }
        let lengths = lengths(&histogram.counts);
        let bits_max = u32::from(lengths.iter().copied().max()?);
        let symbols: Vec<usize> = (0..=last).filter(|&symbol| lengths[symbol] > 0).collect();
        let mut codes = [0; 256];
        let mut next = 0_u16;
        for bits in (1..=bits_max as u8).rev() {
            for &symbol in symbols.iter().filter(|&&symbol| lengths[symbol] == bits) {
                codes[symbol] = next;
                next += 1;
            }
            next >>= 1;
        }
        let weight = |length: u8| if length == 0 { 0 } else { bits_max as u8 + 1 - length };
        let mut description = vec![127 + last as u8];
        for pair in lengths[..last].chunks(2) {
            description.push(weight(pair[0]) << 4 | pair.get(1).map_or(0, |&length| weight(length)));
        }
        Some(Self { lengths, codes, description })
    }

    /// Bytes that the counted symbols take, streams and headers not counted.
    pub(super) fn bytes(&self, histogram: &Histogram) -> usize {
        let bits =
            histogram.counts.iter().zip(self.lengths).map(|(&count, length)| u64::from(count) * u64::from(length));
        bits.sum::<u64>().div_ceil(8) as usize
    }
}

/// Code lengths for `counts`, of which at least two are not zero: complete, none above [`BITS_MAX`].
fn lengths(counts: &[u32; 256]) -> [u8; 256] {
    let mut symbols: Vec<usize> = (0..256).filter(|&symbol| counts[symbol] > 0).collect();
    symbols.sort_by_key(|&symbol| counts[symbol]);
    let leaves = symbols.len();

    // Nodes: the leaves by rising count, then the inner nodes, whose counts rise by themselves.
    let mut weights: Vec<u64> = symbols.iter().map(|&symbol| u64::from(counts[symbol])).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            let from_leaves = leaf < leaves && (inner == node || weights[leaf] <= weights[inner]);
            let child = if from_leaves { &mut leaf } else { &mut inner };
            sum += weights[*child];
            parents[*child] = node;
            *child += 1;
        }
        weights.push(sum);
    }
    let mut depths = vec![0_u32; 2 * leaves - 1];
    for node in (0..2 * leaves - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }

    // Kraft's sum in units of the longest code: cutting long codes exceeds it, lengthening the rarest others repairs it.
    let space = |bits: u32| 1_i64 << (BITS_MAX - bits);
    let depths = &mut depths[..leaves];
    for depth in depths.iter_mut() {
        *depth = (*depth).min(BITS_MAX);
    }
    let mut slack = (1 << BITS_MAX) - depths.iter().map(|&bits| space(bits)).sum::<i64>();
    while slack < 0 {
        // Depths fall as counts rise: the first below the limit is the longest and rarest that may grow.
        let Some(depth) = depths.iter_mut().find(|depth| **depth < BITS_MAX) else { break };
        slack += space(*depth) / 2;
        *depth += 1;
    }
    // All terms are multiples of the smallest, so is the slack: shortening one of the longest codes never overshoots.
    while slack > 0 {
        let longest = depths.iter().copied().max().unwrap_or(0);
        let Some(depth) = depths.iter_mut().rfind(|depth| **depth == longest) else { break };
        slack -= space(*depth);
        *depth -= 1;
    }

    let mut lengths = [0; 256];
    for (&symbol, &depth) in symbols.iter().zip(depths.iter()) {
        lengths[symbol] = depth as u8;
    }
    lengths
}
