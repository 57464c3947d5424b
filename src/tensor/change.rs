//! How two tensors of the same number of elements differ.

use super::Dtype;

/// |Δ| counted by binary exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Elements that are exactly zero.
    pub zero: u64,
    /// Bucket `i` counts 2^(i − 48) ≤ |x| < 2^(i − 47); the first one also all smaller ones, the last one all larger.
    pub buckets: [u64; 64],
}

/// Accumulates how two tensors differ, from consecutive pieces of both.
#[derive(Debug, Clone)]
pub struct ChangeStats {}

#[allow(missing_docs, unused_variables)]
impl ChangeStats {
    /// For two tensors of these element types.
    pub fn new(dtype_a: &Dtype, dtype_b: &Dtype) -> Self {
        Self {}
    }

    /// Also counts |Δ| by binary exponent.
    pub fn with_histogram(self) -> Self {
        self
    }

    /// Takes the elements from `first_element` on, of both sides: the same number of whole elements.
    pub fn push(&mut self, first_element: u64, a: &[u8], b: &[u8]) {}

    /// Adds what another accumulator for the same two tensors has seen of other elements.
    pub fn merge(&mut self, other: Self) {}

    /// Whether elements are blocks of bytes here, without numbers.
    pub fn as_blocks(&self) -> bool {
        false
    }

    pub fn elements(&self) -> u64 {
        0
    }

    pub fn changed(&self) -> u64 {
        0
    }

    pub fn zero_sign(&self) -> u64 {
        0
    }

    pub fn nan_payload(&self) -> u64 {
        0
    }

    pub fn nan_a(&self) -> u64 {
        0
    }

    pub fn nan_b(&self) -> u64 {
        0
    }

    pub fn inf_a(&self) -> u64 {
        0
    }

    pub fn inf_b(&self) -> u64 {
        0
    }

    pub fn max_abs(&self) -> f64 {
        0.0
    }

    pub fn max_at(&self) -> Option<u64> {
        None
    }

    pub fn norm_a(&self) -> f64 {
        0.0
    }

    pub fn norm_b(&self) -> f64 {
        0.0
    }

    pub fn norm_delta(&self) -> f64 {
        0.0
    }

    /// ‖Δ‖ / ‖A‖; `None` where A is zero.
    pub fn relative(&self) -> Option<f64> {
        None
    }

    /// Cosine of the angle between the two; `None` where one is zero.
    pub fn cosine(&self) -> Option<f64> {
        None
    }

    pub fn histogram(&self) -> Option<&Histogram> {
        None
    }
}
