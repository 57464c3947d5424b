//! What a merge must give, as tables of texts, and the laws that it keeps.

use super::{Labels, Merged, Syntax, merge};

mod json;
mod laws;
mod ordinary;
mod toml;
mod yaml;

const LABELS: Labels = Labels { base: "base", ours: "ours", theirs: "theirs" };

/// Three versions, the text they merge to and the keys in conflict.
struct Case {
    name: &'static str,
    base: &'static str,
    ours: &'static str,
    theirs: &'static str,
    expected: &'static str,
    conflicts: &'static [&'static str],
}

fn merged(syntax: Syntax, base: &str, ours: &str, theirs: &str) -> Option<Merged> {
    merge(syntax, base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), &LABELS, 7)
}

fn check(syntax: Syntax, cases: &[Case]) {
    for case in cases {
        let name = case.name;
        let merged = merged(syntax, case.base, case.ours, case.theirs).unwrap_or_else(|| panic!("{name}: not merged"));
        let text = String::from_utf8(merged.text).expect("merged from text");
        assert_eq!(text, case.expected, "{name}: got\n{text}");
        assert_eq!(merged.conflicts, case.conflicts, "{name}");
    }
}

fn check_refused(syntax: Syntax, texts: &[&str]) {
    for text in texts {
        assert_eq!(merged(syntax, text, text, text), None, "{text}");
    }
}

#[test]
fn the_extension_tells_the_syntax() {
    for (path, syntax) in [
        ("params.json", Some(Syntax::Json)),
        ("model.safetensors.index.json", Some(Syntax::Json)),
        ("conf/train.yaml", Some(Syntax::Yaml)),
        ("a.YML", Some(Syntax::Yaml)),
        ("a.d/run.toml", Some(Syntax::Toml)),
        ("json", None),
        (".json", None),
        ("notes.txt", None),
    ] {
        assert_eq!(Syntax::of(path), syntax, "{path}");
    }
}

#[test]
fn coupled_keys_of_different_sides_are_told() {
    let warnings = |base, ours, theirs| merged(Syntax::Yaml, base, ours, theirs).expect("merges").warnings;
    assert_eq!(
        warnings(
            "train:\n  lr: 1\n  batch_size: 8\n",
            "train:\n  lr: 2\n  batch_size: 8\n",
            "train:\n  lr: 1\n  batch_size: 16\n"
        ),
        [
            "`train.lr` of `ours` now stands with `train.batch_size` of `theirs`: a learning rate is tuned for a batch size"
        ]
    );
    let (base, ours) = ("hidden_size: 8\nn_head: 2\nseed: 1\n", "hidden_size: 16\nn_head: 2\nseed: 1\n");
    assert_eq!(warnings(base, ours, "hidden_size: 8\nn_head: 4\nseed: 1\n").len(), 1);
    assert_eq!(warnings(base, ours, "hidden_size: 16\nn_head: 4\nseed: 1\n").len(), 0);
    assert_eq!(warnings(base, ours, "hidden_size: 8\nn_head: 2\nseed: 2\n").len(), 0);
    assert_eq!(warnings(base, ours, "hidden_size: 8\nn_head: 2\nseed: 1\nvocab_size: 9\n").len(), 1);
}

#[test]
fn line_ends_byte_order_mark_and_a_missing_last_newline_stay_ours() {
    let theirs = "a: 1\nb:\n  - 3\n  - 4\nc: 5\n";
    let merge = |ours| merged(Syntax::Yaml, "a: 1\nb: 2\n", ours, theirs).map(|merged| merged.text);
    assert_eq!(merge("a: 0\r\nb: 2\r\n"), Some(b"a: 0\r\nb:\r\n  - 3\r\n  - 4\r\nc: 5\r\n".to_vec()));
    assert_eq!(merge("\u{feff}a: 0\nb: 2"), Some("\u{feff}a: 0\nb:\n  - 3\n  - 4\nc: 5".as_bytes().to_vec()));
    assert_eq!(merge("a: 0\r\nb: 2\n"), None);
    assert_eq!(merge("a: 0\rb: 2\n"), None);
}

#[test]
fn markers_are_as_long_as_git_wants_them_and_end_with_a_newline() {
    let labels = Labels { base: "", ours: "", theirs: "feature" };
    let merged = merge(Syntax::Toml, b"a = 1\n", b"a = 2", b"a = 3", &labels, 9).expect("merges");
    assert_eq!(String::from_utf8_lossy(&merged.text), "<<<<<<<<<\na = 2\n=========\na = 3\n>>>>>>>>> feature\n");
}
