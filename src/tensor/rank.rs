//! The rank of the difference of two matrices, estimated from a sketch.

use super::Dtype;

/// What a sketch says about the rank of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// All elements are zero.
    Zero,
    /// This many directions, and nothing else but what rounding explains.
    Low(u32),
    /// More directions than a sketch can tell apart.
    Full,
    /// Too small a matrix, or too small a difference to tell it from rounding.
    Unknown,
}

/// Accumulates a random sketch of a matrix of differences from pieces of it.
#[derive(Debug, Clone)]
pub struct RankSketch {}

#[allow(unused_variables)]
impl RankSketch {
    /// For a matrix of this size. Sketches can be merged if size and seed are equal.
    pub fn new(rows: u64, cols: u64, seed: u64) -> Self {
        Self {}
    }

    /// Takes differences from flat element `first_element` on (row-major).
    pub fn push(&mut self, first_element: u64, deltas: &[f32]) {}

    /// Takes the differences between elements of two tensors, and how much rounding of the second explains of them.
    pub fn push_bytes(&mut self, first_element: u64, dtype_a: &Dtype, a: &[u8], dtype_b: &Dtype, b: &[u8]) {}

    /// Adds what another sketch of the same matrix has seen of other elements.
    pub fn merge(&mut self, other: Self) {}

    /// The rank, from all that was pushed.
    pub fn estimate(&self) -> Rank {
        Rank::Unknown
    }
}
