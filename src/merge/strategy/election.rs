//! The election of a sign for each element, from TIES.
//!
//! The majority's sign is + where Σ δᵢ ≥ 0, else −; the models whose δ has it take part, zeros never do.
//! Paper: Yadav et al. 2023, "TIES-Merging", section 3.

use super::Real;

/// Which of the models' changes of one element take part.
pub(super) fn elect<T: Real>(changes: impl Iterator<Item = T> + Clone) -> impl Fn(T) -> bool {
    let sum = changes.fold(T::zero(), |sum, change| sum + change);
    let is_positive = sum >= T::zero();
    move |change| if is_positive { change > T::zero() } else { change < T::zero() }
}
