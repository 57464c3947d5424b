//! Element types and shapes of tensors. Pure: values in, values out.

mod change;
mod dtype;
mod rank;
mod values;

pub use change::{ChangeStats, Histogram};
pub use dtype::{Dtype, Plain, Quantized};
pub use rank::{Rank, RankSketch};
pub use values::{decode, is_numeric};

/// The number of elements of a tensor of this `shape` (1 for a scalar), or `None` if it does not fit in 64 bits.
pub fn element_count(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))
}
