//! Standardisation: features of mean 0 and standard deviation 1, so that one learning rate suits them all.
//!
//! The standard deviation is that of the rows themselves (divided by n), as in scikit-learn's `StandardScaler`; a column
//! whose values are all the same is divided by 1.

use super::matrix::Matrix;
use super::network::Layer;

/// What is taken off each column and what it is divided by.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// The means.
    pub mean: Vec<f64>,
    /// The standard deviations, never 0.
    pub std: Vec<f64>,
}

impl Scale {
    /// Of these rows.
    pub fn of(rows: &Matrix) -> Self {
        let count = rows.len() as f64;
        let mut mean = vec![0.0; rows.columns()];
        for row in rows.rows() {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / count);
        }
        // A second pass takes off what rounding has left.
        let mut rest = vec![0.0; rows.columns()];
        for row in rows.rows() {
            rest.iter_mut().zip(row).zip(&mean).for_each(|((rest, value), mean)| *rest += (value - mean) / count);
        }
        mean.iter_mut().zip(&rest).for_each(|(mean, rest)| *mean += rest);
        let mut variance = vec![0.0; rows.columns()];
        for row in rows.rows() {
            for ((variance, value), mean) in variance.iter_mut().zip(row).zip(&mean) {
                *variance += (value - mean) * (value - mean) / count;
            }
        }
        let mut std: Vec<f64> = variance.into_iter().map(f64::sqrt).collect();
        let first = rows.rows().next().unwrap_or_default();
        for column in constant_columns(rows) {
            (mean[column], std[column]) = (first[column], 1.0);
        }
        // Of numbers too near to each other for their squares.
        std.iter_mut().filter(|std| **std == 0.0).for_each(|std| *std = 1.0);
        Self { mean, std }
    }

    /// Makes rows standard.
    pub fn apply(&self, rows: &mut Matrix) {
        for row in rows.rows_mut() {
            for ((value, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *value = (*value - mean) / std;
            }
        }
    }

    /// Makes a layer that puts out standard numbers put out the numbers themselves.
    pub fn undo_in(&self, layer: &mut Layer) {
        let scales = self.mean.iter().zip(&self.std);
        for ((row, bias), (mean, std)) in layer.weight.rows_mut().zip(&mut layer.bias).zip(scales) {
            row.iter_mut().for_each(|weight| *weight *= std);
            *bias = *bias * std + mean;
        }
    }
}

/// Columns whose values are all the same.
pub fn constant_columns(rows: &Matrix) -> Vec<usize> {
    let Some(first) = rows.rows().next() else { return Vec::new() };
    let mut constant: Vec<usize> = (0..rows.columns()).collect();
    for row in rows.rows() {
        constant.retain(|&column| row[column] == first[column]);
        if constant.is_empty() {
            break;
        }
    }
    constant
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_values() {
        let mut rows = Matrix::new(3, vec![1.0, 0.1, 1e9, 3.0, 0.1, 1e9 + 2.0, 5.0, 0.1, 1e9 + 4.0]);
        let scale = Scale::of(&rows);
        let std = (8.0_f64 / 3.0).sqrt();
        assert_eq!((&scale.mean[..], &scale.std[..]), (&[3.0, 0.1, 1e9 + 2.0][..], &[std, 1.0, std][..]));
        assert_eq!(constant_columns(&rows), [1]);
        scale.apply(&mut rows);
        assert_eq!(rows.rows().nth(1).expect("a row"), [0.0; 3]);
    }

    proptest! {
        #[test]
        fn what_is_undone_in_a_layer_is_undone(weight in -5.0..5.0, bias in -5.0..5.0, mean in -1e6..1e6, std in 1e-3..1e6) {
            let mut layer = Layer { weight: Matrix::new(1, vec![weight]), bias: vec![bias] };
            Scale { mean: vec![mean], std: vec![std] }.undo_in(&mut layer);
            let (standard, plain) = (weight * 0.7 + bias, layer.weight.values()[0] * 0.7 + layer.bias[0]);
            let expected: f64 = standard * std + mean;
            prop_assert!((plain - expected).abs() <= 1e-9 * (1.0 + expected.abs()));
        }
    }
}
