//! Where a path leads in a file.

use super::EditError;
use crate::params::Syntax;
use crate::params::tree::{Entry, Layout, Map, Node};
use crate::params::value::{PATH, Value, dotted};

/// A map in the file, and the keys that lead to it.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// Where it stands.
    pub node: &'a Node,
    /// The keys that lead to it, each with its own text.
    pub trail: Vec<&'a Entry>,
}

/// What is at a path.
pub enum Spot<'a> {
    /// A key with its value, in this map.
    There(Place<'a>, &'a Entry),
    /// Nothing; the last map on the way, and the keys that it lacks.
    Missing(Place<'a>, Vec<String>),
}

impl Place<'_> {
    /// The map.
    pub fn map(&self) -> Option<&Map> {
        self.node.map()
    }

    /// The keys that lead here.
    pub fn keys(&self, syntax: Syntax) -> Vec<String> {
        self.trail.iter().flat_map(|entry| keys_of(syntax, entry)).collect()
    }

    /// The keys that lead to an entry of this map.
    pub fn keys_with(&self, syntax: Syntax, entry: &Entry) -> Vec<String> {
        self.keys(syntax).into_iter().chain(keys_of(syntax, entry)).collect()
    }

    /// The keys of the tables with headers that lead here, and those of the dotted keys behind them.
    pub fn header(&self) -> (Vec<String>, Vec<String>) {
        let is_dotted = |entry: &&Entry| !entry.section && is_block(entry);
        let (dotted, tables): (Vec<&Entry>, Vec<&Entry>) = self.trail.iter().copied().partition(is_dotted);
        let keys = |entries: Vec<&Entry>| entries.into_iter().flat_map(|entry| keys_of(Syntax::Toml, entry)).collect();
        (keys(tables), keys(dotted))
    }
}

fn is_block(entry: &Entry) -> bool {
    entry.node.map().is_some_and(|map| map.layout == Layout::Block)
}

/// The key of an entry; a table without headers around it has several.
fn keys_of(syntax: Syntax, entry: &Entry) -> Vec<String> {
    let key = entry.key.as_str();
    // The strict reader names quoted numbers apart from others.
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).filter(|_| syntax == Syntax::Yaml);
    quoted.unwrap_or(key).split(PATH).map(str::to_owned).collect()
}

/// Follows a path from the root.
///
/// # Errors
/// No path; a value without keys on the way.
pub fn locate<'a>(root: &'a Node, path: &str) -> Result<Spot<'a>, EditError> {
    follow(Place { node: root, trail: Vec::new() }, path, path)
}

fn follow<'a>(place: Place<'a>, rest: &str, path: &str) -> Result<Spot<'a>, EditError> {
    let mut best = None;
    let entries = place.node.map().map_or(&[][..], |map| &map.entries);
    for entry in entries {
        let key = entry.key.replace(PATH, ".");
        let behind = [key.clone(), format!("\"{key}\""), dotted(entry.key.split(PATH))];
        let Some(behind) = behind.iter().find_map(|key| rest.strip_prefix(key.as_str())) else { continue };
        if behind.is_empty() {
            return Ok(Spot::There(place, entry));
        }
        let Some(behind) = behind.strip_prefix('.') else { continue };
        let deeper = match entry.node.map() {
            Some(_) => {
                let trail = place.trail.iter().copied().chain([entry]).collect();
                follow(Place { node: &entry.node, trail }, behind, path)
            }
            None => Err(EditError::Blocked {
                path: path[..path.len() - behind.len() - 1].to_owned(),
                kind: kind(&entry.node.value()),
                rest: behind.to_owned(),
            }),
        };
        match deeper {
            Ok(Spot::There(place, entry)) => return Ok(Spot::There(place, entry)),
            // Of several keys that may be meant, the longest.
            deeper if best.as_ref().is_none_or(|(len, _)| key.len() > *len) => best = Some((key.len(), deeper)),
            _ => {}
        }
    }
    match best {
        Some((_, best)) => best,
        None => Ok(Spot::Missing(place, split(rest).map_err(|_| EditError::Path(path.to_owned()))?)),
    }
}

/// Calls `visit` for each value that is no map, with its dotted path.
pub fn for_each(syntax: Syntax, node: &Node, path: &str, visit: &mut dyn FnMut(String, &Node)) {
    for entry in node.map().map_or(&[][..], |map| &map.entries) {
        let key = keys_of(syntax, entry).join(".");
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        match entry.node.map() {
            Some(_) => for_each(syntax, &entry.node, &path, visit),
            None => visit(path, &entry.node),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Map(_) => "a map",
        Value::List(_) => "a list",
        Value::Number(_) => "a number",
        Value::Text(_) => "text",
        Value::Bool(_) => "`true` or `false`",
        Value::Null => "nothing",
        Value::Other(_) => "a value",
    }
}

/// The keys of a path; one with dots in it stands in double quotes.
///
/// # Errors
/// An empty key, or a quote that does not end.
pub fn split(path: &str) -> Result<Vec<String>, EditError> {
    let broken = || EditError::Path(path.to_owned());
    let mut keys = Vec::new();
    let mut rest = path;
    loop {
        let (key, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(broken)?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if key.is_empty() || key.contains(PATH) {
            return Err(broken());
        }
        keys.push(key.to_owned());
        match behind.strip_prefix('.') {
            Some(more) => rest = more,
            None if behind.is_empty() => return Ok(keys),
            None => return Err(broken()),
        }
    }
}
