//! `git model list`.

use crate::support::{Env, model};

const POLICY: &str = r#"
[model.house]
weights = ["house.safetensors"]
metrics = "metrics.json"

[model.other]
weights = ["other/*.bin"]

[[gate]]
model = "house"
metric = "test.mse"
goal = "minimize"
max = 30
"#;

#[test]
fn models_and_what_is_known_of_them() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.write("house.safetensors", &model(1));
    repo.write("metrics.json", br#"{"epochs": 3, "test": {"mse": 21.5}}"#);
    repo.commit("one");
    repo.model(&["tag", "house", "v1.0.0"]).ok();
    repo.write("metrics.json", br#"{"epochs": 3, "test": {"mse": 20.5}}"#);
    repo.commit("two");
    repo.model(&["tag", "house", "v1.1.0"]).ok();
    repo.model(&["tag", "house", "--stage", "prod", "v1.0.0"]).ok();
    repo.model(&["tag", "house", "--stage", "dev"]).ok();
    // After the last version; the list is of the versions.
    repo.write("metrics.json", br#"{"epochs": 3, "test": {"mse": 19.5}}"#);
    repo.write("other/deep.bin", b"no weights that are known");
    repo.commit("three");
    let listed = repo.model(&["list"]).ok();
    assert_eq!(
        listed.text(),
        "model  latest  stages                   parameters  size    metric\n\
         house  v1.1.0  dev v1.1.0, prod v1.0.0        2050  4.3 kB  test.mse 20.5\n\
         other  –       –                        –             25 B  –\n"
    );
    let json: serde_json::Value = serde_json::from_slice(&repo.model(&["list", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(json[0]["parameters"], 2050);
    assert_eq!(json[0]["metric"], serde_json::json!({ "name": "test.mse", "value": 20.5 }));
    assert_eq!(json[0]["stages"], serde_json::json!({ "dev": "v1.1.0", "prod": "v1.0.0" }));
    assert_eq!(json[0]["commit"], repo.git(&["rev-parse", "HEAD~1"]).ok().text().trim());
    assert_eq!((&json[1]["version"], &json[1]["parameters"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    repo.model(&["tag", "house", "--deprecate", "v1.1.0"]).ok();
    // Of tags made in one second, those with counters come last.
    let mut later = repo.model_command(&["tag", "house", "--deprecate"]);
    later.env("GIT_COMMITTER_DATE", "2026-01-02T03:04:06Z");
    env.run(later).ok();
    let listed = repo.model(&["list"]).ok();
    assert!(listed.text().contains("house  v1.0.0 (deprecated)  prod v1.0.0"), "{}", listed.text());
}

#[test]
fn without_a_policy_each_file_is_a_model() {
    let env = Env::new();
    let repo = env.repo("repo");
    let none = repo.model(&["list"]).ok();
    assert!(none.text().is_empty() && none.stderr.contains("git model track"), "{}", none.stderr);
    repo.write("a/model.safetensors", &model(1));
    repo.write("b/model.safetensors", &model(2));
    repo.write("c/my net.bin", &model(3));
    repo.commit("one");
    let listed = repo.model(&["list"]).ok();
    let names: Vec<&str> = listed.text().lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["a/model", "b/model", "my-net"]);
    repo.model(&["tag", "a/model", "v1.0.0"]).ok();
    assert!(repo.model(&["list"]).ok().text().contains("a/model  v1.0.0"));
}

#[test]
fn a_policy_with_a_typo_is_told() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", b"[model.house]\nweight = [\"x\"]\n");
    repo.commit("one");
    for args in [&["list"][..], &["tag", "v1.0.0"], &["promote", "HEAD", "--to", "prod"]] {
        let failed = repo.model(args).fails_with(1);
        assert!(failed.stderr.contains("`.gitmodel.toml`") && failed.stderr.contains("line 2"), "{}", failed.stderr);
    }
}
