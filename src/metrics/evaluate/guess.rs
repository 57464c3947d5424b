//! What is predicted, told from the numbers where nobody says it. Pure.
//!
//! | predictions in a row | targets | task |
//! |---|---|---|
//! | 1 | all 0 or 1 | binary |
//! | 1, whole numbers | whole numbers, fewer than 1000 apart | multiclass, by classes |
//! | 2 | all 0 or 1, or one of two values 1 | binary |
//! | more | whole numbers below their count, or one value 1 | multiclass |
//! | the last of three or more dimensions | the dimensions before | language |
//! | as many as targets | anything else | regression |
//!
//! Predictions of classes are *probabilities* if all lie from 0 to 1 and those of a row sum to 1 (one alone need not), else
//! *logits*; one for each row that is always 0 or 1 is a *class*.

use ndarray::ArrayView2;

use super::scorer::IGNORED_TARGET;
use super::{Scale, Source, Task};

/// How far apart whole numbers may be to be taken for classes.
const CLASSES_MAX: f64 = 1000.0;
/// How far from 1 the sum of probabilities may be.
const SUM_TOLERANCE: f64 = 1e-3;

/// What the numbers are like.
#[derive(Debug, Clone)]
pub struct Observed {
    widths: [usize; 2],
    is_by_token: bool,
    predictions: Range,
    targets: Range,
    /// Each row of targets has one 1, else zeros.
    is_one_hot: bool,
    /// Each row of predictions sums to 1.
    is_even: bool,
}

/// What numbers are like.
#[derive(Debug, Clone, Copy)]
struct Range {
    min: f64,
    max: f64,
    is_whole: bool,
}

impl Range {
    const EMPTY: Self = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, is_whole: true };

    fn add(&mut self, value: f64) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.is_whole &= value.fract() == 0.0;
    }

    const fn is_within(&self, min: f64, max: f64) -> bool {
        self.min >= min && self.max <= max
    }

    const fn is_zeros_and_ones(&self) -> bool {
        self.is_whole && self.is_within(0.0, 1.0)
    }
}

/// What is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// What is predicted.
    pub task: Task,
    /// What the predictions are.
    pub scale: Scale,
    /// In words, with the reason.
    pub why: String,
}

/// Whether these are the shapes of scores for each token, and of tokens.
pub fn is_by_token(predictions: &[u64], targets: &[u64]) -> bool {
    predictions.len() > 2 && predictions.split_last().is_some_and(|(_, before)| before == targets)
}

impl Observed {
    /// Nothing yet, of these sources.
    pub fn new(predictions: &Source, targets: &Source) -> Self {
        let is_by_token = is_by_token(predictions.shape(), targets.shape());
        Self::of([predictions.width(), targets.width()], is_by_token)
    }

    const fn of(widths: [usize; 2], is_by_token: bool) -> Self {
        let (predictions, targets) = (Range::EMPTY, Range::EMPTY);
        Self { widths, is_by_token, predictions, targets, is_one_hot: true, is_even: true }
    }

    /// Takes in rows. A NaN says nothing, and neither does a token that does not count.
    pub fn push(&mut self, predictions: ArrayView2<'_, f64>, targets: ArrayView2<'_, f64>) {
        for (prediction, target) in predictions.rows().into_iter().zip(targets.rows()) {
            target.iter().filter(|&&value| value != IGNORED_TARGET).for_each(|&value| self.targets.add(value));
            self.is_one_hot &= target.sum() == 1.0;
            if prediction.iter().all(|value| !value.is_nan()) {
                prediction.iter().for_each(|&value| self.predictions.add(value));
                self.is_even &= (prediction.sum() - 1.0).abs() <= SUM_TOLERANCE;
            }
        }
    }

    /// What is not known, from what was seen.
    ///
    /// # Errors
    /// Why nothing fits.
    pub fn guess(&self, task: Option<Task>, scale: Option<Scale>) -> Result<Guess, String> {
        let (task, why) = match task {
            Some(task) => (task, None),
            None => self.task().map(|(task, why)| (task, Some(why)))?,
        };
        let (guessed, because) = self.scale(task);
        let name = format!("{task:?}").to_lowercase();
        let scale = match scale {
            Some(scale) if task != Task::Regression => scale,
            _ => guessed,
        };
        let what = match scale {
            Scale::Values => String::new(),
            Scale::Labels => " by classes".into(),
            Scale::Logits => " by logits".into(),
            Scale::Probabilities => " by probabilities".into(),
        };
        let reasons: Vec<&str> =
            why.into_iter().chain((scale == guessed).then_some(because)).filter(|why| !why.is_empty()).collect();
        Ok(Guess { task, scale, why: format!("taken for {name}{what}: {}", reasons.join(", ")) })
    }

    fn task(&self) -> Result<(Task, &'static str), String> {
        let [predictions, targets] = self.widths;
        let is_one_hot = targets > 1 && self.is_one_hot && self.targets.is_zeros_and_ones();
        let is_class = targets == 1 && self.targets.is_whole && self.targets.is_within(0.0, predictions as f64 - 1.0);
        let is_near = self.targets.max - self.targets.min < CLASSES_MAX;
        Ok(match (predictions, targets) {
            _ if self.is_by_token => (Task::Language, "the last dimension has scores for each token"),
            (1, 1) if self.targets.is_zeros_and_ones() => (Task::Binary, "the targets are 0 and 1"),
            (1, 1) if self.targets.is_whole && self.predictions.is_whole && is_near => {
                (Task::Multiclass, "predictions and targets are whole numbers")
            }
            (2, 1) if is_class => (Task::Binary, "there are two scores for each target"),
            (2, 2) if is_one_hot => (Task::Binary, "of two targets one is 1"),
            (_, 1) if predictions > 2 && is_class => (Task::Multiclass, "there are several scores for each target"),
            _ if predictions > 2 && predictions == targets && is_one_hot => {
                (Task::Multiclass, "of several targets one is 1")
            }
            _ if predictions == targets => (Task::Regression, "the targets are numbers"),
            _ => return Err(format!("rows of {predictions} predicted and {targets} true values fit no task")),
        })
    }

    fn scale(&self, task: Task) -> (Scale, &'static str) {
        let is_one = self.widths[0] == 1;
        match task {
            Task::Regression => (Scale::Values, ""),
            Task::Multiclass if is_one => (Scale::Labels, ""),
            Task::Binary if is_one && self.predictions.is_zeros_and_ones() => {
                (Scale::Labels, "the predictions are 0 and 1")
            }
            _ if self.predictions.is_within(0.0, 1.0) && (is_one || self.is_even) => (
                Scale::Probabilities,
                if is_one { "the predictions lie from 0 to 1" } else { "the predictions of a row sum to 1" },
            ),
            _ => (Scale::Logits, "the predictions are no probabilities"),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn guess(predictions: &Array2<f64>, targets: &Array2<f64>) -> (Task, Scale) {
        let mut observed = Observed::of([predictions.ncols(), targets.ncols()], false);
        observed.push(predictions.view(), targets.view());
        let guess = observed.guess(None, None).expect("a task");
        (guess.task, guess.scale)
    }

    #[test]
    fn the_table() {
        let classes = array![[0.0], [1.0]];
        let one_hot = array![[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let even = array![[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]];
        let cases = [
            (array![[0.1], [0.7]], classes.clone(), Task::Binary, Scale::Probabilities),
            (array![[0.1], [f64::NAN]], classes.clone(), Task::Binary, Scale::Probabilities),
            (array![[-0.1], [0.7]], classes.clone(), Task::Binary, Scale::Logits),
            (array![[1.0], [0.0]], classes.clone(), Task::Binary, Scale::Labels),
            (array![[1.0], [2.0]], array![[3.0], [7.0]], Task::Multiclass, Scale::Labels),
            (array![[1.0], [2.0]], array![[3.0], [70000.0]], Task::Regression, Scale::Values),
            (array![[1.5], [2.0]], array![[3.0], [7.0]], Task::Regression, Scale::Values),
            (array![[0.25, 0.75], [0.5, 0.5]], classes.clone(), Task::Binary, Scale::Probabilities),
            (even.clone(), classes.clone(), Task::Multiclass, Scale::Probabilities),
            (&even * 2.0, classes, Task::Multiclass, Scale::Logits),
            (even.clone(), one_hot, Task::Multiclass, Scale::Probabilities),
            (even.clone(), &even * 3.0, Task::Regression, Scale::Values),
        ];
        for (predictions, targets, task, scale) in cases {
            assert_eq!(guess(&predictions, &targets), (task, scale), "{predictions} {targets}");
        }
        let observed = Observed::of([3, 2], false);
        assert!(observed.guess(None, None).is_err());
    }

    #[test]
    fn tokens_are_told_by_their_shape() {
        assert!(is_by_token(&[2, 3, 50], &[2, 3]));
        assert!(!is_by_token(&[2, 3, 50], &[2, 3, 50]));
        assert!(!is_by_token(&[2, 50], &[2]));
        let mut observed = Observed::of([2, 1], true);
        observed.push(array![[3.0, 1.0], [0.0, 1.0]].view(), array![[-100.0], [1.0]].view());
        let guess = observed.guess(None, None).expect("a task");
        assert_eq!((guess.task, guess.scale), (Task::Language, Scale::Logits));
        assert_eq!(
            guess.why,
            "taken for language by logits: the last dimension has scores for each token, the predictions are no probabilities"
        );
    }
}
