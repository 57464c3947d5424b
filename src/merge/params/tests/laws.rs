//! Laws over random files.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::decide::merged as merged_values;
use super::super::pieces::Side;
use super::{Syntax, merged};
use crate::params::value::{Members, Value};
use crate::params::{members, read};

/// A random file, free of any syntax.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(u8),
    List(Vec<u8>),
    Map(Vec<(&'static str, Tree)>),
}

fn maps(inner: impl Strategy<Value = Tree> + Clone) -> impl Strategy<Value = Tree> {
    let keys = select(vec!["lr", "a.b", "größe", "d", "e", "two words"]);
    btree_map(keys, inner, 0..5)
        .prop_flat_map(|map| Just(map.into_iter().collect::<Vec<_>>()).prop_shuffle())
        .prop_map(Tree::Map)
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![4 => (0..3_u8).prop_map(Tree::Leaf), 1 => vec(0..2_u8, 0..3).prop_map(Tree::List)];
    let inner = prop_oneof![3 => leaf.clone(), 1 => maps(leaf.clone())];
    maps(prop_oneof![3 => leaf, 2 => maps(inner)])
}

/// How a file is written.
#[derive(Debug, Clone, Copy)]
struct Style {
    indent: usize,
    comments: bool,
    empty_lines: bool,
}

fn style() -> impl Strategy<Value = Style> {
    (select(vec![0, 2, 4]), any::<bool>(), any::<bool>()).prop_map(|(indent, comments, empty_lines)| Style {
        indent,
        comments,
        empty_lines,
    })
}

fn number(value: u8, style: Style) -> String {
    match (value, style.comments) {
        (0, true) => "1e-4".to_owned(),
        (0, false) => "0.0001".to_owned(),
        _ => format!("{value}.5"),
    }
}

fn list(values: &[u8], style: Style) -> String {
    let items: Vec<_> = values.iter().map(|value| number(*value, style)).collect();
    format!("[{}]", items.join(", "))
}

fn json(tree: &Tree, style: Style, depth: usize) -> String {
    let (newline, close) = match style.indent {
        0 => (String::new(), String::new()),
        indent => (format!("\n{}", " ".repeat(indent * (depth + 1))), format!("\n{}", " ".repeat(indent * depth))),
    };
    match tree {
        Tree::Leaf(value) => number(*value, style),
        Tree::List(values) => list(values, style),
        Tree::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Tree::Map(entries) => {
            let items: Vec<_> = entries
                .iter()
                .map(|(key, tree)| format!("{newline}\"{key}\": {}", json(tree, style, depth + 1)))
                .collect();
            format!("{{{}{close}}}", items.join(if style.indent == 0 { ", " } else { "," }))
        }
    }
}

fn yaml(entries: &[(&str, Tree)], style: Style, depth: usize) -> String {
    let margin = " ".repeat(style.indent.max(1) * depth);
    let mut text = String::new();
    for (at, (key, tree)) in entries.iter().enumerate() {
        if style.empty_lines && at % 2 == 1 {
            text += "\n";
        }
        if style.comments {
            text += &format!("{margin}# about {key}\n");
        }
        text += &match tree {
            Tree::Leaf(value) => format!("{margin}{key}: {}  # x\n", number(*value, style)),
            Tree::List(values) if style.comments && !values.is_empty() => {
                let items = values.iter().map(|value| format!("{margin}- {}\n", number(*value, style)));
                format!("{margin}{key}:\n{}", items.collect::<String>())
            }
            Tree::List(values) => format!("{margin}{key}: {}\n", list(values, style)),
            Tree::Map(entries) if entries.is_empty() => format!("{margin}{key}: {{}}\n"),
            Tree::Map(entries) => format!("{margin}{key}:\n{}", yaml(entries, style, depth + 1)),
        };
    }
    text
}

fn toml(entries: &[(&str, Tree)], style: Style, path: &str) -> String {
    let mut text = String::new();
    for (key, tree) in entries {
        let comment = if style.comments { format!("# about {key}\n") } else { String::new() };
        match tree {
            Tree::Leaf(value) => text += &format!("{comment}\"{key}\" = {}\n", number(*value, style)),
            Tree::List(values) => text += &format!("{comment}\"{key}\" = {} # x\n", list(values, style)),
            Tree::Map(_) => {}
        }
    }
    for (key, tree) in entries {
        if let Tree::Map(entries) = tree {
            let path = format!("{path}\"{key}\"");
            let empty = if style.empty_lines { "\n" } else { "" };
            let bare = style.indent == 0
                && !entries.is_empty()
                && entries.iter().all(|(_, tree)| matches!(tree, Tree::Map(_)));
            let header = if bare { String::new() } else { format!("{empty}[{path}]\n") };
            text += &(header + &toml(entries, style, &format!("{path}.")));
        }
    }
    text
}

fn write(syntax: Syntax, tree: &Tree, style: Style) -> String {
    let Tree::Map(entries) = tree else { return String::new() };
    match syntax {
        Syntax::Json => json(tree, style, 0),
        Syntax::Yaml if entries.is_empty() => "{}\n".to_owned(),
        Syntax::Yaml => yaml(entries, style, 0),
        Syntax::Toml => toml(entries, style, ""),
    }
}

fn syntax() -> impl Strategy<Value = Syntax> {
    select(vec![Syntax::Json, Syntax::Yaml, Syntax::Toml])
}

/// A file with conflict markers, with one side of each conflict taken.
fn resolve(text: &str, mut choices: impl Iterator<Item = bool>) -> String {
    let (mut resolved, mut side, mut taken) = (String::new(), None, true);
    for line in text.split_inclusive('\n') {
        match (line.trim_end(), side) {
            ("<<<<<<< ours", None) => (side, taken) = (Some(true), choices.next().unwrap_or(true)),
            ("=======", Some(true)) => side = Some(false),
            (">>>>>>> theirs", Some(false)) => side = None,
            (_, side) if side.is_none_or(|side| side == taken) => resolved += line,
            _ => {}
        }
    }
    resolved
}

fn values(syntax: Syntax, text: &str) -> Option<Members> {
    read(syntax, text.as_bytes()).and_then(|(source, _)| members(&source.root))
}

/// Whether each key has what it has on one of the two sides. A map of YAML without keys is nothing.
fn between(found: Option<&Value>, ours: Option<&Value>, theirs: Option<&Value>) -> bool {
    let nothing = Value::Map(Members::new());
    let found = found.map(|value| if *value == Value::Null { &nothing } else { value });
    if found == ours || found == theirs {
        return true;
    }
    let (Some(Value::Map(found)), Some(Value::Map(ours)), Some(Value::Map(theirs))) = (found, ours, theirs) else {
        return false;
    };
    found
        .keys()
        .chain(ours.keys())
        .chain(theirs.keys())
        .all(|key| between(found.get(key), ours.get(key), theirs.get(key)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_one_side_left_alone_is_taken_from_the_other(
        syntax in syntax(), base in tree(), other in tree(), one in style(), two in style(),
    ) {
        let (base, other) = (write(syntax, &base, one), write(syntax, &other, two));
        let kept = merged(syntax, &base, &other, &base).expect("nothing is to be edited");
        prop_assert_eq!((String::from_utf8_lossy(&kept.text).into_owned(), kept.conflicts.len()), (other.clone(), 0));
        let equal = merged(syntax, &base, &other, &other).expect("nothing is to be edited");
        prop_assert_eq!((String::from_utf8_lossy(&equal.text).into_owned(), equal.conflicts.len()), (other.clone(), 0));

        let taken = merged(syntax, &base, &base, &other);
        prop_assert!(taken.is_some() || syntax != Syntax::Json);
        if let Some(taken) = taken {
            prop_assert_eq!(values(syntax, &String::from_utf8_lossy(&taken.text)), values(syntax, &other));
            prop_assert_eq!((taken.conflicts.len(), taken.warnings.len()), (0, 0));
        }
    }

    #[test]
    fn any_choice_of_sides_gives_a_whole_file(
        syntax in syntax(), base in tree(), ours in tree(), theirs in tree(),
        style_ours in style(), style_theirs in style(), choices in vec(any::<bool>(), 20),
    ) {
        let write = |tree, style| write(syntax, tree, style);
        let (base, ours, theirs) = (write(&base, style_ours), write(&ours, style_ours), write(&theirs, style_theirs));
        let (here, there) = (merged(syntax, &base, &ours, &theirs), merged(syntax, &base, &theirs, &ours));
        prop_assert!(here.is_some() || syntax != Syntax::Json);
        if let Some(here) = &here {
            let text = String::from_utf8_lossy(&here.text);
            prop_assert_eq!(text.contains("<<<<<<<"), !here.conflicts.is_empty());
            let resolved = resolve(&text, choices.into_iter());
            let empty = syntax == Syntax::Yaml && resolved.lines().all(|line| line.is_empty() || line.starts_with('#'));
            let found = if empty { Some(Members::new()) } else { values(syntax, &resolved) };
            let [old, our, their] = [&base, &ours, &theirs].map(|text| values(syntax, text).expect("written well"));
            let [our, their] = [Side::Ours, Side::Theirs].map(|side| Some(Value::Map(merged_values(Some(&old), &our, &their, side))));
            prop_assert!(between(found.map(Value::Map).as_ref(), our.as_ref(), their.as_ref()), "{}", text);
        }
        if let (Some(mut here), Some(mut there)) = (here, there) {
            here.conflicts.sort();
            there.conflicts.sort();
            prop_assert_eq!(here.conflicts, there.conflicts);
        }
    }

    #[test]
    fn nothing_panics(syntax in syntax(), tree in tree(), style in style(), cut in any::<prop::sample::Index>(), junk in vec(any::<u8>(), 0..6)) {
        let text = write(syntax, &tree, style).into_bytes();
        let at = cut.index(text.len() + 1);
        let broken = [&text[..at], &junk, &text[at..]].concat();
        let odd_bytes = b"{}[]:,#\n\"'| -=.&*!?%~\r\t1a";
        let ascii: Vec<u8> = junk.iter().map(|byte| odd_bytes[*byte as usize % odd_bytes.len()]).collect();
        let odd = [&text[..at], &ascii, &text[at..]].concat();
        for (base, ours, theirs) in [(&text, &broken, &odd), (&odd, &text, &broken), (&broken, &odd, &text), (&odd, &odd, &text), (&text, &text, &odd)] {
            let _ = super::merge(syntax, base, ours, theirs, &super::LABELS, 7);
        }
    }
}
