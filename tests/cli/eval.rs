//! `git model eval`.

use git_model::id::ObjectId;
use serde_json::Value;

use crate::support::{Env, Repo, model};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/metrics");

/// Largest relative error.
const TOLERANCE: f64 = 1e-9;

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write("p.csv", b"p\n1.0\n2.0\n4.0\n");
    repo.write("y.csv", b"y\n1\n2\n3\n");
    repo
}

/// A number as it stands in a file of metrics.
fn number(text: &str, name: &str) -> f64 {
    let start = text.find(&format!("\"{name}\": ")).unwrap_or_else(|| panic!("{name} in {text}")) + name.len() + 4;
    let number = text[start..].split([',', '\n', '}']).next().expect("a number");
    number.parse().unwrap_or_else(|_| panic!("{number} is a number"))
}

#[test]
fn the_numbers_are_those_of_scikit_learn_and_torch() {
    let env = Env::new();
    let repo = env.repo("repo");
    let cases: Value =
        serde_json::from_slice(&std::fs::read(format!("{DATA}/expected.json")).expect("cases")).expect("JSON");
    let cases = cases.as_array().expect("a list");
    assert!(cases.len() > 15, "all cases");
    for case in cases {
        let texts = |key: &str| -> Vec<String> {
            case[key].as_array().expect(key).iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
        };
        let mut command = repo.model_command(&["eval"]);
        command.args(texts("args")).current_dir(DATA);
        let out = env.run(command).ok();
        let expected = case["expected"].as_object().expect("metrics");
        assert_eq!(out.text().matches(": ").count(), expected.len(), "{}: {}", case["name"], out.text());
        for (name, value) in expected {
            let value: f64 = value.as_str().and_then(|text| text.parse().ok()).expect("a number");
            let found = number(out.text(), name);
            let is_same = found.is_nan() && value.is_nan() || (found - value).abs() <= TOLERANCE * value.abs();
            assert!(is_same, "{}: {name} is {found}, not {value}", case["name"]);
        }
        let warnings = texts("warnings");
        for warning in &warnings {
            assert!(out.stderr.contains(warning), "{}: {}", case["name"], out.stderr);
        }
        assert!(!warnings.is_empty() || !out.stderr.contains("warning: "), "{}: {}", case["name"], out.stderr);
    }
}

#[test]
fn what_is_guessed_is_said() {
    let env = Env::new();
    let repo = repo(&env);
    let out = repo.model(&["eval", "p.csv", "y.csv", "-m", "accuracy"]).ok();
    let said = "taken for multiclass by classes: predictions and targets are whole numbers; if that is wrong, say `--task`, `--logits` or `--probabilities`\n";
    assert_eq!((out.stderr.as_str(), number(out.text(), "accuracy")), (said, 2.0 / 3.0));
    assert_eq!(repo.model(&["--quiet", "eval", "p.csv", "y.csv", "-m", "accuracy"]).ok().stderr, "");
    let out = repo.model(&["eval", "p.csv", "y.csv", "--task", "regression"]).ok();
    assert_eq!((out.stderr.as_str(), number(out.text(), "mse")), ("", 1.0 / 3.0));
    // A program that reads from the pipe gets JSON, whoever looks at the terminal a table.
    let mut command =
        repo.model_command(&["eval", "p.csv", "y.csv", "--task", "regression", "-m", "mae", "--metric", "r2"]);
    command.env("GIT_PAGER_IN_USE", "1");
    assert_eq!(env.run(command).ok().text(), "mae  0.333333\nr2   0.500000\n");
}

#[test]
fn metrics_are_merged_into_a_file() {
    let env = Env::new();
    let repo = repo(&env);
    let before = "{\n    \"epochs\": 12,\n    \"test\": {\"mse\": 9e-05, \"loss\": NaN},\n    \"lr\": 1e-05\n}";
    repo.write("metrics.json", before.as_bytes());
    let args = [
        "eval",
        "p.csv",
        "y.csv",
        "--task",
        "regression",
        "-m",
        "mse",
        "-m",
        "mae",
        "--prefix",
        "test",
        "-o",
        "metrics.json",
    ];
    let out = repo.model(&args).ok();
    assert_eq!(out.stderr, "wrote 2 metrics of 3 rows to `metrics.json`\n");
    let third = "0.3333333333333333";
    assert_eq!(out.text(), format!("{{\n  \"test\": {{\n    \"mse\": {third},\n    \"mae\": {third}\n  }}\n}}\n"));
    let expected = format!(
        "{{\n    \"epochs\": 12,\n    \"test\": {{\n        \"mse\": {third},\n        \"loss\": NaN,\n        \"mae\": {third}\n    }},\n    \"lr\": 1e-05\n}}"
    );
    assert_eq!(String::from_utf8(repo.read("metrics.json")).expect("text"), expected);
    repo.model(&args).ok();
    assert_eq!(String::from_utf8(repo.read("metrics.json")).expect("text"), expected);
    repo.write("p.csv", b"nan\n2\n4\n");
    let args = ["eval", "p.csv", "y.csv", "--task", "regression", "-m", "mse", "-o", "new.json"];
    let out = repo.model(&args).ok();
    assert!(out.stderr.starts_with("warning: NaN stands in 1 row of 3: the results are NaN\n"), "{}", out.stderr);
    assert_eq!(repo.read("new.json"), b"{\n  \"mse\": NaN\n}\n");
}

#[test]
fn the_weights_are_noted() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("models/x.safetensors", &model(1));
    repo.write("other.dat", b"no model");
    let digest = |path: &str| {
        let args = ["eval", "../p.csv", "../y.csv", "-o", "../metrics.json", "--model", path];
        env.at("repo/models").model(&args).ok();
        let metrics: Value = serde_json::from_slice(&repo.read("metrics.json")).expect("JSON");
        metrics["git-model"]["weights"].as_object().expect("weights").clone()
    };
    let of = |text: &[u8]| Value::from(format!("sha256:{}", ObjectId::of(text)));
    let path = "models/x.safetensors";
    // Before anybody has added it, and nothing is stored for that.
    let first = digest("x.safetensors")[path].clone();
    assert!(!repo.path(".git/model/packs").exists());
    repo.commit("one");
    assert_eq!(first, of(&repo.blob("HEAD", path)));
    assert_eq!(digest("x.safetensors")[path], first);
    // Changed, and not yet added.
    repo.write(path, &model(2));
    let second = digest("x.safetensors")[path].clone();
    repo.commit("two");
    assert_eq!(second, of(&repo.blob("HEAD", path)));
    assert_ne!(second, first);
    // The manifest in place of the weights.
    repo.write(path, &repo.blob("HEAD~", path));
    assert_eq!(digest("x.safetensors")[path], first);
    // A file that is no model is kept as it is; the other one stays noted.
    let both = digest("../other.dat");
    assert_eq!((&both["other.dat"], &both[path]), (&of(b"no model"), &first));
    repo.write("other.dat", b"");
    assert_eq!(digest("../other.dat")["other.dat"], of(b""));
    for (path, expected) in [("gone.safetensors", "cannot read `gone.safetensors`"), ("/dev/null", "no regular file")] {
        let out = repo.model(&["eval", "p.csv", "y.csv", "-o", "metrics.json", "--model", path]).fails_with(1);
        assert!(out.stderr.contains(expected), "{}", out.stderr);
    }
}

#[test]
fn what_cannot_be_evaluated_is_told() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("two.csv", b"a,b\n1,2\n3,x\n");
    repo.write("half.csv", b"0.5\n0.25\n1\n");
    repo.write("empty.csv", b"y\n");
    repo.write("broken.json", b"{\"a\": \n");
    repo.write("taken.json", b"{\"test\": 3}");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["gone.csv", "y.csv"], 1, "cannot read `gone.csv`"),
        (&["p.txt", "y.csv"], 1, "hint: names end in .csv"),
        (&["p.csv"], 2, "<TARGETS>"),
        (&["two.csv", "y.csv"], 1, "line 3, column 2 (`b`): `x` is no number"),
        (&["two.csv", "y.csv", "--prediction-column", "c"], 1, "hint: there are: a, b"),
        (&["two.csv:a", "y.csv"], 1, "`two.csv` has 2 rows of predictions, `y.csv` 3 rows of targets"),
        (&["p.csv", "half.csv", "--task", "binary", "--logits"], 1, "`half.csv`: row 1: 0.5 is no class"),
        (
            &["p.csv", "y.csv", "--task", "binary", "--probabilities"],
            1,
            "`y.csv`: row 2: 2 is no class: classes are 0 and 1",
        ),
        (&["half.csv", "y.csv", "--task", "multiclass", "--logits"], 1, "one score in a row"),
        (&["p.csv", "y.csv", "--task", "regression", "--logits"], 2, "neither logits nor"),
        (&["p.csv", "y.csv", "--metric", "mes"], 2, "mse"),
        (&["p.csv", "y.csv", "--metric", "mse"], 2, "no metric of the task `multiclass`, which has"),
        (&["p.csv", "y.csv", "--metric", "log_loss"], 2, "the predictions are classes"),
        (&["empty.csv", "empty.csv"], 2, "has no rows"),
        (&["p.csv", "y.csv", "--prefix", "a..b"], 2, "no dotted path"),
        (&["p.csv", "y.csv", "-o", "metrics.yaml"], 2, "would not be JSON"),
        (&["p.csv", "y.csv", "-o", "gone/metrics.json"], 1, "hint: make its folder first"),
        (&["p.csv", "y.csv", "-o", "broken.json"], 1, "`broken.json`: line 2: "),
        (&["p.csv", "y.csv", "-o", "taken.json", "--prefix", "test"], 1, "`test` cannot be a value and a table"),
        (&["p.csv", "y.csv", "--model", "x.safetensors"], 2, "--output"),
    ];
    for (args, code, expected) in cases {
        let out = repo.model(&[&["eval"], *args].concat()).fails_with(*code);
        assert!(out.stderr.contains(expected), "{args:?}: {}", out.stderr);
        assert!(out.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(repo.read("broken.json"), b"{\"a\": \n");
    assert_eq!(repo.read("taken.json"), b"{\"test\": 3}");
    assert!(!repo.path("metrics.yaml").exists());
}

/// The reader of JSON would drop the first of two.
#[test]
fn a_key_that_stands_there_twice_is_not_dropped() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("p.csv", b"1\n2\n3\n");
    repo.write("m.json", b"{\"a\": 1, \"a\": 2}");
    let refused = repo.model(&["eval", "p.csv", "p.csv", "--task", "regression", "-o", "m.json"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.stderr.contains("the key `a` stands there twice"), "{}", refused.stderr);
    assert_eq!(repo.read("m.json"), b"{\"a\": 1, \"a\": 2}");
}
