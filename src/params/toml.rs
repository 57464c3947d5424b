//! TOML 1.1, read by `toml_edit`, which knows where keys and values stand.
//!
//! TOML tells integers from floats, so `1` and `1.0` differ here.
//!
//! A table that has no header of its own, such as `tool` in most projects, is no unit: what is in it may stand anywhere in the
//! file. Its tables are taken for tables of the one above, named by their path.
//!
//! **Limitations.** Refused: a table with a header, or dotted keys, whose parts stand apart from each other, and dotted keys
//! in inline tables.

use std::ops::Range;

use toml_edit::{Document, InlineTable, Item, Key, Table, Value as Toml};

use super::tree::{Content, Entry, Layout, Map, Node, lead, line_end, line_start};
use super::value::{Number, PATH, Value};

/// The tree of `text`. `None` if it is not TOML, or cannot be edited line by line.
pub fn parse(text: &str) -> Option<Node> {
    let document = Document::parse(text).ok()?;
    let mut ends = Vec::new();
    line_ends(text, document.as_table(), &mut ends);
    ends.sort_unstable();
    Reader { text, ends }.table(document.as_table(), 0)
}

/// Collects the ends of all headers and values.
fn line_ends(text: &str, table: &Table, ends: &mut Vec<usize>) {
    for (_, item) in table {
        match item {
            Item::None => {}
            Item::Value(value) => ends.extend(value.span().map(|span| line_end(text, span.end))),
            Item::Table(table) => section_ends(text, table, ends),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| section_ends(text, table, ends)),
        }
    }
}

fn section_ends(text: &str, table: &Table, ends: &mut Vec<usize>) {
    ends.extend(header(table).map(|span| line_end(text, span.end)));
    line_ends(text, table, ends);
}

/// Where the header of a table stands, if it has one.
fn header(table: &Table) -> Option<Range<usize>> {
    if table.is_implicit() || table.is_dotted() { None } else { table.span() }
}

struct Reader<'a> {
    text: &'a str,
    /// The ends of all headers and values, sorted.
    ends: Vec<usize>,
}

impl Reader<'_> {
    /// The keys of a table. Without any its place is at `empty`.
    fn table(&self, table: &Table, empty: usize) -> Option<Node> {
        let mut entries = Vec::new();
        self.entries("", table, &mut entries)?;
        let map = Map::new(Layout::Block, entries)?;
        let span = match map.entries.as_slice() {
            [] => empty..empty,
            [first, ..] => first.lead..map.entries.last()?.end,
        };
        Some(Node { span, content: Content::Map(map) })
    }

    /// Collects the keys of a table. `above` is the path of the tables without header around it.
    fn entries(&self, above: &str, table: &Table, entries: &mut Vec<Entry>) -> Option<()> {
        for (name, item) in table {
            if name.contains(PATH) {
                return None;
            }
            let path = [above, name].concat();
            match item {
                Item::Table(inner) if inner.is_implicit() && !inner.is_dotted() => {
                    self.entries(&format!("{path}{PATH}"), inner, entries)?;
                }
                _ => entries.push(self.entry(path, table.key(name)?, item)?),
            }
        }
        Some(())
    }

    fn entry(&self, name: String, key: &Key, item: &Item) -> Option<Entry> {
        match item {
            Item::None => None,
            Item::Value(value) => {
                let node = self.value(value)?;
                let (lead, start) = self.line(key.span()?.start);
                let end = line_end(self.text, node.span.end);
                Some(Entry { key: name, lead, start, end, section: false, node })
            }
            Item::Table(table) => self.section(name, table),
            Item::ArrayOfTables(tables) => {
                let parts: Vec<_> =
                    tables.iter().map(|table| self.section(String::new(), table)).collect::<Option<_>>()?;
                let (first, last) = (parts.first()?, parts.last()?);
                if parts.windows(2).any(|pair| pair[0].end > pair[1].lead) {
                    return None;
                }
                let (lead, start, end) = (first.lead, first.start, last.end);
                let values = parts.iter().map(|part| part.node.value()).collect();
                let node = Node { span: start..end, content: Content::Value(Value::List(values)) };
                Some(Entry { key: name, lead, start, end, section: true, node })
            }
        }
    }

    /// A table with its header, or one that dotted keys make.
    fn section(&self, key: String, table: &Table) -> Option<Entry> {
        let header = header(table);
        let node = self.table(table, header.as_ref().map_or(0, |span| line_end(self.text, span.end)))?;
        let first = node.map().and_then(|map| map.entries.first());
        let section = !table.is_dotted();
        let (lead, start, end) = match (header, first) {
            (Some(header), first) => {
                let (lead, start) = self.line(header.start);
                let inside = first.is_none_or(|first| first.start > start);
                inside.then_some((lead, start, node.span.end))?
            }
            (None, Some(first)) => (first.lead, first.lead, node.span.end),
            (None, None) => return None,
        };
        Some(Entry { key, lead, start, end, section, node })
    }

    /// Where the comments above the line of `at` begin, and the line itself.
    fn line(&self, at: usize) -> (usize, usize) {
        let start = line_start(self.text, at);
        let above = self.ends.partition_point(|end| *end <= start);
        let limit = above.checked_sub(1).map_or(0, |last| self.ends[last]);
        (lead(self.text, start, limit), start)
    }

    fn value(&self, value: &Toml) -> Option<Node> {
        let span = value.span()?;
        let text = &self.text[span.clone()];
        let value = match value {
            Toml::InlineTable(table) => return Some(Node { span, content: Content::Map(self.inline(table)?) }),
            Toml::String(text) => Value::Text(text.value().clone()),
            Toml::Integer(integer) => Value::Other(integer.value().to_string()),
            Toml::Float(_) => {
                Number::parse(&text.replace('_', "")).map_or_else(|| Value::Other(text.to_owned()), Value::Number)
            }
            Toml::Boolean(boolean) => Value::Bool(*boolean.value()),
            Toml::Datetime(_) => Value::Other(text.to_owned()),
            Toml::Array(items) => {
                let items = items.iter().map(|item| Some(self.value(item)?.value()));
                Value::List(items.collect::<Option<_>>()?)
            }
        };
        Some(Node { span, content: Content::Value(value) })
    }

    fn inline(&self, table: &InlineTable) -> Option<Map> {
        let entries = table.iter().map(|(key, value)| {
            let start = table.key(key)?.span()?.start;
            let dotted = matches!(value, Toml::InlineTable(inner) if inner.is_dotted());
            let node = if dotted { None } else { self.value(value) }?;
            Some(Entry { key: key.to_owned(), lead: start, start, end: node.span.end, section: false, node })
        });
        Map::new(Layout::Flow, entries.collect::<Option<_>>()?)
    }
}
