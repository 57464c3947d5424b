//! How large the differences within a tensor are, as bars over powers of two.

use std::fmt::Write;

use crate::tensor::Histogram;
use crate::text::percent;

/// The exponent of a histogram's first bucket.
const EXPONENT_MIN: i32 = -48;
const WIDTH: f64 = 190.0;
const BARS_HEIGHT: f64 = 26.0;
const HEIGHT: f64 = 42.0;
/// Room left and right for the labels of the outermost ticks.
const MARGIN: f64 = 12.0;
/// Less than one in so many differences is too small to be drawn.
const HIDDEN_SHARE: u64 = 500;
/// An axis has no more labels than this.
const LABELS_MAX: usize = 5;

/// The buckets that any of some tensors needs: their bars stand above each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    first: usize,
    last: usize,
}

impl Axis {
    /// `None` if nothing is in any bucket.
    pub(super) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Option<Self> {
        let ends = |histogram: &Histogram| {
            // Few differences are far smaller than the others, and of no account. Far larger ones are what one looks for.
            let hidden_max = histogram.buckets.iter().sum::<u64>() / HIDDEN_SHARE;
            let mut seen = 0;
            let first = histogram.buckets.iter().position(|&count| {
                seen += count;
                seen > hidden_max
            })?;
            Some(Self { first, last: histogram.buckets.iter().rposition(|&count| count > 0)? })
        };
        histograms.filter_map(ends).reduce(|a, b| Self { first: a.first.min(b.first), last: a.last.max(b.last) })
    }

    fn bar_width(&self) -> f64 {
        (WIDTH - 2.0 * MARGIN) / (self.last - self.first + 1) as f64
    }

    /// Where a bucket starts.
    fn x(&self, bucket: usize) -> f64 {
        MARGIN + (bucket - self.first) as f64 * self.bar_width()
    }

    /// A drawing without size that defines the axis, to be used by [`svg`] under the same `id`.
    pub(super) fn definition(&self, id: usize) -> String {
        let buckets = self.last - self.first + 1;
        let every = [1, 2, 4, 8, 16].into_iter().find(|every| buckets.div_ceil(*every) <= LABELS_MAX).unwrap_or(16);
        let mut text = format!(
            "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\
             <g id=\"axis{id}\" fill=\"currentColor\" text-anchor=\"middle\"><path stroke=\"currentColor\" d=\"M{MARGIN} {BARS_HEIGHT}H{}\"/>",
            WIDTH - MARGIN
        );
        for bucket in (self.first..=self.last).filter(|bucket| exponent(*bucket).rem_euclid(every as i32) == 0) {
            let x = self.x(bucket);
            let _ = write!(
                text,
                "<path stroke=\"currentColor\" d=\"M{x:.1} {BARS_HEIGHT}v3\"/><text x=\"{x:.1}\" y=\"{}\">{}</text>",
                HEIGHT - 4.0,
                power(exponent(bucket))
            );
        }
        text + "</g></defs></svg>"
    }
}

const fn exponent(bucket: usize) -> i32 {
    EXPONENT_MIN + bucket as i32
}

/// `2⁻²⁰`.
fn power(exponent: i32) -> String {
    let raised = |c| match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        // The other digits stand in a row.
        digit => char::from_u32(0x2070 + u32::from(digit) - u32::from('0')).unwrap_or(digit),
    };
    format!("2{}", exponent.to_string().chars().map(raised).collect::<String>())
}

/// The bars of one tensor over an axis that is defined on the page; the highest one is as high as there is room.
pub(super) fn svg(histogram: &Histogram, axis: &Axis, id: usize) -> String {
    let Some(most) = (axis.first..=axis.last).max_by_key(|&bucket| histogram.buckets[bucket]) else {
        return String::new();
    };
    let highest = histogram.buckets[most];
    if highest == 0 {
        return String::new();
    }
    let total = histogram.buckets.iter().sum::<u64>() + histogram.zeros;
    let label = format!(
        "most often {} to {}: {} of the elements; no difference: {}",
        power(exponent(most)),
        power(exponent(most + 1)),
        percent(highest, total),
        percent(histogram.zeros, total)
    );
    let mut bars = String::new();
    let gap = (axis.bar_width() * 0.15).min(1.0);
    for bucket in (axis.first..=axis.last).filter(|&bucket| histogram.buckets[bucket] > 0) {
        // Whatever is there can be seen.
        let height = (histogram.buckets[bucket] as f64 / highest as f64 * BARS_HEIGHT).max(0.7);
        let width = axis.bar_width() - gap;
        let _ = write!(bars, "M{:.1} {BARS_HEIGHT}v-{height:.1}h{width:.1}v{height:.1}z", axis.x(bucket));
    }
    format!(
        "<svg class=\"hist\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-label=\"{label}\">\
         <title>{label}</title><path d=\"{bars}\"/><use href=\"#axis{id}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[(usize, u64)], zeros: u64) -> Histogram {
        let mut buckets = [0; 64];
        counts.iter().for_each(|&(bucket, count)| buckets[bucket] = count);
        Histogram { zeros, buckets }
    }

    #[test]
    fn one_axis_for_all() {
        let (a, b, none) = (histogram(&[(28, 1), (30, 3)], 0), histogram(&[(34, 2)], 2), histogram(&[], 9));
        let axis = Axis::of([&a, &b, &none].into_iter()).expect("an axis");
        assert_eq!(axis, Axis { first: 28, last: 34 });
        let tail = histogram(&[(3, 1), (4, 1), (20, 999), (40, 1)], 0);
        assert_eq!(Axis::of([&tail].into_iter()), Some(Axis { first: 20, last: 40 }));
        assert!(axis.definition(3).contains("id=\"axis3\""));
        assert!(axis.definition(3).contains(">2⁻²⁰</text>") && axis.definition(3).contains(">2⁻¹⁴</text>"));
        assert!(svg(&b, &axis, 3).contains("most often 2⁻¹⁴ to 2⁻¹³: 50 % of the elements; no difference: 50 %"));
        assert_eq!(svg(&a, &axis, 0).matches('M').count(), 2);
        assert_eq!((svg(&none, &axis, 0).as_str(), Axis::of([&none].into_iter())), ("", None));
        assert_eq!([0, 5, -9, -20].map(power), ["2⁰", "2⁵", "2⁻⁹", "2⁻²⁰"]);
    }
}
