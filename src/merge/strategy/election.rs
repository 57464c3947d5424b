//! The election of a sign for each element, from TIES.
//!
//! The majority's sign is + where Σ δᵢ ≥ 0, else −; the models whose δ has it take part, zeros never do. Where the sum is NaN
//! all take part, so that the result is NaN too, as in mergekit.
//! Paper: Yadav et al. 2023, "TIES-Merging", section 3.

use super::Real;

/// Which of the models' changes of one element take part.
pub(super) fn elect<T: Real>(changes: impl Iterator<Item = T> + Clone) -> impl Fn(T) -> bool {
    let sum = changes.fold(T::zero(), |sum, change| sum + change);
    move |change| {
        if sum >= T::zero() {
            change > T::zero()
        } else if sum < T::zero() {
            change < T::zero()
        } else {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elected(changes: &[f32]) -> Vec<f32> {
        let takes_part = elect(changes.iter().copied());
        changes.iter().copied().filter(|&change| takes_part(change)).collect()
    }

    #[test]
    fn the_majority_by_sum_takes_part() {
        assert_eq!(elected(&[3.0, -1.0, 0.0, 1.0]), [3.0, 1.0]);
        assert_eq!(elected(&[1.0, -3.0]), [-3.0]);
    }

    #[test]
    fn what_is_no_number_is_not_voted_out() {
        assert!(elected(&[f32::NAN, 4.0]).iter().any(|change| change.is_nan()));
        assert!(elected(&[f32::INFINITY, f32::NEG_INFINITY]).iter().sum::<f32>().is_nan());
    }
}
