//! Runs on a branch of their own, merged if they are better.

use super::{WEIGHTS, branch, head, notes, only_note, ready, train, trained};
use crate::support::{Env, Repo, model};

const LOOP: [&str; 4] = ["--branch", "exp/1", "--merge-if-better", "main"];

fn parents(repo: &Repo<'_>, revision: &str) -> usize {
    repo.git(&["rev-list", "--parents", "-n", "1", revision]).ok().text().split_whitespace().count() - 1
}

#[test]
fn a_branch_is_made_and_left_again() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    let outcome = train(&repo, &["--branch", "exp/1"], &["2", "10"]).ok();
    assert!(outcome.stderr.contains("$ git switch --create exp/1\n"), "{}", outcome.stderr);
    assert_eq!((head(&repo), branch(&repo)), (start, "main".into()));
    repo.assert_clean();
    assert_eq!(repo.read(WEIGHTS), model(1));
    let record = only_note(&repo, "exp/1");
    assert_eq!((record["name"].as_str(), record["branch"].as_str()), (Some("exp/1"), Some("exp/1")));
    train(&repo, &["--branch", "exp/2", "--stay"], &["3", "10"]).ok();
    assert_eq!((branch(&repo), repo.read(WEIGHTS)), ("exp/2".into(), model(3)));
}

#[test]
fn a_branch_starts_from_what_is_committed() {
    let env = Env::bare();
    let repo = trained(&env);
    repo.write("params.json", b"{\"lr\": 1}\n");
    let refused = train(&repo, &["--branch", "exp/1"], &["2", "10"]).fails_with(2);
    assert!(refused.stderr.contains("not committed") && refused.stderr.contains("git stash"), "{}", refused.stderr);
    repo.git(&["stash", "-q"]).ok();
    train(&repo, &["--branch", "exp/1"], &["2", "10"]).ok();
    let refused = train(&repo, &["--branch", "exp/1"], &["2", "10"]).fails_with(2);
    assert!(refused.stderr.contains("there already is a branch `exp/1`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("git switch exp/1"), "{}", refused.stderr);
}

#[test]
fn a_failing_run_leaves_no_branch() {
    let env = Env::bare();
    let repo = trained(&env);
    train(&repo, &["--branch", "exp/1"], &["2", "10", "5"]).fails_with(5);
    assert_eq!(branch(&repo), "main");
    assert_eq!(repo.git(&["branch", "--list", "exp/*"]).ok().text(), "");
    let record = notes(&repo, "HEAD").pop().expect("a run");
    assert_eq!((record["status"].as_str(), record["branch"].as_str()), (Some("failed"), Some("exp/1")));
    // What the command itself has committed stays.
    let script = "git commit -q --allow-empty -m mine; exit 5";
    repo.git(&["checkout", "-q", "."]).ok();
    repo.model(&["run", "--branch", "exp/1", "--", "sh", "-c", script]).fails_with(5);
    assert_eq!(branch(&repo), "main");
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "exp/1"]).ok().text(), "mine\n");
}

/// Committed where `HEAD` happens to be, a run would come to the wrong branch, or to none.
#[test]
fn a_command_that_moves_head_is_not_committed() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    for (at, moves) in
        ["git switch -q main", "git checkout -q --detach", "git commit -q --allow-empty -m mine"].iter().enumerate()
    {
        let name = format!("exp/{at}");
        let script = format!("{moves} && echo '{{\"lr\": {at}}}' >params.json");
        let options = ["run", "--branch", &name, "--merge-if-better", "main", "--", "sh", "-c", &script];
        let refused = repo.model(&options).fails_with(1);
        let expected = format!("the command has moved `HEAD` from `{name}` at ");
        assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
        assert_eq!(repo.git(&["rev-parse", "main"]).ok().text().trim(), start.trim());
        // What it has left is there.
        assert!(String::from_utf8_lossy(&repo.read("params.json")).contains(&format!("{at}")));
        repo.git(&["checkout", "-q", "-f", "main"]).ok();
    }
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "exp/2"]).ok().text(), "mine\n");
}

#[test]
fn on_a_detached_head() {
    let env = Env::bare();
    let repo = trained(&env);
    repo.git(&["switch", "-q", "--detach"]).ok();
    let start = head(&repo);
    train(&repo, &[&LOOP[..], &["--name", "x"]].concat(), &["2", "10"]).ok();
    assert_eq!((head(&repo), branch(&repo)), (start.clone(), String::new()));
    assert_eq!(parents(&repo, "main"), 2);
    train(&repo, &["--name", "y"], &["3", "11"]).ok();
    assert_eq!(repo.git(&["rev-parse", "HEAD^"]).ok().text().trim(), start);
    assert!(only_note(&repo, "HEAD")["branch"].is_null());
}

#[test]
fn a_better_model_is_merged() {
    let env = Env::bare();
    let repo = trained(&env);
    let outcome = train(&repo, &LOOP, &["2", "10"]).ok();
    assert!(outcome.stderr.contains("$ git merge --no-ff --no-edit exp/1\n"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("merged into `main`") && outcome.stderr.contains("test.mse 20 → 10"),
        "{}",
        outcome.stderr
    );
    assert_eq!((branch(&repo), parents(&repo, "HEAD")), ("main".into(), 2));
    assert_eq!(repo.read(WEIGHTS), model(2));
    repo.assert_clean();
    assert_eq!(only_note(&repo, "HEAD^2")["name"], "exp/1");
}

#[test]
fn a_first_model_is_better_than_none() {
    let env = Env::bare();
    let repo = ready(&env);
    train(&repo, &LOOP, &["1", "20"]).ok();
    assert_eq!(parents(&repo, "main"), 2);
}

#[test]
fn a_model_that_is_not_better_stays_on_its_branch() {
    let env = Env::bare();
    let repo = trained(&env);
    let start = head(&repo);
    for (at, (mse, expected)) in
        [("25", "worse: house test.mse 20 → 25"), ("20", "no metric is better")].iter().enumerate()
    {
        let name = format!("exp/{at}");
        let outcome = train(&repo, &["--branch", &name, "--merge-if-better", "main"], &["2", mse]).fails_with(3);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
        assert_eq!((head(&repo), branch(&repo)), (start.clone(), "main".into()));
        assert_eq!(only_note(&repo, &name)["status"], "succeeded");
    }
    repo.assert_clean();
}

#[test]
fn a_merge_that_is_refused_leaves_nothing() {
    let env = Env::bare();
    let repo = trained(&env);
    // Meanwhile somebody has made the gate on the branch to merge into stricter.
    let script = "sh train.sh ../w2 10 && git stash -q && git switch -q main && sed -i 's/30.0/5.0/' .gitmodel.toml && \
                  git commit -q --no-verify -a -m stricter && git switch -q exp/1 && git stash pop -q";
    let outcome = repo.model(&[&["run"], &LOOP[..], &["--", "sh", "-c", script]].concat()).fails_with(3);
    assert!(outcome.stderr.contains("≤ 5") && outcome.stderr.contains("$ git merge --abort"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("not merged into `main`: a gate or another hook refused it"), "{}", outcome.stderr);
    assert_eq!((parents(&repo, "HEAD"), branch(&repo)), (1, "main".into()));
    assert!(!repo.path(".git/MERGE_HEAD").exists());
    repo.assert_clean();
    assert_eq!(repo.read(WEIGHTS), model(1));
}

#[test]
fn a_merge_in_conflict_leaves_nothing() {
    let env = Env::bare();
    let repo = trained(&env);
    // Meanwhile somebody else has trained on the branch to merge into.
    let script = "sh train.sh ../w2 10 && git stash -q && git switch -q main && cp ../w3 models/house.safetensors && \
                  git commit -q -a -m meanwhile && git switch -q exp/1 && git stash pop -q";
    let outcome = repo.model(&[&["run"], &LOOP[..], &["--", "sh", "-c", script]].concat()).fails_with(3);
    assert!(outcome.stderr.contains("the two branches are in conflict"), "{}", outcome.stderr);
    assert_eq!(branch(&repo), "main");
    assert!(!repo.path(".git/MERGE_HEAD").exists());
    repo.assert_clean();
    assert_eq!(repo.read(WEIGHTS), model(3));
}

#[test]
fn the_branch_one_is_on_can_be_merged() {
    let env = Env::bare();
    let repo = trained(&env);
    repo.git(&["switch", "-q", "-c", "work"]).ok();
    train(&repo, &["--merge-if-better", "main"], &["2", "10"]).ok();
    assert_eq!(branch(&repo), "work");
    assert_eq!(parents(&repo, "main"), 2);
    assert_eq!(only_note(&repo, "work")["branch"], "work");
}
