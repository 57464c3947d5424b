//! How far numbers are from those they should be.

use ndarray::ArrayView2;

use super::Sum;

/// Sums for the scores of a regression, column by column: 64 bytes each.
#[derive(Debug, Clone)]
pub struct Regression {
    rows: u64,
    columns: Vec<Column>,
}

#[derive(Debug, Clone, Default)]
struct Column {
    /// Σ (p − y)².
    squares: Sum,
    /// Σ |p − y|.
    absolutes: Sum,
    /// The targets' mean so far.
    mean: Sum,
    /// Σ (y − ȳ)², by Welford's recurrence.
    spread: Sum,
}

impl Regression {
    /// For rows of so many values.
    pub fn new(width: usize) -> Self {
        Self { rows: 0, columns: vec![Column::default(); width] }
    }

    /// Takes in rows; both have the width of [`Regression::new`] and the same number of rows.
    pub fn push(&mut self, predictions: ArrayView2<'_, f64>, targets: ArrayView2<'_, f64>) {
        for (predictions, targets) in predictions.rows().into_iter().zip(targets.rows()) {
            self.rows += 1;
            for ((column, &p), &y) in self.columns.iter_mut().zip(predictions).zip(targets) {
                let error = p - y;
                column.squares.add(error * error);
                column.absolutes.add(error.abs());
                // Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 4 (1962).
                let delta = column.mean.distance_to(y);
                column.mean.add(delta / self.rows as f64);
                column.spread.add(delta * column.mean.distance_to(y));
            }
        }
    }

    /// The mean over columns.
    fn mean(&self, of: impl Fn(&Column) -> f64) -> f64 {
        let mut sum = Sum::default();
        self.columns.iter().for_each(|column| sum.add(of(column)));
        sum.total() / self.columns.len() as f64
    }

    /// Mean squared error, Σ (p − y)² / n, in squares of the target's unit: `mean_squared_error`, `mse_loss`.
    pub fn mse(&self) -> f64 {
        self.mean(|column| column.squares.total() / self.rows as f64)
    }

    /// Root of the mean squared error, in the target's unit; of several columns the mean of their roots:
    /// `root_mean_squared_error`.
    pub fn rmse(&self) -> f64 {
        self.mean(|column| (column.squares.total() / self.rows as f64).sqrt())
    }

    /// Mean absolute error, Σ |p − y| / n, in the target's unit: `mean_absolute_error`, `l1_loss`.
    pub fn mae(&self) -> f64 {
        self.mean(|column| column.absolutes.total() / self.rows as f64)
    }

    /// Coefficient of determination, 1 − Σ (p − y)² / Σ (y − ȳ)², without unit; of several columns the mean: `r2_score`. NaN for
    /// fewer than two rows. Where all targets are the same, 1 for perfect predictions and 0 for others.
    pub fn r2(&self) -> f64 {
        if self.rows < 2 {
            return f64::NAN;
        }
        self.mean(|column| match (column.squares.total(), column.spread.total()) {
            (0.0, 0.0) => 1.0,
            (squares, 0.0) if !squares.is_nan() => 0.0,
            (squares, spread) => 1.0 - squares / spread,
        })
    }

    /// Whether a column has the same target in all rows, so that R² says little.
    pub fn has_constant_targets(&self) -> bool {
        self.columns.iter().any(|column| column.spread.total() == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn scores(predictions: &Array2<f64>, targets: &Array2<f64>) -> [f64; 4] {
        let mut regression = Regression::new(targets.ncols());
        regression.push(predictions.view(), targets.view());
        [regression.mse(), regression.rmse(), regression.mae(), regression.r2()]
    }

    #[test]
    fn by_hand() {
        assert_eq!(
            scores(&array![[1.0], [2.0], [5.0]], &array![[1.0], [2.0], [3.0]])[..],
            [4.0 / 3.0, (4.0_f64 / 3.0).sqrt(), 2.0 / 3.0, -1.0]
        );
        // Two columns: of roots of 1 and 4 the mean is 1.5, of all the root is another.
        let [mse, rmse, ..] = scores(&array![[1.0, 2.0], [1.0, 2.0]], &array![[0.0, 0.0], [0.0, 0.0]]);
        assert_eq!([mse, rmse], [2.5, 1.5]);
    }

    #[test]
    fn targets_that_do_not_vary() {
        assert_eq!(scores(&array![[0.1], [0.1], [0.1]], &array![[0.1], [0.1], [0.1]])[3], 1.0);
        assert_eq!(scores(&array![[0.2], [0.1], [0.1]], &array![[0.1], [0.1], [0.1]])[3], 0.0);
        assert!(scores(&array![[f64::NAN], [0.1]], &array![[0.1], [0.1]]).iter().all(|score| score.is_nan()));
        assert!(scores(&array![[1.0]], &array![[1.0]])[3].is_nan());
    }

    #[test]
    fn a_large_offset_does_not_hide_what_varies() {
        let small = Array2::from_shape_fn((999, 1), |(row, _)| (row % 7) as f64 / 8.0);
        let error = Array2::from_shape_fn((999, 1), |(row, _)| (row % 5) as f64 / 16.0);
        let expected = scores(&(&small + &error), &small)[3];
        let found = scores(&(&small + &error + 1e9), &(&small + 1e9))[3];
        assert!((found - expected).abs() < 1e-13, "{found} {expected}");
    }
}
