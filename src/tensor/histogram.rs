//! Numbers counted by magnitude.

/// How many numbers have which binary exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Numbers that are zero.
    pub zeros: u64,
    /// Bucket `i` counts the x with 2^(i − 48) ≤ |x| < 2^(i − 47). The first one has all smaller ones too, the last one
    /// all larger ones.
    pub buckets: [u64; 64],
}

/// The exponent of the first bucket.
const EXPONENT_MIN: i64 = -48;

impl Histogram {
    /// The lower bound of bucket `i`; the first one has smaller numbers too.
    pub fn lower_bound(i: usize) -> f64 {
        2.0_f64.powi(i as i32 + EXPONENT_MIN as i32)
    }

    /// Counts a finite number.
    pub(super) fn add(&mut self, number: f64) {
        if number == 0.0 {
            self.zeros += 1;
        } else {
            let exponent = (number.to_bits() >> 52 & 0x7ff) as i64 - 1023;
            let last = self.buckets.len() as i64 - 1;
            self.buckets[(exponent - EXPONENT_MIN).clamp(0, last) as usize] += 1;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(count, more)| *count += more);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { zeros: 0, buckets: [0; 64] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_where_buckets_begin() {
        for i in 1..64 {
            let mut histogram = Histogram::default();
            histogram.add(-Histogram::lower_bound(i));
            histogram.add(Histogram::lower_bound(i).next_down());
            assert_eq!((histogram.buckets[i], histogram.buckets[i - 1]), (1, 1), "{i}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_in_the_outer_buckets() {
        let mut histogram = Histogram::default();
        [0.0, -0.0, f64::MIN_POSITIVE / 4.0, 1e-300, f64::MAX].into_iter().for_each(|x| histogram.add(x));
        assert_eq!((histogram.zeros, histogram.buckets[0], histogram.buckets[63]), (2, 2, 1));
    }
}
