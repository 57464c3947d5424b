//! Numbers of quantized GGUF blocks, as ggml's reference dequantization gives them: in f32, in the same order of
//! operations.
//!
//! Source: the block layouts of ggml (`ggml-common.h`).

use super::Quantized;
use super::floats::f16;

/// Whether the numbers of blocks of this type can be read.
pub const fn is_readable(quantized: Quantized) -> bool {
    reader(quantized).is_some()
}

/// Writes the numbers of whole blocks. `numbers` has room for exactly those; a type that is not readable gives NaN.
pub fn read(quantized: Quantized, blocks: &[u8], numbers: &mut [f32]) {
    let Some(reader) = reader(quantized) else { return numbers.fill(f32::NAN) };
    let (bytes, elements) = (quantized.block_bytes() as usize, quantized.block_elements() as usize);
    for (block, numbers) in blocks.chunks_exact(bytes).zip(numbers.chunks_exact_mut(elements)) {
        reader(block, numbers);
    }
}

type Reader = fn(&[u8], &mut [f32]);

const fn reader(quantized: Quantized) -> Option<Reader> {
    Some(match quantized {
        Quantized::Q4_0 => q4_0,
        Quantized::Q4_1 => q4_1,
        Quantized::Q5_0 => q5_0,
        Quantized::Q5_1 => q5_1,
        Quantized::Q8_0 => q8_0,
        Quantized::Q4_K => q4_k,
        Quantized::Q5_K => q5_k,
        Quantized::Q6_K => q6_k,
        _ => return None,
    })
}

fn half(block: &[u8], at: usize) -> f32 {
    f16(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// The 4-bit number of element `i` of 32: the first 16 in the low halves, the others in the high ones.
fn nibble(codes: &[u8], i: usize) -> u8 {
    codes[i % 16] >> (4 * (i / 16)) & 15
}

/// The fifth bit of element `i` of 32.
fn fifth_bit(bits: &[u8], i: usize) -> u8 {
    (bits[i / 8] >> (i % 8) & 1) << 4
}

/// A scale, then 32 numbers of 4 bits around 8.
fn q4_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half(block, 0);
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = scale * f32::from(nibble(&block[2..], i) as i8 - 8);
    }
}

/// A scale, a minimum, then 32 numbers of 4 bits.
fn q4_1(block: &[u8], numbers: &mut [f32]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    for (i, number) in numbers.iter_mut().enumerate() {
        *number = scale * f32::from(nibble(&block[4..], i)) + min;
    }
}

/// A scale, the fifth bits, then 32 numbers of 4 more bits, around 16.
fn q5_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half(block, 0);
    for (i, number) in numbers.iter_mut().enumerate() {
        let code = nibble(&block[6..], i) | fifth_bit(&block[2..6], i);
        *number = scale * f32::from(code as i8 - 16);
    }
}

/// A scale, a minimum, the fifth bits, then 32 numbers of 4 more bits.
fn q5_1(block: &[u8], numbers: &mut [f32]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    for (i, number) in numbers.iter_mut().enumerate() {
        let code = nibble(&block[8..], i) | fifth_bit(&block[4..8], i);
        *number = scale * f32::from(code) + min;
    }
}

/// A scale, then 32 signed bytes.
fn q8_0(block: &[u8], numbers: &mut [f32]) {
    let scale = half(block, 0);
    for (number, &code) in numbers.iter_mut().zip(&block[2..]) {
        *number = scale * f32::from(code as i8);
    }
}

/// Scale and minimum of run `i` of 8 in 12 bytes: six bits each; of the last four runs the upper two bits lie in what
/// the first four leave of their bytes.
fn scale_and_min(packed: &[u8], i: usize) -> (f32, f32) {
    let (scale, min) = if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        (packed[i + 4] & 15 | packed[i - 4] >> 6 << 4, packed[i + 4] >> 4 | packed[i] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

/// Scales of scales and of minimums, these, then 8 runs of 32 numbers of 4 bits; two runs share 32 bytes.
fn q4_k(block: &[u8], numbers: &mut [f32]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    for (run, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let (run_scale, run_min) = scale_and_min(&block[4..16], run);
        let (run_scale, run_min) = (scale * run_scale, min * run_min);
        let codes = &block[16 + run / 2 * 32..][..32];
        for (number, &code) in numbers.iter_mut().zip(codes) {
            *number = run_scale * f32::from(code >> (4 * (run % 2)) & 15) - run_min;
        }
    }
}

/// As `Q4_K`, with a fifth bit of each number in 32 bytes before: of run `i` in bit `i`.
fn q5_k(block: &[u8], numbers: &mut [f32]) {
    let (scale, min) = (half(block, 0), half(block, 2));
    let fifth_bits = &block[16..48];
    for (run, numbers) in numbers.chunks_exact_mut(32).enumerate() {
        let (run_scale, run_min) = scale_and_min(&block[4..16], run);
        let (run_scale, run_min) = (scale * run_scale, min * run_min);
        let codes = &block[48 + run / 2 * 32..][..32];
        for ((number, &code), &bits) in numbers.iter_mut().zip(codes).zip(fifth_bits) {
            let code = code >> (4 * (run % 2)) & 15 | (bits >> run & 1) << 4;
            *number = run_scale * f32::from(code) - run_min;
        }
    }
}

/// Two halves of 128 numbers of 6 bits around 32; the lower four bits of a half in 64 bytes, the upper two in 32; a
/// signed scale for every 16 numbers; a scale of the scales at the end.
fn q6_k(block: &[u8], numbers: &mut [f32]) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let scale = half(block, 208);
    for (i, number) in numbers.iter_mut().enumerate() {
        let (part, i_part) = (i / 128, i % 128);
        let low = low[64 * part + i_part % 64] >> (4 * (i_part / 64)) & 15;
        let high = high[32 * part + i_part % 32] >> (2 * (i_part / 32)) & 3;
        let code = (low | high << 4) as i8 - 32;
        *number = scale * f32::from(scales[i / 16] as i8) * f32::from(code);
    }
}
