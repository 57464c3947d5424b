//! A tensor as a NumPy file.
//!
//! Source: NEP 1, format version 1.0. Types that NumPy does not have are widened to `float32`, which holds each of their
//! values exactly; quantized blocks are dequantized.

use crate::tensor::{self, Dtype, Plain};

/// Bytes to which a header is filled up.
const ALIGNMENT: usize = 64;

/// NumPy's name of the type, if it has the type.
fn descr(dtype: &Dtype) -> Option<&'static str> {
    let Dtype::Plain(plain) = dtype else { return None };
    Some(match plain {
        Plain::F64 => "<f8",
        Plain::F32 => "<f4",
        Plain::F16 => "<f2",
        Plain::I64 => "<i8",
        Plain::I32 => "<i4",
        Plain::I16 => "<i2",
        Plain::I8 => "|i1",
        Plain::U64 => "<u8",
        Plain::U32 => "<u4",
        Plain::U16 => "<u2",
        Plain::U8 => "|u1",
        Plain::BOOL => "|b1",
        Plain::C64 => "<c8",
        Plain::C128 => "<c16",
        _ => return None,
    })
}

/// Whether the elements of this type are written as `float32`.
pub fn is_widened(dtype: &Dtype) -> bool {
    descr(dtype).is_none() && tensor::is_numeric(dtype)
}

/// The file, with elements that stand row by row or, if `by_column`, column by column; `None` for a type whose values nobody
/// here can read.
pub fn encode(dtype: &Dtype, shape: &[u64], by_column: bool, bytes: &[u8]) -> Option<Vec<u8>> {
    let descr = match descr(dtype) {
        Some(descr) => descr,
        None if is_widened(dtype) => "<f4",
        None => return None,
    };
    let dims: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if dims.len() == 1 { "," } else { "" };
    let dict = format!(
        "{{'descr': '{descr}', 'fortran_order': {}, 'shape': ({}{comma}), }}",
        if by_column { "True" } else { "False" },
        dims.join(", ")
    );
    let head = 10 + dict.len() + 1;
    let padding = head.next_multiple_of(ALIGNMENT) - head;
    let mut file = b"\x93NUMPY\x01\0".to_vec();
    let len = u16::try_from(dict.len() + padding + 1).ok()?;
    file.extend_from_slice(&len.to_le_bytes());
    file.extend_from_slice(dict.as_bytes());
    file.resize(file.len() + padding, b' ');
    file.push(b'\n');
    if is_widened(dtype) {
        let values = tensor::decode(dtype, bytes)?;
        file.extend(values.iter().flat_map(|&value| (value as f32).to_le_bytes()));
    } else {
        file.extend_from_slice(bytes);
    }
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Bytes, Detected, detect};

    #[test]
    fn files_are_read_back() {
        for (shape, count) in [(&[][..], 1), (&[3][..], 3), (&[2, 3][..], 6), (&[0, 4][..], 0)] {
            let bytes: Vec<u8> = (0..count * 4).map(|byte| byte as u8).collect();
            let file = encode(&Plain::I32.into(), shape, false, &bytes).expect("a type of NumPy's");
            assert_eq!(file.len() % 64, bytes.len() % 64);
            let Detected::Model(layout) = detect(&Bytes(&file)).expect("read") else { panic!("{shape:?}") };
            assert_eq!((&layout.records[0].shape[..], layout.records[0].len), (shape, bytes.len() as u64));
            assert!(file.ends_with(&bytes));
        }
    }
}
