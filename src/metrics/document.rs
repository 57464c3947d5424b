//! A metrics file that is changed in some places: JSON, with the `NaN` and `Infinity` that Python writes into it. Pure.
//!
//! The order of keys, every number as it is written, the indentation and the end of the file stay. In the tree, a number
//! is a text that starts with a mark that no text has (a noncharacter of Unicode), so that nothing is rounded.
//!
//! **Limitations.** Blanks are set anew, by the indentation of the file's first line that has one. Of two equal keys in one
//! object the last is kept.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::params::Syntax;
use crate::params::load::{LoadError, load};

/// A larger file is not one of metrics.
pub const BYTES_MAX: u64 = 16 << 20;
/// Before a number's text.
const MARK: char = '\u{fdd0}';
const INDENT: &str = "  ";

/// Why a text is no metrics file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON.
    #[error("line {line}: {what}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// It is JSON, but not a table of names.
    #[error("it is {0}, not an object of names and numbers")]
    NoObject(&'static str),
    /// A key stands for a value, or has keys below it.
    #[error("`{0}` cannot be a value and a table of values at once")]
    NoTable(String),
}

/// The file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    root: Value,
    indent: String,
    end: &'static str,
}

impl Default for Document {
    fn default() -> Self {
        Self { root: Value::Object(Map::new()), indent: INDENT.into(), end: "\n" }
    }
}

impl Document {
    /// Reads a file's text. An empty one has no metrics yet.
    ///
    /// # Errors
    /// Text that is no JSON object.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let marked = mark_numbers(text)?;
        let root: Value = serde_json::from_str(&marked).map_err(|error| {
            let (line, what) = (error.line(), error.to_string());
            // Its columns are those of the marked text.
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what).to_owned();
            DocumentError::Json { line, what }
        })?;
        // Of two values under one key, the reader above takes the last and drops the other.
        if let Err(LoadError { line, why }) = load(Syntax::Json, text.as_bytes()) {
            return Err(DocumentError::Json { line: line.unwrap_or(1), what: why });
        }
        match root {
            Value::Object(_) => {}
            other => return Err(DocumentError::NoObject(kind(&other))),
        }
        let indented = text.lines().skip(1).find(|line| line.starts_with([' ', '\t']));
        let indent = indented.map(|line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
        let end = if text.ends_with('\n') { "\n" } else { "" };
        Ok(Self { root, indent: indent.unwrap_or(INDENT).to_owned(), end })
    }

    /// The tree, for changes that are no numbers.
    pub const fn root_mut(&mut self) -> &mut Value {
        &mut self.root
    }

    /// Sets a number by its dotted path; tables that are missing are made, at the end of theirs. A key that is the whole
    /// path, dots and all, counts too.
    ///
    /// # Errors
    /// A value where the path goes on.
    pub fn set(&mut self, path: &str, number: f64) -> Result<(), DocumentError> {
        let number = marked(&text(number));
        if let Some(there) = self.root.get_mut(path).filter(|there| !is_table(there)) {
            *there = number;
            return Ok(());
        }
        let mut place = &mut self.root;
        let mut seen = 0;
        for key in path.split('.') {
            let Value::Object(table) = place else {
                return Err(DocumentError::NoTable(path[..seen].trim_end_matches('.').to_owned()));
            };
            seen += key.len() + 1;
            place = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
        }
        if is_table(place) {
            return Err(DocumentError::NoTable(path.to_owned()));
        }
        *place = number;
        Ok(())
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut out = String::new();
        self.write(&self.root, 0, &mut out);
        out + self.end
    }

    fn write(&self, value: &Value, depth: usize, out: &mut String) {
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(&self.indent));
        };
        match value {
            Value::Object(table) if !table.is_empty() => {
                out.push('{');
                for (at, (key, value)) in table.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    line(out, depth + 1);
                    // Writing to a string cannot fail.
                    let _ = write!(out, "{}: ", Value::from(key.as_str()));
                    self.write(value, depth + 1, out);
                }
                line(out, depth);
                out.push('}');
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('[');
                for (at, value) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    line(out, depth + 1);
                    self.write(value, depth + 1, out);
                }
                line(out, depth);
                out.push(']');
            }
            Value::String(text) if text.starts_with(MARK) => out.push_str(&text[MARK.len_utf8()..]),
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }
}

fn is_table(value: &Value) -> bool {
    value.as_object().is_some_and(|table| !table.is_empty())
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => "a single value",
    }
}

/// A number as JSON has it, in the fewest digits that say which f64 it is; NaN and infinities as in Python.
pub fn text(number: f64) -> String {
    match serde_json::Number::from_f64(number) {
        Some(number) => number.to_string(),
        None if number.is_nan() => "NaN".into(),
        None => if number > 0.0 { "Infinity" } else { "-Infinity" }.into(),
    }
}

fn marked(number: &str) -> Value {
    Value::String(format!("{MARK}{number}"))
}

/// `text` with each number as a marked text.
fn mark_numbers(text: &str) -> Result<String, DocumentError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '"' => {
                let (token, after) = rest.split_at(string_len(rest));
                out.push_str(token);
                rest = after;
                continue;
            }
            '-' | '+' | '.' | '0'..='9' | 'N' | 'I' => {
                rest.split_at(rest.find([',', ':', ']', '}', '"', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()))
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        if !is_number(token) || after.trim_start().starts_with(':') {
            let line = text[..text.len() - rest.len()].matches('\n').count() + 1;
            let shown: String = token.chars().take(40).collect();
            return Err(DocumentError::Json { line, what: format!("`{shown}` is no number, or not in its place") });
        }
        let _ = write!(out, "\"{MARK}{token}\"");
        rest = after;
    }
    Ok(out)
}

/// The length of the string that `text` starts with, its quotes included.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether it is a number of JSON, or one of Python's.
fn is_number(token: &str) -> bool {
    let is_json = token.bytes().all(|byte| b"+-.0123456789eE".contains(&byte))
        && serde_json::from_str::<serde::de::IgnoredAny>(token).is_ok();
    is_json || ["NaN", "Infinity", "-Infinity"].contains(&token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn others_stay_as_they_are() {
        let text = "{\n    \"lr\": 1e-05,\n    \"test\": {\n        \"mse\": 12345678901234567890123,\n        \"worst\": -Infinity\n    },\n    \"name\": \"a NaN \\\"1\\\" \\u00e9\",\n    \"list\": [\n        1.50,\n        NaN,\n        true,\n        null,\n        {}\n    ]\n}";
        let mut document = Document::parse(text).expect("a metrics file");
        assert_eq!(document.print(), text.replace("\\u00e9", "é"));
        document.set("test.mse", 0.5).expect("a number's place");
        document.set("test.new.r2", f64::NAN).expect("a new place");
        document.set("zero", -0.0).expect("a new place");
        let expected = text
            .replace("\\u00e9", "é")
            .replace("12345678901234567890123", "0.5")
            .replace("-Infinity\n", "-Infinity,\n        \"new\": {\n            \"r2\": NaN\n        }\n")
            .replace("    ]\n}", "    ],\n    \"zero\": -0.0\n}");
        assert_eq!(document.print(), expected);
    }

    #[test]
    fn new_files_and_flat_keys() {
        for empty in ["", " \n", "{}", "\u{feff}{}"] {
            let mut document = Document::parse(empty).expect("no metrics yet");
            document.set("a", 1e300).expect("a place");
            assert_eq!(document.print().trim_end(), "{\n  \"a\": 1e+300\n}");
        }
        let mut document = Document::parse("{\"test.mse\": 1}\n").expect("a metrics file");
        document.set("test.mse", 2.0).expect("a place");
        assert_eq!(document.print(), "{\n  \"test.mse\": 2.0\n}\n");
    }

    #[test]
    fn what_is_no_metrics_file_is_refused() {
        let cases = [
            ("{\n\"a\": nan}", "line 2: "),
            ("{\"a\": 01}", "line 1: `01` is no number, or not in its place"),
            ("{\"a\": 1,}", "line 1: trailing comma"),
            ("{1: 2}", "line 1: `1` is no number, or not in its place"),
            ("{\"a\": +1}", "`+1`"),
            ("{\"a\": N}", "`N`"),
            ("{\"a", "line 1: EOF"),
            ("[1]", "it is a list"),
            ("7", "it is a single value"),
        ];
        for (text, expected) in cases {
            let error = Document::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let mut document = Document::parse("{\"a\": {\"b\": 1}}").expect("a metrics file");
        for (path, expected) in [("a.b.c", "a.b"), ("a.b.c.d", "a.b"), ("a", "a")] {
            assert_eq!(document.set(path, 1.0), Err(DocumentError::NoTable(expected.into())));
        }
        let deep = "[".repeat(100_000);
        assert!(Document::parse(&format!("{{\"a\": {deep}")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in r#"[{}\[\]",:0-9eE+.\-NaIinfty \n\\]{0,40}"#) {
            if let Ok(document) = Document::parse(&text) {
                let again = Document::parse(&document.print()).expect("printed");
                prop_assert_eq!(again.print(), document.print());
            }
        }

        #[test]
        fn numbers_come_back(number: f64) {
            let mut document = Document::default();
            document.set("x", number).expect("a place");
            let text = document.print();
            let found: f64 = text.trim_matches(|c: char| "{} \n\"x:".contains(c)).parse().expect("a number");
            prop_assert!(found.to_bits() == number.to_bits() || found.is_nan() && number.is_nan());
        }
    }
}
