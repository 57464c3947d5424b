//! `git model log`.

use crate::support::{Env, Repo, Tensor, noise, safetensors};

/// Weights of one tensor for each seed.
fn weights(seeds: &[u64]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = seeds.iter().map(|&seed| noise(1000, seed)).collect();
    let names: Vec<String> = (0..seeds.len()).map(|at| format!("layers.{at}")).collect();
    let tensors: Vec<Tensor<'_>> =
        names.iter().zip(&bytes).map(|(name, bytes)| Tensor { name, dtype: "BF16", shape: &[1000], bytes }).collect();
    safetensors(&tensors)
}

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("house");
    repo.write("house.safetensors", &weights(&[1, 2, 3]));
    repo.write("metrics.json", b"{\"mse\": 3, \"mae\": 2, \"r2\": 0.5, \"epoch\": 1}");
    repo.commit("first");
    repo.write("README", b"nothing of a model");
    repo.commit("documentation");
    repo.write("house.safetensors", &weights(&[1, 9, 3, 4]));
    repo.commit("second");
    repo.write("metrics.json", b"{\"mse\": 2.5, \"mae\": 1.5, \"r2\": 0.75, \"epoch\": 2}");
    repo.commit("evaluate the second");
    repo
}

#[test]
fn a_line_for_each_version_of_the_weights() {
    let env = Env::new();
    let repo = repo(&env);
    repo.git(&["tag", "-a", "-m", "x", "house@v1.0.0", "HEAD~2"]).ok();
    repo.git(&["tag", "-a", "-m", "x", "house#prod#1", "HEAD~2"]).ok();
    repo.git(&["tag", "-a", "-m", "x", "house@v1.1.0", "HEAD"]).ok();
    repo.git(&["tag", "-a", "-m", "x", "house#prod#2", "HEAD"]).ok();
    let log = repo.model(&["log"]).ok();
    let lines: Vec<&str> = log.text().lines().collect();
    assert_eq!(lines.len(), 2, "{}", log.text());
    // Metrics that were committed later belong to the version, and tags of later commits do too.
    assert!(lines[0].contains("house@v1.1.0 [prod]  +1 ~1"), "{}", lines[0]);
    assert!(lines[0].ends_with("mse 2.5  mae 1.5  r2 0.75"), "{}", lines[0]);
    assert!(lines[1].contains("house@v1.0.0         +3 "), "{}", lines[1]);
    let id = repo.git(&["rev-parse", "HEAD~3"]).ok().text().trim().to_owned();
    assert!(lines[1].starts_with(&format!("{}  2026-01-02", &id[..10])), "{}", lines[1]);
}

#[test]
fn what_versions_add_to_the_store_is_what_du_says() {
    let env = Env::new();
    let repo = repo(&env);
    let read =
        |args: &[&str]| -> serde_json::Value { serde_json::from_slice(&repo.model(args).ok().stdout).expect("JSON") };
    let (log, du) = (read(&["log", "--json"]), read(&["du", "--json"]));
    let stored: Vec<_> =
        log.as_array().expect("a list").iter().rev().map(|version| version["stored"].clone()).collect();
    let versions = du["models"][0]["versions"].as_array().expect("a list");
    assert_eq!(stored, versions.iter().map(|version| version["stored"].clone()).collect::<Vec<_>>());
    assert_eq!(log[0]["tensors"], serde_json::json!({"added": 1, "changed": 1, "removed": 0}));
    assert_eq!((&log[0]["subject"], &log[0]["metrics"]["r2"]), (&"second".into(), &0.75.into()));
    // From the cache it is the same, and without what was noted there, or with what a crash left of it, too.
    let cache = repo.path(".git/model/cache/metrics");
    assert_eq!(read(&["log", "--json"]), log);
    let bytes = std::fs::read(&cache).expect("a cache");
    for cut in [bytes.len() - 5, bytes.len() / 2, 3, 0] {
        std::fs::write(&cache, &bytes[..cut]).expect("written");
        assert_eq!(read(&["log", "--json"]), log, "cut to {cut}");
    }
    std::fs::remove_file(&cache).expect("removed");
    assert_eq!(read(&["log", "--json"]), log);
}

#[test]
fn notes_are_used_and_do_not_grow() {
    let env = Env::new();
    let repo = repo(&env);
    let cache = repo.path(".git/model/cache/metrics");
    repo.model(&["log"]).ok();
    let len = cache.metadata().expect("a cache").len();
    repo.model(&["log"]).ok();
    repo.model(&["metrics", "plot", "mse"]).ok();
    assert!(cache.metadata().expect("a cache").len() < 2 * len);
    let before = std::fs::read(&cache).expect("a cache");
    repo.model(&["log"]).ok();
    repo.model(&["metrics", "plot", "mse"]).ok();
    assert_eq!(std::fs::read(&cache).expect("a cache"), before);
}

#[test]
fn a_collection_that_encodes_anew_is_noticed() {
    let env = Env::new();
    let repo = repo(&env);
    repo.model(&["log"]).ok();
    repo.model(&["gc", "--aggressive"]).ok();
    let log: serde_json::Value = serde_json::from_slice(&repo.model(&["log", "--json"]).ok().stdout).expect("JSON");
    let du: serde_json::Value = serde_json::from_slice(&repo.model(&["du", "--json"]).ok().stdout).expect("JSON");
    assert_eq!(log[1]["stored"], du["models"][0]["versions"][0]["stored"]);
}

#[test]
fn ranges_counts_and_models() {
    let env = Env::new();
    let repo = repo(&env);
    let count = |args: &[&str]| repo.model(&[&["log"], args].concat()).ok().text().lines().count();
    assert_eq!((count(&["-n", "1"]), count(&["HEAD~2"]), count(&["HEAD~2..HEAD"])), (1, 1, 1));
    repo.write("sub/other.safetensors", &weights(&[5]));
    repo.commit("another model");
    let log = repo.model(&["log"]).ok();
    assert!(log.text().lines().next().is_some_and(|line| line.contains("  other  ")), "{}", log.text());
    assert_eq!(count(&["--model", "other"]), 1);
    // From below, it is the same.
    let mut command = repo.model_command(&["log"]);
    command.current_dir(repo.path("sub"));
    assert_eq!(env.run(command).ok().text(), log.text());
}

#[test]
fn a_version_that_is_gone_and_one_that_git_has_as_it_is() {
    let env = Env::new();
    let repo = repo(&env);
    repo.remove("house.safetensors");
    repo.commit("remove it");
    repo.add_raw("house.safetensors", &weights(&[1]));
    repo.git(&["commit", "-q", "-m", "raw"]).ok();
    let log = repo.model(&["log"]).ok();
    let lines: Vec<&str> = log.text().lines().collect();
    assert!(lines[0].contains("as a whole") && lines[0].contains("  ?"), "{}", lines[0]);
    assert!(lines[1].contains("-4") && lines[1].contains("0 B"), "{}", lines[1]);
}

#[test]
fn says_what_is_lacking() {
    let env = Env::new();
    let repo = env.repo("empty");
    assert!(repo.model(&["log"]).fails_with(1).stderr.contains("there is no commit yet"));
    repo.write("README", b"x");
    repo.commit("no model");
    assert!(repo.model(&["log"]).fails_with(1).stderr.contains("there are no models"));
    assert!(repo.model(&["log", "nowhere"]).fails_with(1).stderr.contains("no such revision or file: `nowhere`"));
}

/// Git fetches blobs when they are asked for.
#[test]
fn in_a_partial_clone() {
    let env = Env::new();
    let repo = repo(&env);
    repo.git(&["config", "uploadpack.allowFilter", "true"]).ok();
    let from = format!("file://{}", repo.dir.display());
    repo.git(&["clone", "-q", "--no-checkout", "--filter=blob:none", &from, "../partial"]).ok();
    let partial = env.at("partial");
    partial.git(&["reset", "-q"]).ok();
    let lines = |repo: &Repo<'_>| repo.model(&["log"]).ok().text().lines().count();
    assert_eq!(lines(&partial), lines(&repo));
}
