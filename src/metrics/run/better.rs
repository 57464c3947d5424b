//! Whether a model is better than another, by the metrics that gates name. Pure.

use crate::metrics::gate::short;
use crate::metrics::policy::Goal;

/// A metric in two versions.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The model's name and the metric's path.
    pub name: String,
    /// Which values are better.
    pub goal: Goal,
    /// The value in the version that is judged.
    pub now: Option<f64>,
    /// The value in the version that it is compared with.
    pub base: Option<f64>,
}

/// What the metrics say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// At least one is better, and none is worse; which.
    Better(String),
    /// What speaks against it.
    NotBetter(String),
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Change {
    Better,
    Worse,
    Same,
}

/// Compares. A metric that is new counts as better, one that is gone as worse.
pub fn compare(pairs: &[Pair]) -> Answer {
    let of = |wanted: Change| {
        let names: Vec<String> = pairs.iter().filter(|pair| pair.change() == wanted).map(Pair::text).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if pairs.is_empty() {
        return Answer::NotBetter("no gate names a metric, so nothing tells what is better".into());
    }
    match (of(Change::Worse), of(Change::Better)) {
        (Some(worse), _) => Answer::NotBetter(format!("worse: {worse}")),
        (None, Some(better)) => Answer::Better(better),
        (None, None) => Answer::NotBetter(format!("no metric is better: {}", of(Change::Same).unwrap_or_default())),
    }
}

impl Pair {
    fn change(&self) -> Change {
        match (self.now, self.base) {
            (Some(now), Some(base)) if self.goal.is_better(now, base) => Change::Better,
            (Some(now), Some(base)) if self.goal.is_better(base, now) => Change::Worse,
            (Some(now), None) if !now.is_nan() => Change::Better,
            (Some(_), None) | (None, Some(_)) => Change::Worse,
            _ => Change::Same,
        }
    }

    fn text(&self) -> String {
        let number = |number: Option<f64>| number.map_or_else(|| "none".to_owned(), short);
        format!("{} {} → {}", self.name, number(self.base), number(self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(goal: Goal, base: impl Into<Option<f64>>, now: impl Into<Option<f64>>) -> Pair {
        Pair { name: "m".into(), goal, now: now.into(), base: base.into() }
    }

    fn is_better(pairs: &[Pair]) -> bool {
        matches!(compare(pairs), Answer::Better(_))
    }

    #[test]
    fn one_better_and_none_worse() {
        use Goal::{Maximize, Minimize};
        let (better, worse) = (pair(Minimize, 2.0, 1.0), pair(Maximize, 2.0, 1.0));
        let (same, new, gone) = (pair(Minimize, 1.0, 1.0), pair(Minimize, None, 1.0), pair(Minimize, 1.0, None));
        assert!(is_better(&[better.clone(), same.clone()]) && is_better(std::slice::from_ref(&new)));
        for pairs in [
            vec![better.clone(), worse],
            vec![same],
            vec![better.clone(), gone],
            vec![better.clone(), pair(Minimize, 1.0, f64::NAN)],
            vec![better, pair(Minimize, None, f64::NAN)],
            vec![pair(Minimize, f64::NAN, f64::NAN)],
            vec![pair(Minimize, None, None)],
            Vec::new(),
        ] {
            assert!(!is_better(&pairs), "{pairs:?}");
        }
        assert!(is_better(&[pair(Maximize, f64::NAN, 1.0)]));
    }

    #[test]
    fn it_is_said_what_speaks_against_it() {
        let pairs = [pair(Goal::Minimize, 1.0, 2.5), pair(Goal::Minimize, 2.0, 1.0)];
        assert_eq!(compare(&pairs), Answer::NotBetter("worse: m 1 → 2.5".into()));
    }
}
