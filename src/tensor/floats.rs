//! Narrow floating-point numbers as f32, which has all of their values.
//!
//! Sources: IEEE 754 binary16; bfloat16 (the upper half of an f32); FP8 E4M3 and E5M2 of Micikevicius et al. 2022;
//! the FNUZ ones of Noune et al. 2022, with one NaN, no infinity and no negative zero; E8M0 and E2M1 of the OCP
//! Microscaling Formats specification 1.0.

/// 2^`exponent` for a normal f32.
const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

/// What the codes with all exponent bits set mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Specials {
    /// Infinity, and NaN for other mantissas.
    Ieee,
    /// NaN where the mantissa has all bits set too; else numbers.
    Finite,
    /// Numbers; NaN is what would be the negative zero.
    Unsigned,
}

/// The numbers of all codes of an 8-bit float with so many bits of mantissa.
const fn table(mantissa_bits: u32, bias: i32, specials: Specials) -> [f32; 256] {
    let mut numbers = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        numbers[code as usize] = number(code, mantissa_bits, bias, specials);
        code += 1;
    }
    numbers
}

const fn number(code: u32, mantissa_bits: u32, bias: i32, specials: Specials) -> f32 {
    let sign = code >> 7 << 31;
    let magnitude = code & 0x7f;
    let exponent = magnitude >> mantissa_bits;
    let mantissa = magnitude & ((1 << mantissa_bits) - 1);
    let exponent_max = 0x7f >> mantissa_bits;
    match specials {
        Specials::Ieee if exponent == exponent_max => {
            return f32::from_bits(sign | 0x7f80_0000 | mantissa << (23 - mantissa_bits));
        }
        Specials::Finite if magnitude == 0x7f => return f32::from_bits(sign | 0x7fc0_0000),
        Specials::Unsigned if code == 0x80 => return f32::from_bits(0x7fc0_0000),
        _ => {}
    }
    let (significand, exponent) = if exponent == 0 { (mantissa, 1) } else { (mantissa | 1 << mantissa_bits, exponent) };
    let unsigned = significand as f32 * power_of_two(exponent as i32 - bias - mantissa_bits as i32);
    f32::from_bits(sign | unsigned.to_bits())
}

/// FP8 E4M3 (`float8_e4m3fn`).
pub static E4M3: [f32; 256] = table(3, 7, Specials::Finite);
/// FP8 E5M2.
pub static E5M2: [f32; 256] = table(2, 15, Specials::Ieee);
/// FP8 E4M3 FNUZ.
pub static E4M3_FNUZ: [f32; 256] = table(3, 8, Specials::Unsigned);
/// FP8 E5M2 FNUZ.
pub static E5M2_FNUZ: [f32; 256] = table(2, 16, Specials::Unsigned);
/// Powers of two, 2^(code − 127), without a sign; the last code is NaN.
pub static E8M0: [f32; 256] = scales();
/// FP4 E2M1: sign, two bits of exponent, one of mantissa.
pub static E2M1: [f32; 16] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0];

const fn scales() -> [f32; 256] {
    let mut numbers = [0.0; 256];
    numbers[0] = f32::from_bits(1 << 22);
    let mut code = 1;
    while code < 255 {
        numbers[code] = power_of_two(code as i32 - 127);
        code += 1;
    }
    numbers[255] = f32::from_bits(0x7fc0_0000);
    numbers
}

/// A bfloat16.
#[inline(always)]
pub const fn bf16(bits: u16) -> f32 {
    f32::from_bits((bits as u32) << 16)
}

/// An IEEE half. Without branches, so that loops over it become vector code.
#[inline(always)]
pub const fn f16(bits: u16) -> f32 {
    const SUBNORMAL: f32 = power_of_two(-14);
    let sign = (bits as u32 & 0x8000) << 16;
    let exponent = bits & 0x7c00;
    let shifted = (bits as u32 & 0x7fff) << 13;
    let rebias = if exponent == 0x7c00 { (255 - 31) << 23 } else { (127 - 15) << 23 };
    // A subnormal is its mantissa in steps of 2^-24: what it adds to 2^-14, where a mantissa has these steps.
    let subnormal = f32::from_bits(shifted + (113 << 23)) - SUBNORMAL;
    let number = if exponent == 0 { subnormal.to_bits() } else { shifted + rebias };
    f32::from_bits(sign | number)
}
