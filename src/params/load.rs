//! What a file of parameters or metrics says, for those who only read it.
//!
//! In place of what programs write: JSON with the `NaN` and `Infinity` of Python, YAML with anchors and aliases, TOML. Where
//! the strict reader of the merge gives up without a word, this one says in which line and why.
//!
//! **Limitations.** Numbers are 64-bit floats. YAML has one document, keys that are scalars, and no `<<`; tags are read past.
//! Each file says at most [`NODES_MAX`] values, aliases counted as often as they are used.

mod json;
mod toml;
mod yaml;

use super::{MARK, Syntax};

/// How many values a file may have, all maps and lists counted, so that aliases of aliases fill no memory.
pub const NODES_MAX: usize = 1_000_000;

/// What stands at one place. Keys are in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Keys and values.
    Map(Vec<(String, Self)>),
    /// Values.
    List(Vec<Self>),
    /// A number; NaN and infinities are some.
    Number(f64),
    /// Text, and what has no other kind here, such as dates.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing.
    Null,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct LoadError {
    /// The line, counted from 1, if it is known.
    pub line: Option<usize>,
    /// What is wrong there.
    pub why: String,
}

impl LoadError {
    fn new(line: impl Into<Option<usize>>, why: impl Into<String>) -> Self {
        Self { line: line.into(), why: why.into() }
    }

    /// Of an error at a byte offset.
    fn at(text: &str, offset: usize, why: impl Into<String>) -> Self {
        let before = text.as_bytes().iter().take(offset);
        Self::new(before.filter(|&&byte| byte == b'\n').count() + 1, why)
    }
}

/// Reads a file. An empty one is an empty map.
///
/// # Errors
/// What is not UTF-8, does not parse, has a key twice in one map, is nested more than 100 deep, or has an anchor that refers
/// to itself.
pub fn load(syntax: Syntax, bytes: &[u8]) -> Result<Tree, LoadError> {
    let text = std::str::from_utf8(bytes.strip_prefix(MARK).unwrap_or(bytes));
    let text = text.map_err(|_| LoadError::new(None, "it is not UTF-8"))?;
    if text.trim().is_empty() {
        return Ok(Tree::Map(Vec::new()));
    }
    match syntax {
        Syntax::Json => json::load(text),
        Syntax::Yaml => yaml::load(text),
        Syntax::Toml => toml::load(text),
    }
}

impl Tree {
    /// What stands at a dotted path. Parts are keys, or positions in lists; a key with dots in it is found too.
    pub fn get(&self, path: &str) -> Option<&Self> {
        if path.is_empty() {
            return Some(self);
        }
        match self {
            Self::Map(members) => members.iter().find_map(|(key, value)| match path.strip_prefix(key.as_str())? {
                "" => Some(value),
                rest => value.get(rest.strip_prefix('.')?),
            }),
            Self::List(items) => {
                let (at, rest) = path.split_once('.').unwrap_or((path, ""));
                items.get(at.parse::<usize>().ok()?)?.get(rest)
            }
            _ => None,
        }
    }

    /// All that is no map, with its dotted path, in the order of the file. Lists are one value each.
    pub fn leaves(&self) -> Vec<(String, &Self)> {
        let mut leaves = Vec::new();
        self.collect("", &mut leaves);
        leaves
    }

    fn collect<'t>(&'t self, path: &str, leaves: &mut Vec<(String, &'t Self)>) {
        match self {
            Self::Map(members) => {
                for (key, value) in members {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    value.collect(&path, leaves);
                }
            }
            leaf => leaves.push((path.to_owned(), leaf)),
        }
    }

    /// What kind of value it is, in one or two words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::List(_) => "a list",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::Bool(_) => "`true` or `false`",
            Self::Null => "nothing",
        }
    }
}

#[cfg(test)]
mod tests;
