//! What [`ChangeStats`] has found.

use super::{ChangeStats, Histogram, Numbers};

impl ChangeStats {
    /// Whether the types cannot be compared as numbers. Then elements are units of whole bytes (a quantized block, a few
    /// narrow floats), `elements` and `changed` count these, and all else is zero. Of different types all are changed.
    pub fn as_blocks(&self) -> bool {
        self.numbers == Numbers::None
    }

    /// Elements seen.
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Elements of another value: another number, or a number on one side and NaN on the other.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// Elements that are 0 on one side and −0 on the other. They are not changed.
    pub fn zero_sign(&self) -> u64 {
        self.zero_sign
    }

    /// Elements that are NaN on both sides, with other bits. They are not changed.
    pub fn nan_payload(&self) -> u64 {
        self.nan_payload
    }

    /// NaN elements of the first tensor.
    pub fn nan_a(&self) -> u64 {
        self.nan[0]
    }

    /// NaN elements of the second tensor.
    pub fn nan_b(&self) -> u64 {
        self.nan[1]
    }

    /// Infinite elements of the first tensor.
    pub fn inf_a(&self) -> u64 {
        self.inf[0]
    }

    /// Infinite elements of the second tensor.
    pub fn inf_b(&self) -> u64 {
        self.inf[1]
    }

    /// The largest |Δ|.
    pub fn max_abs(&self) -> f64 {
        self.max_abs
    }

    /// The lowest flat index with the largest |Δ|; `None` where all are zero.
    pub fn max_at(&self) -> Option<u64> {
        self.max_at
    }

    /// ‖A‖, the square root of the sum of squares.
    pub fn norm_a(&self) -> f64 {
        self.sums.a.sqrt()
    }

    /// ‖B‖.
    pub fn norm_b(&self) -> f64 {
        self.sums.b.sqrt()
    }

    /// ‖Δ‖ = ‖B − A‖.
    pub fn norm_delta(&self) -> f64 {
        self.sums.delta.sqrt()
    }

    /// The scalar product of A and B.
    pub fn dot(&self) -> f64 {
        self.sums.dot
    }

    /// ‖Δ‖ / ‖A‖; `None` where A is zero, or the squares of its elements are beyond the range of a double.
    pub fn relative(&self) -> Option<f64> {
        let relative = self.norm_delta() / self.norm_a();
        (self.sums.a > 0.0 && relative.is_finite()).then_some(relative)
    }

    /// Cosine of the angle between A and B; `None` where one is zero, or squares are beyond the range of a double.
    pub fn cosine(&self) -> Option<f64> {
        let product = self.sums.a * self.sums.b;
        // One root is rounded less than two; two have the wider range.
        let norms = if product.is_normal() { product.sqrt() } else { self.norm_a() * self.norm_b() };
        // A negative zero is no other angle.
        (norms > 0.0 && norms.is_finite()).then(|| (self.sums.dot / norms).clamp(-1.0, 1.0) + 0.0)
    }

    /// |Δ| by binary exponent, if asked for.
    pub fn histogram(&self) -> Option<&Histogram> {
        self.histogram.as_deref()
    }
}
