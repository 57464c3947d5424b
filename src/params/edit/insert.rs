//! A key that is not there yet, behind its siblings and written as they are; and lists with a line for each value.

use std::ops::Range;

use super::new::{New, key_text};
use super::{EditError, Place, is_same};
use crate::params::Syntax;
use crate::params::load::load;
use crate::params::tree::{Entry, Layout, Map, Node, Source, indent, line_end, line_start};

/// A place in the text, and what is to stand there.
type Edit = (Range<usize>, String);

/// The first key of a file. It comes behind comments that are there.
pub fn into_empty(syntax: Syntax, text: &str, keys: &[String], new: &New) -> Result<String, EditError> {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let entry = match syntax {
        Syntax::Json => nested(keys, new).text(syntax, None)? + "\n",
        Syntax::Yaml => yaml_lines(keys, new, "", "  ")?,
        Syntax::Toml => toml_lines(&[], &[], keys, new, "")?,
    };
    Ok([text, newline, &entry].concat())
}

/// The keys that a map lacks, and the value under the last of them.
pub fn insert(syntax: Syntax, source: &Source, place: &Place, keys: &[String], new: &New) -> Result<Edit, EditError> {
    let text = source.text.as_str();
    let map = place.map().ok_or(EditError::Unsafe("it is no map of keys and values"))?;
    match (map.layout, syntax) {
        (Layout::Flow, _) => flow(syntax, text, place.node, map, keys, new),
        (Layout::Block, Syntax::Toml) => toml(text, place, map, keys, new),
        (Layout::Block, _) => {
            let last = map.entries.last().ok_or(EditError::Unsafe("it is no map of keys and values"))?;
            let unit = unit(text, &source.root, "").unwrap_or("  ");
            Ok((last.end..last.end, yaml_lines(keys, new, indent(text, last.start), unit)?))
        }
    }
}

/// A map with these keys.
fn nested(keys: &[String], new: &New) -> New {
    keys.iter().rev().fold(new.clone(), |value, key| New::Map(vec![(key.clone(), value)]))
}

fn flow(syntax: Syntax, text: &str, node: &Node, map: &Map, keys: &[String], new: &New) -> Result<Edit, EditError> {
    let Some((key, below)) = keys.split_first() else { return Err(EditError::Path(String::new())) };
    let value = nested(below, new).text(syntax, None)?;
    let key = key_text(syntax, key);
    let colon = if syntax == Syntax::Toml { " = " } else { ": " };
    let Some(last) = map.entries.last() else {
        return Ok((without_comment(syntax, text, node.span.clone()), format!("{{{key}{colon}{value}}}")));
    };
    let before = match map.entries.as_slice() {
        [.., other, last] => text[other.end..last.start].to_owned(),
        _ => {
            let opening = &text[node.span.start + 1..last.start];
            let opening = if opening.contains('\n') { opening } else { " " };
            format!(",{opening}")
        }
    };
    let written = &text[last.start..last.node.span.start];
    let colon = match written.rfind('"') {
        Some(quote) if syntax == Syntax::Json => &written[quote + 1..],
        _ => colon,
    };
    Ok((last.end..last.end, [&before, key.as_str(), colon, &value].concat()))
}

/// The indentation of one level: that of the first map in a map.
fn unit<'t>(text: &'t str, node: &Node, above: &str) -> Option<&'t str> {
    let map = node.map().filter(|map| map.layout == Layout::Block)?;
    map.entries.iter().find_map(|entry| {
        let here = indent(text, entry.start);
        match here.strip_prefix(above) {
            Some(unit) if !unit.is_empty() && here.len() > above.len() => Some(unit),
            _ => unit(text, &entry.node, here),
        }
    })
}

fn yaml_lines(keys: &[String], new: &New, indent: &str, unit: &str) -> Result<String, EditError> {
    let mut lines = String::new();
    for (level, key) in keys.iter().enumerate() {
        let value =
            if level + 1 == keys.len() { [" ", &new.text(Syntax::Yaml, None)?].concat() } else { String::new() };
        lines += &format!("{indent}{}{}:{value}\n", unit.repeat(level), key_text(Syntax::Yaml, key));
    }
    Ok(lines)
}

fn toml(text: &str, place: &Place, map: &Map, keys: &[String], new: &New) -> Result<Edit, EditError> {
    let (header, dotted) = place.header();
    let section = place.trail.iter().rev().find(|entry| entry.section);
    if keys.len() > 1 && dotted.is_empty() {
        // A table of its own, behind those of its map.
        let at = section.map_or(text.len(), |section| section.end);
        let gap = if text[..at].trim().is_empty() { "" } else { "\n" };
        return Ok((at..at, [gap, &toml_lines(&header, &[], keys, new, "")?].concat()));
    }
    if let Some(last) = map.entries.iter().rfind(|entry| !entry.section) {
        let line = toml_lines(&[], &dotted, keys, new, indent(text, last.start))?;
        return Ok((last.end..last.end, line));
    }
    let line = toml_lines(&[], &dotted, keys, new, "")?;
    Ok(match (section, map.entries.first()) {
        (Some(section), _) => {
            let at = line_end(text, section.start);
            (at..at, line)
        }
        (None, Some(first)) => (first.lead..first.lead, line + "\n"),
        (None, None) => (text.len()..text.len(), line),
    })
}

/// A line with a dotted key; or, of several keys that stand behind no others, a table with a header.
fn toml_lines(
    header: &[String],
    dotted: &[String],
    keys: &[String],
    new: &New,
    indent: &str,
) -> Result<String, EditError> {
    let path = |keys: &[&String]| keys.iter().map(|key| key_text(Syntax::Toml, key)).collect::<Vec<_>>().join(".");
    let value = new.text(Syntax::Toml, None)?;
    Ok(match keys {
        [tables @ .., last] if dotted.is_empty() && !tables.is_empty() => {
            let table: Vec<&String> = header.iter().chain(tables).collect();
            format!("[{}]\n{} = {value}\n", path(&table), path(&[last]))
        }
        keys => {
            let keys: Vec<&String> = dotted.iter().chain(keys).collect();
            format!("{indent}{} = {value}\n", path(&keys))
        }
    })
}

/// A list of YAML with a line for each value, replaced.
pub fn block_list(text: &str, entry: &Entry, new: &New) -> Result<Edit, EditError> {
    let start = dash(text, entry.node.span.start).ok_or(EditError::Unsafe("its list begins in an odd way"))?;
    let span = start..entry.node.span.end;
    if let New::List(items) = new
        && !items.is_empty()
        && items.iter().all(|item| !matches!(item, New::List(_) | New::Map(_)))
    {
        let margin = &text[line_start(text, span.start)..span.start];
        let items = items.iter().map(|item| Ok(["- ", &item.text(Syntax::Yaml, None)?].concat()));
        let items: Vec<String> = items.collect::<Result<_, EditError>>()?;
        return Ok((span, items.join(&format!("\n{margin}"))));
    }
    let before = &text[entry.start..span.start];
    let colon =
        before.rfind(':').filter(|_| !before.contains('#')).ok_or(EditError::Unsafe("a comment is in the way"))?;
    Ok((entry.start + colon + 1..span.end, [" ", &new.text(Syntax::Yaml, None)?].concat()))
}

/// The first `-` of a list: the parser tells where it is, or what stands behind it.
fn dash(text: &str, start: usize) -> Option<usize> {
    let is_alone = text[start..].strip_prefix('-').is_some_and(|rest| rest.starts_with([' ', '\t', '\n']));
    if is_alone {
        return Some(start);
    }
    let before = text[..start].trim_end();
    before.ends_with('-').then(|| before.len() - 1)
}

/// A value of YAML in brackets or braces without the comment behind it, which the parser counts in.
pub fn without_comment(syntax: Syntax, text: &str, span: Range<usize>) -> Range<usize> {
    let written = &text[span.clone()];
    if syntax != Syntax::Yaml || !written.starts_with(['[', '{']) {
        return span;
    }
    let said = |written: &str| load(Syntax::Yaml, written.as_bytes()).ok();
    let whole = said(written);
    let is_end = |at: &usize| {
        let rest = written[at + 1..].trim_start();
        let found = (rest.is_empty() || rest.starts_with('#')).then(|| said(&written[..=*at])).flatten();
        found.zip(whole.as_ref()).is_some_and(|(found, whole)| is_same(&found, whole))
    };
    let end = written.match_indices([']', '}']).map(|(at, _)| at).find(is_end);
    end.map_or(span.clone(), |end| span.start..span.start + end + 1)
}
