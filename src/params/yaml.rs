//! YAML 1.2, as far as its lines can be edited safely.
//!
//! Plain words that YAML 1.1 takes for something other than a string (`yes`, `0o17`, `1_000`, dates) equal only themselves.
//! A number with an exponent is a number, though YAML 1.1 wants a decimal point and a sign in it.
//!
//! **Limitations.** Refused: anchors, aliases, tags, more than one document, keys that are no scalars, keys marked with `?`,
//! tabs at the beginning of a line.

use std::collections::HashSet;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::tree::{Content, DEPTH_MAX, Entry, Layout, Map, Node, indent, lead, line_end, line_start};
use super::value::{Number, Value};

/// The tree of `text`. `None` if it is not YAML, or cannot be edited line by line.
pub fn parse(text: &str) -> Option<Node> {
    // YAML forbids tabs in an indentation, the parser lets some pass.
    if text.lines().any(|line| indent(line, 0).contains('\t')) {
        return None;
    }
    let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
    let mut reader = Reader { text, offsets, parser: Parser::new_from_str(text), lists: 0 };
    let (Event::StreamStart, _) = reader.next()? else { return None };
    let (Event::DocumentStart(explicit), start) = reader.next()? else { return None };
    let limit = if explicit { start.end } else { 0 };
    let (event, span) = reader.next()?;
    let root = reader.node(event, span, limit, 0)?;
    let (Event::DocumentEnd, _) = reader.next()? else { return None };
    matches!(reader.next()?, (Event::StreamEnd, _)).then_some(root)
}

/// Reads events, with byte offsets.
struct Reader<'a> {
    text: &'a str,
    /// The byte offset of each character: the parser counts characters.
    offsets: Vec<usize>,
    parser: Parser<'a, StrInput<'a>>,
    /// How many lists stand around the next event. A list is one value, so the lines of maps in it do not matter.
    lists: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Range<usize>)> {
        let (event, span) = self.parser.next_event()?.ok()?;
        let offset = |index: usize| self.offsets.get(index).copied();
        let (start, end) = (offset(span.start.index())?, offset(span.end.index())?);
        (start <= end).then_some((event, start..end))
    }

    /// The node that `event` begins. `limit` is the end of what stands before it.
    fn node(&mut self, event: Event<'a>, span: Range<usize>, limit: usize, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        match event {
            Event::Scalar(text, style, 0, None) => Some(self.scalar(&text, style, span, limit)),
            Event::SequenceStart(0, None) => self.list(span, depth),
            Event::MappingStart(0, None) => self.map(span, limit, depth),
            _ => None,
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Range<usize>, limit: usize) -> Node {
        let written = self.text[span.clone()].trim_end().len();
        let (span, value) = match style {
            ScalarStyle::Plain if written == 0 => (limit..limit, Value::Null),
            ScalarStyle::Plain => (span.start..span.start + written, plain(text)),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (span, Value::Text(text.to_owned())),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let end = (span.start + written).max(limit);
                (limit..end, Value::Text(text.to_owned()))
            }
        };
        Node { span, content: Content::Value(value) }
    }

    fn list(&mut self, span: Range<usize>, depth: usize) -> Option<Node> {
        let (mut items, mut end) = (Vec::new(), span.end);
        self.lists += 1;
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                self.lists -= 1;
                let end = if self.text[span.start..].starts_with('[') { at.end } else { end };
                return Some(Node { span: span.start..end, content: Content::Value(Value::List(items)) });
            }
            // An item without text is reported where the next one begins.
            let before = self.text[..at.start].trim_end().len().max(end);
            let item = self.node(event, at, before, depth + 1)?;
            end = item.span.end;
            items.push(item.value());
        }
    }

    fn map(&mut self, span: Range<usize>, mut limit: usize, depth: usize) -> Option<Node> {
        let flow = self.text[span.start..].starts_with('{');
        let (mut entries, mut keys) = (Vec::<Entry>::new(), HashSet::new());
        loop {
            let (event, at) = self.next()?;
            let (text, style) = match event {
                Event::MappingEnd => return self.finish(if flow { span.start..at.end } else { span }, flow, entries),
                Event::Scalar(text, style, 0, None) => (text, style),
                _ => return None,
            };
            let key = key(&text, style);
            if !keys.insert(key.clone()) {
                return None;
            }
            let colon = at.end + self.text[at.end..].find(|character| character != ' ')?;
            if !self.text[colon..].starts_with(':') {
                return None;
            }
            let (event, value) = self.next()?;
            let node = self.node(event, value, colon + 1, depth + 1)?;
            let entry = if flow || self.lists > 0 {
                Entry { key, lead: at.start, start: at.start, end: node.span.end, section: false, node }
            } else {
                self.block_entry(key, at.start, limit, node)?
            };
            limit = entry.end;
            entries.push(entry);
        }
    }

    /// A key with lines of its own, the first below `limit`.
    fn block_entry(&self, key: String, at: usize, limit: usize, node: Node) -> Option<Entry> {
        let start = line_start(self.text, at);
        let end = line_end(self.text, node.span.end.max(at));
        // A block scalar may end with its newline, and lines of a block map end with theirs.
        let end = if self.text[..node.span.end].ends_with('\n') { node.span.end } else { end };
        let rest = self.text[node.span.end..end].trim_start();
        let alone = self.text[start..at].trim().is_empty() && (rest.is_empty() || rest.starts_with('#'));
        alone.then(|| Entry { key, lead: lead(self.text, start, limit), start, end, section: false, node })
    }

    fn finish(&self, span: Range<usize>, flow: bool, entries: Vec<Entry>) -> Option<Node> {
        let span = match (flow, entries.as_slice()) {
            (false, [first, .., last]) => first.lead..last.end,
            (false, [only]) => only.lead..only.end,
            _ => span,
        };
        let map = Map::new(if flow { Layout::Flow } else { Layout::Block }, entries)?;
        Some(Node { span, content: Content::Map(map) })
    }
}

/// How a key is named. A quoted key is not the same as a plain one that is no string.
fn key(text: &str, style: ScalarStyle) -> String {
    let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    if quoted && !matches!(plain(text), Value::Text(_)) { format!("\"{text}\"") } else { text.to_owned() }
}

/// What a plain scalar means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let octal = unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = Number::parse(text).filter(|_| !octal) {
        return Value::Number(number);
    }
    let word = ["y", "yes", "n", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word));
    if text.starts_with(|first: char| first.is_alphabetic()) && !word {
        Value::Text(text.to_owned())
    } else {
        Value::Other(text.to_owned())
    }
}
