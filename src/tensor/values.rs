//! Tensor bytes as numbers.

use super::Dtype;

/// Whether the elements of this type can be read as numbers. Tensors of other types are compared as blocks of bytes.
pub fn is_numeric(_dtype: &Dtype) -> bool {
    false
}
