use proptest::prelude::*;

use super::*;
use crate::metrics::policy::Base;

fn rule(goal: Goal, min: Option<f64>, max: Option<f64>, regression: Option<Amount>) -> MetricRule {
    let metric = "test.mse".to_owned();
    MetricRule { metric, goal, min, max, regression, base: Base::Head, on_missing: OnMissing::Fail, fresh: false }
}

fn mse(number: f64) -> Metrics {
    Metrics::Read(Tree::Map(vec![("test".into(), Tree::Map(vec![("mse".into(), Tree::Number(number))]))]))
}

fn bases(numbers: &[f64]) -> Vec<Baseline> {
    let named = |(at, &number): (usize, &f64)| Baseline { name: format!("p{at}"), metrics: mse(number) };
    numbers.iter().enumerate().map(named).collect()
}

fn outcome(rule: &MetricRule, now: f64, before: &[f64]) -> Outcome {
    judge("m", rule, &mse(now), &Freshness::Fresh, &bases(before)).outcome
}

#[test]
fn limits_include_their_ends() {
    use Outcome::{Failed, Passed};
    let low = rule(Goal::Minimize, None, Some(30.0), Some(Amount::Relative(0.02)));
    for (now, before, expected) in [
        (25.5, &[25.0][..], Passed),
        (25.500_01, &[25.0], Failed),
        (20.0, &[25.0], Passed),
        (30.0, &[29.9], Passed),
        (30.1, &[29.9], Failed),
        (30.0, &[], Passed),
        (31.0, &[], Failed),
    ] {
        assert_eq!(outcome(&low, now, before), expected, "{now} after {before:?}");
    }
    let high = rule(Goal::Maximize, Some(0.5), None, Some(Amount::Absolute(0.01)));
    for (now, before, expected) in
        [(0.89, &[0.9][..], Passed), (0.88, &[0.9], Failed), (0.5, &[0.505], Passed), (0.49, &[], Failed)]
    {
        assert_eq!(outcome(&high, now, before), expected, "{now} after {before:?}");
    }
}

#[test]
fn rounding_of_decimals_fails_nobody() {
    let none = rule(Goal::Maximize, None, None, Some(Amount::Relative(0.1)));
    // 0.3 - 0.03 is not 0.27 in binary.
    assert_eq!(outcome(&none, 0.27, &[0.3]), Outcome::Passed);
    assert_eq!(outcome(&rule(Goal::Minimize, None, Some(0.3), None), 0.1 + 0.2, &[]), Outcome::Passed);
}

#[test]
fn what_is_not_finite_fails() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for goal in [Goal::Minimize, Goal::Maximize] {
            assert_eq!(outcome(&rule(goal, None, None, Some(Amount::Relative(0.5))), number, &[1.0]), Outcome::Failed);
        }
    }
    let after_nan = rule(Goal::Minimize, None, None, Some(Amount::Relative(0.0)));
    assert_eq!(outcome(&after_nan, 5.0, &[f64::NAN]), Outcome::Passed);
}

#[test]
fn the_better_of_two_parents_counts() {
    let verdict = judge(
        "m",
        &rule(Goal::Minimize, None, None, Some(Amount::Absolute(1.0))),
        &mse(6.0),
        &Freshness::Fresh,
        &bases(&[8.0, 4.0]),
    );
    assert_eq!((verdict.outcome, verdict.base), (Outcome::Failed, Some(("p1".into(), 4.0))));
}

#[test]
fn what_cannot_be_judged() {
    let tree = Metrics::Read(Tree::Map(vec![
        ("test.mes".into(), Tree::Number(1.0)),
        ("test.mse".into(), Tree::Text("low".into())),
    ]));
    let mut asked = rule(Goal::Minimize, None, Some(1.0), None);
    for (on_missing, expected) in
        [(OnMissing::Fail, Outcome::Unjudged), (OnMissing::Warn, Outcome::Warned), (OnMissing::Skip, Outcome::Skipped)]
    {
        asked.on_missing = on_missing;
        let verdict = judge("m", &asked, &tree, &Freshness::Fresh, &[]);
        assert_eq!((verdict.outcome, verdict.why.as_deref()), (expected, Some("it is text, no number")));
    }
    asked.metric = "test.mea".into();
    let verdict = judge("m", &asked, &tree, &Freshness::Fresh, &[]);
    assert_eq!(verdict.why.as_deref(), Some("the metrics file has no `test.mea`; did you mean `test.mes`?"));
    let gone = Metrics::Absent("there is no `m.json`".into());
    assert_eq!(judge("m", &asked, &gone, &Freshness::Fresh, &[]).why.as_deref(), Some("there is no `m.json`"));
}

#[test]
fn a_base_without_the_metric_asks_nothing_and_a_broken_one_says_so() {
    let asked = rule(Goal::Minimize, None, None, Some(Amount::Absolute(0.0)));
    let judged =
        |metrics| judge("m", &asked, &mse(5.0), &Freshness::Fresh, &[Baseline { name: "HEAD".into(), metrics }]);
    assert_eq!(judged(Metrics::Absent("none".into())).outcome, Outcome::Passed);
    let broken = judged(Metrics::Unreadable("no JSON".into()));
    assert_eq!((broken.outcome, broken.why.as_deref()), (Outcome::Passed, Some("not compared with HEAD: no JSON")));
}

#[test]
fn stale_metrics_fail_where_they_must_be_fresh() {
    let mut asked = rule(Goal::Minimize, None, Some(9.0), None);
    let stale = Freshness::Stale("old".into());
    assert_eq!(judge("m", &asked, &mse(5.0), &stale, &[]).outcome, Outcome::Passed);
    asked.fresh = true;
    for (freshness, expected) in
        [(Freshness::Fresh, Outcome::Passed), (Freshness::Unknown, Outcome::Failed), (stale, Outcome::Failed)]
    {
        assert_eq!(judge("m", &asked, &mse(5.0), &freshness, &[]).outcome, expected);
    }
}

#[test]
fn numbers_for_a_table() {
    for (number, text) in [
        (0.0, "0"),
        (30.0, "30"),
        (25.500_01, "25.5"),
        (0.123_456_789, "0.123457"),
        (1e-7, "1e-7"),
        (123_456_789.0, "123456789"),
        (1.5e12, "1.5e12"),
        (-0.25, "-0.25"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(short(number), text);
    }
}

proptest! {
    /// A better model never fails where a worse one passes, and a laxer gate never fails what a stricter one passes.
    #[test]
    fn better_is_never_worse(
        minimize: bool,
        base in -1e3..1e3_f64,
        one in -1e3..1e3_f64,
        other in -1e3..1e3_f64,
        slack in 0.0..2.0_f64,
        more in 0.0..2.0_f64,
        relative: bool,
    ) {
        let goal = if minimize { Goal::Minimize } else { Goal::Maximize };
        let amount = |size| Some(if relative { Amount::Relative(size) } else { Amount::Absolute(size) });
        let strict = rule(goal, None, None, amount(slack));
        let lax = rule(goal, None, None, amount(slack + more));
        let (good, bad) = if goal.is_better(one, other) { (one, other) } else { (other, one) };
        prop_assert!(outcome(&strict, good, &[base]) <= outcome(&strict, bad, &[base]));
        prop_assert!(outcome(&lax, bad, &[base]) <= outcome(&strict, bad, &[base]));
        prop_assert_eq!(outcome(&strict, base, &[base]), Outcome::Passed);
    }
}
