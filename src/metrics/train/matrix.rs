//! Numbers row by row, with sums that come out the same everywhere.
//!
//! The products of `ndarray` choose their instructions, and with them the order of their sums, by the processor. Here the
//! order stands in the code: eight sums side by side, added up in a fixed way. The functions of `libm` are not the
//! system's for the same reason.

use ndarray::Array2;

/// Sums that are kept side by side, so that a processor can work on them together.
const LANES: usize = 8;

/// Rows of equally many numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// `values` in rows of `columns`; what is too short for a row is left out.
    pub fn new(columns: usize, mut values: Vec<f64>) -> Self {
        let columns = columns.max(1);
        values.truncate(values.len() / columns * columns);
        Self { columns, values }
    }

    /// Zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self::new(columns, vec![0.0; rows * columns])
    }

    /// Numbers in a row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows, from the first to the last.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.columns)
    }

    /// The rows, to be changed.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, f64> {
        self.values.chunks_exact_mut(self.columns)
    }

    /// All numbers, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// All numbers, to be changed.
    pub fn values_mut(&mut self) -> &mut [f64] {
        &mut self.values
    }

    /// The rows at these places, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        let mut values = Vec::with_capacity(places.len() * self.columns);
        for &place in places {
            values.extend_from_slice(&self.values[place * self.columns..][..self.columns]);
        }
        Self { columns: self.columns, values }
    }
}

impl From<&Array2<f64>> for Matrix {
    fn from(array: &Array2<f64>) -> Self {
        Self::new(array.ncols(), array.iter().copied().collect())
    }
}

/// The sum of the products of two rows.
pub fn dot(left: &[f64], right: &[f64]) -> f64 {
    let (left, left_rest) = left.as_chunks::<LANES>();
    let (right, right_rest) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (left, right) in left.iter().zip(right) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    let rest: f64 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest
}

/// Adds `factor` times `row` to `sums`.
pub fn add_scaled(sums: &mut [f64], factor: f64, row: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn products_are_those_of_ndarray(values in prop::collection::vec((-1e3..1e3, -1e3..1e3), 0..100)) {
            let (left, right): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let expected = ndarray::arr1(&left).dot(&ndarray::arr1(&right));
            let scale: f64 = left.iter().zip(&right).map(|(left, right)| (left * right).abs()).sum();
            prop_assert!((dot(&left, &right) - expected).abs() <= 1e-14 * scale);
        }
    }

    #[test]
    fn rows_are_selected_in_the_order_asked_for() {
        let matrix = Matrix::from(&ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).reversed_axes());
        assert_eq!(matrix.values(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert_eq!(matrix.select(&[1, 0, 1]).values(), [2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert_eq!((matrix.len(), matrix.columns()), (2, 3));
    }
}
