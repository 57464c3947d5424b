//! What a parameter file says, without how it is written.

use std::collections::BTreeMap;

/// The keys of a map with their values.
pub type Members = BTreeMap<String, Value>;

/// A value. Two are equal if they mean the same, however they are spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A map; the order of its keys has no meaning.
    Map(Members),
    /// A list.
    List(Vec<Value>),
    /// A decimal number.
    Number(Number),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing.
    Null,
    /// Anything else, as it is written: dates, infinities, words that YAML 1.1 and 1.2 read differently.
    Other(String),
}

impl Value {
    /// The keys, if this is a map.
    pub fn members(&self) -> Option<&Members> {
        match self {
            Self::Map(members) => Some(members),
            _ => None,
        }
    }
}

/// A decimal number: `digits` × 10^`exponent`, with neither leading nor trailing zeros, so `1e-4`, `0.0001` and `1.0E-4`
/// are one number. No digit is lost, unlike in a float.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    /// Reads digits with an optional sign, decimal point and exponent. `None` if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = [whole, fraction].concat();
        if written.is_empty() || !written.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = written.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let zeros = written.len() - written.trim_end_matches('0').len();
        let shift = i64::try_from(zeros).ok()?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self { negative, digits: digits.to_owned(), exponent: power.checked_add(shift)? })
    }
}

/// Stands between the parts of a key that is a path itself.
pub const PATH: char = '\0';

/// A path of keys with dots between them; a key that has a dot or a space itself is quoted.
pub fn dotted<'a>(path: impl Iterator<Item = &'a str>) -> String {
    let quote = |key: &str| {
        let plain = !key.is_empty() && !key.contains(|character: char| character == '.' || character.is_whitespace());
        if plain { key.to_owned() } else { format!("\"{key}\"") }
    };
    path.flat_map(|key| key.split(PATH)).map(quote).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_however_they_are_spelled() {
        let equal = |a, b| Number::parse(a).is_some() && Number::parse(a) == Number::parse(b);
        for (a, b) in [
            ("1e-4", "0.0001"),
            ("1.0E-4", "1e-04"),
            ("100", "1e2"),
            ("+.5", "0.50"),
            ("-0.0", "0"),
            ("5.", "5"),
            ("12300", "1.23e4"),
        ] {
            assert!(equal(a, b), "{a} and {b}");
        }
        for (a, b) in [("1e-4", "1e-5"), ("-1", "1"), ("9007199254740993", "9007199254740992"), ("10", "1")] {
            assert!(!equal(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn what_is_no_decimal_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e99999999999999999999", "0x10", "1_000", "nan", "--1", "1.2.3"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
