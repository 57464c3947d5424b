//! Numbers to tensor bytes: each rounded once, to the nearest value, of two equally near ones to the even one.
//!
//! Sources: those of the types in `floats.rs`. What is too large becomes an infinity, or a NaN where the type has no
//! infinity, as PyTorch 2 does it.

use super::floats::Specials;
use super::{Dtype, Plain};

/// How a narrow float is made of bits: sign, exponent, mantissa.
#[derive(Clone, Copy)]
struct Narrow {
    bits: u32,
    mantissa_bits: u32,
    bias: i32,
    specials: Specials,
}

const F16: Narrow = Narrow { bits: 16, mantissa_bits: 10, bias: 15, specials: Specials::Ieee };
const BF16: Narrow = Narrow { bits: 16, mantissa_bits: 7, bias: 127, specials: Specials::Ieee };
const E4M3: Narrow = Narrow { bits: 8, mantissa_bits: 3, bias: 7, specials: Specials::Finite };
const E5M2: Narrow = Narrow { bits: 8, mantissa_bits: 2, bias: 15, specials: Specials::Ieee };
const E4M3_FNUZ: Narrow = Narrow { bits: 8, mantissa_bits: 3, bias: 8, specials: Specials::Unsigned };
const E5M2_FNUZ: Narrow = Narrow { bits: 8, mantissa_bits: 2, bias: 16, specials: Specials::Unsigned };

impl Narrow {
    const fn of(plain: Plain) -> Option<Self> {
        Some(match plain {
            Plain::F16 => F16,
            Plain::BF16 => BF16,
            Plain::F8E4M3 => E4M3,
            Plain::F8E5M2 => E5M2,
            Plain::F8E4M3Fnuz => E4M3_FNUZ,
            Plain::F8E5M2Fnuz => E5M2_FNUZ,
            _ => return None,
        })
    }

    /// The code of what is too large, and of NaN.
    const fn specials(self) -> (u32, u32) {
        let exponent = ((1 << (self.bits - 1 - self.mantissa_bits)) - 1) << self.mantissa_bits;
        match self.specials {
            Specials::Ieee => (exponent, exponent | 1 << (self.mantissa_bits - 1)),
            Specials::Finite => {
                (exponent | ((1 << self.mantissa_bits) - 1), exponent | ((1 << self.mantissa_bits) - 1))
            }
            Specials::Unsigned => (1 << (self.bits - 1), 1 << (self.bits - 1)),
        }
    }

    /// The largest code of a finite number.
    const fn max(self) -> u32 {
        match self.specials {
            Specials::Ieee | Specials::Finite => self.specials().0 - 1,
            Specials::Unsigned => (1 << (self.bits - 1)) - 1,
        }
    }

    fn code(self, number: f32) -> u32 {
        let (too_large, nan) = self.specials();
        let sign = number.to_bits() >> 31 << (self.bits - 1);
        // The unsigned types have one zero and one NaN.
        let is_unsigned = |code: u32| self.specials == Specials::Unsigned && (code == 0 || code == nan);
        let signed = |code: u32| if is_unsigned(code) { code } else { sign | code };
        if number.is_nan() {
            return signed(nan);
        }
        let bits = number.to_bits() & 0x7fff_ffff;
        // The exponent of the number, not below that of the narrow type's subnormals.
        let exponent = ((bits >> 23).max(1) as i32 - 127).max(1 - self.bias);
        let significand = if bits >> 23 == 0 { bits } else { bits & 0x007f_ffff | 0x0080_0000 };
        // Bits that the narrow type has no room for.
        let dropped = 23 - self.mantissa_bits as i32 + exponent - ((bits >> 23).max(1) as i32 - 127);
        let rounded = if dropped > 25 {
            0
        } else {
            let half = (1_u32 << dropped) >> 1;
            let odd = significand >> dropped & 1;
            (significand + half - 1 + odd) >> dropped
        };
        // A carry out of the mantissa is one more in the exponent, and a subnormal has none.
        let code = ((exponent + self.bias - 1).max(0) as u32) << self.mantissa_bits;
        let code = i64::from(code) + i64::from(rounded);
        signed(if code > i64::from(self.max()) { too_large } else { code as u32 })
    }
}

/// Whether [`encode`] can write this type from f32: the floating-point types of 8 to 32 bits, but for bare exponents.
pub const fn is_float(dtype: &Dtype) -> bool {
    match dtype {
        Dtype::Plain(Plain::F32) => true,
        Dtype::Plain(plain) => Narrow::of(*plain).is_some(),
        Dtype::Gguf(_) => false,
    }
}

/// The bytes of a tensor of this type with these elements; `None` for a type that is none of [`is_float`].
pub fn encode(dtype: &Dtype, numbers: &[f32]) -> Option<Vec<u8>> {
    let Dtype::Plain(plain) = dtype else { return None };
    if *plain == Plain::F32 {
        return Some(numbers.iter().flat_map(|number| number.to_le_bytes()).collect());
    }
    let narrow = Narrow::of(*plain)?;
    Some(if narrow.bits == 8 {
        numbers.iter().map(|&number| narrow.code(number) as u8).collect()
    } else {
        numbers.iter().flat_map(|&number| (narrow.code(number) as u16).to_le_bytes()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Unit, decode};

    const NARROW: [Plain; 6] =
        [Plain::F16, Plain::BF16, Plain::F8E4M3, Plain::F8E5M2, Plain::F8E4M3Fnuz, Plain::F8E5M2Fnuz];

    /// All numbers of a type, by code.
    fn numbers(plain: Plain) -> Vec<(Vec<u8>, f32)> {
        let dtype = Dtype::Plain(plain);
        let bytes = Unit::of(&dtype).bytes;
        let codes = (0..1_u32 << (8 * bytes)).map(|code| code.to_le_bytes()[..bytes].to_vec());
        codes.map(|code| (code.clone(), decode(&dtype, &code).expect("a number")[0] as f32)).collect()
    }

    #[test]
    fn every_number_comes_back() {
        for plain in NARROW {
            for (code, number) in numbers(plain) {
                let again = encode(&plain.into(), &[number]).expect("a float");
                if number.is_nan() {
                    let again = decode(&plain.into(), &again).expect("a number");
                    assert!(again[0].is_nan(), "{plain:?} {code:?}");
                } else {
                    assert_eq!(again, code, "{plain:?} {number}");
                }
            }
        }
    }

    #[test]
    fn what_lies_between_goes_to_the_nearest_and_halfway_to_the_even_one() {
        for plain in NARROW {
            let mut known: Vec<_> =
                numbers(plain).into_iter().filter(|(_, number)| *number >= 0.0 && number.is_finite()).collect();
            known.retain(|(_, number)| number.is_sign_positive());
            known.sort_by(|a, b| a.1.total_cmp(&b.1));
            for pair in known.windows(2) {
                let (low, high) = (&pair[0], &pair[1]);
                let middle = ((f64::from(low.1) + f64::from(high.1)) / 2.0) as f32;
                let code = |number: f32| encode(&plain.into(), &[number]).expect("a float");
                let even = if low.0[0] & 1 == 0 { low } else { high };
                assert_eq!(code(middle), even.0, "{plain:?} {middle:e}");
                assert_eq!(code(middle.next_down()), low.0, "{plain:?} below {middle:e}");
                assert_eq!(code(middle.next_up()), high.0, "{plain:?} above {middle:e}");
            }
        }
    }

    #[test]
    fn what_is_too_large_is_no_number_any_more() {
        for (plain, limit) in [(Plain::F16, 65520.0), (Plain::F8E5M2, 61440.0), (Plain::F8E4M3, 464.0)] {
            let back = |number: f32| {
                decode(&plain.into(), &encode(&plain.into(), &[number]).expect("a float")).expect("numbers")[0]
            };
            assert!(back(f32::next_down(limit)).is_finite(), "{plain:?}");
            for number in [limit.next_up(), f32::MAX, f32::INFINITY, f32::NEG_INFINITY] {
                assert!(!back(number).is_finite(), "{plain:?} {number}");
            }
        }
    }
}
