//! Element types and shapes of tensors, and the numbers in them. Pure: bytes and values in, values out.
//!
//! [`ChangeStats`] says how two tensors differ, [`RankSketch`] in how many directions, [`TensorStats`] what is in one.
//! All three take a tensor in pieces of any size, in any order, and can be merged across threads.

mod change;
mod dtype;
mod floats;
mod histogram;
mod kernel;
mod quantized;
mod rank;
mod rounding;
mod summary;
mod values;

pub use change::{ChangeStats, is_comparable};
pub use dtype::{Dtype, Plain, Quantized};
pub use histogram::Histogram;
pub use rank::{Rank, RankSketch};
pub use rounding::{encode, is_float};
pub use summary::TensorStats;
pub use values::{Unit, decode, decode_singles, is_numeric};

/// The number of elements of a tensor of this `shape` (1 for a scalar), or `None` if it does not fit in 64 bits.
pub fn element_count(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))
}
