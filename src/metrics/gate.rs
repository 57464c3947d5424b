//! Whether a version of a model is good enough: metrics now, metrics of the base, and the policy give verdicts. Pure.
//!
//! The commit hooks, `git model check` and a server that receives a push all come here, so they cannot disagree.

use super::policy::{Amount, Goal, MetricRule, OnMissing};
use crate::params::load::Tree;

/// Sums of the rounding of decimal numbers that a limit lets through, in parts of the limit.
const ROUNDING: f64 = 1e-12;

/// What a metrics file of one version says.
#[derive(Debug, Clone, PartialEq)]
pub enum Metrics {
    /// There is none, and why.
    Absent(String),
    /// It is there and cannot be read, and why.
    Unreadable(String),
    /// What is in it.
    Read(Tree),
}

/// A version that another is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// How it is called.
    pub name: String,
    /// Its metrics.
    pub metrics: Metrics,
}

/// Whether metrics were computed from the weights they stand beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// They were, or no weights have changed.
    Fresh,
    /// The metrics file does not say, and may well be.
    Unknown,
    /// They were not, and why that is known.
    Stale(String),
}

/// What a gate says of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The model.
    pub model: String,
    /// The metric's dotted path, or what else is asked.
    pub metric: String,
    /// What it was compared with, and its value there.
    pub base: Option<(String, f64)>,
    /// Its value.
    pub now: Option<f64>,
    /// What it must be, in words: `≤ 30`.
    pub limit: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where the numbers do not say it.
    pub why: Option<String>,
}

/// What came of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It could not be judged, and is to be passed over.
    Skipped,
    /// It does not hold or could not be judged, and is only to be said.
    Warned,
    /// It could not be judged.
    Unjudged,
    /// It does not hold.
    Failed,
}

impl Outcome {
    /// Whether a commit must not go in.
    pub const fn stops(self) -> bool {
        matches!(self, Self::Unjudged | Self::Failed)
    }

    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Warned => "warning",
            Self::Unjudged => "not judged",
            Self::Failed => "failed",
        }
    }
}

impl Verdict {
    /// By how much the metric has changed since the base.
    pub fn change(&self) -> Option<f64> {
        Some(self.now? - self.base.as_ref()?.1)
    }
}

/// Judges one gate. `bases` are the versions that the rule's base means: none for the first commit of all.
pub fn judge(model: &str, rule: &MetricRule, now: &Metrics, freshness: &Freshness, bases: &[Baseline]) -> Verdict {
    let mut verdict = Verdict {
        model: model.to_owned(),
        metric: rule.metric.clone(),
        base: None,
        now: None,
        limit: limit(rule, None),
        outcome: Outcome::Passed,
        why: None,
    };
    let value = match value(now, &rule.metric) {
        Ok(value) => value,
        Err(why) => return verdict.unjudged(rule, why),
    };
    verdict.now = Some(value);
    match base(rule, bases) {
        Ok(Some((name, base))) => {
            verdict.limit = limit(rule, Some(base));
            verdict.base = Some((name, base));
        }
        Ok(None) => {}
        Err(why) => {
            verdict.limit = limit(rule, None);
            verdict.why = Some(why);
        }
    }
    if !value.is_finite() {
        verdict.outcome = Outcome::Failed;
        verdict.why = Some("it is no finite number".to_owned());
    } else if !holds(rule, value, verdict.base.as_ref().map(|&(_, base)| base)) {
        verdict.outcome = Outcome::Failed;
    } else {
        match freshness {
            Freshness::Stale(why) if rule.fresh => {
                verdict.outcome = Outcome::Failed;
                verdict.why = Some(why.clone());
            }
            Freshness::Unknown if rule.fresh => {
                verdict.outcome = Outcome::Failed;
                verdict.why = Some("the metrics file does not say which weights it was computed from".to_owned());
            }
            _ => {}
        }
    }
    verdict
}

impl Verdict {
    /// Of a model that is described and not there yet: neither it nor any version before has metrics.
    pub fn unborn(model: &str, rule: &MetricRule) -> Self {
        Self {
            model: model.to_owned(),
            metric: rule.metric.clone(),
            base: None,
            now: None,
            limit: limit(rule, None),
            outcome: Outcome::Skipped,
            why: Some("there are no metrics yet".to_owned()),
        }
    }

    fn unjudged(mut self, rule: &MetricRule, why: String) -> Self {
        self.outcome = match rule.on_missing {
            OnMissing::Fail => Outcome::Unjudged,
            OnMissing::Warn => Outcome::Warned,
            OnMissing::Skip => Outcome::Skipped,
        };
        self.why = Some(why);
        self
    }
}

/// A metric's value.
fn value(metrics: &Metrics, metric: &str) -> Result<f64, String> {
    match metrics {
        Metrics::Absent(why) | Metrics::Unreadable(why) => Err(why.clone()),
        Metrics::Read(tree) => match tree.get(metric) {
            Some(Tree::Number(number)) => Ok(*number),
            Some(other) => Err(format!("it is {}, no number", other.kind())),
            None => Err(missing(tree, metric)),
        },
    }
}

fn missing(tree: &Tree, metric: &str) -> String {
    let leaves = tree.leaves();
    let numbers = leaves.iter().filter(|(_, leaf)| matches!(leaf, Tree::Number(_))).map(|(path, _)| path);
    match super::policy::nearest(metric, numbers) {
        Some(near) => format!("the metrics file has no `{metric}`; did you mean `{near}`?"),
        None => format!("the metrics file has no `{metric}`"),
    }
}

/// The base to compare with: where there are several, the best, which asks most.
/// A base without this metric asks nothing; the metric is new.
fn base(rule: &MetricRule, bases: &[Baseline]) -> Result<Option<(String, f64)>, String> {
    let mut found: Option<(String, f64)> = None;
    let mut unreadable = None;
    for base in bases {
        match &base.metrics {
            Metrics::Unreadable(why) => unreadable = Some(format!("not compared with {}: {why}", base.name)),
            metrics => {
                let Ok(value) = value(metrics, &rule.metric) else { continue };
                if found.as_ref().is_none_or(|(_, best)| rule.goal.is_better(value, *best)) {
                    found = Some((base.name.clone(), value));
                }
            }
        }
    }
    match (found, unreadable) {
        (None, Some(why)) => Err(why),
        (found, _) => Ok(found),
    }
}

/// The bounds of a metric: the smallest and the largest value that passes.
fn bounds(rule: &MetricRule, base: Option<f64>) -> (Option<f64>, Option<f64>) {
    let (mut min, mut max) = (rule.min, rule.max);
    // Nothing is worse than a base that is no number.
    if let (Some(amount), Some(base)) = (rule.regression, base.filter(|base| base.is_finite())) {
        let slack = match amount {
            Amount::Absolute(slack) => slack,
            Amount::Relative(share) => share * base.abs(),
        };
        match rule.goal {
            Goal::Minimize => max = Some(max.map_or(base + slack, |max| max.min(base + slack))),
            Goal::Maximize => min = Some(min.map_or(base - slack, |min| min.max(base - slack))),
        }
    }
    (min, max)
}

fn holds(rule: &MetricRule, value: f64, base: Option<f64>) -> bool {
    let (min, max) = bounds(rule, base);
    let slack = |limit: f64| limit.abs() * ROUNDING;
    min.is_none_or(|min| value >= min - slack(min)) && max.is_none_or(|max| value <= max + slack(max))
}

fn limit(rule: &MetricRule, base: Option<f64>) -> String {
    match bounds(rule, base) {
        (Some(min), Some(max)) => format!("{} to {}", short(min), short(max)),
        (Some(min), None) => format!("≥ {}", short(min)),
        (None, Some(max)) => format!("≤ {}", short(max)),
        (None, None) => "–".to_owned(),
    }
}

/// A number for a table: six significant digits.
pub fn short(number: f64) -> String {
    const DIGITS: usize = 6;
    if !number.is_finite() {
        return if number.is_nan() {
            "NaN".into()
        } else if number > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    if number == 0.0 {
        return "0".into();
    }
    let exponent = number.abs().log10().floor() as i32;
    if !(-5..=9).contains(&exponent) {
        let text = format!("{number:.*e}", DIGITS - 1);
        let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(mantissa));
    }
    let decimals = usize::try_from(DIGITS as i32 - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}")).to_owned()
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests;
