//! What the message of a run's commit says: a subject, and trailers that git itself can search. Pure.

use crate::metrics::policy::Policy;
use crate::params::load::Tree;

/// The trailer with the run's name.
pub const RUN: &str = "Model-Run";
/// A trailer with a metric: `test.mse=24.3`, with several models `ranker:test.mse=24.3`.
pub const METRIC: &str = "Model-Metric";
/// More metrics are left to the note.
const METRICS_MAX: usize = 8;
/// A longer command is cut off in a subject.
const SUBJECT_CHARS_MAX: usize = 72;

/// What a model's metrics file says.
pub struct Measured<'m> {
    /// The model.
    pub model: &'m str,
    /// What is in it.
    pub metrics: &'m Tree,
}

/// The metrics that gates name, of the models at hand; where no gate names one that is there, the first numbers of each file.
pub fn metrics(policy: &Policy, measured: &[Measured]) -> Vec<String> {
    let prefix = |model: &str| if policy.models.len() > 1 { format!("{model}:") } else { String::new() };
    let mut found = Vec::new();
    for Measured { model, metrics } in measured {
        for rule in policy.metric_rules(model) {
            if let Some(Tree::Number(number)) = metrics.get(&rule.metric) {
                found.push(format!("{}{}={number}", prefix(model), rule.metric));
            }
        }
    }
    if found.is_empty() {
        for Measured { model, metrics } in measured {
            let numbers = metrics.leaves().into_iter().filter_map(|(path, leaf)| match leaf {
                Tree::Number(number) => Some(format!("{}{path}={number}", prefix(model))),
                _ => None,
            });
            found.extend(numbers);
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|metric| !metric.contains(char::is_control) && seen.insert(metric.clone()));
    found.truncate(METRICS_MAX);
    found
}

/// A message for a run that was given none.
pub fn subject(name: &str, command: &[String]) -> String {
    let plain = |text: &str| text.replace(char::is_control, " ");
    let text = format!("Run {}: {}", plain(name), plain(&command.join(" ")));
    if text.chars().count() <= SUBJECT_CHARS_MAX {
        return text;
    }
    text.chars().take(SUBJECT_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Syntax;
    use crate::params::load::load;

    fn policy(gates: &str) -> Policy {
        let text = format!("[model.m]\nmetrics = \"m.json\"\n{gates}");
        Policy::parse(&text).expect("a policy")
    }

    #[test]
    fn gated_metrics_come_alone() {
        let metrics = load(Syntax::Json, br#"{"loss": 1.5, "test": {"mse": 24.25, "mae": NaN}, "note": "x"}"#);
        let metrics = metrics.expect("well-formed");
        let measured = [Measured { model: "m", metrics: &metrics }];
        let gate = "[[gate]]\nmodel = \"m\"\nmetric = \"test.mse\"\nmax = 1\n";
        assert_eq!(super::metrics(&policy(gate), &measured), ["test.mse=24.25"]);
        assert_eq!(super::metrics(&policy(&format!("{gate}{gate}")), &measured), ["test.mse=24.25"]);
        assert_eq!(super::metrics(&policy(""), &measured), ["loss=1.5", "test.mse=24.25", "test.mae=NaN"]);
        let several = policy("[model.n]\n[[gate]]\nmodel = \"m\"\nmetric = \"loss\"\nmax = 1\n");
        assert_eq!(super::metrics(&several, &measured), ["m:loss=1.5"]);
    }

    #[test]
    fn subjects_are_one_short_line() {
        assert_eq!(subject("a", &["x".into(), "b\nc".into()]), "Run a: x b c");
        let long = subject("a", &["ü".repeat(100)]);
        assert!(long.chars().count() == 72 && long.ends_with('…'), "{long}");
    }
}
