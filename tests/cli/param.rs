//! `git model param`.

use crate::support::{Env, Repo};

const YAML: &str = "# how to train\noptimizer:\n  name: sgd   # or adam\n  lr: 0.1\nepochs: 12\nlayers: [64, 32]\nseed: 12345678901234567890\n";

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write("params.yaml", YAML.as_bytes());
    repo.commit("one");
    repo
}

fn get(repo: &Repo, args: &[&str]) -> String {
    repo.model(&[&["param", "get"], args].concat()).ok().text().to_owned()
}

#[test]
fn values_are_printed_as_they_are() {
    let env = Env::new();
    let repo = repo(&env);
    for (args, printed) in [
        (&["optimizer.lr"][..], "0.1\n"),
        (&["optimizer.name"], "sgd\n"),
        (&["optimizer.name", "--json"], "\"sgd\"\n"),
        (&["seed"], "12345678901234567890\n"),
        (&["layers.1"], "32\n"),
        (&["layers"], "[\n  64,\n  32\n]\n"),
        (&["optimizer"], "{\n  \"name\": \"sgd\",\n  \"lr\": 0.1\n}\n"),
    ] {
        assert_eq!(get(&repo, args), printed, "{args:?}");
    }
    assert!(get(&repo, &[]).contains("\"epochs\": 12"));
    let near = repo.model(&["param", "get", "optimizer.lrr"]).fails_with(1);
    assert!(near.stderr.contains("did you mean `optimizer.lr`?"), "{}", near.stderr);
    std::fs::create_dir(repo.path("sub")).expect("a folder");
    let below = env.at("repo/sub");
    assert_eq!(get(&below, &["epochs"]), "12\n");
    assert_eq!(get(&below, &["epochs", "--file", "../params.yaml"]), "12\n");
    assert_eq!(get(&below, &["epochs", "HEAD", "--file", "../params.yaml"]), "12\n");
}

#[test]
fn one_value_is_set_and_no_other_byte() {
    let env = Env::new();
    let repo = repo(&env);
    let set = repo.model(&["param", "set", "optimizer.lr=1e-3", "optimizer.name=adam", "optimizer.momentum=0.9"]).ok();
    assert!(set.text().is_empty());
    assert!(set.stderr.contains("optimizer.lr") && set.stderr.contains("0.1  →  1.0e-3"), "{}", set.stderr);
    let expected = YAML.replace("0.1", "1.0e-3\n  momentum: 0.9").replace("sgd", "adam");
    assert_eq!(String::from_utf8_lossy(&repo.read("params.yaml")), expected);
    let old = get(&repo, &["optimizer.lr", "HEAD"]);
    assert_eq!((old.as_str(), get(&repo, &["optimizer.lr"]).as_str()), ("0.1\n", "1.0e-3\n"));
}

#[test]
fn all_values_or_none() {
    let env = Env::new();
    let repo = repo(&env);
    for (args, code, told) in [
        (&["optimizer.lr=0.2", "epochs=1.5"][..], 2, "`epochs` is a whole number, and `1.5` is none"),
        (&["optimizer=x"], 1, "set one of them: `optimizer.name`, `optimizer.lr`"),
        (&["layers.0=128"], 1, "set the whole list: `layers=[…]`"),
        (&["layers=128"], 2, "as JSON: `[1, 2]`"),
        (&["epochs"], 2, "`epochs` is no `PATH=VALUE`"),
        (&["epochs={", "--json"], 2, "is no JSON"),
        (&["epochs=1", "--file", "weights.bin"], 1, "neither JSON nor YAML nor TOML"),
        (&["epochs=1", "--file", "none.json"], 1, "there is no `none.json`"),
        (&["epochs=1", "--model", "house"], 1, "there is no model `house` in `.gitmodel.toml`"),
    ] {
        let refused = repo.model(&[&["param", "set"], args].concat()).fails_with(code);
        assert!(refused.stderr.contains(told), "{args:?}: {}", refused.stderr);
        assert_eq!(repo.read("params.yaml"), YAML.as_bytes(), "{args:?}");
    }
    repo.model(&["param", "set", "epochs=1.5", "--json"]).ok();
    assert_eq!(get(&repo, &["epochs"]), "1.5\n");
}

#[test]
fn files_that_cannot_be_edited_or_read() {
    let env = Env::new();
    let repo = repo(&env);
    for (name, text, told) in [
        ("a.yaml", &b"a: &x 1\nb: *x\n"[..], "it has anchors"),
        ("b.yaml", b"a: &x\n  b: *x\n", "line 2: an alias refers to the very value it stands in"),
        ("c.json", b"{\"a\": ", "line 1: no JSON"),
        ("d.json", b"\xff", "it is not UTF-8"),
        ("e.json", b"[1]", "it is no map of keys and values"),
    ] {
        repo.write(name, text);
        let refused = repo.model(&["param", "set", "a=1", "--file", name]).fails_with(1);
        assert!(refused.stderr.contains(told) && refused.stderr.contains(name), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("by hand"), "{name}: {}", refused.stderr);
        assert_eq!(repo.read(name), text);
    }
    let long = std::fs::File::create(repo.path("long.json")).expect("a file");
    long.set_len(1 << 30).expect("a hole");
    let refused = repo.model(&["param", "get", "a", "--file", "long.json"]).fails_with(1);
    assert!(refused.stderr.contains("`long.json` has 1073741824 bytes"), "{}", refused.stderr);
    repo.remove("params.yaml");
    let absent = repo.model(&["param", "set", "epochs=1"]).fails_with(1);
    assert!(absent.stderr.contains("there is no `params.yaml`"), "{}", absent.stderr);
    assert!(!repo.path("params.yaml").exists());
}

#[test]
fn versions_are_compared() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("params.yaml", YAML.replace("0.1", "1.0e-1").replace("12\n", "20\n").replace("seed", "sead").as_bytes());
    let diff = repo.model(&["param", "diff"]).ok();
    assert_eq!(
        diff.text(),
        "epochs  12                    →  20\nsead    –                     →  12345678901234567890\nseed    12345678901234567890  →  –\n"
    );
    repo.commit("two");
    assert_eq!(repo.model(&["param", "diff"]).ok().text(), "");
    let json: serde_json::Value =
        serde_json::from_slice(&repo.model(&["param", "diff", "HEAD~1", "HEAD", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(json[0], serde_json::json!({ "path": "epochs", "old": 12, "new": 20 }));
    let unknown = repo.model(&["param", "diff", "nowhere"]).fails_with(1);
    assert!(unknown.stderr.contains("there is no commit `nowhere`"), "{}", unknown.stderr);
}

#[test]
fn before_the_first_commit_all_is_new() {
    let env = Env::new();
    let repo = env.repo("repo");
    let nowhere = repo.model(&["param", "get"]).fails_with(1);
    assert!(nowhere.stderr.contains("there is no file of parameters"), "{}", nowhere.stderr);
    repo.write("params.toml", b"[optimizer]\nlr = 0.1\n");
    assert_eq!(repo.model(&["param", "diff"]).ok().text(), "optimizer.lr  –  →  0.1\n");
    let unborn = repo.model(&["param", "diff", "HEAD"]).fails_with(1);
    assert!(unborn.stderr.contains("there are no commits yet"), "{}", unborn.stderr);
}

#[test]
fn the_policy_names_the_file() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", b"[model.a]\nparams = \"a/p.json\"\n[model.b]\nparams = \"b.toml\"\n[model.c]\n");
    repo.write("a/p.json", b"{\"x\": 1}");
    repo.write("b.toml", b"x = 2\n");
    assert_eq!(
        (get(&repo, &["x", "--model", "a"]).as_str(), get(&repo, &["x", "--model", "b"]).as_str()),
        ("1\n", "2\n")
    );
    let which = repo.model(&["param", "get", "x"]).fails_with(1);
    assert!(which.stderr.contains("one of `a`, `b`") && which.stderr.contains("--model NAME"), "{}", which.stderr);
    let none = repo.model(&["param", "get", "x", "--model", "c"]).fails_with(1);
    assert!(none.stderr.contains("add `params = \"FILE\"` to `[model.c]`"), "{}", none.stderr);
    repo.commit("one");
    repo.model(&["param", "set", "x=3", "--model", "a"]).ok();
    assert_eq!(repo.read("a/p.json"), b"{\"x\": 3}");
}

/// The end of the last line is part of what the text says.
#[test]
fn a_text_at_the_end_of_the_file_stays_what_it_is() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("params.yaml", b"note: |\n  x");
    let refused = repo.model(&["param", "set", "lr=2"]).fails_with(1);
    assert!(refused.stderr.contains("its last line has no end"), "{}", refused.stderr);
    assert_eq!(repo.read("params.yaml"), b"note: |\n  x");
    repo.write("params.yaml", b"note: |\n  x\n");
    repo.model(&["param", "set", "lr=2"]).ok();
    assert_eq!(repo.read("params.yaml"), b"note: |\n  x\nlr: 2\n");
}
