//! Sets one value in a file of parameters and leaves every other byte as it is. Pure.
//!
//! The new value takes the kind and the quotes of the old one. A key that is not there yet is added behind its siblings,
//! written as they are. The edited text is read again and must say what the old one said, with that one value changed: where
//! it does not, nothing is edited.
//!
//! **Limitations.** Values in lists have no paths: a list is set as a whole. Files that the strict reader of this module
//! refuses (see [`read`](super::read)) are not edited, and maps with a line for each key are not replaced by other values.

mod insert;
mod new;
mod place;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use new::{Kind, New};
use place::{Place, Spot};

use super::load::{LoadError, Tree, load};
use super::tree::{Content, Entry, Layout, Source};
use super::value::dotted;
use super::{Form, MARK, Syntax, read};

/// What kind the new value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// That of the old one; where there is none, that which it looks like.
    Same,
    /// Text.
    Text,
    /// What it is in JSON.
    Json,
}

/// Why a value cannot be set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file cannot be edited safely.
    #[error("it cannot be edited safely: {0}")]
    Unsafe(&'static str),
    /// No path.
    #[error("`{0}` is no path of keys with dots between them")]
    Path(String),
    /// The new value is of another kind.
    #[error("`{path}` is {old}, and `{value}` is none")]
    Kind {
        /// The path.
        path: String,
        /// What stands there.
        old: &'static str,
        /// As the user wrote it.
        value: String,
    },
    /// The new value is no JSON.
    #[error("`{value}` is no JSON: {why}")]
    Json {
        /// As the user wrote it.
        value: String,
        /// What is wrong.
        why: String,
    },
    /// What stands there has keys of its own.
    #[error("`{path}` has keys of its own")]
    Map {
        /// The path.
        path: String,
        /// Its keys, as paths.
        keys: Vec<String>,
    },
    /// What stands on the way has no keys.
    #[error("`{path}` is {kind}, so there is no `{rest}` in it")]
    Blocked {
        /// The path of what has no keys.
        path: String,
        /// What it is.
        kind: &'static str,
        /// The rest of the path.
        rest: String,
    },
    /// TOML has no word for it.
    #[error("TOML has no word for nothing")]
    Null,
}

const CHANGED: &str = "with the new value it would say something else";

/// The file with `value` at the dotted `path`.
///
/// # Errors
/// A file or a value that cannot be read; a value of another kind, where the kind is to stay; a place that cannot be edited.
pub fn set(syntax: Syntax, bytes: &[u8], path: &str, value: &str, how: As) -> Result<Vec<u8>, EditError> {
    let old = load(syntax, bytes)?;
    if !matches!(old, Tree::Map(_)) {
        return Err(EditError::Unsafe("it is no map of keys and values"));
    }
    if syntax == Syntax::Yaml && !bytes.ends_with(b"\n") && has_block_text(bytes) {
        return Err(EditError::Unsafe("its last line has no end, and may be part of a text of several lines"));
    }
    let (edited, keys, tree) = match source(syntax, bytes, &old)? {
        Some((source, form)) => {
            let (text, keys, tree) = edit(syntax, &source, path, value, how)?;
            (form.bytes(text), keys, tree)
        }
        None => {
            let keys = place::split(path)?;
            let new = New::guess(value, how)?;
            let text = insert::into_empty(syntax, &String::from_utf8_lossy(bytes), &keys, &new)?;
            (text.into_bytes(), keys, new.tree())
        }
    };
    let mut expected = old;
    put(&mut expected, &keys, tree);
    match load(syntax, &edited) {
        Ok(found) if is_same(&found, &expected) => Ok(edited),
        _ => Err(EditError::Unsafe(CHANGED)),
    }
}

/// Whether some line ends as one does that begins a text of several lines (`key: |`), whose line ends are part of it.
fn has_block_text(bytes: &[u8]) -> bool {
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let is_header = |line: &[u8]| {
        line.iter().rev().find(|byte| !b"+-0123456789".contains(byte)).is_some_and(|byte| b"|>".contains(byte))
    };
    lines.into_iter().any(is_header)
}

/// All numbers that stand under keys, by their dotted paths, as they are written: no digit is lost, unlike in a float. None
/// of a file that the strict reader refuses.
pub fn written_numbers(syntax: Syntax, bytes: &[u8]) -> HashMap<String, String> {
    let mut numbers = HashMap::new();
    if let Some((source, _)) = read(syntax, bytes) {
        place::for_each(syntax, &source.root, "", &mut |path, node| {
            let written = source.text[node.span.clone()].trim();
            if matches!(Kind::of(syntax, node, written), Kind::Whole | Kind::Number) {
                numbers.insert(path, written.to_owned());
            }
        });
    }
    numbers
}

/// What is edited; `None` of a file without keys.
fn source(syntax: Syntax, bytes: &[u8], tree: &Tree) -> Result<Option<(Source, Form)>, EditError> {
    let unmarked = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let is_bare = |line: &[u8]| line.trim_ascii().is_empty() || line.trim_ascii_start().starts_with(b"#");
    if *tree == Tree::Map(Vec::new()) && unmarked.split(|&byte| byte == b'\n').all(is_bare) {
        return Ok(None);
    }
    let count = |wanted: &[u8]| unmarked.windows(wanted.len()).filter(|found| *found == wanted).count();
    let (pairs, newlines, returns) = (count(b"\r\n"), count(b"\n"), count(b"\r"));
    let why = match syntax {
        _ if returns != pairs || (pairs != 0 && pairs != newlines) => "its lines do not all end in the same way",
        Syntax::Json => "it is no JSON object",
        Syntax::Yaml => "it has anchors, aliases, tags, tabs or keys that are no words",
        Syntax::Toml => "it has a table whose parts stand apart from each other",
    };
    read(syntax, bytes).map(Some).ok_or(EditError::Unsafe(why))
}

/// The edited text, the path of the value key by key, and the value.
fn edit(
    syntax: Syntax,
    source: &Source,
    path: &str,
    value: &str,
    how: As,
) -> Result<(String, Vec<String>, Tree), EditError> {
    let (mut text, keys, new, at, with) = match place::locate(&source.root, path)? {
        Spot::There(place, entry) => {
            let keys = place.keys_with(syntax, entry);
            let (new, at, with) = replace(syntax, &source.text, &keys, entry, value, how)?;
            (source.text.clone(), keys, new, at, with)
        }
        Spot::Missing(place, rest) => {
            let new = New::guess(value, how)?;
            let (at, with) = insert::insert(syntax, source, &place, &rest, &new)?;
            let keys = place.keys(syntax).into_iter().chain(rest).collect();
            (source.text.clone(), keys, new, at, with)
        }
    };
    text.replace_range(at, &with);
    Ok((text, keys, new.tree()))
}

/// The new value, what it stands in place of, and how it is written.
fn replace(
    syntax: Syntax,
    text: &str,
    keys: &[String],
    entry: &Entry,
    value: &str,
    how: As,
) -> Result<(New, std::ops::Range<usize>, String), EditError> {
    let path = || dotted(keys.iter().map(String::as_str));
    let node = &entry.node;
    if let Content::Map(map) = &node.content
        && (map.layout == Layout::Block || how != As::Json)
    {
        let below = |entry: &Entry| dotted(keys.iter().map(String::as_str).chain([entry.key.as_str()]));
        return Err(EditError::Map { path: path(), keys: map.entries.iter().map(below).collect() });
    }
    if entry.section {
        return Err(EditError::Unsafe("its tables `[[…]]` are to be edited by hand"));
    }
    let span = insert::without_comment(syntax, text, node.span.clone());
    let written = &text[span.clone()];
    let kind = Kind::of(syntax, node, written.trim());
    let new = New::of(kind, value, how).map_err(|error| match error {
        EditError::Kind { old, value, .. } => EditError::Kind { path: path(), old, value },
        error => error,
    })?;
    if syntax == Syntax::Yaml && kind == Kind::List && !written.starts_with('[') {
        return insert::block_list(text, entry, &new).map(|(at, with)| (new, at, with));
    }
    let mut with = new.text(syntax, Some(written.trim()))?;
    if syntax == Syntax::Yaml && text[..span.start].ends_with(':') {
        with.insert(0, ' ');
    }
    Ok((new, span, with))
}

/// Puts a value into a tree.
fn put(tree: &mut Tree, keys: &[String], value: Tree) {
    let Some((first, rest)) = keys.split_first() else {
        *tree = value;
        return;
    };
    let Tree::Map(members) = tree else { return };
    match members.iter_mut().find(|(key, _)| key == first) {
        Some((_, member)) => put(member, rest, value),
        None => {
            let mut member = Tree::Map(Vec::new());
            put(&mut member, rest, value);
            members.push((first.clone(), member));
        }
    }
}

/// Whether two trees say the same; NaN is NaN, and keys may stand in any order.
pub fn is_same(one: &Tree, other: &Tree) -> bool {
    match (one, other) {
        (Tree::Number(one), Tree::Number(other)) => one == other || (one.is_nan() && other.is_nan()),
        (Tree::List(one), Tree::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Tree::Map(one), Tree::Map(other)) => {
            let find = |key: &String| other.iter().find(|(name, _)| name == key);
            one.len() == other.len()
                && one.iter().all(|(key, value)| find(key).is_some_and(|(_, other)| is_same(value, other)))
        }
        (one, other) => one == other,
    }
}
