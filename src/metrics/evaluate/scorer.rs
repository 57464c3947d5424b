//! Rows of predictions and targets to scores. Pure.

use ndarray::{ArrayView1, ArrayView2};

use super::{Metric, Scale, Task};
use crate::metrics::loss::{
    Confusion, Likelihood, Ranking, Ratio, Regression, argmax, binary_logit, binary_probability, class_logits,
    class_probability,
};

/// A target of the task `language` that does not count: PyTorch's `ignore_index`, for padding.
pub const IGNORED_TARGET: f64 = -100.0;
/// Whole numbers up to here are exact in f64.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
/// How far from 1 the sum of probabilities may be.
const SUM_TOLERANCE: f64 = 1e-3;

/// A row that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// Counted from 1.
    pub row: u64,
    /// Whether it is the target, or the prediction.
    pub is_target: bool,
    /// What is wrong.
    pub what: String,
}

/// What the scores are computed from.
pub struct Scorer {
    task: Task,
    scale: Scale,
    epsilon: f64,
    /// Rows seen, and of these rows that do not count, have NaN, or probabilities that do not sum to 1.
    seen: u64,
    ignored: u64,
    nan: u64,
    uneven: u64,
    regression: Regression,
    likelihood: Likelihood,
    confusion: Confusion,
    ranking: Option<Ranking>,
}

/// Whether so many values for each row, of predictions and targets, fit the task.
pub fn check_widths(task: Task, scale: Scale, [predictions, targets]: [usize; 2]) -> Result<(), String> {
    let widths = format!("rows of {predictions} predicted and {targets} true values");
    match (task, scale) {
        (Task::Regression, _) if predictions != targets => Err(format!("{widths} cannot be compared")),
        (Task::Binary, _) if predictions > 2 => Err(format!("{predictions} scores in a row are not of two classes")),
        (Task::Binary | Task::Multiclass, Scale::Labels) if predictions > 1 => {
            Err(format!("{predictions} values in a row are scores, not a class"))
        }
        (Task::Multiclass | Task::Language, Scale::Logits | Scale::Probabilities) if predictions < 2 => {
            Err("one score in a row cannot tell several classes apart, there must be one for each".into())
        }
        (Task::Language, Scale::Labels) => Err("the task `language` needs scores for all of the vocabulary".into()),
        (Task::Binary | Task::Multiclass | Task::Language, _) if targets != 1 && targets != predictions => {
            Err(format!("{widths}: a target is a class, or as many values as there are classes, one of them 1"))
        }
        _ => Ok(()),
    }
}

impl Scorer {
    /// For rows of these widths, of predictions and targets.
    pub fn new(task: Task, scale: Scale, widths: [usize; 2], epsilon: f64, metrics: &[Metric]) -> Self {
        let columns = if task == Task::Regression { widths[1] } else { 0 };
        Self {
            task,
            scale,
            epsilon,
            seen: 0,
            ignored: 0,
            nan: 0,
            uneven: 0,
            regression: Regression::new(columns),
            likelihood: Likelihood::default(),
            confusion: Confusion::default(),
            ranking: metrics.contains(&Metric::RocAuc).then(Ranking::default),
        }
    }

    /// Rows that count.
    pub const fn rows(&self) -> u64 {
        self.seen - self.ignored
    }

    /// Takes in rows, as many of either.
    pub fn push(&mut self, predictions: ArrayView2<'_, f64>, targets: ArrayView2<'_, f64>) -> Result<(), Wrong> {
        if self.task == Task::Regression {
            self.regression.push(predictions, targets);
        }
        for (prediction, target) in predictions.rows().into_iter().zip(targets.rows()) {
            self.seen += 1;
            if self.task == Task::Regression {
                self.nan += u64::from(prediction.iter().chain(target).any(|value| value.is_nan()));
            } else {
                self.classify(prediction, target).map_err(|(is_target, what)| Wrong {
                    row: self.seen,
                    is_target,
                    what,
                })?;
            }
        }
        Ok(())
    }

    /// Takes in a row that has a class. Fails with whether it is for the target, and why.
    fn classify(&mut self, prediction: ArrayView1<'_, f64>, target: ArrayView1<'_, f64>) -> Result<(), (bool, String)> {
        if self.task == Task::Language && target.len() == 1 && target[0] == IGNORED_TARGET {
            self.ignored += 1;
            return Ok(());
        }
        let classes = match (self.task, self.scale) {
            (Task::Binary, _) => Some(2),
            (_, Scale::Labels) => None,
            _ => Some(prediction.len()),
        };
        let actual = actual(target, classes).map_err(|what| (true, what))?;
        if prediction.iter().any(|value| value.is_nan()) {
            self.nan += 1;
            return Ok(());
        }
        if self.scale == Scale::Probabilities {
            if let Some(p) = prediction.iter().find(|p| !(0.0..=1.0).contains(*p)) {
                return Err((false, format!("{p} is no probability; are these logits?")));
            }
            self.uneven += u64::from(prediction.len() > 1 && (prediction.sum() - 1.0).abs() > SUM_TOLERANCE);
        }
        let predicted = match (self.task, self.scale) {
            (_, Scale::Labels | Scale::Values) => label(prediction[0], classes).map_err(|what| (false, what))?,
            (Task::Binary, _) => self.binary(prediction, actual == 1),
            _ => self.several(prediction, actual as usize),
        };
        self.confusion.push(predicted, actual);
        Ok(())
    }

    fn binary(&mut self, prediction: ArrayView1<'_, f64>, truth: bool) -> i64 {
        let (loss, score, is_one) = match (self.scale, prediction.len()) {
            (Scale::Probabilities, 1) => {
                let p = prediction[0];
                (binary_probability(p, truth, self.epsilon), p, p > 0.5)
            }
            (Scale::Probabilities, _) => {
                let loss = class_probability(prediction, usize::from(truth), self.epsilon);
                (loss, prediction[1], prediction[1] > prediction[0])
            }
            (_, 1) => (binary_logit(prediction[0], truth), prediction[0], prediction[0] > 0.0),
            _ => {
                let loss = class_logits(prediction, usize::from(truth));
                (loss, prediction[1] - prediction[0], prediction[1] > prediction[0])
            }
        };
        self.likelihood.push(loss);
        // Two infinite logits differ by NaN, which has no place in an order; their loss is NaN too.
        if let Some(ranking) = self.ranking.as_mut().filter(|_| !score.is_nan()) {
            ranking.push(score, truth);
        }
        is_one.into()
    }

    fn several(&mut self, prediction: ArrayView1<'_, f64>, actual: usize) -> i64 {
        self.likelihood.push(match self.scale {
            Scale::Probabilities => class_probability(prediction, actual, self.epsilon),
            _ => class_logits(prediction, actual),
        });
        argmax(prediction) as i64
    }

    /// The scores, and what to know about them.
    pub fn finish(mut self, metrics: &[Metric]) -> (Vec<(Metric, f64)>, Vec<String>) {
        let mut warnings = Vec::new();
        if self.uneven > 0 {
            let rows = super::count(self.uneven, "row");
            warnings.push(format!("in {rows} the probabilities do not sum to 1; they are taken as they are"));
        }
        if self.nan > 0 {
            let rows = super::count(self.nan, "row");
            warnings.push(format!("NaN stands in {rows} of {}: the results are NaN", self.rows()));
            return (metrics.iter().map(|&metric| (metric, f64::NAN)).collect(), warnings);
        }
        let scores = metrics.iter().map(|&metric| (metric, self.score(metric, &mut warnings))).collect();
        (scores, warnings)
    }

    fn score(&mut self, metric: Metric, warnings: &mut Vec<String>) -> f64 {
        let (regression, confusion) = (&self.regression, &self.confusion);
        let name = metric.name();
        let mut ratio = |ratio: Ratio, lacking: &str| {
            if ratio.is_undefined {
                warnings.push(format!("`{name}` counts as 0 where there is nothing to compute it from: {lacking}"));
            }
            ratio.value
        };
        let no_predicted = "a class that is never predicted";
        let no_actual = "a class that no target has";
        match metric {
            Metric::Mse => regression.mse(),
            Metric::Rmse => regression.rmse(),
            Metric::Mae => regression.mae(),
            Metric::R2 => {
                if self.seen < 2 {
                    warnings.push("`r2` needs two rows: it is NaN".into());
                } else if regression.has_constant_targets() {
                    warnings.push("`r2` says little: the targets are the same in all rows".into());
                }
                regression.r2()
            }
            Metric::CrossEntropy | Metric::LogLoss => self.likelihood.mean(),
            Metric::Perplexity => self.likelihood.perplexity(),
            Metric::Accuracy | Metric::PrecisionMicro | Metric::RecallMicro | Metric::F1Micro => confusion.accuracy(),
            Metric::Precision => ratio(confusion.precision(), no_predicted),
            Metric::Recall => ratio(confusion.recall(), no_actual),
            Metric::F1 => ratio(confusion.f1(), "class 1 is neither predicted nor true"),
            Metric::PrecisionMacro => ratio(confusion.precision_macro(), no_predicted),
            Metric::RecallMacro => ratio(confusion.recall_macro(), no_actual),
            Metric::F1Macro => ratio(confusion.f1_macro(), no_actual),
            Metric::RocAuc => {
                let auc = self.ranking.take().unwrap_or_default().roc_auc();
                if auc.is_nan() {
                    warnings.push("`roc_auc` needs both classes among the targets: it is NaN".into());
                }
                auc
            }
        }
    }
}

/// The class of a target: a whole number, or the place of the only 1.
fn actual(target: ArrayView1<'_, f64>, classes: Option<usize>) -> Result<i64, String> {
    if target.len() == 1 {
        return label(target[0], classes);
    }
    let is_one_hot = target.iter().all(|&value| value == 0.0 || value == 1.0) && target.sum() == 1.0;
    if !is_one_hot {
        return Err(format!("of the {} values of the target just one must be 1, the others 0", target.len()));
    }
    Ok(argmax(target) as i64)
}

fn label(value: f64, classes: Option<usize>) -> Result<i64, String> {
    if value.fract() != 0.0 || value.abs() > WHOLE_MAX {
        return Err(format!("{value} is no class: classes are whole numbers"));
    }
    match classes {
        Some(2) if value != 0.0 && value != 1.0 => Err(format!("{value} is no class: classes are 0 and 1")),
        Some(count) if value < 0.0 || value >= count as f64 => {
            Err(format!("{value} is no class: there are scores for {count} classes, 0 to {}", count - 1))
        }
        _ => Ok(value as i64),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn score(
        task: Task,
        scale: Scale,
        predictions: &Array2<f64>,
        targets: &Array2<f64>,
        metric: Metric,
    ) -> (f64, Vec<String>) {
        let widths = [predictions.ncols(), targets.ncols()];
        check_widths(task, scale, widths).expect("widths that fit");
        let mut scorer = Scorer::new(task, scale, widths, f64::EPSILON, &[metric]);
        scorer.push(predictions.view(), targets.view()).expect("rows");
        let (scores, warnings) = scorer.finish(&[metric]);
        (scores[0].1, warnings)
    }

    #[test]
    fn one_score_or_two_are_the_same() {
        let targets = array![[1.0], [0.0], [1.0], [0.0]];
        let one = array![[0.9], [0.2], [0.4], [0.5]];
        let two = array![[0.1, 0.9], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]];
        let logits = two.mapv(f64::ln);
        for metric in [Metric::CrossEntropy, Metric::Accuracy, Metric::RocAuc, Metric::F1] {
            let expected = score(Task::Binary, Scale::Probabilities, &one, &targets, metric).0;
            for (scale, predictions) in [(Scale::Probabilities, &two), (Scale::Logits, &logits)] {
                let found = score(Task::Binary, scale, predictions, &targets, metric).0;
                assert!((found - expected).abs() < 1e-15, "{metric:?} {scale:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn targets_may_be_one_hot() {
        let predictions = array![[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]];
        let [classes, one_hot] = [array![[0.0], [1.0]], array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]];
        let of = |targets| score(Task::Multiclass, Scale::Logits, &predictions, targets, Metric::CrossEntropy).0;
        assert_eq!(of(&classes), of(&one_hot));
    }

    #[test]
    fn padding_does_not_count() {
        let predictions = array![[0.0, 0.0], [9.0, 0.0], [0.0, 0.0]];
        let targets = array![[0.0], [-100.0], [1.0]];
        let (perplexity, _) = score(Task::Language, Scale::Logits, &predictions, &targets, Metric::Perplexity);
        assert!((perplexity - 2.0).abs() < 1e-15);
    }

    #[test]
    fn nan_makes_every_score_nan() {
        let predictions = array![[f64::NAN], [0.5]];
        for (task, scale, metric) in
            [(Task::Regression, Scale::Values, Metric::R2), (Task::Binary, Scale::Probabilities, Metric::Accuracy)]
        {
            let (score, warnings) = score(task, scale, &predictions, &array![[1.0], [0.0]], metric);
            assert!(score.is_nan());
            assert_eq!(warnings, ["NaN stands in 1 row of 2: the results are NaN"]);
        }
    }

    #[test]
    fn rows_that_are_wrong_are_named() {
        let cases = [
            (
                Task::Binary,
                Scale::Probabilities,
                array![[0.5], [1.5]],
                array![[0.0], [0.0]],
                false,
                "1.5 is no probability",
            ),
            (
                Task::Binary,
                Scale::Logits,
                array![[0.5], [1.5]],
                array![[0.0], [2.0]],
                true,
                "2 is no class: classes are 0 and 1",
            ),
            (
                Task::Multiclass,
                Scale::Logits,
                array![[0.5; 3], [1.5; 3]],
                array![[0.0], [3.0]],
                true,
                "scores for 3 classes, 0 to 2",
            ),
            (
                Task::Multiclass,
                Scale::Logits,
                array![[0.5; 3], [1.5; 3]],
                array![[0.0], [f64::NAN]],
                true,
                "NaN is no class",
            ),
            (Task::Multiclass, Scale::Labels, array![[0.0], [0.5]], array![[0.0], [3.0]], false, "0.5 is no class"),
            (
                Task::Multiclass,
                Scale::Logits,
                array![[0.5; 2], [1.5; 2]],
                array![[0.0, 1.0], [1.0, 1.0]],
                true,
                "just one must be 1",
            ),
        ];
        for (task, scale, predictions, targets, is_target, expected) in cases {
            let widths = [predictions.ncols(), targets.ncols()];
            let mut scorer = Scorer::new(task, scale, widths, f64::EPSILON, &[]);
            let wrong = scorer.push(predictions.view(), targets.view()).expect_err(expected);
            assert!(wrong.what.contains(expected), "{wrong:?}");
            assert_eq!((wrong.row, wrong.is_target), (2, is_target), "{expected}");
        }
    }

    #[test]
    fn widths_must_fit() {
        for (task, scale, widths) in [
            (Task::Regression, Scale::Values, [2, 1]),
            (Task::Binary, Scale::Logits, [3, 1]),
            (Task::Multiclass, Scale::Labels, [3, 1]),
            (Task::Multiclass, Scale::Logits, [1, 1]),
            (Task::Multiclass, Scale::Logits, [3, 2]),
            (Task::Language, Scale::Labels, [1, 1]),
        ] {
            assert!(check_widths(task, scale, widths).is_err(), "{task:?} {scale:?} {widths:?}");
        }
    }
}
