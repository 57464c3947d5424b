//! `arcee_fusion`: of theirs, the changes that matter most.
//!
//! With a ours and b theirs: importance = |b − a|·KL(p‖q), where p and q are the softmax of the rows of b and a along the
//! last axis, with 1e-8 added. Where it is at least median + 1.5·(q₃ − q₁) of the tensor, out = a + (b − a), elsewhere
//! out = a. Quantile q is the element ⌊q(n − 1)⌋ of the sorted ones; of all of them, where mergekit samples a million.
//!
//! It has no parameters. Source: Arcee AI; as in mergekit 0.1.5.

use super::real::Rows;
use super::{Input, Real, Refusal};

const EPSILON: f64 = 1e-8;

pub(super) fn merge<T: Real>(input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
    let [a, b] = input.exactly()?;
    let mut importance = vec![T::zero(); input.elements()];
    for row in Rows::last(input.shape).indices() {
        let divergence = divergence(&softmax(b, row.clone()), &softmax(a, row.clone()));
        row.for_each(|at| importance[at] = (b[at] - a[at]).abs() * divergence);
    }
    let mut sorted = importance.clone();
    sorted.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let quantile = |share: f64| sorted.get((share * (sorted.len() - 1) as f64) as usize).copied();
    let (Some(low), Some(median), Some(high)) = (quantile(0.25), quantile(0.5), quantile(0.75)) else {
        return Ok(Vec::new());
    };
    let threshold = median + T::of(1.5) * (high - low);
    let fuse = |((&a, &b), importance): ((&T, &T), T)| if importance >= threshold { a + (b - a) } else { a };
    Ok(a.iter().zip(b).zip(importance).map(fuse).collect())
}

fn softmax<T: Real>(x: &[T], row: impl Iterator<Item = usize> + Clone) -> Vec<T> {
    let max = row.clone().fold(T::neg_infinity(), |max, at| max.max(x[at]));
    let powers: Vec<T> = row.map(|at| (x[at] - max).exp()).collect();
    let sum = T::of(powers.iter().map(|power| power.as_()).sum());
    powers.into_iter().map(|power| power / sum + T::of(EPSILON)).collect()
}

fn divergence<T: Real>(p: &[T], q: &[T]) -> T {
    T::of(p.iter().zip(q).map(|(&p, &q)| (p * (p / q).ln()).as_()).sum())
}
