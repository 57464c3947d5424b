//! How probable the truth is by the predictions: cross-entropy and perplexity.

use ndarray::ArrayView1;

use super::Sum;

/// The mean of negative log-likelihoods, in nats.
#[derive(Debug, Clone, Default)]
pub struct Likelihood {
    sum: Sum,
    count: u64,
}

impl Likelihood {
    /// Takes in the negative log-likelihood of a row or token, of one of the functions here.
    pub fn push(&mut self, loss: f64) {
        self.sum.add(loss);
        self.count += 1;
    }

    /// Mean cross-entropy in nats: `log_loss`, `cross_entropy`, `binary_cross_entropy_with_logits`.
    pub fn mean(&self) -> f64 {
        self.sum.total() / self.count as f64
    }

    /// exp of the mean: as how many equally probable choices the truth was hard to foresee. Without unit.
    ///
    /// Source: Jelinek et al., Perplexity, a measure of the difficulty of speech recognition tasks, JASA 62 (1977).
    pub fn perplexity(&self) -> f64 {
        self.mean().exp()
    }
}

/// −ln of the probability that a logit `z` gives to `truth`: max(z, 0) − z·t + ln(1 + e^−|z|), `BCEWithLogitsLoss`.
pub fn binary_logit(z: f64, truth: bool) -> f64 {
    let wrong_by = if truth { -z } else { z };
    wrong_by.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// −ln of the probability that `p`, the probability of class 1, gives to `truth`. As in `log_loss`, probabilities are clipped to
/// [ε, 1 − ε] first.
pub fn binary_probability(p: f64, truth: bool, epsilon: f64) -> f64 {
    clipped(if truth { p } else { 1.0 - p }, epsilon)
}

/// −ln of the softmax of `logits` at `class`: ln Σ e^(zⱼ − max z) + max z − z at `class`, `cross_entropy`.
pub fn class_logits(logits: ArrayView1<'_, f64>, class: usize) -> f64 {
    let largest = argmax(logits);
    let max = logits[largest];
    // The largest counts 1 by itself: what the others add may be less than the last digit of 1.
    let others: f64 = logits.iter().enumerate().filter(|&(at, _)| at != largest).map(|(_, &z)| (z - max).exp()).sum();
    others.ln_1p() + (max - logits[class])
}

/// −ln of the probability at `class`, clipped as in [`binary_probability`]. Rows are not made to sum to 1.
pub fn class_probability(probabilities: ArrayView1<'_, f64>, class: usize, epsilon: f64) -> f64 {
    clipped(probabilities[class], epsilon)
}

fn clipped(p: f64, epsilon: f64) -> f64 {
    // `f64::clamp` keeps a NaN.
    -p.clamp(epsilon, 1.0 - epsilon).ln()
}

/// Where the largest number is, the first of several.
pub(in crate::metrics) fn argmax(numbers: ArrayView1<'_, f64>) -> usize {
    let mut largest = 0;
    for (at, &number) in numbers.iter().enumerate() {
        if number > numbers[largest] {
            largest = at;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn extreme_logits_stay_finite() {
        assert_eq!(binary_logit(1000.0, true), 0.0);
        assert_eq!(binary_logit(1000.0, false), 1000.0);
        assert_eq!(binary_logit(-1000.0, true), 1000.0);
        assert_eq!(binary_logit(0.0, true), 2_f64.ln());
        assert!(binary_logit(f64::NAN, true).is_nan());
        assert_eq!(class_logits(array![1e4, -1e4].view(), 1), 2e4);
        assert_eq!(class_logits(array![0.0, f64::NEG_INFINITY, 0.0].view(), 0), 2_f64.ln());
        assert_eq!(class_logits(array![0.0, -40.0].view(), 0), (-40_f64).exp());
    }

    #[test]
    fn probabilities_are_clipped() {
        let epsilon = f64::EPSILON;
        assert_eq!(binary_probability(0.0, true, epsilon), -epsilon.ln());
        assert_eq!(binary_probability(1.0, true, epsilon), -(1.0 - epsilon).ln());
        assert_eq!(class_probability(array![0.25, 0.75].view(), 0, epsilon), 4_f64.ln());
        assert!(binary_probability(f64::NAN, true, epsilon).is_nan());
    }

    #[test]
    fn the_perplexity_of_a_guess_is_the_number_of_choices() {
        let mut likelihood = Likelihood::default();
        (0..10).for_each(|class| likelihood.push(class_logits(array![3.0, 3.0, 3.0, 3.0, 3.0].view(), class % 5)));
        assert!((likelihood.perplexity() - 5.0).abs() < 1e-14);
    }

    proptest! {
        #[test]
        fn two_classes_are_as_one_logit(a in -30.0..30.0, b in -30.0..30.0, truth: bool) {
            let two = class_logits(array![a, b].view(), usize::from(truth));
            let one = binary_logit(b - a, truth);
            prop_assert!((two - one).abs() <= 1e-12 * one.max(1e-30), "{two} {one}");
        }

        #[test]
        fn a_shift_of_all_logits_changes_nothing(logits in prop::collection::vec(-20.0..20.0, 1..9), shift in -500.0..500.0) {
            let class = logits.len() / 2;
            let loss = class_logits(ArrayView1::from(&logits), class);
            let shifted: Vec<f64> = logits.iter().map(|z| z + shift).collect();
            prop_assert!((class_logits(ArrayView1::from(&shifted), class) - loss).abs() < 1e-11);
        }
    }
}
