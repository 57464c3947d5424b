//! YAML 1.2 in its core schema, with anchors and aliases. As many programs write `1e-4` for a number, it is one here.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::{LoadError, NODES_MAX, Tree};
use crate::params::tree::DEPTH_MAX;

pub fn load(text: &str) -> Result<Tree, LoadError> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), open: HashSet::new(), nodes: 0 };
    let mut found = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(found.unwrap_or_else(|| Tree::Map(Vec::new()))),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if found.is_some() => return Err(error(span, "there is a second document")),
            event => found = Some(reader.node(event, span, 0)?.0),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What each anchor stands for, and how many nodes that is.
    anchors: HashMap<usize, (Tree, usize)>,
    /// The anchors of what is being read.
    open: HashSet<usize>,
    nodes: usize,
}

fn error(span: Span, why: impl Into<String>) -> LoadError {
    LoadError::new(span.start.line(), why)
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), LoadError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(failure)) => Err(LoadError::new(failure.marker().line(), format!("no YAML: {}", failure.info()))),
            None => Err(LoadError::new(None, "no YAML: it ends too early")),
        }
    }

    /// The node that `event` begins, and how many nodes it is.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<(Tree, usize), LoadError> {
        if depth > DEPTH_MAX {
            return Err(error(span, format!("nested more than {DEPTH_MAX} deep")));
        }
        self.count(1, span)?;
        let before = self.nodes;
        let (anchor, tree) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => {
                self.open.insert(anchor);
                (anchor, self.list(depth)?)
            }
            Event::MappingStart(anchor, _) => {
                self.open.insert(anchor);
                (anchor, self.map(depth)?)
            }
            _ => return Err(error(span, "no YAML: there is no value")),
        };
        let nodes = 1 + self.nodes - before;
        self.open.remove(&anchor);
        if anchor > 0 {
            self.anchors.insert(anchor, (tree.clone(), nodes));
        }
        Ok((tree, nodes))
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(Tree, usize), LoadError> {
        if self.open.contains(&anchor) {
            return Err(error(span, "an alias refers to the very value it stands in"));
        }
        let nodes = self.anchors.get(&anchor).map_or(0, |&(_, nodes)| nodes);
        self.count(nodes, span)?;
        self.anchors.get(&anchor).cloned().ok_or_else(|| error(span, "an alias without an anchor"))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), LoadError> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(error(span, format!("more than {NODES_MAX} values, those of aliases counted each time")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Tree, LoadError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Tree::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?.0),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Tree, LoadError> {
        let (mut members, mut keys) = (Vec::new(), HashSet::new());
        loop {
            let (event, at) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Tree::Map(members)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(error(at, "a key that is no plain word")),
            };
            if !keys.insert(key.clone()) {
                return Err(error(at, format!("the key `{key}` stands there twice")));
            }
            let (event, span) = self.next()?;
            members.push((key, self.node(event, span, depth + 1)?.0));
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Tree {
    if style != ScalarStyle::Plain {
        return Tree::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Tree::Null,
        "true" | "True" | "TRUE" => Tree::Bool(true),
        "false" | "False" | "FALSE" => Tree::Bool(false),
        _ => number(text).map_or_else(|| Tree::Text(text.to_owned()), Tree::Number),
    }
}

/// A number, `.nan` and `.inf` too; Rust's own reader knows more words than YAML.
fn number(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(|number| sign * number as f64);
    }
    if let Some(digits) = unsigned.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(|number| sign * number as f64);
    }
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}
