//! Whether what is true scores above what is not.

/// All scores, for the area under the ROC curve: 8 bytes for each row, up to 16 while it grows.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl Ranking {
    /// Takes in the score of a row; any increasing function of its probability will do. Not NaN.
    pub fn push(&mut self, score: f64, truth: bool) {
        if truth { self.positive.push(score) } else { self.negative.push(score) }
    }

    /// The probability that a row of class 1 scores above one of class 0, ties counted half, 0 to 1: `roc_auc_score`. NaN if
    /// there is only one class.
    ///
    /// Source: Mann and Whitney, On a test of whether one of two random variables is stochastically larger than the other, Annals of Mathematical Statistics 18 (1947); Hanley
    /// and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982).
    pub fn roc_auc(mut self) -> f64 {
        if self.positive.is_empty() || self.negative.is_empty() {
            return f64::NAN;
        }
        self.positive.sort_unstable_by(f64::total_cmp);
        self.negative.sort_unstable_by(f64::total_cmp);
        let (mut below, mut not_above, mut twice) = (0, 0, 0_u128);
        for &score in &self.positive {
            while self.negative.get(below).is_some_and(|&other| other < score) {
                below += 1;
            }
            while self.negative.get(not_above).is_some_and(|&other| other <= score) {
                not_above += 1;
            }
            twice += (below + not_above) as u128;
        }
        twice as f64 / (2.0 * self.positive.len() as f64 * self.negative.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn auc(rows: &[(f64, bool)]) -> f64 {
        let mut ranking = Ranking::default();
        rows.iter().for_each(|&(score, truth)| ranking.push(score, truth));
        ranking.roc_auc()
    }

    #[test]
    fn by_hand() {
        assert_eq!(auc(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]), 0.75);
        assert_eq!(auc(&[(0.0, false), (-0.0, true)]), 0.5);
        assert_eq!(auc(&[(f64::NEG_INFINITY, false), (f64::INFINITY, true)]), 1.0);
        assert!(auc(&[(0.5, true)]).is_nan());
        assert!(auc(&[]).is_nan());
    }

    proptest! {
        #[test]
        fn it_is_the_share_of_pairs_in_order(rows in prop::collection::vec((0..6_u8, any::<bool>()), 0..40)) {
            let rows: Vec<(f64, bool)> = rows.into_iter().map(|(score, truth)| (f64::from(score), truth)).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (score, _) in rows.iter().filter(|(_, truth)| *truth) {
                for (other, _) in rows.iter().filter(|(_, truth)| !truth) {
                    pairs += 1.0;
                    won += if score > other { 1.0 } else if score == other { 0.5 } else { 0.0 };
                }
            }
            let found = auc(&rows);
            let is_right = if pairs == 0.0 { found.is_nan() } else { (found - won / pairs).abs() < 1e-15 };
            prop_assert!(is_right, "{found}");
        }
    }
}
