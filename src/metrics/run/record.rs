//! What is written down about a run: one line of JSON in a note, `docs/FORMAT.md`, "Runs". Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::environment::Environment;
use crate::params::load::Tree;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Whole numbers up to here are exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The command exited with 0, and what it made was committed, if it was to be.
    Succeeded,
    /// The command did not exit with 0.
    Failed,
    /// Somebody stopped it.
    Aborted,
    /// The command exited with 0, and git did not take the commit.
    Refused,
}

impl Status {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
        }
    }
}

/// A run. The order of the fields is that of the keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// The command, word by word.
    pub command: Vec<String>,
    /// The folder it ran in, from the top of the work tree; empty for the top.
    pub folder: String,
    /// The command's exit code; none if a signal ended it.
    pub exit: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
    /// When it began: RFC 3339, UTC.
    pub started: String,
    /// How long the command took, in seconds.
    pub seconds: f64,
    /// The commit that it started from; none before the first one.
    pub revision: Option<String>,
    /// The branch that it ran on; none on a detached `HEAD`.
    pub branch: Option<String>,
    /// The SHA-256 of the difference between that commit and the tracked files; none if there was none.
    pub dirty: Option<String>,
    /// The models it is about.
    pub models: Vec<String>,
    /// What the models' files of parameters said before, by path.
    pub params: BTreeMap<String, Value>,
    /// What those of the models' metrics files that the run has written said afterwards, by path.
    pub metrics: BTreeMap<String, Value>,
    /// The models' weights.
    pub weights: Weights,
    /// Where it ran.
    pub environment: Environment,
}

/// The SHA-256 of the text that git keeps for each weight file, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Before the run.
    pub before: BTreeMap<String, String>,
    /// After a run that has succeeded or was refused; else empty.
    pub after: BTreeMap<String, String>,
}

impl Record {
    /// One line of JSON, without its end.
    pub fn line(&self) -> String {
        // Plain structures of text and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The runs in a note, and how many lines say something else.
    pub fn parse(note: &[u8]) -> (Vec<Self>, usize) {
        let lines = note.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let (mut runs, mut unknown) = (Vec::new(), 0);
        for line in lines {
            match serde_json::from_slice::<Self>(line) {
                Ok(run) if run.version == VERSION => runs.push(run),
                _ => unknown += 1,
            }
        }
        (runs, unknown)
    }
}

/// What a file says, as JSON. Numbers that are not finite are texts: JSON has no other word for them.
pub fn json(tree: &Tree) -> Value {
    match tree {
        Tree::Map(members) => Value::Object(members.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
        Tree::List(items) => Value::Array(items.iter().map(json).collect()),
        Tree::Number(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => (*number as i64).into(),
        Tree::Number(number) => serde_json::Number::from_f64(*number)
            .map_or_else(|| crate::metrics::gate::short(*number).into(), Value::Number),
        Tree::Text(text) => text.as_str().into(),
        Tree::Bool(flag) => (*flag).into(),
        Tree::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(name: String, command: Vec<String>, seconds: f64) -> Record {
        Record {
            version: VERSION,
            name,
            status: Status::Aborted,
            command,
            folder: "sub".into(),
            exit: None,
            signal: Some(2),
            started: "2026-01-02T03:04:05Z".into(),
            seconds,
            revision: None,
            branch: Some("exp/1".into()),
            dirty: None,
            models: vec!["m".into()],
            params: BTreeMap::from([("p.json".into(), serde_json::json!({"lr": 0.1}))]),
            metrics: BTreeMap::new(),
            weights: Weights::default(),
            environment: Environment::default(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            name in ".*",
            command in prop::collection::vec(".*", 0..4),
            millis in 0_u32..,
        ) {
            let run = record(name, command, f64::from(millis) / 1000.0);
            let line = run.line();
            prop_assert!(!line.contains('\n'));
            let note = format!("{line}\n\n{line}\n");
            prop_assert_eq!(Record::parse(note.as_bytes()), (vec![run.clone(), run], 0));
        }
    }

    #[test]
    fn lines_of_others_are_counted() {
        let mut later = record("a".into(), Vec::new(), 0.0);
        later.version = 2;
        let note = format!("by hand\n{}\n{}", later.line(), record("b".into(), Vec::new(), 0.0).line());
        let (runs, unknown) = Record::parse(note.as_bytes());
        assert_eq!((runs.len(), runs[0].name.as_str(), unknown), (1, "b", 2));
    }

    #[test]
    fn keys_have_their_order() {
        let line = record("a".into(), vec!["x".into()], 1.5).line();
        let expected = r#"{"version":1,"name":"a","status":"aborted","command":["x"],"folder":"sub","exit":null,"signal":2,"started":"2026-01-02T03:04:05Z","seconds":1.5,"revision":null,"branch":"exp/1","dirty":null,"models":["m"],"params":{"p.json":{"lr":0.1}},"metrics":{},"weights":{"before":{},"after":{}},"environment":{"#;
        assert!(line.starts_with(expected), "{line}");
    }

    #[test]
    fn numbers_stay_numbers() {
        let tree = Tree::Map(vec![
            ("whole".into(), Tree::Number(42.0)),
            ("part".into(), Tree::Number(0.1)),
            ("nan".into(), Tree::Number(f64::NAN)),
            ("list".into(), Tree::List(vec![Tree::Null, Tree::Bool(true), Tree::Number(1e300)])),
        ]);
        assert_eq!(json(&tree).to_string(), r#"{"whole":42,"part":0.1,"nan":"NaN","list":[null,true,1e+300]}"#);
    }
}
