//! What training makes small: mean squared error for numbers, cross-entropy for classes, from logits.
//!
//! Means over rows, in nats for cross-entropy, as torch's `mse_loss`, `binary_cross_entropy_with_logits` and
//! `cross_entropy` with `reduction="mean"`. Exponentials are taken of differences to the largest logit only, so that none
//! overflows (Goodfellow, Bengio and Courville 2016, *Deep Learning*, section 4.1).

use super::matrix::Matrix;

/// A loss; targets are one number for each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// `(z − y)²`, in the target's unit squared.
    MeanSquaredError,
    /// `−y ln σ(z) − (1 − y) ln(1 − σ(z))`, where y is 0 or 1.
    BinaryCrossEntropy,
    /// `ln Σ exp(z) − z[y]`, where y is the number of a class.
    CrossEntropy,
}

impl Loss {
    /// The mean over all rows.
    pub fn mean(self, outputs: &Matrix, targets: &[f64]) -> f64 {
        outputs.rows().zip(targets).map(|(row, &target)| self.of_row(row, target)).sum::<f64>() / outputs.len() as f64
    }

    /// The gradient of the mean with respect to what the model has put out.
    pub fn slopes(self, outputs: &Matrix, targets: &[f64]) -> Matrix {
        let mut slopes = outputs.clone();
        let rows = outputs.len() as f64;
        for (row, &target) in slopes.rows_mut().zip(targets) {
            match self {
                Self::MeanSquaredError => row[0] = 2.0 * (row[0] - target),
                Self::BinaryCrossEntropy => row[0] = sigmoid(row[0]) - target,
                Self::CrossEntropy => {
                    softmax(row);
                    if let Some(value) = row.get_mut(target as usize) {
                        *value -= 1.0;
                    }
                }
            }
            row.iter_mut().for_each(|slope| *slope /= rows);
        }
        slopes
    }

    fn of_row(self, row: &[f64], target: f64) -> f64 {
        match self {
            Self::MeanSquaredError => (row[0] - target) * (row[0] - target),
            Self::BinaryCrossEntropy => {
                let logit = row[0];
                logit.max(0.0) - logit * target + libm::log1p(libm::exp(-logit.abs()))
            }
            Self::CrossEntropy => {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|logit| libm::exp(logit - largest)).sum();
                libm::log(sum) + (largest - row.get(target as usize).copied().unwrap_or(f64::NAN))
            }
        }
    }
}

/// `1 / (1 + exp(−z))`: the probability of class 1.
pub fn sigmoid(logit: f64) -> f64 {
    let small = libm::exp(-logit.abs());
    if logit >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) }
}

/// Logits to probabilities that add up to 1.
pub fn softmax(logits: &mut [f64]) {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for logit in logits.iter_mut() {
        *logit = libm::exp(*logit - largest);
        sum += *logit;
    }
    logits.iter_mut().for_each(|value| *value /= sum);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::train::network::{Activation, Network};

    #[test]
    fn known_values() {
        let mean = |loss: Loss, columns, outputs: &[f64], targets: &[f64]| {
            loss.mean(&Matrix::new(columns, outputs.to_vec()), targets)
        };
        assert_eq!(mean(Loss::MeanSquaredError, 1, &[1.0, 5.0], &[2.0, 2.0]), 5.0);
        assert_eq!(mean(Loss::BinaryCrossEntropy, 1, &[0.0], &[1.0]), 2_f64.ln());
        assert_eq!(mean(Loss::BinaryCrossEntropy, 1, &[-1000.0, 1000.0], &[1.0, 0.0]), 1000.0);
        assert_eq!(mean(Loss::CrossEntropy, 4, &[7.0; 4], &[3.0]), 4_f64.ln());
        assert_eq!(mean(Loss::CrossEntropy, 2, &[1e300, 0.0], &[0.0]), 0.0);
        assert!(mean(Loss::CrossEntropy, 2, &[f64::NAN, 0.0], &[0.0]).is_nan());
        assert!(mean(Loss::BinaryCrossEntropy, 1, &[f64::NAN], &[0.0]).is_nan());
        assert_eq!((sigmoid(-800.0), sigmoid(0.0), sigmoid(800.0)), (0.0, 0.5, 1.0));
    }

    /// A model, rows for it, and targets.
    fn case() -> impl Strategy<Value = (Loss, Network, Matrix, Vec<f64>)> {
        let losses = [Loss::MeanSquaredError, Loss::BinaryCrossEntropy, Loss::CrossEntropy];
        let hidden = prop_oneof![Just(None), Just(Some(Activation::Relu)), Just(Some(Activation::Tanh))];
        (prop::sample::select(losses.to_vec()), hidden, 1..5_usize, 2..5_usize, 1..6_usize, any::<u64>()).prop_flat_map(
            |(loss, hidden, features, classes, rows, seed)| {
                let outputs = if loss == Loss::CrossEntropy { classes } else { 1 };
                let network = Network::random(features, hidden.map(|activation| (7, activation)), outputs, seed);
                let targets = prop::collection::vec(0..classes, rows).prop_map(move |targets| {
                    let limit = if loss == Loss::BinaryCrossEntropy { 2 } else { usize::MAX };
                    targets.into_iter().map(|target| (target % limit) as f64).collect()
                });
                let inputs = prop::collection::vec(-3.0..3.0, rows * features);
                (Just(loss), Just(network), inputs.prop_map(move |values| Matrix::new(features, values)), targets)
            },
        )
    }

    proptest! {
        #[test]
        fn gradients_are_slopes_of_the_loss((loss, network, inputs, targets) in case()) {
            const STEP: f64 = 1e-5;
            let gradient = network.gradient(&inputs, |outputs| loss.slopes(outputs, &targets));
            for (at, &slope) in gradient.weights().enumerate() {
                let moved = |by: f64| {
                    let mut network = network.clone();
                    if let Some(weight) = network.weights_mut().nth(at) { *weight += by; }
                    loss.mean(&network.forward(&inputs), &targets)
                };
                let [below, here, above] = [-STEP, 0.0, STEP].map(moved);
                // At a kink of ReLU the slope is that of one side.
                let slopes = [(here - below) / STEP, (above - below) / (2.0 * STEP), (above - here) / STEP];
                let near = |expected: f64| (slope - expected).abs() <= 1e-4 * (1.0 + expected.abs());
                prop_assert!(slopes.into_iter().any(near), "weight {at}: {slope}, {slopes:?}");
            }
        }

        #[test]
        fn probabilities_add_up(mut logits in prop::collection::vec(-1e3..1e3, 1..9)) {
            softmax(&mut logits);
            prop_assert!((logits.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }
}
