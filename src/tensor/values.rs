//! Tensor bytes as numbers. Bytes are little-endian, as in all formats that git-model reads.
//!
//! **Limitations.** The 6-bit floats and quantized blocks other than `Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K` are not
//! read: tensors of these types are compared as blocks of bytes. Of two elements in one byte the first is in the low
//! half (ONNX; `float4_e2m1fn_x2` of PyTorch). A BOOL is its byte, so that 2 is another value than 1.

use multiversion::multiversion;

use super::floats::{self, bf16, f16};
use super::{Dtype, Plain, quantized};

/// The smallest run of elements that takes whole bytes: one element, a byte of narrower ones, or a quantized block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Elements in it. Complex numbers are one each.
    pub elements: usize,
    /// Bytes it takes.
    pub bytes: usize,
}

impl Unit {
    /// The unit of this type. Pieces of a tensor must be multiples of it to be read.
    pub const fn of(dtype: &Dtype) -> Self {
        match dtype {
            Dtype::Plain(Plain::F6E2M3 | Plain::F6E3M2) => Self { elements: 4, bytes: 3 },
            Dtype::Plain(Plain::F4 | Plain::I4 | Plain::U4) => Self { elements: 2, bytes: 1 },
            Dtype::Plain(plain) => Self { elements: 1, bytes: (plain.bits() / 8) as usize },
            Dtype::Gguf(block) => {
                Self { elements: block.block_elements() as usize, bytes: block.block_bytes() as usize }
            }
        }
    }
}

/// The narrowest numbers that have all values of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// f32.
    Single,
    /// f64.
    Double,
    /// i128, for integers of 64 bits: their f64 may be rounded.
    Integer,
    /// Pairs of f64.
    Complex,
    /// None that we can read.
    None,
}

impl Numbers {
    pub(super) const fn of(dtype: &Dtype) -> Self {
        match dtype {
            Dtype::Plain(Plain::F64 | Plain::I32 | Plain::U32) => Self::Double,
            Dtype::Plain(Plain::I64 | Plain::U64) => Self::Integer,
            Dtype::Plain(Plain::C64 | Plain::C128) => Self::Complex,
            Dtype::Plain(Plain::F6E2M3 | Plain::F6E3M2) => Self::None,
            Dtype::Plain(_) => Self::Single,
            Dtype::Gguf(block) if quantized::is_readable(*block) => Self::Single,
            Dtype::Gguf(_) => Self::None,
        }
    }
}

/// Whether the elements of this type can be read as numbers. Tensors of other types are compared as blocks of bytes.
pub const fn is_numeric(dtype: &Dtype) -> bool {
    !matches!(Numbers::of(dtype), Numbers::None)
}

/// The numbers in `bytes`, whole units of them: one for each element, two for a complex one, the real part first.
/// Integers above 2^53 are rounded. `None` if the type is not numeric, or something is left over.
pub fn decode(dtype: &Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    let unit = Unit::of(dtype);
    if !is_numeric(dtype) || !bytes.len().is_multiple_of(unit.bytes) {
        return None;
    }
    let parts = if Numbers::of(dtype) == Numbers::Complex { 2 } else { 1 };
    let mut numbers = vec![0.0; bytes.len() / unit.bytes * unit.elements * parts];
    read_doubles(dtype, bytes, &mut numbers);
    Some(numbers)
}

/// The numbers in `bytes` as f32; `None` if the type is none that f32 has all numbers of, or something is left over.
pub fn decode_singles(dtype: &Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let unit = Unit::of(dtype);
    if Numbers::of(dtype) != Numbers::Single || !bytes.len().is_multiple_of(unit.bytes) {
        return None;
    }
    let mut numbers = vec![0.0; bytes.len() / unit.bytes * unit.elements];
    read_singles(dtype, bytes, &mut numbers);
    Some(numbers)
}

#[inline(always)]
fn each<const N: usize, T>(bytes: &[u8], numbers: &mut [T], read: impl Fn([u8; N]) -> T) {
    for (number, &word) in numbers.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *number = read(word);
    }
}

fn halves(bytes: &[u8], numbers: &mut [f32], read: impl Fn(u8) -> f32) {
    for (numbers, &byte) in numbers.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *numbers = [read(byte & 15), read(byte >> 4)];
    }
}

/// Reads as many f32 as `numbers` has room for, of a type whose numbers are `Single`; NaN for others.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn read_singles(dtype: &Dtype, bytes: &[u8], numbers: &mut [f32]) {
    let plain = match dtype {
        Dtype::Plain(plain) => *plain,
        Dtype::Gguf(block) => return quantized::read(*block, bytes, numbers),
    };
    match plain {
        Plain::F32 => each(bytes, numbers, f32::from_le_bytes),
        Plain::BF16 => each(bytes, numbers, |word| bf16(u16::from_le_bytes(word))),
        Plain::F16 => each(bytes, numbers, |word| f16(u16::from_le_bytes(word))),
        Plain::F8E4M3 => each(bytes, numbers, |[code]| floats::E4M3[usize::from(code)]),
        Plain::F8E5M2 => each(bytes, numbers, |[code]| floats::E5M2[usize::from(code)]),
        Plain::F8E8M0 => each(bytes, numbers, |[code]| floats::E8M0[usize::from(code)]),
        Plain::F8E4M3Fnuz => each(bytes, numbers, |[code]| floats::E4M3_FNUZ[usize::from(code)]),
        Plain::F8E5M2Fnuz => each(bytes, numbers, |[code]| floats::E5M2_FNUZ[usize::from(code)]),
        Plain::I16 => each(bytes, numbers, |word| f32::from(i16::from_le_bytes(word))),
        Plain::U16 => each(bytes, numbers, |word| f32::from(u16::from_le_bytes(word))),
        Plain::I8 => each(bytes, numbers, |word| f32::from(i8::from_le_bytes(word))),
        Plain::U8 | Plain::BOOL => each(bytes, numbers, |[byte]| f32::from(byte)),
        Plain::F4 => halves(bytes, numbers, |code| floats::E2M1[usize::from(code)]),
        Plain::I4 => halves(bytes, numbers, |code| f32::from((code << 4) as i8 >> 4)),
        Plain::U4 => halves(bytes, numbers, f32::from),
        _ => numbers.fill(f32::NAN),
    }
}

/// Reads as many f64 as `numbers` has room for: two for each complex element. NaN for what is not numeric.
pub(super) fn read_doubles(dtype: &Dtype, bytes: &[u8], numbers: &mut [f64]) {
    match dtype {
        Dtype::Plain(Plain::F64 | Plain::C128) => each(bytes, numbers, f64::from_le_bytes),
        Dtype::Plain(Plain::C64) => each(bytes, numbers, |word| f64::from(f32::from_le_bytes(word))),
        Dtype::Plain(Plain::I32) => each(bytes, numbers, |word| f64::from(i32::from_le_bytes(word))),
        Dtype::Plain(Plain::U32) => each(bytes, numbers, |word| f64::from(u32::from_le_bytes(word))),
        Dtype::Plain(Plain::I64) => each(bytes, numbers, |word| i64::from_le_bytes(word) as f64),
        Dtype::Plain(Plain::U64) => each(bytes, numbers, |word| u64::from_le_bytes(word) as f64),
        _ => {
            // Whole blocks of every type, on the stack.
            let mut singles = [0.0; 256];
            let bytes_each = 256 / Unit::of(dtype).elements * Unit::of(dtype).bytes;
            for (bytes, numbers) in bytes.chunks(bytes_each).zip(numbers.chunks_mut(singles.len())) {
                let singles = &mut singles[..numbers.len()];
                read_singles(dtype, bytes, singles);
                numbers.iter_mut().zip(&*singles).for_each(|(number, &single)| *number = f64::from(single));
            }
        }
    }
}

/// Reads 64-bit integers.
pub(super) fn read_integers(dtype: &Dtype, bytes: &[u8], numbers: &mut [i128]) {
    if *dtype == Dtype::Plain(Plain::U64) {
        each(bytes, numbers, |word| u64::from_le_bytes(word).into());
    } else {
        each(bytes, numbers, |word| i64::from_le_bytes(word).into());
    }
}
