//! Files of parameters and metrics: JSON, YAML and TOML. Pure.
//!
//! - [`read`]: a text to a tree that knows where each key stands, so that lines can be cut and edited. Strict: what cannot
//!   be edited safely is refused.
//! - [`edit`]: one value of a file set, all else left as it is.
//! - [`load`](mod@load): a text to what it says, whatever it takes to say it.

pub mod edit;
mod json;
pub mod load;
mod toml;
pub mod tree;
pub mod value;
mod yaml;

use std::path::Path;

use tree::{Node, Source};
use value::Members;

/// How a parameter file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `.json`
    Json,
    /// `.yaml`, `.yml`
    Yaml,
    /// `.toml`
    Toml,
}

impl Syntax {
    /// The syntax of the file at `path`, told from its extension.
    pub fn of(path: &str) -> Option<Self> {
        match Path::new(path).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }

    fn parse(self, text: &str) -> Option<Node> {
        match self {
            Self::Json => json::parse(text),
            Self::Yaml => yaml::parse(text),
            Self::Toml => toml::parse(text),
        }
    }
}

/// What is the same in all lines of a file.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Begins with a byte order mark.
    pub mark: bool,
    /// Lines end with `\r\n`.
    pub crlf: bool,
    /// The last line ends like the others.
    pub newline: bool,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl Form {
    /// The bytes of a text in this form.
    pub fn bytes(self, mut text: String) -> Vec<u8> {
        if !self.newline && text.ends_with('\n') {
            text.pop();
        }
        let text = if self.crlf { text.replace('\n', "\r\n") } else { text };
        let mark = if self.mark { MARK } else { &[] };
        [mark, text.as_bytes()].concat()
    }
}

/// Reads a file. `None` if it is not UTF-8, has line ends of both kinds, does not parse, or cannot be edited line by line.
pub fn read(syntax: Syntax, bytes: &[u8]) -> Option<(Source, Form)> {
    let unmarked = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let text = std::str::from_utf8(unmarked).ok()?;
    let pairs = text.matches("\r\n").count();
    let newlines = text.matches('\n').count();
    if text.matches('\r').count() != pairs || (pairs != 0 && pairs != newlines) {
        return None;
    }
    let newline = text.is_empty() || text.ends_with('\n');
    let form = Form { mark: unmarked.len() < bytes.len(), crlf: pairs > 0, newline };
    let mut text = text.replace("\r\n", "\n");
    if !newline {
        text.push('\n');
    }
    let root = syntax.parse(&text)?;
    Some((Source { text, root }, form))
}

/// The keys of a tree, if it is a map.
pub fn members(root: &Node) -> Option<Members> {
    match root.value() {
        value::Value::Map(members) => Some(members),
        _ => None,
    }
}
