//! Runs that fail, are stopped, or are refused.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{POLICY, SCRIPT, WEIGHTS, head, notes, only_note, ready, settle, train, trained, untrained};
use crate::support::{Env, Outcome, Repo, model, outcome};

const WAIT: Duration = Duration::from_secs(30);

/// Starts a run in a process group of its own, and waits until the command has made the file `ready`.
fn start(repo: &Repo<'_>, script: &str) -> Child {
    let script = format!("{script}\ntouch ready; i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done");
    let mut command = repo.model_command(&["run", "--name", "long", "--", "sh", "-c", &script]);
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(repo, "ready");
    child
}

fn wait_for(repo: &Repo<'_>, file: &str) {
    let begun = Instant::now();
    while !repo.path(file).exists() {
        assert!(begun.elapsed() < WAIT, "there is no `{file}`");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn kill(child: &Child, signal: &str, whole_group: bool) {
    let target = if whole_group { format!("-{}", child.id()) } else { child.id().to_string() };
    let status = Command::new("kill").args([signal, "--", &target]).status().expect("kill");
    assert!(status.success());
}

fn finish(child: Child) -> Outcome {
    outcome(child.wait_with_output().expect("it ends"))
}

#[test]
fn a_failing_command_commits_nothing_and_is_noted() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    let failed = train(&repo, &["--name", "bad"], &["2", "5", "7"]).fails_with(7);
    assert!(failed.stderr.contains("failed with exit code 7; nothing was committed"), "{}", failed.stderr);
    train(&repo, &["--name", "worse"], &["3", "4", "8"]).fails_with(8);
    assert_eq!(head(&repo), start);
    assert_eq!(repo.git(&["diff", "--cached", "--name-only"]).ok().text(), "");
    let runs = notes(&repo, "HEAD");
    let of = |at: usize| (runs[at]["name"].as_str(), runs[at]["status"].as_str(), runs[at]["exit"].as_i64());
    assert_eq!(of(0), (Some("first"), Some("succeeded"), Some(0)));
    assert_eq!(of(1), (Some("bad"), Some("failed"), Some(7)));
    assert_eq!(of(2), (Some("worse"), Some("failed"), Some(8)));
    assert_eq!(runs[2]["metrics"]["metrics.json"]["test"]["mse"], 4);
    assert!(runs[2]["dirty"].is_string());
}

#[test]
fn a_command_that_is_not_there() {
    let env = Env::bare();
    let repo = ready(&env);
    repo.write("data.txt", b"no program\n");
    for (command, code) in [("no-such-command", 127), ("./data.txt", 126), ("./missing/x", 127)] {
        let failed = repo.model(&["run", "--branch", "exp/x", "--", command]).fails_with(code);
        assert!(failed.stderr.contains(&format!("cannot start `{command}`")), "{}", failed.stderr);
        assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]).ok().text(), "main\n");
    }
    repo.git(&["notes", "--ref=model-runs", "show", "HEAD"]).fails_with(1);
}

#[test]
fn a_command_that_kills_itself() {
    let env = Env::bare();
    let repo = ready(&env);
    let failed = repo.model(&["run", "--", "sh", "-c", "kill -KILL $$"]).fails_with(137);
    assert!(failed.stderr.contains("ended by signal 9"), "{}", failed.stderr);
    let record = only_note(&repo, "HEAD");
    assert_eq!((record["status"].as_str(), record["signal"].as_i64()), (Some("failed"), Some(9)));
    assert!(record["exit"].is_null());
}

#[test]
fn a_stopped_run_commits_nothing_and_is_noted() {
    for (signal, code, whole_group) in [("-INT", 130, true), ("-INT", 130, false), ("-TERM", 143, false)] {
        let env = Env::bare();
        let repo = trained(&env);
        let start_head = head(&repo);
        let child = start(&repo, "echo half >models/house.safetensors; trap 'echo cleaned >cleaned; exit 0' INT TERM");
        kill(&child, signal, whole_group);
        let stopped = finish(child).fails_with(code);
        assert!(stopped.stderr.contains("was stopped; nothing was committed"), "{}", stopped.stderr);
        assert!(repo.path("cleaned").exists(), "the command had time to end");
        assert_eq!(head(&repo), start_head);
        let record = notes(&repo, "HEAD").pop().expect("a run");
        assert_eq!((record["name"].as_str(), record["status"].as_str()), (Some("long"), Some("aborted")));
        assert_eq!(record["exit"], 0);
        assert_eq!(repo.git(&["diff", "--cached", "--name-only"]).ok().text(), "");
    }
}

#[test]
fn a_second_signal_kills() {
    let env = Env::bare();
    let repo = ready(&env);
    let child = start(&repo, "trap 'touch first' INT");
    kill(&child, "-INT", false);
    wait_for(&repo, "first");
    kill(&child, "-INT", false);
    finish(child).fails_with(130);
    let record = only_note(&repo, "HEAD");
    assert_eq!((record["status"].as_str(), record["signal"].as_i64()), (Some("aborted"), Some(9)));
}

#[test]
fn a_gate_that_refuses_leaves_everything_staged() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    let refused = train(&repo, &["--name", "worse"], &["2", "31"]).fails_with(1);
    assert!(refused.stderr.contains("git has not taken the commit"), "{}", refused.stderr);
    assert!(refused.stderr.contains("test.mse"), "the table: {}", refused.stderr);
    assert_eq!(head(&repo), start);
    let staged = repo.git(&["diff", "--cached", "--name-only"]).ok();
    assert_eq!(staged.text(), format!("metrics.json\n{WEIGHTS}\n"));
    assert_eq!(repo.git(&["diff", "--name-only"]).ok().text(), "");
    let record = notes(&repo, "HEAD").pop().expect("a run");
    assert_eq!((record["name"].as_str(), record["status"].as_str()), (Some("worse"), Some("refused")));
    assert!(record["weights"]["after"][WEIGHTS].is_string());
}

#[test]
fn before_the_first_commit() {
    let env = Env::bare();
    let repo = untrained(&env);
    repo.git(&["add", "-A"]).ok();
    let refused = train(&repo, &["--branch", "exp/1"], &["1", "20"]).fails_with(2);
    assert!(refused.stderr.contains("no commit yet") && !repo.path("metrics.json").exists(), "{}", refused.stderr);
    let failed = train(&repo, &[], &["1", "20", "4"]).fails_with(4);
    assert!(failed.stderr.contains("is not written down"), "{}", failed.stderr);
    train(&repo, &["--name", "first"], &["1", "20"]).ok();
    let record = only_note(&repo, "HEAD");
    assert!(record["revision"].is_null() && record["dirty"].is_string(), "{record}");
    assert_eq!(repo.git(&["rev-list", "--count", "HEAD"]).ok().text(), "1\n");
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "");
}

#[test]
fn nothing_runs_while_git_is_merging() {
    let env = Env::bare();
    let repo = trained(&env);
    repo.git(&["switch", "-q", "-c", "side"]).ok();
    repo.write("side", b"x\n");
    repo.commit("side");
    repo.git(&["switch", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--no-commit", "--no-ff", "side"]).ok();
    let refused = repo.model(&["run", "--", "touch", "ran"]).fails_with(2);
    assert!(refused.stderr.contains("is not finished") && !repo.path("ran").exists(), "{}", refused.stderr);
    repo.model(&["run", "--no-commit", "--", "touch", "ran"]).ok();
}

#[test]
fn metrics_that_were_not_written_are_not_called_fresh() {
    let env = Env::bare();
    let repo = trained(&env);
    let script = "cp ../w2 models/house.safetensors";
    let outcome = repo.model(&["run", "--", "sh", "-c", script]).ok();
    assert!(outcome.stderr.contains("has not written `metrics.json`"), "{}", outcome.stderr);
    assert_eq!(repo.git(&["show", "--format=", "--name-only"]).ok().text(), format!("{WEIGHTS}\n"));
    let trailers = repo.git(&["log", "-1", "--format=%(trailers:key=Model-Metric)"]).ok();
    assert_eq!(trailers.text().trim(), "");
}

#[test]
fn metrics_that_are_no_json_go_in_as_they_are() {
    let env = Env::bare();
    let repo = untrained(&env);
    repo.write(".gitmodel.toml", POLICY.replace("metrics.json", "metrics.yaml").as_bytes());
    repo.write(
        "train.sh",
        SCRIPT.replace(".json", ".yaml").replace("{\\n  \"test\": {\"mse\": %s}\\n}", "test: {mse: %s}").as_bytes(),
    );
    settle(&repo);
    let outcome = train(&repo, &[], &["1", "20"]).ok();
    assert!(outcome.stderr.contains("`metrics.yaml` does not tell which weights"), "{}", outcome.stderr);
    assert_eq!(repo.blob("HEAD", "metrics.yaml"), b"test: {mse: 20}\n");
    assert_eq!(only_note(&repo, "HEAD")["metrics"]["metrics.yaml"]["test"]["mse"], 20);
    assert_eq!(repo.read(WEIGHTS), model(1));
}

#[test]
fn what_git_ignores_is_told() {
    let env = Env::bare();
    let repo = untrained(&env);
    repo.write(".gitignore", b"models/\nmetrics.json\n");
    repo.write("log", b"1\n");
    settle(&repo);
    let outcome = repo.model(&["run", "--", "sh", "-c", "sh train.sh ../w1 20 && echo 2 >log"]).ok();
    assert!(outcome.stderr.contains("there are no weights of `house` to commit"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("`metrics.json` is not committed"), "{}", outcome.stderr);
    assert_eq!(repo.git(&["show", "--format=", "--name-only"]).ok().text(), "log\n");
}

#[test]
fn gates_that_git_does_not_know_are_told() {
    let env = Env::bare();
    let repo = ready(&env);
    repo.git(&["rm", "-q", "--cached", ".gitmodel.toml"]).ok();
    let outcome = train(&repo, &[], &["1", "20"]).ok();
    assert!(outcome.stderr.contains("git does not know `.gitmodel.toml`"), "{}", outcome.stderr);
}

#[test]
fn ctrl_c_while_git_commits() {
    let env = Env::bare();
    let repo = trained(&env);
    repo.hook("commit-msg", "touch ready; i=0; while [ $i -lt 300 ]; do sleep 0.1; i=$((i+1)); done");
    let start_head = head(&repo);
    let mut command = repo.model_command(&["run", "--name", "x", "--", "sh", "train.sh", "../w2", "10"]);
    let child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    wait_for(&repo, "ready");
    kill(&child, "-INT", true);
    finish(child).fails_with(130);
    assert_eq!(head(&repo), start_head);
    assert_eq!(notes(&repo, "HEAD").pop().expect("a run")["status"], "aborted");
    assert!(!repo.path(".git/index.lock").exists());
}
