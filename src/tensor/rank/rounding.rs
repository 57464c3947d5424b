//! How much of a difference the rounding of its numbers explains.

use multiversion::multiversion;

use super::super::{Dtype, Plain};

/// Where the numbers of a type lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grid {
    /// At distances of `epsilon` times the power of two below them, or below `smallest` if that is more.
    Relative {
        /// Distance of the numbers above 1.
        epsilon: f64,
        /// The smallest normal number.
        smallest: f64,
    },
    /// At distances of 1.
    Integers,
    /// At distances that depend on the block.
    Blocks,
}

impl Grid {
    fn of(dtype: &Dtype) -> Self {
        // Bits of mantissa, exponent of the smallest normal number.
        let (mantissa, exponent) = match dtype {
            Dtype::Gguf(_) => return Self::Blocks,
            Dtype::Plain(Plain::F64) => (52, -1022),
            Dtype::Plain(Plain::F32) => (23, -126),
            Dtype::Plain(Plain::F16) => (10, -14),
            Dtype::Plain(Plain::BF16) => (7, -126),
            Dtype::Plain(Plain::F8E4M3) => (3, -6),
            Dtype::Plain(Plain::F8E5M2) => (2, -14),
            Dtype::Plain(Plain::F8E4M3Fnuz) => (3, -7),
            Dtype::Plain(Plain::F8E5M2Fnuz) => (2, -15),
            Dtype::Plain(Plain::F8E8M0) => (0, -126),
            Dtype::Plain(Plain::F4) => (1, 0),
            Dtype::Plain(_) => return Self::Integers,
        };
        Self::Relative { epsilon: 2.0_f64.powi(-mantissa), smallest: 2.0_f64.powi(exponent) }
    }

    /// The coarser one of two types.
    pub fn coarser(a: &Dtype, b: &Dtype) -> Self {
        match (Self::of(a), Self::of(b)) {
            (Self::Blocks, _) | (_, Self::Blocks) => Self::Blocks,
            (Self::Integers, _) | (_, Self::Integers) => Self::Integers,
            (x @ Self::Relative { epsilon: e, .. }, Self::Relative { epsilon: f, .. }) if e >= f => x,
            (_, y) => y,
        }
    }

    /// Expected energy of the error of rounding these numbers: a twelfth of the square of their distances (Bennett
    /// 1948). Not known for blocks. Numbers that are not finite have none.
    pub fn energy(self, numbers: &[f32]) -> Option<f64> {
        match self {
            Self::Blocks => None,
            Self::Integers => Some(numbers.len() as f64 / 12.0),
            Self::Relative { epsilon, smallest } => {
                // Squares below the smallest normal f32 would be slow, and no update is that small.
                let smallest = smallest.max(2.0_f64.powi(-62)) as f32;
                Some(squared_powers(numbers, smallest) * epsilon * epsilon / 12.0)
            }
        }
    }
}

/// The power of two below a number, or `smallest` if that is more.
#[inline(always)]
fn power(number: f32, smallest: f32) -> f32 {
    // Not `max`, for which there is no single instruction.
    let power = f32::from_bits(number.to_bits() & 0x7f80_0000);
    if power > smallest { power } else { smallest }
}

/// Σ of the squares of the powers of two below the numbers.
fn squared_powers(numbers: &[f32], smallest: f32) -> f64 {
    let (whole, rest) = numbers.as_chunks();
    let lanes = squares_by_lane(whole, smallest);
    let sum = lanes.into_iter().chain(rest.iter().map(|&x| power(x, smallest).powi(2))).sum::<f32>();
    if sum.is_finite() {
        return sum.into();
    }
    let powers = numbers.iter().map(|&x| f64::from(power(x, smallest)));
    powers.filter(|power| power.is_finite()).map(|power| power * power).sum()
}

/// Not inlined: a caller that adds up the lanes would make the compiler split them.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
#[inline(never)]
fn squares_by_lane(numbers: &[[f32; 16]], smallest: f32) -> [f32; 16] {
    let mut lanes = [0.0; 16];
    for numbers in numbers {
        for (lane, &number) in lanes.iter_mut().zip(numbers) {
            *lane += power(number, smallest).powi(2);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let energy = |plain: Plain, numbers: &[f32]| Grid::of(&plain.into()).energy(numbers).unwrap_or_default() * 12.0;
        assert_eq!(energy(Plain::BF16, &[1.5; 20]), 20.0 * 2.0_f64.powi(-14));
        assert_eq!(energy(Plain::F16, &[1.0, -3.0]), 2.0_f64.powi(-20) * 5.0);
        assert_eq!(energy(Plain::F16, &[0.0]), 2.0_f64.powi(-48));
        assert_eq!(energy(Plain::I8, &[1.0, 100.0]), 2.0);
        assert_eq!(energy(Plain::F32, &[f32::NAN, 3e30, f32::INFINITY]), 2.0_f64.powi(202 - 46));
    }

    #[test]
    fn the_coarser_type_counts() {
        let coarser = |a: Plain, b: Plain| Grid::coarser(&a.into(), &b.into());
        assert_eq!(coarser(Plain::F32, Plain::BF16), Grid::of(&Plain::BF16.into()));
        assert_eq!(coarser(Plain::F8E5M2, Plain::F16), Grid::of(&Plain::F8E5M2.into()));
        assert_eq!(coarser(Plain::I8, Plain::F16), Grid::Integers);
    }
}
