//! Which elements of a change are kept, for the methods that prune before they merge.
//!
//! With a density d ≥ 1 all n of them. Ranks are by |δ|, of equal ones the one that stands first is the larger.
//!
//! - magnitude (TIES): the max(1, int(d·n)) largest.
//! - random (DARE, Yu et al. 2023): each with the probability d.
//! - outliers (Model Breadcrumbs, Davari and Belilovsky 2023): int(d·n) of them, below the int(γ·n) largest.
//! - magprune (DELLA, Deep et al. 2024): each with a probability from d − ε for the smallest of its row along the second
//!   axis to d + ε for the largest.
//!
//! Rescaled, what is kept is multiplied by ‖δ‖₁/‖kept‖₁, unless one of the two is below 1e-7.

use std::cmp::Ordering;

use super::real::{Rows, norm1};
use super::{Random, Real, Refusal};

const NORM_MIN: f64 = 1e-7;

/// Multiplies what is left of a change so that its 1-norm is what it was.
pub(super) fn rescale<T: Real>(delta: &mut [T], norm_before: T) {
    let norm = norm1(delta);
    if norm_before >= T::of(NORM_MIN) && norm >= T::of(NORM_MIN) {
        let factor = norm_before / norm;
        delta.iter_mut().for_each(|x| *x = *x * factor);
    }
}

/// The `count` largest elements by magnitude: for each, whether it is among them.
pub(super) fn largest<T: Real>(values: &[T], count: usize) -> Vec<bool> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, |&a, &b| descending(values, a, b));
    }
    let mut kept = vec![false; values.len()];
    order.iter().take(count).for_each(|&at| kept[at as usize] = true);
    kept
}

fn descending<T: Real>(values: &[T], a: u32, b: u32) -> Ordering {
    let magnitude = |at: u32| values[at as usize].abs();
    magnitude(b).partial_cmp(&magnitude(a)).unwrap_or(Ordering::Equal).then(a.cmp(&b))
}

pub(super) fn keep<T: Real>(delta: &mut [T], kept: impl IntoIterator<Item = bool>) {
    delta.iter_mut().zip(kept).filter(|(_, kept)| !kept).for_each(|(x, _)| *x = T::zero());
}

pub(super) fn magnitude<T: Real>(delta: &mut [T], density: f64) {
    let count = if density <= 0.0 { 0 } else { ((density * delta.len() as f64) as usize).max(1) };
    let kept = largest(delta, count);
    keep(delta, kept);
}

pub(super) fn outliers<T: Real>(delta: &mut [T], density: f64, gamma: f64) {
    let of = |share: f64| (share * delta.len() as f64) as usize;
    // Fewer outliers go where else too little would be left.
    let (count, bottom) = (of(density), delta.len().saturating_sub(of(density) + of(gamma)));
    let removed = delta.len() - bottom - count;
    let (mut kept, top) = (largest(delta, removed + count), largest(delta, removed));
    kept.iter_mut().zip(top).for_each(|(kept, top)| *kept &= !top);
    keep(delta, kept);
}

pub(super) fn random<T: Real>(delta: &mut [T], density: f64, random: &mut Random) {
    let probability = density as f32;
    delta.iter_mut().filter(|_| !random.is_below(probability)).for_each(|x| *x = T::zero());
}

pub(super) fn magprune<T: Real>(
    delta: &mut [T],
    shape: &[usize],
    density: f64,
    epsilon: f64,
    random: &mut Random,
) -> Result<(), Refusal> {
    if density + epsilon >= 1.0 || density - epsilon <= 0.0 {
        return Err(Refusal::Degenerate("`density` ± `epsilon` must lie between 0 and 1"));
    }
    let rows = if shape.len() < 2 { Rows::whole(delta.len()) } else { Rows::along(shape, 1) };
    let mut probabilities = vec![density as f32; delta.len()];
    if rows.len > 1 {
        for row in rows.indices() {
            let mut order: Vec<u32> = row.map(|at| at as u32).collect();
            order.sort_unstable_by(|&a, &b| descending(delta, b, a));
            for (rank, &at) in order.iter().enumerate() {
                let rank = rank as f32 / (rows.len - 1) as f32;
                probabilities[at as usize] = rank * 2.0 * epsilon as f32 + (density - epsilon) as f32;
            }
        }
    }
    delta
        .iter_mut()
        .zip(probabilities)
        .filter(|&(_, probability)| !random.is_below(probability))
        .for_each(|(x, _)| *x = T::zero());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_magnitudes_the_first_is_kept() {
        let mut delta = [1.0_f32, -2.0, 2.0, -1.0, 1.0];
        magnitude(&mut delta, 0.6);
        assert_eq!(delta, [1.0, -2.0, 2.0, 0.0, 0.0]);
        magnitude(&mut delta, 0.0);
        assert_eq!(delta, [0.0; 5]);
    }

    #[test]
    fn outliers_leave_room_for_the_density() {
        let values: Vec<f32> = (1..=10).map(|x| x as f32).collect();
        let kept = |density, gamma| {
            let mut delta = values.clone();
            outliers(&mut delta, density, gamma);
            delta.into_iter().filter(|&x| x != 0.0).map(|x| x as i32).collect::<Vec<_>>()
        };
        assert_eq!(kept(0.5, 0.2), [4, 5, 6, 7, 8]);
        assert_eq!(kept(0.9, 0.3), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
