use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

fn edited(syntax: Syntax, text: &str, path: &str, value: &str, how: As) -> String {
    let bytes =
        set(syntax, text.as_bytes(), path, value, how).unwrap_or_else(|error| panic!("{text}: {path}: {error}"));
    String::from_utf8(bytes).expect("text")
}

fn refused(syntax: Syntax, text: &str, path: &str, value: &str, how: As) -> String {
    match set(syntax, text.as_bytes(), path, value, how) {
        Ok(bytes) => panic!("{path}: {}", String::from_utf8_lossy(&bytes)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_kind_and_the_quotes_stay() {
    use Syntax::{Json, Toml, Yaml};
    for (syntax, old, value, new) in [
        (Json, r#"{"a": 1}"#, "2", r#"{"a": 2}"#),
        (Json, r#"{"a": 1.0}"#, "2", r#"{"a": 2.0}"#),
        (Json, r#"{"a":1e-3 }"#, "1e-4", r#"{"a":1e-4 }"#),
        (Json, r#"{"a": 0.5}"#, ".25", r#"{"a": 0.25}"#),
        (Json, r#"{"a": 0.5}"#, "-.5e3", r#"{"a": -0.5e3}"#),
        (Json, r#"{"a": 0.5}"#, "nan", r#"{"a": NaN}"#),
        (Json, r#"{"a": "x"}"#, "12", r#"{"a": "12"}"#),
        (Json, r#"{"a": "x"}"#, "say \"ü\"", r#"{"a": "say \"ü\""}"#),
        (Json, r#"{"a": true}"#, "false", r#"{"a": false}"#),
        (Json, r#"{"a": null}"#, "sgd", r#"{"a": "sgd"}"#),
        (Json, r#"{"a": [1, 2]}"#, "[3]", r#"{"a": [3]}"#),
        (Yaml, "a: 1 # one\n", "2", "a: 2 # one\n"),
        (Yaml, "a: 1.5\n", "1e-4", "a: 1.0e-4\n"),
        (Yaml, "a: .inf\n", "nan", "a: .nan\n"),
        (Yaml, "a: 0x10\n", "17", "a: 17\n"),
        (Yaml, "a: x # why\n", "adam w", "a: adam w # why\n"),
        (Yaml, "a: x\n", "12", "a: \"12\"\n"),
        (Yaml, "a: x\n", "yes", "a: \"yes\"\n"),
        (Yaml, "a: x\n", "b: c", "a: \"b: c\"\n"),
        (Yaml, "a: 'x'\n", "it's", "a: 'it''s'\n"),
        (Yaml, "a: \"x\"\n", "y", "a: \"y\"\n"),
        (Yaml, "a: yes\n", "no", "a: no\n"),
        (Yaml, "a:\nb: 1\n", "x", "a: x\nb: 1\n"),
        (Yaml, "a: # to do\nb: 1\n", "x", "a: x # to do\nb: 1\n"),
        (Yaml, "a: |\n  one\n  two\nb: 1\n", "x\ny", "a: \"x\\ny\"\nb: 1\n"),
        (Yaml, "a:\n  - 1\n  # two\n  - 2\nb: 1\n", "[3, \"x\", 4]", "a:\n  - 3\n  - x\n  - 4\nb: 1\n"),
        (Yaml, "a:\n- 1\nb: 1\n", "[]", "a: []\nb: 1\n"),
        (Yaml, "a:\n- -1\n- 2\nb: 1\n", "[-3]", "a:\n- -3\nb: 1\n"),
        (Yaml, "a: [1, 2] # both\n", "[3]", "a: [3] # both\n"),
        (Yaml, "a: ['] # x', 2]  # [both]\nb: 1\n", "[3]", "a: [3]  # [both]\nb: 1\n"),
        (Toml, "a = 1 # one\n", "2", "a = 2 # one\n"),
        (Toml, "a = 1_000\n", "2000", "a = 2000\n"),
        (Toml, "a = 1.5\n", "2", "a = 2.0\n"),
        (Toml, "a = inf\n", "nan", "a = nan\n"),
        (Toml, "a = 'x'\n", "c:\\d", "a = 'c:\\d'\n"),
        (Toml, "a = 'x'\n", "it's", "a = \"it's\"\n"),
        (Toml, "a = \"x\"\n", "y\u{7f}", "a = \"y\\u007f\"\n"),
        (Toml, "a = 2026-01-02\n", "2026-01-03", "a = 2026-01-03\n"),
        (Toml, "a = [1]\n", "[\"x\", 2]", "a = [\"x\", 2]\n"),
    ] {
        assert_eq!(edited(syntax, old, "a", value, As::Same), new, "{old}");
    }
}

#[test]
fn another_kind_only_if_asked_for() {
    use Syntax::{Json, Toml, Yaml};
    for (syntax, text, value, expected) in [
        (Json, r#"{"a": 1}"#, "1.5", "`a` is a whole number, and `1.5` is none"),
        (Json, r#"{"a": 1}"#, "x", "`a` is a whole number, and `x` is none"),
        (Json, r#"{"a": 1.5}"#, "x", "`a` is a number, and `x` is none"),
        (Yaml, "a: true\n", "1", "`a` is `true` or `false`, and `1` is none"),
        (Toml, "a = [1]\n", "1", "`a` is a list, and `1` is none"),
        (Toml, "a = 2026-01-02\n", "1\nb = 2", "it would say something else"),
    ] {
        assert!(refused(syntax, text, "a", value, As::Same).contains(expected), "{text}");
    }
    assert_eq!(edited(Json, r#"{"a": 1}"#, "a", "1.5", As::Json), r#"{"a": 1.5}"#);
    assert_eq!(edited(Json, r#"{"a": 1}"#, "a", "1.5", As::Text), r#"{"a": "1.5"}"#);
    assert_eq!(edited(Yaml, "a: x\n", "a", r#"{"b": [1, null]}"#, As::Json), "a: {b: [1, null]}\n");
    assert_eq!(edited(Toml, "a = 1\n", "a", r#"{"b": [1.5, "x"]}"#, As::Json), "a = {b = [1.5, \"x\"]}\n");
    assert!(refused(Toml, "a = 1\n", "a", "null", As::Json).contains("TOML has no word for nothing"));
    assert!(refused(Json, r#"{"a": 1}"#, "a", "{", As::Json).contains("`{` is no JSON"));
}

#[test]
fn new_keys_stand_behind_their_siblings() {
    use Syntax::{Json, Toml, Yaml};
    for (syntax, old, path, value, new) in [
        (Json, "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "c", "x", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": \"x\"\n}\n"),
        (Json, "{\"a\":1}", "b", "2", "{\"a\":1, \"b\":2}"),
        (Json, "{\n\t\"a\": {\"b\": 1}\n}", "a.c.d", "true", "{\n\t\"a\": {\"b\": 1, \"c\": {\"d\": true}}\n}"),
        (Json, "{}\n", "a", "007", "{\"a\": \"007\"}\n"),
        (Json, "", "a.b", "1", "{\"a\": {\"b\": 1}}\n"),
        (
            Yaml,
            "a: 1\nb:\n    c: 2 # two\n\n# end\nd: 3\n",
            "b.e",
            "x",
            "a: 1\nb:\n    c: 2 # two\n    e: x\n\n# end\nd: 3\n",
        ),
        (Yaml, "b:\n    c: 2\n", "d.e", "1", "b:\n    c: 2\nd:\n    e: 1\n"),
        (Yaml, "# nothing yet\n", "a.b", "1", "# nothing yet\na:\n  b: 1\n"),
        (Yaml, "a: {b: 1}\n", "a.c", "null", "a: {b: 1, c: null}\n"),
        (Yaml, "a: {} # none\nc: 1\n", "a.b", "2", "a: {b: 2} # none\nc: 1\n"),
        (Yaml, "a: 1", "b", "2", "a: 1\nb: 2"),
        (Toml, "a = 1\n\n[t]\nb = 2\n\n[t.u]\nc = 3\n", "d", "4", "a = 1\nd = 4\n\n[t]\nb = 2\n\n[t.u]\nc = 3\n"),
        (Toml, "a = 1\n\n[t]\nb = 2\n\n[t.u]\nc = 3\n", "t.d", "4", "a = 1\n\n[t]\nb = 2\nd = 4\n\n[t.u]\nc = 3\n"),
        (Toml, "[t]\n[u]\nc = 3\n", "t.d", "4", "[t]\nd = 4\n[u]\nc = 3\n"),
        (Toml, "# about t\n[t]\nb = 2\n", "a", "x", "a = \"x\"\n\n# about t\n[t]\nb = 2\n"),
        (Toml, "[t]\nb = 2\n", "t.u.v", "1", "[t]\nb = 2\n\n[t.u]\nv = 1\n"),
        (Toml, "a.b = 1\n", "a.c", "2", "a.b = 1\na.c = 2\n"),
        (Toml, "a = {b = 1}\n", "a.\"c d\"", "2", "a = {b = 1, \"c d\" = 2}\n"),
        (Toml, "", "a.b", "1", "[a]\nb = 1\n"),
    ] {
        assert_eq!(edited(syntax, old, path, value, As::Same), new, "{old}");
    }
}

#[test]
fn what_cannot_be_edited_stays() {
    use Syntax::{Json, Toml, Yaml};
    for (syntax, text, path, expected) in [
        (Json, "[1]", "a", "it is no map"),
        (Json, "{\"a\": ", "a", "line 1: no JSON"),
        (Json, r#"{"a": {"b": 1, "c": 2}}"#, "a", "`a` has keys of its own"),
        (Json, r#"{"a": [1]}"#, "a.0", "`a` is a list, so there is no `0` in it"),
        (Json, r#"{"a": 1}"#, "b..c", "`b..c` is no path"),
        (Json, r#"{"a": 1}"#, "", "`` is no path"),
        (Yaml, "a: &x 1\nb: *x\n", "a", "it has anchors"),
        (Yaml, "a: 1\r\nb: 2\n", "a", "its lines do not all end in the same way"),
        (Yaml, "a:\n  b: 1\n", "a", "`a` has keys of its own"),
        (Toml, "[[t]]\na = 1\n", "t", "to be edited by hand"),
    ] {
        let refused = refused(syntax, text, path, "1", As::Same);
        assert!(refused.contains(expected), "{text}: {refused}");
    }
}

#[test]
fn marks_and_line_ends_stay() {
    assert_eq!(
        set(Syntax::Yaml, b"\xef\xbb\xbfa: 1\r\nb: 2", "c", "3", As::Same).expect("edited"),
        b"\xef\xbb\xbfa: 1\r\nb: 2\r\nc: 3"
    );
}

#[test]
fn keys_with_dots() {
    let text = "{\"a.b\": 1, \"a\": {\"b.c\": 2}}";
    assert_eq!(edited(Syntax::Json, text, "a.b", "3", As::Same), text.replace('1', "3"));
    assert_eq!(edited(Syntax::Json, text, "a.b.c", "3", As::Same), text.replace('2', "3"));
    assert_eq!(edited(Syntax::Json, text, "a.\"b.c\"", "3", As::Same), text.replace('2', "3"));
    let toml = "[tool.x.y]\na = 1\n";
    assert_eq!(edited(Syntax::Toml, toml, "tool.x.y.a", "3", As::Same), toml.replace('1', "3"));
}

#[test]
fn numbers_as_they_are_written() {
    let number = |syntax, text: &str, path| written_numbers(syntax, text.as_bytes()).remove(path);
    assert_eq!(number(Syntax::Json, "{\"a\": 12345678901234567890}", "a").as_deref(), Some("12345678901234567890"));
    assert_eq!(number(Syntax::Toml, "[t]\na = 1_000.0 # x\n", "t.a").as_deref(), Some("1_000.0"));
    assert_eq!(number(Syntax::Yaml, "a: '1'\n", "a"), None);
    assert_eq!(number(Syntax::Yaml, "a: 1\n", "b"), None);
}

/// A random file, free of any syntax. Leaves are one line.
#[derive(Debug, Clone)]
enum Leaf {
    Whole(i32),
    Number(f64),
    Text(String),
    Bool(bool),
    List(Vec<i32>),
}

type File = Vec<(String, Vec<(String, Leaf)>)>;

fn leaf() -> impl Strategy<Value = Leaf> {
    prop_oneof![
        any::<i32>().prop_map(Leaf::Whole),
        (-1e6..1e6_f64).prop_map(Leaf::Number),
        text().prop_map(Leaf::Text),
        any::<bool>().prop_map(Leaf::Bool),
        vec(any::<i32>(), 0..3).prop_map(Leaf::List),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,5}",
        select(vec!["yes", "~", "1e5", "# x", "a: b", "it's", "\"q\"", "ü\n", " x ", "-", "0x1", "{", "null"])
            .prop_map(str::to_owned)
    ]
}

fn file() -> impl Strategy<Value = File> {
    let keys = || select(vec!["lr", "a.b", "größe", "d", "two words", "1"]);
    let map = btree_map(keys(), leaf(), 1..5)
        .prop_map(|map| map.into_iter().map(|(key, leaf)| (key.to_owned(), leaf)).collect());
    btree_map(keys(), map, 1..4).prop_map(|file| file.into_iter().map(|(key, map)| (key.to_owned(), map)).collect())
}

fn written(syntax: Syntax, leaf: &Leaf) -> String {
    let new = match leaf {
        Leaf::Whole(number) => New::Number(number.to_string()),
        Leaf::Number(number) => New::Number(format!("{number:?}")),
        Leaf::Text(text) => New::Text(text.clone()),
        Leaf::Bool(flag) => New::Bool(*flag),
        Leaf::List(items) => New::List(items.iter().map(|item| New::Number(item.to_string())).collect()),
    };
    new.text(syntax, None).expect("written")
}

fn lines(syntax: Syntax, file: &File, has_comments: bool) -> String {
    let key = |key: &str| new::key_text(syntax, key);
    let comment = if has_comments && syntax != Syntax::Json { " # why" } else { "" };
    let mut text = if syntax == Syntax::Json { "{\n".to_owned() } else { String::new() };
    for (at, (table, members)) in file.iter().enumerate() {
        text += &match syntax {
            Syntax::Json => format!("  {}: {{\n", key(table)),
            Syntax::Yaml => format!("{}:\n", key(table)),
            Syntax::Toml => format!("[{}]{comment}\n", key(table)),
        };
        for (place, (name, leaf)) in members.iter().enumerate() {
            let (name, value) = (key(name), written(syntax, leaf));
            text += &match syntax {
                Syntax::Json => format!("    {name}: {value}{}\n", if place + 1 == members.len() { "" } else { "," }),
                Syntax::Yaml => format!("  {name}: {value}{comment}\n"),
                Syntax::Toml => format!("{name} = {value}{comment}\n"),
            };
        }
        if syntax == Syntax::Json {
            text += if at + 1 == file.len() { "  }\n" } else { "  },\n" };
        }
    }
    if syntax == Syntax::Json { text + "}\n" } else { text }
}

fn syntax() -> impl Strategy<Value = Syntax> {
    select(vec![Syntax::Json, Syntax::Yaml, Syntax::Toml])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn one_value_changes_and_no_other_line(
        syntax in syntax(), file in file(), table in any::<Index>(), member in any::<Index>(), to in leaf(), has_comments in any::<bool>(),
    ) {
        let text = lines(syntax, &file, has_comments);
        let (table, members) = table.get(&file);
        let (name, from) = member.get(members);
        let path = format!("\"{table}\".\"{name}\"");
        let (value, how, expected) = match (from, &to) {
            (Leaf::Text(_), Leaf::Text(new)) => (new.clone(), As::Same, Tree::Text(new.clone())),
            (Leaf::Whole(_), Leaf::Whole(new)) => (new.to_string(), As::Same, Tree::Number(f64::from(*new))),
            (Leaf::Number(_), Leaf::Number(new)) => (new.to_string(), As::Same, Tree::Number(*new)),
            (_, Leaf::Text(new)) => (new.clone(), As::Text, Tree::Text(new.clone())),
            (_, to) => (written(Syntax::Json, to), As::Json, New::guess(&written(Syntax::Json, to), As::Json).expect("JSON").tree()),
        };
        let edited = edited(syntax, &text, &path, &value, how);
        let mut tree = load(syntax, text.as_bytes()).expect("written well");
        put(&mut tree, &[table.clone(), name.clone()], expected);
        prop_assert!(is_same(&load(syntax, edited.as_bytes()).expect("still read"), &tree), "{}", edited);
        let differ = text.lines().zip(edited.lines()).filter(|(old, new)| old != new).count();
        prop_assert!(text.lines().count() == edited.lines().count() && differ <= 1, "{}\n{}", text, edited);
    }

    #[test]
    fn a_new_key_is_one_more_line(
        syntax in syntax(), file in file(), table in any::<Index>(), to in leaf(), has_comments in any::<bool>(),
    ) {
        let text = lines(syntax, &file, has_comments);
        let (table, _) = table.get(&file);
        let how = if matches!(to, Leaf::Text(_)) { As::Text } else { As::Json };
        let value = match &to { Leaf::Text(text) => text.clone(), to => written(Syntax::Json, to) };
        let edited = edited(syntax, &text, &format!("\"{table}\".new"), &value, how);
        let mut tree = load(syntax, text.as_bytes()).expect("written well");
        put(&mut tree, &[table.clone(), "new".to_owned()], New::guess(&value, how).expect("a value").tree());
        prop_assert!(is_same(&load(syntax, edited.as_bytes()).expect("still read"), &tree), "{}", edited);
        let added = edited.lines().count() - text.lines().count();
        let mut rest: Vec<&str> = edited.lines().filter(|line| !line.contains("new")).collect();
        let mut old: Vec<&str> = text.lines().collect();
        if syntax == Syntax::Json {
            // The line above got a comma.
            rest.iter_mut().chain(&mut old).for_each(|line| *line = line.trim_end_matches(','));
        }
        prop_assert_eq!((added, rest), (1, old));
    }

    #[test]
    fn nothing_panics(
        syntax in syntax(), file in file(), cut in any::<Index>(), junk in vec(select(b"{}[]:,#\n\"'| -=.&*!?%~\r\t1a".to_vec()), 0..6),
        path in "[a-z.\"]{0,6}", value in text(), how in select(vec![As::Same, As::Text, As::Json]),
    ) {
        let text = lines(syntax, &file, true).into_bytes();
        let mut at = cut.index(text.len() + 1);
        while at < text.len() && text[at] & 0xc0 == 0x80 {
            at += 1;
        }
        let odd = [&text[..at], &junk, &text[at..]].concat();
        for path in [path.as_str(), "d.lr", "lr", "1.1"] {
            if let Ok(edited) = set(syntax, &odd, path, &value, how) {
                prop_assert!(load(syntax, &edited).is_ok());
            }
        }
    }
}
