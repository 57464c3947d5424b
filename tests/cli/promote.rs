//! `git model promote`.

use crate::support::{Env, Repo, model};

const POLICY: &str = r#"
[model.house]
weights = ["house.safetensors"]
metrics = "metrics.json"

[model.other]
weights = ["other.safetensors"]
metrics = "other.json"

[[gate]]
model = "house"
metric = "test.mse"
goal = "minimize"
max = 30

[[gate]]
models = ["other"]
metric = "accuracy"
goal = "maximize"
min = 0.9
"#;

/// A good version of the house, then a bad one; the other model is bad all the time.
fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.write("other.safetensors", &model(9));
    repo.write("other.json", br#"{"accuracy": 0.5}"#);
    for (seed, mse) in [(1, 21.5), (2, 35.0)] {
        repo.write("house.safetensors", &model(seed));
        repo.write("metrics.json", format!(r#"{{"test": {{"mse": {mse}}}}}"#).as_bytes());
        repo.commit("a version");
        repo.model(&["tag", "house", "--", &format!("v1.{seed}.0")]).ok();
    }
    repo
}

#[test]
fn a_version_whose_gates_pass_gets_the_stage() {
    let env = Env::new();
    let repo = repo(&env);
    let promoted = repo.model(&["promote", "house", "v1.1.0", "--to", "prod", "-m", "ship it"]).ok();
    assert_eq!(promoted.text(), "house#prod#1\n");
    assert!(promoted.stderr.contains("test.mse") && promoted.stderr.contains("passed"), "{}", promoted.stderr);
    assert!(!promoted.stderr.contains("accuracy"), "the other model is not asked: {}", promoted.stderr);
    assert!(repo.git(&["cat-file", "-p", "house#prod#1"]).ok().text().ends_with("\nship it\n"));
    let again = repo.model(&["promote", "house@v1.1.0", "--to", "prod"]).fails_with(1);
    assert!(again.stderr.contains("`house@v1.1.0` is in stage `prod` already"), "{}", again.stderr);
    // From stage to stage.
    assert_eq!(repo.model(&["promote", "house#prod", "--to", "eu"]).ok().text(), "house#eu#2\n");
}

#[test]
fn a_version_whose_gates_fail_does_not() {
    let env = Env::new();
    let repo = repo(&env);
    for args in [&["promote", "house", "v1.2.0", "--to", "prod"][..], &["promote", "HEAD", "house", "--to", "prod"]] {
        let refused = repo.model(args).fails_with(1);
        assert!(refused.text().contains("test.mse") && refused.text().contains("failed"), "{}", refused.text());
        assert!(refused.stderr.contains("`house` is not promoted: its gates fail"), "{}", refused.stderr);
    }
    assert_eq!(repo.git(&["tag", "--list", "*#*"]).ok().text(), "");
}

#[test]
fn a_version_that_cannot_be_judged_does_not() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("metrics.json", br#"{"test": {"mse": "low"}}"#);
    repo.commit("text for a number");
    let refused = repo.model(&["promote", "house", "HEAD", "--to", "prod"]).fails_with(2);
    assert!(refused.text().contains("it is text, no number"), "{}", refused.text());
    assert!(refused.stderr.contains("its gates cannot be judged"), "{}", refused.stderr);
    let missing = repo.model(&["promote", "house", "v3.0.0", "--to", "prod"]).fails_with(1);
    assert!(missing.stderr.contains("`house` has no version v3.0.0"), "{}", missing.stderr);
    repo.model(&["promote", "house", "v1.1.0"]).fails_with(2);
}
