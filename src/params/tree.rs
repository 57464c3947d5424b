//! A parameter file as a tree of keys and values that knows where in the text each of them stands.

use std::collections::HashSet;
use std::ops::Range;

use super::value::{Members, Value};

/// How deep maps and lists may be nested, so that no file exhausts the stack.
pub const DEPTH_MAX: usize = 100;

/// A text and its tree. All positions are byte offsets into the text.
#[derive(Debug)]
pub struct Source {
    /// The text, with `\n` as its only line end.
    pub text: String,
    /// The tree; a map at its root.
    pub root: Node,
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    /// The text of the value. For a map with a line for each key: all lines of its keys, with the comments above the first.
    pub span: Range<usize>,
    /// The value.
    pub content: Content,
}

/// A map, whose keys are merged one by one, or any other value, which is merged as a whole.
#[derive(Debug)]
pub enum Content {
    /// A map.
    Map(Map),
    /// No map.
    Value(Value),
}

/// A map in the order of its text.
#[derive(Debug)]
pub struct Map {
    /// How it is written.
    pub layout: Layout,
    /// Its keys.
    pub entries: Vec<Entry>,
}

/// How a map is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In braces, with commas between the keys.
    Flow,
    /// Each key begins on a line of its own.
    Block,
}

/// A key with its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the comment lines directly above the key begin; `start` if there are none.
    pub lead: usize,
    /// Where the key's first line begins, or in braces the key itself.
    pub start: usize,
    /// The end of the key's last line, or in braces of the value.
    pub end: usize,
    /// Whether this is a table of TOML with a header of its own. These stand behind all other keys of their map.
    pub section: bool,
    /// The value.
    pub node: Node,
}

impl Node {
    /// The map, if it is one.
    pub fn map(&self) -> Option<&Map> {
        match &self.content {
            Content::Map(map) => Some(map),
            Content::Value(_) => None,
        }
    }

    /// What the tree says.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Map(map) => Value::Map(map.members()),
            Content::Value(value) => value.clone(),
        }
    }
}

impl Entry {
    /// Where the key itself begins.
    pub fn key_start(&self, text: &str) -> usize {
        let line = &text[self.start..self.end];
        self.start + line.len() - line.trim_start_matches([' ', '\t']).len()
    }
}

impl Map {
    /// A map whose keys all differ and do not overlap, in the order of the text. `None` if they do.
    pub fn new(layout: Layout, mut entries: Vec<Entry>) -> Option<Self> {
        entries.sort_by_key(|entry| entry.start);
        let apart = entries.windows(2).all(|pair| pair[0].end <= pair[1].lead);
        let mut keys = HashSet::new();
        let differ = entries.iter().all(|entry| keys.insert(entry.key.as_str()));
        (apart && differ).then_some(Self { layout, entries })
    }

    fn members(&self) -> Members {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect()
    }
}

/// Where the line of `at` begins.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line after that of `at` begins.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The white space at the beginning of the line of `at`.
pub fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Where the comment lines directly above the line at `start` begin, not looking above `limit`. They must be indented like
/// that line: others speak of something else.
pub fn lead(text: &str, start: usize, limit: usize) -> usize {
    let wanted = indent(text, start);
    let mut lead = start;
    while lead > limit {
        let above = line_start(text, lead - 1);
        let comment = text[above..lead].trim_start().starts_with('#');
        if above < limit || !comment || indent(text, above) != wanted {
            break;
        }
        lead = above;
    }
    lead
}
