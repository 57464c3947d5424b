//! What merge arithmetic needs of a number: f32, and f64 for tensors of f64.
//!
//! Element-wise steps are done in the number's own precision, in the order of the reference; sums over a tensor and what
//! is made of them (norms, angles) in f64.

use num_traits::{AsPrimitive, Float};

/// A number that tensors are merged in.
pub trait Real: Float + AsPrimitive<f64> + Send + Sync {
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
}

/// Σ aᵢ·bᵢ, in f64.
pub fn dot<T: Real>(a: impl IntoIterator<Item = T>, b: impl IntoIterator<Item = T>) -> f64 {
    a.into_iter().zip(b).map(|(a, b)| a.as_() * b.as_()).sum()
}

/// √Σ xᵢ², in f64.
pub fn norm<T: Real>(x: impl IntoIterator<Item = T>) -> f64 {
    x.into_iter().map(|x| x.as_() * x.as_()).sum::<f64>().sqrt()
}

/// Σ |xᵢ| in the precision of the elements, added up in the order in which PyTorch 2 does it on one thread with vectors of
/// 256 bits (`SumKernel.cpp`), so that what is scaled by it has the same bits there: lane by lane, four vectors side by
/// side, in four levels of partial sums that keep the rounding error small.
pub fn norm1<T: Real>(x: &[T]) -> T {
    let lanes = 32 / size_of::<T>();
    let vectors = x.len() / lanes;
    let rows = vectors / SIDE_BY_SIDE;
    let mut sums: Vec<T> = (0..lanes * SIDE_BY_SIDE)
        .map(|column| in_levels(rows, |row| x[row * lanes * SIDE_BY_SIDE + column].abs()))
        .collect();
    for (at, x) in x[rows * SIDE_BY_SIDE * lanes..vectors * lanes].iter().enumerate() {
        sums[at % lanes] = sums[at % lanes] + x.abs();
    }
    for vector in 1..SIDE_BY_SIDE {
        for lane in 0..lanes {
            sums[lane] = sums[lane] + sums[vector * lanes + lane];
        }
    }
    let rest = x[vectors * lanes..].iter().fold(T::zero(), |sum, x| sum + x.abs());
    sums[..lanes].iter().fold(rest, |sum, &lane| sum + lane)
}

/// Vectors that are added up side by side.
const SIDE_BY_SIDE: usize = 4;

/// Adds up `count` numbers: runs of them, then the sums of these, and so on.
fn in_levels<T: Real>(count: usize, number: impl Fn(usize) -> T) -> T {
    const LEVELS: usize = 4;
    let ceil_log2 = count.next_power_of_two().trailing_zeros() as usize;
    let power = (ceil_log2 / LEVELS).max(4);
    let run = 1 << power;
    let mut sums = [T::zero(); LEVELS];
    let mut at = 0;
    while at + run <= count {
        sums[0] = (at..at + run).fold(sums[0], |sum, at| sum + number(at));
        at += run;
        for level in 1..LEVELS {
            sums[level] = sums[level] + sums[level - 1];
            sums[level - 1] = T::zero();
            if at >> (level * power) & (run - 1) != 0 {
                break;
            }
        }
    }
    sums[0] = (at..count).fold(sums[0], |sum, at| sum + number(at));
    sums.into_iter().reduce(|sum, level| sum + level).unwrap_or_else(T::zero)
}

/// The rows of a tensor along one of its axes: for each, where it begins and how far apart its elements are.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    count: usize,
    /// Elements in each.
    pub len: usize,
    stride: usize,
}

impl Rows {
    /// The whole tensor as one row.
    pub const fn whole(elements: usize) -> Self {
        Self { count: 1, len: elements, stride: 1 }
    }

    /// The rows along `axis`; a scalar is one row.
    pub fn along(shape: &[usize], axis: usize) -> Self {
        let Some(&len) = shape.get(axis) else { return Self::whole(1) };
        let elements: usize = shape.iter().product();
        Self { count: elements.checked_div(len).unwrap_or(0), len, stride: shape[axis + 1..].iter().product() }
    }

    /// The rows along the last axis.
    pub fn last(shape: &[usize]) -> Self {
        Self::along(shape, shape.len().saturating_sub(1))
    }

    /// The flat indices of each row's elements.
    pub fn indices(self) -> impl Iterator<Item = impl ExactSizeIterator<Item = usize> + Clone> {
        (0..self.count).map(move |row| {
            let start = row / self.stride * self.len * self.stride + row % self.stride;
            (0..self.len).map(move |at| start + at * self.stride)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_along_every_axis() {
        let rows = |axis| Rows::along(&[2, 2, 3], axis).indices().map(Iterator::collect).collect::<Vec<Vec<_>>>();
        assert_eq!(rows(0), [[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]);
        assert_eq!(rows(1), [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]);
        assert_eq!(rows(2), [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]);
        assert_eq!(Rows::last(&[]).indices().map(Iterator::collect).collect::<Vec<Vec<_>>>(), [[0]]);
        assert_eq!(Rows::last(&[3, 0]).indices().count(), 0);
    }
}
