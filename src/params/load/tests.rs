use super::*;

fn loaded(syntax: Syntax, text: &str) -> Tree {
    load(syntax, text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(syntax: Syntax, text: &str) -> String {
    load(syntax, text.as_bytes()).expect_err(text).to_string()
}

fn number(syntax: Syntax, text: &str, path: &str) -> f64 {
    match loaded(syntax, text).get(path) {
        Some(&Tree::Number(number)) => number,
        other => panic!("{text}: {path}: {other:?}"),
    }
}

#[test]
fn the_same_tree_in_three_syntaxes() {
    let expected = Tree::Map(vec![
        ("test".into(), Tree::Map(vec![("mse".into(), Tree::Number(2.5e-3)), ("ok".into(), Tree::Bool(true))])),
        ("classes".into(), Tree::List(vec![Tree::Number(1.0), Tree::Text("two".into())])),
    ]);
    for (syntax, text) in [
        (Syntax::Json, r#"{"test": {"mse": 2.5e-3, "ok": true}, "classes": [1, "two"]}"#),
        (Syntax::Yaml, "test:\n  mse: 2.5e-3\n  ok: true\nclasses:\n- 1\n- two\n"),
    ] {
        assert_eq!(loaded(syntax, text), expected, "{text}");
    }
    let toml = loaded(Syntax::Toml, "classes = [1, \"two\"]\n[test]\nmse = 2.5e-3\nok = true\n");
    for path in ["test.mse", "test.ok", "classes.0", "classes.1"] {
        assert_eq!(toml.get(path), expected.get(path), "{path}");
        assert!(toml.get(path).is_some(), "{path}");
    }
}

#[test]
fn what_is_not_finite_is_a_number() {
    for (syntax, text) in [
        (Syntax::Json, r#"{"nan": NaN, "inf": Infinity, "neg": -Infinity}"#),
        (Syntax::Yaml, "nan: .nan\ninf: .inf\nneg: -.inf\n"),
        (Syntax::Toml, "nan = nan\ninf = inf\nneg = -inf\n"),
    ] {
        assert!(number(syntax, text, "nan").is_nan());
        assert_eq!(number(syntax, text, "inf"), f64::INFINITY);
        assert_eq!(number(syntax, text, "neg"), f64::NEG_INFINITY);
    }
}

#[test]
fn a_key_with_dots_is_found_by_its_path() {
    let text = r#"{"test.mse": 1, "test": {"mae": 2, "a.b": {"c": 3}}, "list": [{"f1": 4}]}"#;
    for (path, value) in [("test.mse", 1.0), ("test.mae", 2.0), ("test.a.b.c", 3.0), ("list.0.f1", 4.0)] {
        assert_eq!(number(Syntax::Json, text, path), value, "{path}");
    }
    let tree = loaded(Syntax::Json, text);
    for path in ["test.ms", "test.mse.x", "list.1.f1", "list.-1", "list.x", "nothing"] {
        assert_eq!(tree.get(path), None, "{path}");
    }
}

#[test]
fn aliases_stand_for_their_values() {
    let text = "base: &base\n  lr: 1e-4\nother: *base\n";
    assert_eq!(number(Syntax::Yaml, text, "other.lr"), 1e-4);
}

#[test]
fn words_of_yaml() {
    for (text, expected) in [
        ("nan", Tree::Text("nan".into())),
        ("infinity", Tree::Text("infinity".into())),
        ("2026-01-02", Tree::Text("2026-01-02".into())),
        ("0x10", Tree::Number(16.0)),
        ("-0o17", Tree::Number(-15.0)),
        (".5", Tree::Number(0.5)),
        (".", Tree::Text(".".into())),
        ("'1'", Tree::Text("1".into())),
        ("~", Tree::Null),
    ] {
        assert_eq!(loaded(Syntax::Yaml, &format!("a: {text}\n")).get("a"), Some(&expected), "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let deep = "[".repeat(102) + &"]".repeat(102);
    let deeper = "[".repeat(100_000);
    for (syntax, text, expected) in [
        (Syntax::Json, "{\"a\": 1,\n \"b\": }", "line 2: no JSON: "),
        (Syntax::Json, "{\"a\": 1,\n\n\"a\": 2}", "line 3: the key `a` stands there twice"),
        (Syntax::Json, "{\"a\": 1} {}", "line 1: no JSON: "),
        (Syntax::Json, &deep, "line 1: nested more than 100 deep"),
        (Syntax::Json, &deeper, "line 1: "),
        (Syntax::Yaml, &deeper, "line 1: "),
        (Syntax::Json, "<<<<<<< HEAD\n", "line 1: no JSON: "),
        (Syntax::Yaml, "a: &x\n  b: *x\n", "line 2: an alias refers to the very value it stands in"),
        (Syntax::Yaml, "a: *nobody\n", "line 1: "),
        (Syntax::Yaml, "a: 1\na: 2\n", "line 2: the key `a` stands there twice"),
        (Syntax::Yaml, "a: 1\n---\nb: 2\n", "line 3: there is a second document"),
        (Syntax::Yaml, "a: 'x\n", "no YAML: "),
        (Syntax::Yaml, "[a]: 1\n", "line 1: a key that is no plain word"),
        (Syntax::Toml, "a = 1\nb = \n", "line 2: no TOML: "),
        (Syntax::Toml, "a = 1\na = 2\n", "line 2: no TOML: "),
    ] {
        let refused = refused(syntax, text);
        assert!(refused.contains(expected), "{}: {refused}", &text[..text.len().min(40)]);
    }
    assert_eq!(load(Syntax::Json, b"{\"a\": \"\xff\"}").expect_err("no UTF-8").to_string(), "it is not UTF-8");
}

#[test]
fn aliases_of_aliases_fill_no_memory() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = level - 1;
        let items = vec![format!("*a{below}"); 10].join(", ");
        text += &format!("a{level}: &a{level} [{items}]\n");
    }
    assert!(refused(Syntax::Yaml, &text).contains("more than 1000000 values"));
}

#[test]
fn leaves_in_the_order_of_the_file() {
    let tree = loaded(Syntax::Json, r#"{"b": {"y": 1, "x": [1, 2]}, "a": null}"#);
    let leaves = tree.leaves();
    let paths: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["b.y", "b.x", "a"]);
}
