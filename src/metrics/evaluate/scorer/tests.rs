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
