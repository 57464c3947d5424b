//! The whole story of a model, told with the commands that a user types: trained, gated, branched, merged, tagged, promoted,
//! looked back upon.

use std::fmt::Write;

use crate::support::{Env, Outcome, Repo, random};

const POLICY: &str = r#"
[model.sorter]
weights = ["sorter.safetensors"]
params = "params.json"
metrics = "metrics.json"

[[gate]]
model = "sorter"
metric = "test.accuracy"
goal = "maximize"
min = 0.8
regression = "1%"
"#;

/// Points of a plane, sorted by the side of a line they are on. `lies` of them in a hundred are sorted wrongly.
fn points(rows: usize, seed: u64, lies: u64) -> String {
    let mut words = random(seed);
    let mut next = || words.next().expect("endless");
    let mut text = "x,y,side\n".to_owned();
    for _ in 0..rows {
        let (x, y) = ((next() % 2000) as f64 / 1000.0 - 1.0, (next() % 2000) as f64 / 1000.0 - 1.0);
        let is_above = (y > 0.5 * x) ^ (next() % 100 < lies);
        writeln!(text, "{x},{y},{}", u8::from(is_above)).expect("written");
    }
    text
}

#[track_caller]
fn says(outcome: &Outcome, expected: &[&str]) {
    let said = format!("{}{}", outcome.text(), outcome.stderr);
    for expected in expected {
        assert!(said.contains(expected), "{expected}\nin:\n{said}");
    }
}

fn train(repo: &Repo<'_>, options: &[&str]) {
    let command =
        ["train", "train.csv", "--target", "side", "--model", "logistic", "-o", "sorter.safetensors", "--force"];
    repo.model(&[&command, options].concat()).ok();
}

/// Measures the model in the work tree, and returns its accuracy.
fn evaluate(repo: &Repo<'_>) -> f64 {
    repo.model(&["predict", "sorter.safetensors", "test.csv", "-o", "predictions.csv", "--force"]).ok();
    let measure =
        ["eval", "predictions.csv", "test.csv", "--target-column", "side", "--prefix", "test", "-o", "metrics.json"];
    repo.model(&[&measure[..], &["--model", "sorter.safetensors"]].concat()).ok();
    let metrics: serde_json::Value = serde_json::from_slice(&repo.read("metrics.json")).expect("JSON");
    metrics["test"]["accuracy"].as_f64().expect("an accuracy")
}

#[test]
fn from_the_first_training_to_production() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.write(".gitignore", b"predictions.csv\n*.svg\n");
    repo.write("train.csv", points(300, 1, 0).as_bytes());
    repo.write("test.csv", points(200, 2, 0).as_bytes());

    // A first model goes in.
    train(&repo, &["--epochs", "1", "--lr", "0.1"]);
    let first = evaluate(&repo);
    assert!(first >= 0.8, "{first}");
    repo.git(&["add", "."]).ok();
    says(&repo.git(&["commit", "-m", "First model"]).ok(), &["gates: 1 passed"]);

    // One that has hardly been trained does not, and nothing is lost.
    train(&repo, &["--epochs", "1", "--lr", "0.000001", "--seed", "3"]);
    let worse = evaluate(&repo);
    assert!(worse < 0.8, "{worse}");
    repo.git(&["add", "."]).ok();
    let refused = repo.git(&["commit", "-m", "Worse"]).fails_with(1);
    says(&refused, &["sorter  test.accuracy", "failed", "error: gates: 1 failed", "git model check"]);
    says(&repo.model(&["check"]).fails_with(1), &["sorter  test.accuracy"]);
    says(&repo.git(&["log", "--oneline"]).ok(), &["First model"]);

    // A better one does.
    train(&repo, &["--epochs", "60", "--lr", "0.5"]);
    let better = evaluate(&repo);
    assert!(better > first, "{better} after {first}");
    repo.git(&["add", "."]).ok();
    repo.git(&["commit", "-q", "-m", "Train longer"]).ok();

    // An experiment with wrong labels, kept on a branch of its own.
    repo.git(&["checkout", "-q", "-b", "experiment"]).ok();
    repo.write("train.csv", points(300, 1, 97).as_bytes());
    train(&repo, &["--epochs", "60", "--lr", "0.5"]);
    let misled = evaluate(&repo);
    assert!(misled < 0.8, "{misled}");
    repo.git(&["commit", "-q", "-a", "-m", "Other labels"]).fails_with(1);
    repo.git(&["commit", "-q", "-a", "-m", "Other labels", "--no-verify"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    train(&repo, &["--epochs", "70", "--lr", "0.4"]);
    let warned = repo.git(&["commit", "-q", "-m", "Train on", "--", "sorter.safetensors"]).ok();
    says(&warned, &["the metrics are of another version of `sorter.safetensors`; evaluate it again"]);
    repo.git(&["checkout", "-q", "--", "."]).ok();

    // Both have changed the same tensors. Their mean would go in without a conflict, but for the accuracy.
    let refused = repo.git(&["-c", "model.merge.strategy=linear", "merge", "experiment"]);
    assert_ne!(refused.code, Some(0));
    says(&refused, &["sorter  test.accuracy", "failed", "git merge --no-verify"]);
    repo.git(&["merge", "--abort"]).ok();
    let strategy = "model.merge.strategy=linear weight=0.95,0.05";
    repo.git(&["-c", strategy, "merge", "-q", "--no-commit", "experiment"]).ok();
    let merged = evaluate(&repo);
    assert!(merged >= better * 0.99, "{merged} after {better}");
    repo.git(&["add", "metrics.json"]).ok();
    says(&repo.git(&["commit", "-m", "Merge a little of the experiment"]).ok(), &["gates: 1 passed"]);
    says(&repo.git(&["log", "-1", "--format=parents %p"]).ok(), &[" "]);
    repo.model(&["check", "HEAD"]).ok();

    // It gets a name and goes to production; the experiment may not.
    repo.model(&["tag", "v1.0.0", "-m", "first good one"]).ok();
    repo.model(&["promote", "v1.0.0", "--to", "prod"]).ok();
    let refused = repo.model(&["promote", "experiment", "--to", "prod"]).fails_with(1);
    says(&refused, &["sorter  test.accuracy", "failed"]);
    says(&repo.git(&["tag"]).ok(), &["sorter#prod#1", "sorter@v1.0.0"]);
    says(&repo.model(&["list"]).ok(), &["sorter", "v1.0.0", "prod"]);
    says(&repo.model(&["show", "sorter#prod"]).ok(), &["v1.0.0"]);

    // And the way there can be seen.
    let log = repo.model(&["log"]).ok();
    says(&log, &["v1.0.0", "prod", "accuracy"]);
    says(&repo.model(&["metrics", "diff", "HEAD~", "HEAD"]).ok(), &["test.cross_entropy"]);
    says(&repo.model(&["metrics", "plot", "test.accuracy"]).ok(), &["test.accuracy"]);
    repo.model(&["metrics", "plot", "test.accuracy", "-o", "accuracy.svg"]).ok();
    let svg = String::from_utf8(repo.read("accuracy.svg")).expect("text");
    assert!(svg.contains("<svg") && svg.contains("v1.0.0") && svg.contains("test.accuracy"), "{svg}");
    repo.assert_clean();
}
