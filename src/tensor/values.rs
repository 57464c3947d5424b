//! Tensor bytes as numbers.

use super::Dtype;

/// Whether the elements of this type can be read as numbers. Tensors of other types are compared as blocks of bytes.
pub fn is_numeric(_dtype: &Dtype) -> bool {
    false
}

/// The numbers in `bytes`, whole units of them.
pub fn decode(_dtype: &Dtype, _bytes: &[u8]) -> Option<Vec<f64>> {
    None
}
