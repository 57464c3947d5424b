//! Figures for tests: each has something that is easily drawn wrong.

use super::{Figure, Goal, Limit, Series, Version};

/// A figure of one line with this many versions.
pub(super) fn figure(versions: usize) -> Figure {
    let value = |at: usize| 31.0 - 9.0 * (at as f64 / versions as f64) + 0.4 * wave(at);
    Figure {
        title: "house-pricing: test.mse".into(),
        x_name: "versions of main, the oldest first".into(),
        y_name: "test.mse".into(),
        versions: (0..versions).map(version).collect(),
        series: vec![Series { name: "main".into(), points: (0..versions).map(|at| (at, Some(value(at)))).collect() }],
        goal: Some(Goal::Lower),
        limits: vec![Limit { name: "max 30".into(), value: 30.0 }],
    }
}

/// Something that looks like noise and is the same each time.
fn wave(at: usize) -> f64 {
    let at = at as f64;
    (at * 1.7).sin() + (at * 0.37).cos() + (at * 5.3).sin()
}

fn version(at: usize) -> Version {
    let is_tag = at % 7 == 3;
    let commit = format!("{:07x}", (at as u64 + 1).wrapping_mul(0x9e37_79b9) & 0x0fff_ffff);
    let name = if is_tag { format!("v1.{}.0", at / 7) } else { commit };
    Version { name, detail: format!("2026-01-{:02} Change the learning rate", at % 28 + 1), is_tag }
}

fn with_values(title: &str, values: &[Option<f64>]) -> Figure {
    let points = values.iter().copied().enumerate().collect();
    let series = vec![Series { name: "main".into(), points }];
    Figure { title: title.into(), series, limits: Vec::new(), ..figure(values.len()) }
}

fn branches(count: usize) -> Figure {
    let mut figure = Figure { title: "accuracy of all branches".into(), goal: Some(Goal::Higher), ..figure(40) };
    figure.y_name = "test.accuracy".into();
    figure.limits = vec![Limit { name: "min 0.80".into(), value: 0.8 }];
    let points = |number: usize| {
        let own = (0..40).filter(move |at| (at + number).is_multiple_of(3) || number == 0);
        own.map(move |at| (at, Some(0.82 + 0.003 * at as f64 - 0.01 * number as f64 + 0.004 * wave(at + 9 * number))))
            .collect()
    };
    let name = |number: usize| match number {
        0 => "main".into(),
        4 => "exp/a-branch-with-a-very-long-name-that-tells-the-whole-story-of-it".into(),
        number => format!("exp/learning-rate-{number}"),
    };
    figure.series = (0..count).map(|number| Series { name: name(number), points: points(number) }).collect();
    figure
}

/// One figure of each kind.
pub fn all() -> Vec<Figure> {
    let long = {
        let mut figure = figure(25);
        figure.title = "a model with quite a long name that tells what it is for: validation.subsets.rural.mean_squared_error_after_calibration".into();
        figure.y_name = "validation.subsets.rural.mean_squared_error_after_calibration".into();
        figure.versions.iter_mut().for_each(|version| {
            version.name = format!("house-pricing-in-the-country@{}", version.name);
            version.is_tag = true;
        });
        figure
    };
    vec![
        figure(9),
        figure(30),
        figure(300),
        figure(10_000),
        branches(3),
        branches(20),
        with_values("one version only", &[Some(0.9123)]),
        with_values("always the same", &[Some(0.5); 12]),
        with_values(
            "gaps and what is no number",
            &[
                Some(1.0),
                Some(0.8),
                None,
                Some(0.7),
                Some(f64::NAN),
                Some(0.75),
                Some(f64::INFINITY),
                None,
                Some(0.6),
                Some(f64::NEG_INFINITY),
                Some(f64::NAN),
                Some(0.5),
                Some(0.52),
            ],
        ),
        with_values("large", &[Some(2.1e12), Some(3.4e12), Some(9.9e11)]),
        with_values("small", &[Some(2.1e-9), Some(3.4e-9), Some(-9.9e-10)]),
        with_values("all there is", &[Some(f64::MAX), Some(f64::MIN), Some(0.0)]),
        with_values("nothing", &[None, None]),
        with_values("no number at all", &[Some(f64::NAN)]),
        with_values("no version", &[]),
        with_values("模型：精度 <&> \u{202e}x", &[Some(1.0), Some(2.0)]),
        long,
    ]
}
