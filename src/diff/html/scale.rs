//! Relative differences as classes of colours: each class a step of a logarithmic scale, the scale as wide as it must be.

use std::fmt::Write;

/// Shades in the style sheet, `h0` to `h11`.
const SHADES: i32 = 12;
/// A scale covers no fewer decades: what differs by little shall not look like much.
const DECADES_MIN: i32 = 2;
/// And no more: what is below counts to the first class.
const DECADES_MAX: i32 = 6;
/// As many decades can have steps at 1, 2 and 5; more have steps at 1 and 3.
const DECADES_FINE: i32 = 4;

/// Assigns shades to numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// Lower bounds of the classes.
    bounds: Vec<f64>,
}

impl Scale {
    /// For these values; those that are not positive and finite are left out.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let logs = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let ends = logs.fold(None, |ends, log| match ends {
            None => Some((log, log)),
            Some((low, high)) => Some((log.min(low), log.max(high))),
        });
        let Some((low, high)) = ends else { return Self { bounds: Vec::new() } };
        // A value of exactly a power of ten starts a class of its own.
        let end = high.floor() as i32 + 1;
        let start = (low.floor() as i32).clamp(end - DECADES_MAX, end - DECADES_MIN);
        let steps: &[f64] = if end - start <= DECADES_FINE { &[1.0, 2.0, 5.0] } else { &[1.0, 3.0] };
        let bounds = (start..end).flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        Self { bounds: bounds.collect() }
    }

    /// The shade of a value.
    pub(super) fn shade(&self, value: f64) -> i32 {
        self.shade_of(self.bounds.iter().filter(|&&bound| bound <= value).count().saturating_sub(1))
    }

    /// Classes are spread over all shades.
    fn shade_of(&self, class: usize) -> i32 {
        let last = self.bounds.len().saturating_sub(1).max(1);
        (class as f64 / last as f64 * f64::from(SHADES - 1)).round() as i32
    }

    /// The classes as items of a list, each with the number it starts at; nothing if there are none.
    pub(super) fn legend(&self) -> String {
        let mut text = String::new();
        for (class, bound) in self.bounds.iter().enumerate() {
            let shade = self.shade_of(class);
            let label = match self.bounds.get(1) {
                Some(second) if class == 0 => format!("&lt;{second:.0e}"),
                _ => format!("{bound:.0e}"),
            };
            let _ = write!(text, "<li class=\"h{shade}\">{label}</li>");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_wide_as_the_values() {
        let cases: [(&[f64], usize, f64); 5] = [
            (&[2e-3, 4e-3], 6, 1e-4),
            (&[1e-3], 6, 1e-4),
            (&[3e-5, 0.5], 12, 1e-5 / 1.0 * 1.0),
            (&[3e-4, 0.5], 12, 1e-4),
            (&[1e-30, 0.5], 12, 1e-6),
        ];
        for (values, classes, first) in cases {
            let scale = Scale::of(values.iter().copied());
            let expected = if values == [3e-5, 0.5] { 10 } else { classes };
            assert_eq!(scale.bounds.len(), expected, "{values:?}");
            assert!((scale.bounds[0] / first - 1.0).abs() < 1e-9, "{values:?}: {:?}", scale.bounds);
        }
        assert!(Scale::of([0.0, f64::NAN, f64::INFINITY].into_iter()).bounds.is_empty());
    }

    #[test]
    fn shades_rise() {
        let scale = Scale::of([1e-4, 2e-2].into_iter());
        let shades = [0.0, 1e-9, 1.5e-4, 1e-2, 6e-2, 1e9, f64::INFINITY].map(|value| scale.shade(value));
        assert_eq!(shades, [0, 0, 0, 8, 11, 11, 11]);
        assert_eq!(Scale::of(std::iter::empty()).shade(1.0), 0);
        assert!(scale.legend().starts_with("<li class=\"h0\">&lt;2e-4</li><li class=\"h1\">2e-4</li>"));
    }
}
