//! How often classes are told right.

use std::collections::BTreeMap;

/// Counts of predicted and actual classes: 40 bytes and a little more for each class that occurs.
#[derive(Debug, Clone, Default)]
pub struct Confusion {
    rows: u64,
    right: u64,
    classes: BTreeMap<i64, Counts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    predicted: u64,
    actual: u64,
    right: u64,
}

/// A score that may have nothing to be computed from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The score; 0 where it would be 0 / 0, as in scikit-learn.
    pub value: f64,
    /// Whether it would be for a class.
    pub is_undefined: bool,
}

impl Ratio {
    fn of(count: u64, total: u64) -> Self {
        let value = if total == 0 { 0.0 } else { count as f64 / total as f64 };
        Self { value, is_undefined: total == 0 }
    }

    fn mean(ratios: impl Iterator<Item = Self>) -> Self {
        let (mut sum, mut count, mut is_undefined) = (super::Sum::default(), 0_u64, false);
        for ratio in ratios {
            sum.add(ratio.value);
            count += 1;
            is_undefined |= ratio.is_undefined;
        }
        Self { value: sum.total() / count as f64, is_undefined }
    }
}

impl Counts {
    /// Of those predicted as this class, how many are of it.
    fn precision(&self) -> Ratio {
        Ratio::of(self.right, self.predicted)
    }

    /// Of those of this class, how many are predicted as such.
    fn recall(&self) -> Ratio {
        Ratio::of(self.right, self.actual)
    }

    /// 2·right / (predicted + actual), which is the harmonic mean of precision and recall.
    fn f1(&self) -> Ratio {
        Ratio::of(2 * self.right, self.predicted + self.actual)
    }
}

impl Confusion {
    /// Takes in a row.
    pub fn push(&mut self, predicted: i64, actual: i64) {
        self.rows += 1;
        self.right += u64::from(predicted == actual);
        self.classes.entry(predicted).or_default().predicted += 1;
        let counts = self.classes.entry(actual).or_default();
        counts.actual += 1;
        counts.right += u64::from(predicted == actual);
    }

    /// Rows taken in.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The share of rows that are right, 0 to 1: `accuracy_score`. Precision, recall and F1 with `average="micro"` are the same
    /// number where each row has one class.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.rows as f64
    }

    fn class(&self, class: i64) -> Counts {
        self.classes.get(&class).copied().unwrap_or_default()
    }

    /// Precision of class 1, 0 to 1: `precision_score`.
    pub fn precision(&self) -> Ratio {
        self.class(1).precision()
    }

    /// Recall of class 1, 0 to 1: `recall_score`.
    pub fn recall(&self) -> Ratio {
        self.class(1).recall()
    }

    /// F1 of class 1, 0 to 1: `f1_score`.
    pub fn f1(&self) -> Ratio {
        self.class(1).f1()
    }

    /// The mean precision of all classes that occur among predictions or targets: `average="macro"`.
    pub fn precision_macro(&self) -> Ratio {
        Ratio::mean(self.classes.values().map(Counts::precision))
    }

    /// The mean recall of all classes that occur.
    pub fn recall_macro(&self) -> Ratio {
        Ratio::mean(self.classes.values().map(Counts::recall))
    }

    /// The mean F1 of all classes that occur.
    pub fn f1_macro(&self) -> Ratio {
        Ratio::mean(self.classes.values().map(Counts::f1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(pairs: &[(i64, i64)]) -> Confusion {
        let mut confusion = Confusion::default();
        pairs.iter().for_each(|&(predicted, actual)| confusion.push(predicted, actual));
        confusion
    }

    #[test]
    fn by_hand() {
        let two = confusion(&[(1, 1), (1, 0), (1, 0), (0, 1), (0, 0)]);
        assert_eq!(two.accuracy(), 0.4);
        assert_eq!([two.precision().value, two.recall().value, two.f1().value], [1.0 / 3.0, 0.5, 0.4]);
        assert_eq!(two.precision_macro().value, (1.0 / 3.0 + 0.5) / 2.0);
        // Class 7 is predicted and never there, class -2 there and never predicted.
        let three = confusion(&[(3, 3), (7, 3), (3, -2)]);
        assert_eq!(three.recall_macro(), Ratio { value: 0.5 / 3.0, is_undefined: true });
        assert_eq!(three.precision_macro(), Ratio { value: 0.5 / 3.0, is_undefined: true });
        assert_eq!(three.f1_macro(), Ratio { value: 0.5 / 3.0, is_undefined: false });
    }

    #[test]
    fn nothing_by_nothing_is_zero_and_said() {
        let none = confusion(&[(0, 0), (0, 0)]);
        for ratio in [none.precision(), none.recall(), none.f1()] {
            assert_eq!(ratio, Ratio { value: 0.0, is_undefined: true });
        }
        assert_eq!(none.f1_macro(), Ratio { value: 1.0, is_undefined: false });
    }
}
