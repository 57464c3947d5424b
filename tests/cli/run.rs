//! `git model run`: what is committed, what is noted, and what stops it.

mod branches;
mod stopped;

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Env, Outcome, Repo, model};

const POLICY: &str = "[model.house]\nweights = [\"models/*.safetensors\"]\nparams = \"params.json\"\nmetrics = \"metrics.json\"\n\
                      [[gate]]\nmodel = \"house\"\nmetric = \"test.mse\"\ngoal = \"minimize\"\nmax = 30.0\n";
const WEIGHTS: &str = "models/house.safetensors";
/// Trains: `sh train.sh WEIGHTS MSE [EXIT CODE]`.
const SCRIPT: &str = "mkdir -p models && cp \"$1\" models/house.safetensors || exit 9\n\
                      printf '{\\n  \"test\": {\"mse\": %s}\\n}\\n' \"$2\" >metrics.json\nexit ${3:-0}\n";

/// A repository with a policy and a script, and nothing trained yet.
fn untrained(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.write("train.sh", SCRIPT.as_bytes());
    repo.write("params.json", b"{\"lr\": 0.1, \"epochs\": 3}\n");
    for seed in 1..=4 {
        std::fs::write(env.root().join(format!("w{seed}")), model(seed)).expect("written");
    }
    repo.model(&["install", "--local"]).ok();
    repo
}

/// Commits everything, though there are no metrics yet that a gate could judge.
fn settle(repo: &Repo<'_>) {
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-q", "--no-verify", "-m", "start"]).ok();
}

/// The same after a first commit.
fn ready(env: &Env) -> Repo<'_> {
    let repo = untrained(env);
    settle(&repo);
    repo
}

/// The same after a first run, with a mean squared error of 20.
fn trained(env: &Env) -> Repo<'_> {
    let repo = ready(env);
    train(&repo, &["--name", "first"], &["1", "20"]).ok();
    repo
}

fn train(repo: &Repo<'_>, options: &[&str], args: &[&str]) -> Outcome {
    let weights = format!("../w{}", args[0]);
    repo.model(&[&["run"], options, &["--", "sh", "train.sh", &weights], &args[1..]].concat())
}

fn head(repo: &Repo<'_>) -> String {
    repo.git(&["rev-parse", "HEAD"]).ok().text().trim().to_owned()
}

fn branch(repo: &Repo<'_>) -> String {
    repo.git(&["branch", "--show-current"]).ok().text().trim().to_owned()
}

/// The runs in a commit's note, read with git alone.
#[track_caller]
fn notes(repo: &Repo<'_>, revision: &str) -> Vec<Value> {
    let note = repo.git(&["notes", "--ref=model-runs", "show", revision]).ok();
    note.text().lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[track_caller]
fn only_note(repo: &Repo<'_>, revision: &str) -> Value {
    let mut all = notes(repo, revision);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_run_is_a_commit_with_trailers_and_a_note() {
    let env = Env::bare();
    let repo = ready(&env);
    let start = head(&repo);
    let outcome = train(&repo, &["--name", "first"], &["1", "24.25"]).ok();
    assert_eq!(outcome.text(), "");
    assert!(outcome.stderr.contains("$ git commit -m 'Run first: sh train.sh ../w1 24.25'"), "{}", outcome.stderr);
    repo.assert_clean();
    let trailers = repo.git(&["log", "-1", "--format=%(trailers:only)"]).ok();
    assert_eq!(trailers.text().trim(), "Model-Run: first\nModel-Metric: test.mse=24.25");
    assert!(repo.blob("HEAD", WEIGHTS).starts_with(b"{\"git-model\""));

    let record = only_note(&repo, "HEAD");
    assert_eq!(record["command"], serde_json::json!(["sh", "train.sh", "../w1", "24.25"]));
    assert_eq!((&record["status"], &record["exit"]), (&"succeeded".into(), &0.into()));
    assert_eq!((&record["revision"], &record["branch"]), (&start.into(), &"main".into()));
    assert_eq!(record["dirty"], Value::Null);
    assert_eq!(record["params"]["params.json"], serde_json::json!({"lr": 0.1, "epochs": 3}));
    assert_eq!(record["metrics"]["metrics.json"], serde_json::json!({"test": {"mse": 24.25}}));
    assert_eq!(record["weights"]["before"], serde_json::json!({}));
    assert!(record["environment"]["cores"].as_u64().is_some_and(|cores| cores > 0), "{record}");
    let started = record["started"].as_str().expect("text");
    assert!(started.len() == 20 && started.ends_with('Z'), "{started}");
}

#[test]
fn metrics_tell_which_weights_they_are_of() {
    let env = Env::bare();
    let repo = untrained(&env);
    repo.write(".gitmodel.toml", format!("{POLICY}fresh = true\n").as_bytes());
    settle(&repo);
    train(&repo, &[], &["1", "24"]).ok();
    let record = only_note(&repo, "HEAD");
    let digest = record["weights"]["after"][WEIGHTS].as_str().expect("a digest").to_owned();
    let metrics: Value = serde_json::from_slice(&repo.blob("HEAD", "metrics.json")).expect("JSON");
    let expected = serde_json::json!({"test": {"mse": 24}, "git-model": {"weights": {WEIGHTS: digest}}});
    assert_eq!(metrics.to_string(), expected.to_string());
    repo.model(&["check", "HEAD"]).ok();
    // The next run begins with these weights, and ends with others.
    train(&repo, &[], &["2", "23"]).ok();
    let record = only_note(&repo, "HEAD");
    assert_eq!(record["weights"]["before"][WEIGHTS], digest);
    assert_ne!(record["weights"]["after"][WEIGHTS], digest);
    // By hand, metrics and weights do not fit together.
    repo.write(WEIGHTS, &model(3));
    repo.git(&["add", "-A"]).ok();
    repo.model(&["check"]).fails_with(1);
}

#[test]
fn digests_of_weights_that_are_not_committed_are_those_of_their_manifests() {
    let env = Env::bare();
    let repo = trained(&env);
    let committed = only_note(&repo, "HEAD")["weights"]["after"][WEIGHTS].clone();
    train(&repo, &["--no-commit", "--name", "other"], &["2", "20"]).ok();
    train(&repo, &["--no-commit", "--name", "back"], &["1", "20"]).ok();
    let runs = notes(&repo, "HEAD");
    assert_eq!(runs.len(), 3);
    assert_ne!(runs[1]["weights"]["after"][WEIGHTS], committed);
    assert_eq!(runs[2]["weights"]["before"][WEIGHTS], runs[1]["weights"]["after"][WEIGHTS]);
    assert_eq!(runs[2]["weights"]["after"][WEIGHTS], committed);
    assert_eq!(repo.git(&["diff", "--cached", "--name-only"]).ok().text(), "");
}

#[test]
fn new_files_of_models_go_in_and_others_do_not() {
    let env = Env::bare();
    let repo = ready(&env);
    repo.write("code.py", b"1\n");
    repo.commit("code");
    repo.write("code.py", b"2\n");
    repo.write("notes.txt", b"mine\n");
    train(&repo, &["-m", "By hand"], &["1", "20"]).ok();
    let files = repo.git(&["show", "--format=%s", "--name-only", "HEAD"]).ok();
    assert_eq!(files.text(), format!("By hand\n\ncode.py\nmetrics.json\n{WEIGHTS}\n"));
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "?? notes.txt\n");
}

#[test]
fn what_was_not_committed_has_a_digest() {
    let env = Env::bare();
    let repo = trained(&env);
    let mut digests = BTreeMap::new();
    for (name, text) in [("a", "{\"lr\": 0.2}\n"), ("b", "{\"lr\": 0.3}\n"), ("c", "{\"lr\": 0.2}\n")] {
        repo.write("params.json", text.as_bytes());
        repo.model(&["run", "--no-commit", "--name", name, "true"]).ok();
        let record = notes(&repo, "HEAD").pop().expect("a run");
        let digest = record["dirty"].as_str().expect("a digest").to_owned();
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
        digests.insert(name, digest);
    }
    assert!(digests["a"] == digests["c"] && digests["a"] != digests["b"], "{digests:?}");
    // A user's settings are no part of it.
    for (key, value) in
        [("diff.noprefix", "true"), ("color.ui", "always"), ("diff.context", "9"), ("diff.algorithm", "patience")]
    {
        repo.set(key, value);
    }
    repo.model(&["run", "--no-commit", "true"]).ok();
    assert_eq!(notes(&repo, "HEAD").pop().expect("a run")["dirty"], digests["c"].as_str());
}

#[test]
fn a_run_that_changes_nothing_is_noted() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    let outcome = repo.model(&["run", "--name", "idle", "--branch", "exp/idle", "--", "true"]).ok();
    assert!(outcome.stderr.contains("has changed nothing"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("has not written `metrics.json`"), "{}", outcome.stderr);
    assert_eq!((head(&repo), branch(&repo)), (start, "main".into()));
    assert_eq!(repo.git(&["branch", "--list", "exp/*"]).ok().text(), "");
    assert_eq!(notes(&repo, "HEAD")[1]["metrics"], serde_json::json!({}));
}

#[test]
fn nothing_of_the_environment_is_written_down() {
    let env = Env::bare();
    let repo = ready(&env);
    let mut command = repo.model_command(&["run", "--", "sh", "train.sh", "../w1", "20"]);
    command.env("API_TOKEN", "hunter2-secret").env("HOSTNAME", "machine-of-mine");
    env.run(command).ok();
    let note = repo.git(&["notes", "--ref=model-runs", "show", "HEAD"]).ok();
    let message = repo.git(&["log", "-1", "--format=%B"]).ok();
    for secret in ["hunter2", "API_TOKEN", "machine-of-mine", env.root().to_str().expect("text")] {
        assert!(!note.text().contains(secret) && !message.text().contains(secret), "{secret}: {}", note.text());
    }
}

#[test]
fn the_streams_are_those_of_the_command() {
    let env = Env::bare();
    let repo = ready(&env);
    let script = "cat; echo err >&2; printf '%s|' \"$@\"";
    let mut command =
        repo.model_command(&["run", "-q", "--no-commit", "--", "sh", "-c", script, "x", "a b", "$HOME", "--name"]);
    std::fs::write(env.root().join("input"), "from stdin\n").expect("written");
    command.stdin(Stdio::from(std::fs::File::open(env.root().join("input")).expect("opened")));
    let outcome = env.run(command).ok();
    assert_eq!(outcome.text(), "from stdin\na b|$HOME|--name|");
    assert!(outcome.stderr.contains("err\n"), "{}", outcome.stderr);
}

#[test]
fn runs_in_a_folder_are_runs_of_the_whole_repository() {
    let env = Env::bare();
    let repo = ready(&env);
    repo.write("sub/x", b"x\n");
    repo.commit("a folder");
    let mut command = repo.model_command(&["run", "--name", "sub", "--", "sh", "-c", "cd .. && sh train.sh ../w1 20"]);
    command.current_dir(repo.path("sub"));
    env.run(command).ok();
    repo.assert_clean();
    assert_eq!(only_note(&repo, "HEAD")["folder"], "sub");
}

#[test]
fn names_with_odd_characters() {
    let env = Env::bare();
    let repo = ready(&env);
    for (name, mse) in [("größe \"7\" %s $x", "20"), ("-x", "19"), ("a: b = c", "18")] {
        train(&repo, &[&format!("--name={name}")], &["1", mse]).ok();
        assert_eq!(only_note(&repo, "HEAD")["name"], name);
        let trailer = repo.git(&["log", "-1", "--format=%(trailers:key=Model-Run,valueonly)"]).ok();
        assert_eq!(trailer.text().trim(), name);
        let shown = repo.model(&["run", &format!("--show={name}"), "--json"]).ok();
        let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
        assert_eq!((&shown["name"], &shown["commit"]), (&name.into(), &head(&repo).into()));
    }
    for name in ["", " a", "a\nb", &"x".repeat(201)] {
        let refused = train(&repo, &[&format!("--name={name}")], &["1", "20"]).fails_with(2);
        assert!(refused.stderr.contains("no name of a run"), "{}", refused.stderr);
    }
}

#[test]
fn past_runs_are_listed() {
    let env = Env::bare();
    let repo = ready(&env);
    assert_eq!(repo.model(&["run", "--list"]).ok().text(), "");
    train(&repo, &["--name", "first"], &["1", "20"]).ok();
    train(&repo, &["--name", "second"], &["2", "NaN", "3"]).fails_with(3);
    let list = repo.model(&["run", "--list"]).ok();
    let lines: Vec<&str> = list.text().lines().collect();
    assert!(lines.len() == 3 && lines[1].contains("test.mse=20") && lines[2].contains("failed"), "{lines:?}");
    let list: Value = serde_json::from_slice(&repo.model(&["run", "--list", "--json"]).ok().stdout).expect("JSON");
    assert_eq!((&list[0]["name"], &list[1]["exit"]), (&"first".into(), &3.into()));
    assert_eq!(list[1]["metrics"]["metrics.json"]["test"]["mse"], "NaN");
    let shown = repo.model(&["run", "--show", "second"]).ok();
    assert!(shown.text().contains("failed (exit code 3)"), "{}", shown.text());
    let missing = repo.model(&["run", "--show", "secnd"]).fails_with(1);
    assert!(missing.stderr.contains("did you mean `second`?"), "{}", missing.stderr);
    // Notes of others, and of later versions.
    repo.git(&["notes", "--ref=model-runs", "append", "-m", "by hand"]).ok();
    let list = repo.model(&["run", "--list"]).ok();
    assert_eq!(list.text().lines().count(), 3);
    assert!(list.stderr.contains("1 line that this version cannot read"), "{}", list.stderr);
}

#[test]
fn notes_of_two_clones_are_united_by_git() {
    let env = Env::bare();
    let repo = trained(&env);
    env.clone_repo(&["repo", "clone"]);
    let clone = env.at("clone");
    clone.git(&["fetch", "-q", "origin", "refs/notes/*:refs/notes/*"]).ok();
    repo.model(&["run", "--no-commit", "--name", "here", "true"]).ok();
    clone.model(&["run", "--no-commit", "--name", "there", "true"]).ok();
    clone.git(&["fetch", "-q", "origin", "refs/notes/model-runs:refs/notes/theirs"]).ok();
    clone.git(&["notes", "--ref=model-runs", "merge", "-q", "-s", "cat_sort_uniq", "theirs"]).ok();
    let mut names: Vec<String> = notes(&clone, "HEAD").iter().map(|run| run["name"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"first\"", "\"here\"", "\"there\""]);
}

#[test]
fn without_a_policy_tracked_files_are_committed() {
    let env = Env::bare();
    let repo = env.repo("repo");
    repo.write("result", b"1\n");
    repo.commit("start");
    let outcome = repo.model(&["run", "--", "sh", "-c", "echo 2 >result; echo 3 >other"]).ok();
    assert!(outcome.stderr.contains("no `.gitmodel.toml`"), "{}", outcome.stderr);
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "?? other\n");
    assert_eq!(repo.blob("HEAD", "result"), b"2\n");
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let env = Env::bare();
    let repo = trained(&env);
    let touch = ["--", "touch", "ran"];
    for (options, expected) in [
        (&["--model", "hous"][..], "there is no model `hous`"),
        (&["--branch", "a..b"], "no name of a branch"),
        (&["--branch=-x"], "no name of a branch"),
        (&["--merge-if-better", "main"], "there is no branch to merge into `main`"),
        (&["--branch", "e", "--merge-if-better", "mian"], "there is no branch `mian`"),
        (&["--json"], "`--json` goes with"),
        (&["--no-commit", "--branch", "e"], "cannot be used with"),
    ] {
        let refused = repo.model(&[&["run"], options, &touch].concat()).fails_with(2);
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    repo.model(&["run"]).fails_with(2);
    repo.write(".gitmodel.toml", b"[model.house]\nweigths = 1\n");
    let refused = repo.model(&[&["run"][..], &touch].concat()).fails_with(2);
    assert!(refused.stderr.contains("line 2") && refused.stderr.contains("`weights`"), "{}", refused.stderr);
    assert!(!repo.path("ran").exists());
    assert_eq!(notes(&repo, "HEAD").len(), 1);
}
