//! What a version of a file says, and in which values two versions differ. Pure.

use std::collections::HashMap;

use serde_json::Value;

use crate::metrics::gate;
use crate::params::Syntax;
use crate::params::edit::{self, is_same};
use crate::params::load::{LoadError, Tree, load};
use crate::params::value::Number;

/// A value in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// What it says.
    pub value: Tree,
    /// How it is written, if it is a number under a key of its own.
    pub written: Option<String>,
}

/// A value that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its dotted path.
    pub path: String,
    /// As it was.
    pub old: Option<Parameter>,
    /// As it is.
    pub new: Option<Parameter>,
}

/// What a version of a file says.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its values.
    pub tree: Tree,
    numbers: HashMap<String, String>,
}

impl Said {
    /// Of the bytes of a file.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn of(syntax: Syntax, bytes: &[u8]) -> Result<Self, LoadError> {
        Ok(Self { tree: load(syntax, bytes)?, numbers: edit::written_numbers(syntax, bytes) })
    }

    /// Of a file that is not there.
    pub fn nothing() -> Self {
        Self { tree: Tree::Map(Vec::new()), numbers: HashMap::new() }
    }

    /// What stands at a path.
    pub(super) fn parameter(&self, path: &str, value: &Tree) -> Parameter {
        let written = self.numbers.get(path).filter(|_| matches!(value, Tree::Number(_)));
        Parameter { value: value.clone(), written: written.cloned() }
    }

    fn parameters(&self) -> impl Iterator<Item = (String, Parameter)> {
        self.tree.leaves().into_iter().map(|(path, value)| {
            let parameter = self.parameter(&path, value);
            (path, parameter)
        })
    }
}

impl Parameter {
    /// Whether another says the same; numbers to the last digit.
    fn is_same(&self, other: &Self) -> bool {
        let exact = |parameter: &Self| parameter.written.as_deref().and_then(Number::parse);
        match (exact(self), exact(other)) {
            (Some(one), Some(other)) => one == other,
            _ => is_same(&self.value, &other.value),
        }
    }

    /// In one line: numbers as they are written, text as it is, all else as JSON.
    pub fn plain(&self) -> String {
        match (&self.written, &self.value, self.json()) {
            (Some(written), ..) => written.clone(),
            (_, Tree::Text(text), _) => text.clone(),
            (_, Tree::Number(_), Value::String(word)) => word,
            (_, _, value) => value.to_string(),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let whole = self.written.as_deref().and_then(|written| written.parse::<u64>().ok());
        whole.map_or_else(|| json(&self.value), Value::from)
    }
}

/// The values that differ, in the order of the new version, then those that are gone.
pub fn differences(old: &Said, new: &Said) -> Vec<Difference> {
    let mut was: HashMap<String, Parameter> = old.parameters().collect();
    let mut all = Vec::new();
    for (path, new) in new.parameters() {
        let old = was.remove(&path);
        if old.as_ref().is_none_or(|old| !old.is_same(&new)) {
            all.push(Difference { path, old, new: Some(new) });
        }
    }
    for (path, _) in old.parameters() {
        if let Some(old) = was.remove(&path) {
            all.push(Difference { path, old: Some(old), new: None });
        }
    }
    all
}

/// A value as JSON. Numbers that are not finite are texts: JSON has no other word for them.
fn json(tree: &Tree) -> Value {
    /// Up to here every whole number is a float.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match tree {
        Tree::Map(members) => Value::Object(members.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
        Tree::List(items) => Value::Array(items.iter().map(json).collect()),
        Tree::Number(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => Value::from(*number as i64),
        Tree::Number(number) => {
            serde_json::Number::from_f64(*number).map_or_else(|| gate::short(*number).into(), Value::Number)
        }
        Tree::Text(text) => Value::from(text.as_str()),
        Tree::Bool(flag) => Value::from(*flag),
        Tree::Null => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said::of(Syntax::Json, text.as_bytes()).expect("JSON")
    }

    #[test]
    fn what_differs() {
        let old = said(r#"{"a": 1, "b": {"c": NaN, "d": "x"}, "seed": 9007199254740993, "gone": [1]}"#);
        let new = said(r#"{"b": {"d": "y", "c": NaN}, "a": 1.0, "seed": 9007199254740992, "new": null}"#);
        let all = differences(&old, &new);
        let cell = |parameter: &Option<Parameter>| parameter.as_ref().map_or_else(String::new, Parameter::plain);
        let rows: Vec<_> = all.iter().map(|row| [row.path.clone(), cell(&row.old), cell(&row.new)].join(" ")).collect();
        assert_eq!(rows, ["b.d x y", "seed 9007199254740993 9007199254740992", "new  null", "gone [1] "]);
        assert!(differences(&new, &new).is_empty());
    }

    #[test]
    fn values_as_json() {
        let tree = said(r#"{"a": [1, 2.5, -3.0], "b": Infinity, "c": true}"#).tree;
        assert_eq!(json(&tree).to_string(), r#"{"a":[1,2.5,-3],"b":"Infinity","c":true}"#);
        assert_eq!(Parameter { value: Tree::Number(f64::NAN), written: None }.plain(), "NaN");
    }
}
