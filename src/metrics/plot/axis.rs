//! The scale of values: how far it goes, and round numbers on it.

/// Values from here on, and below [`SMALL`], are written with a power of ten of their own.
const LARGE: f64 = 1e6;
const SMALL: f64 = 1e-3;
/// What differs by less, relative to its size, is one value: a double has no digits for steps in between.
const SAME: f64 = 1e-12;
/// The part of the scale that is left free above and below the values.
const MARGIN: f64 = 0.06;
/// A limit is in view if the values keep at least this part of the scale.
const VALUES_SHARE_MIN: f64 = 0.3;

/// A linear scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// The ends, in units of `10^exponent`.
    pub low: f64,
    pub high: f64,
    /// The power of ten that all numbers on the scale lack.
    pub exponent: i32,
    /// Round numbers, ascending: in those units, and as text.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A scale with all of `values`, with about `ticks` numbers, and with those of `limits` that are not far away.
    pub fn fit(values: impl Iterator<Item = f64> + Clone, limits: &[f64], ticks: usize) -> Self {
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(|value| value.is_finite()).fold(None, |ends, value| {
                let (low, high) = ends.unwrap_or((value, value));
                Some((value.min(low), value.max(high)))
            })
        };
        let (low, high) = ends(&mut values.clone()).or_else(|| ends(&mut limits.iter().copied())).unwrap_or((0.0, 1.0));
        let exponent = exponent(low.abs().max(high.abs()));
        let unit = power(exponent);
        let (mut low, mut high) = (low / unit, high / unit);
        let size = low.abs().max(high.abs());
        if high - low <= size * SAME {
            let half = if size == 0.0 { 1.0 } else { size * 0.1 };
            (low, high) = (low - half, high + half);
        }
        let values_span = high - low;
        let is_never_negative = low >= 0.0;
        let mut near: Vec<f64> = limits.iter().map(|limit| limit / unit).filter(|limit| limit.is_finite()).collect();
        near.sort_by(|a, b| distance(*a, low, high).total_cmp(&distance(*b, low, high)));
        for limit in near {
            let (wider_low, wider_high) = (low.min(limit), high.max(limit));
            if values_span >= VALUES_SHARE_MIN * (wider_high - wider_low) {
                (low, high) = (wider_low, wider_high);
            }
        }
        let margin = (high - low) * MARGIN;
        (low, high) = (low - margin, high + margin);
        if is_never_negative && low < 0.0 {
            low = 0.0;
        }
        Self { low, high, exponent, ticks: round_numbers(low, high, ticks) }
    }

    /// Where `value` stands, from 0 at the lower end to 1 at the upper one; outside for what is beyond.
    pub fn place(&self, value: f64) -> f64 {
        self.place_of_tick(value / power(self.exponent))
    }

    /// As [`Self::place`], for a value in the axis' units.
    pub fn place_of_tick(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// A name for values, with the power of ten that the numbers lack.
    pub fn titled(&self, name: &str) -> String {
        if self.exponent == 0 { name.to_owned() } else { format!("{name} (×10{})", superscript(self.exponent)) }
    }
}

fn distance(value: f64, low: f64, high: f64) -> f64 {
    (low - value).max(value - high).max(0.0)
}

/// The power of ten that is left out of numbers as large as `size`: a multiple of three, as units have.
fn exponent(size: f64) -> i32 {
    if size == 0.0 || (SMALL..LARGE).contains(&size) {
        return 0;
    }
    // Below, a power of ten is no normal number any more.
    ((size.log10().floor() as i32).div_euclid(3) * 3).max(-306)
}

fn power(exponent: i32) -> f64 {
    10_f64.powi(exponent)
}

fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).and_then(|digit| DIGITS.get(digit as usize)).copied().unwrap_or('⁻');
    number.to_string().chars().map(digit).collect()
}

/// Multiples of 1, 2 or 5 times a power of ten between `low` and `high`, about `wanted` of them.
fn round_numbers(low: f64, high: f64, wanted: usize) -> Vec<(f64, String)> {
    let span = high - low;
    let raw = span / wanted.max(1) as f64;
    let magnitude = power(raw.log10().floor() as i32);
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * magnitude >= raw * 0.75).unwrap_or(10.0);
    let step = factor * magnitude;
    let digits = (-step.log10() - 1e-9).ceil().clamp(0.0, 17.0) as usize;
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let count = ((last - first).max(0.0) as usize).min(2 * wanted + 2);
    (0..=count)
        .map(|at| {
            let value = (first + at as f64) * step;
            let text = format!("{value:.digits$}");
            let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
            (value, if is_zero { text.trim_start_matches('-').to_owned() } else { text })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(values: &[f64], limits: &[f64]) -> (Vec<String>, i32) {
        let axis = Axis::fit(values.iter().copied(), limits, 5);
        (axis.ticks.into_iter().map(|tick| tick.1).collect(), axis.exponent)
    }

    #[test]
    fn round_numbers_are_round() {
        let cases: [(&[f64], &[&str], i32); 7] = [
            (&[0.91, 0.95], &["0.91", "0.92", "0.93", "0.94", "0.95"], 0),
            (&[0.0, 31.0], &["0", "5", "10", "15", "20", "25", "30"], 0),
            (&[-2.0, 2.0], &["-2", "-1", "0", "1", "2"], 0),
            (&[3.0, 3.0], &["2.8", "3.0", "3.2"], 0),
            (&[2.1e9, 3.9e9], &["2.0", "2.5", "3.0", "3.5", "4.0"], 9),
            (&[1e-7, 9e-7], &["200", "400", "600", "800"], -9),
            (&[], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], 0),
        ];
        for (values, expected, exponent) in cases {
            assert_eq!(
                texts(values, &[]),
                (expected.iter().map(|&text| text.to_owned()).collect(), exponent),
                "{values:?}"
            );
        }
        assert_eq!(Axis::fit([2e9].into_iter(), &[], 5).titled("loss"), "loss (×10⁹)");
        assert_eq!(superscript(-306), "⁻³⁰⁶");
    }

    #[test]
    fn a_near_limit_is_in_view_and_a_far_one_is_not() {
        let axis = Axis::fit([20.0, 25.0].into_iter(), &[30.0, 1000.0], 5);
        assert!((25.0..1.0e2).contains(&axis.high) && axis.high > 30.0, "{axis:?}");
    }

    proptest! {
        #[test]
        fn every_value_is_in_view(values in prop::collection::vec(prop::num::f64::ANY, 0..6), limits in prop::collection::vec(prop::num::f64::ANY, 0..3)) {
            let axis = Axis::fit(values.iter().copied(), &limits, 5);
            prop_assert!(axis.low < axis.high && axis.low.is_finite() && axis.high.is_finite(), "{axis:?}");
            for value in values.into_iter().filter(|value| value.is_finite()) {
                prop_assert!((-1e-9..=1.0 + 1e-9).contains(&axis.place(value)), "{value} {axis:?}");
            }
            prop_assert!(axis.ticks.len() <= 13, "{axis:?}");
            prop_assert!(axis.ticks.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1), "{axis:?}");
        }
    }
}
