//! Element types and shapes of tensors. Pure: values in, values out.

mod dtype;

pub use dtype::{Dtype, Plain, Quantized};

/// The number of elements of a tensor of this `shape` (1 for a scalar), or `None` if it does not fit in 64 bits.
pub fn element_count(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))
}
