//! `git model check`, and the same gates before a commit and a merge.

use crate::support::{Env, Outcome, Repo, Tensor, noise, safetensors};

const POLICY: &str = r#"
[model.prices]
weights = ["model.safetensors"]
metrics = "metrics.json"

[[gate]]
model = "prices"
metric = "test.mse"
goal = "minimize"
max = 30.0
regression = "2%"
"#;

pub fn weights(seed: u64) -> Vec<u8> {
    let bytes = noise(64, seed);
    let tensor = |name| Tensor { name, dtype: "BF16", shape: &[8, 8], bytes: &bytes };
    safetensors(&[tensor("a.weight"), tensor("b.weight")])
}

fn metrics(mse: &str) -> String {
    format!("{{\"test\": {{\"mse\": {mse}}}}}\n")
}

/// A repository with hooks, a policy, and a model whose error is 25.
fn gated(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    version(&repo, 1, "25.0");
    repo.commit("first");
    repo
}

/// Writes and adds a version of the model.
fn version(repo: &Repo<'_>, seed: u64, mse: &str) {
    repo.write("model.safetensors", &weights(seed));
    repo.write("metrics.json", metrics(mse).as_bytes());
    repo.git(&["add", "."]).ok();
}

#[track_caller]
fn says(outcome: &Outcome, expected: &[&str]) {
    let said = format!("{}{}", outcome.text(), outcome.stderr);
    // How wide the columns of a table are does not matter.
    let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let said = lines.collect::<Vec<_>>().join("\n");
    for expected in expected {
        assert!(said.contains(expected), "{expected}\nin:\n{said}");
    }
}

#[test]
fn a_worse_model_is_refused_and_a_better_one_goes_in() {
    let env = Env::new();
    let repo = gated(&env);
    version(&repo, 2, "26.0");
    let refused = repo.git(&["commit", "-q", "-m", "worse"]).fails_with(1);
    says(
        &refused,
        &[
            "model metric base now change limit verdict\n",
            "prices test.mse 25 26 +1 (+4.0 %) ≤ 25.5 failed\n",
            "gates: 1 failed",
            "git model check",
            "--no-verify",
        ],
    );
    let judged = repo.model(&["check"]).fails_with(1);
    assert!(judged.text().contains("≤ 25.5  failed"), "{}", judged.text());
    version(&repo, 3, "25.5");
    says(&repo.git(&["commit", "-m", "as good"]).ok(), &["gates: 1 passed"]);
    repo.model(&["check", "HEAD"]).ok();
    repo.model(&["check", "HEAD", "--base", "HEAD~"]).ok();
    version(&repo, 4, "20");
    repo.git(&["commit", "-q", "-m", "better"]).ok();
    // Twenty and two percent are allowed now.
    version(&repo, 5, "25.0");
    repo.git(&["commit", "-q", "-m", "worse"]).fails_with(1);
    repo.git(&["commit", "-q", "-m", "worse", "--no-verify"]).ok();
    says(&repo.model(&["check", "HEAD"]).fails_with(1), &["20 (", "≤ 20.4"]);
}

#[test]
fn the_index_counts_and_not_the_work_tree() {
    let env = Env::new();
    let repo = gated(&env);
    version(&repo, 2, "24");
    repo.write("metrics.json", metrics("99").as_bytes());
    repo.git(&["commit", "-q", "-m", "staged"]).ok();
    // With -a, and with paths, git commits from another index.
    repo.git(&["commit", "-q", "-a", "-m", "all"]).fails_with(1);
    repo.git(&["commit", "-q", "-m", "part", "--", "metrics.json"]).fails_with(1);
    repo.write("README", b"nothing to do with it\n");
    repo.git(&["add", "README"]).ok();
    repo.git(&["commit", "-q", "-m", "readme"]).ok();
    assert!(repo.blob("HEAD", "metrics.json").starts_with(b"{\"test\": {\"mse\": 24"));
}

#[test]
fn what_cannot_be_judged_is_told() {
    let env = Env::new();
    let repo = gated(&env);
    for (text, expected) in [
        ("{\"test\": {\"mse\": \"low\"}}", "not judged: it is text, no number"),
        ("{\"test\": {\"mes\": 1}}", "the metrics file has no `test.mse`; did you mean `test.mes`?"),
        ("{\"test\": {", "`metrics.json` cannot be read: line 1: no JSON"),
        ("", "the metrics file has no `test.mse`"),
    ] {
        repo.write("metrics.json", text.as_bytes());
        repo.git(&["add", "."]).ok();
        says(&repo.model(&["check"]).fails_with(2), &[expected]);
        says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &[expected, "gates: 1 not judged"]);
    }
    for text in ["{\"test\": {\"mse\": NaN}}", "{\"test\": {\"mse\": -Infinity}}"] {
        repo.write("metrics.json", text.as_bytes());
        repo.git(&["add", "."]).ok();
        says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &["failed: it is no finite number"]);
    }
    repo.git(&["rm", "-q", "-f", "metrics.json"]).ok();
    says(&repo.model(&["check"]).fails_with(2), &["there is no `metrics.json` in the index; `git add metrics.json`"]);
    repo.write(".gitmodel.toml", format!("{POLICY}on_missing = \"warn\"\n").as_bytes());
    repo.git(&["add", "."]).ok();
    says(&repo.git(&["commit", "-q", "-m", "warned"]).ok(), &["warning: there is no `metrics.json`"]);
}

#[test]
fn a_long_metrics_file_is_not_read() {
    let env = Env::new();
    let repo = gated(&env);
    let mut long = b"{\"x\": \"".to_vec();
    long.resize(17 << 20, b'x');
    long.extend_from_slice(b"\"}");
    repo.write("metrics.json", &long);
    repo.git(&["add", "."]).ok();
    says(&repo.model(&["check"]).fails_with(2), &["it has 17.8 MB, and at most 16.8 MB are read"]);
}

#[test]
fn a_policy_with_a_mistake_stops_commits_and_says_where() {
    let env = Env::new();
    let repo = gated(&env);
    repo.write(".gitmodel.toml", POLICY.replace("regression", "regresion").as_bytes());
    repo.git(&["add", "."]).ok();
    let expected = ["`.gitmodel.toml`: line 11: there is no key `regresion` in `[[gate]]`; did you mean `regression`?"];
    says(&repo.model(&["check"]).fails_with(2), &expected);
    says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &expected);
    repo.write(".gitmodel.toml", POLICY.replace("regression", "base = \"nowhere\"\nregression").as_bytes());
    repo.git(&["add", "."]).ok();
    let expected = ["there is no revision `nowhere` to compare with (`.gitmodel.toml`, line 6)"];
    says(&repo.model(&["check"]).fails_with(2), &expected);
    says(&repo.model(&["check", "--base", "nobody"]).fails_with(2), &["no revision `nobody` to compare with"]);
}

#[test]
fn an_unborn_branch_and_a_detached_head() {
    let env = Env::new();
    let repo = env.repo("repo");
    says(&repo.model(&["check"]).ok(), &["no gates: describe them in `.gitmodel.toml`"]);
    repo.model(&["install", "--local"]).ok();
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    // A policy may come before the model that it is about.
    repo.git(&["add", ".gitmodel.toml"]).ok();
    says(&repo.model(&["check"]).ok(), &["skipped: there are no metrics yet"]);
    version(&repo, 1, "31");
    says(&repo.git(&["commit", "-q", "-m", "first"]).fails_with(1), &["≤ 30 failed"]);
    version(&repo, 1, "29");
    repo.git(&["commit", "-q", "-m", "first"]).ok();
    repo.git(&["checkout", "-q", "--detach"]).ok();
    version(&repo, 2, "29.9");
    repo.git(&["commit", "-q", "-m", "worse"]).fails_with(1);
    version(&repo, 2, "28");
    repo.git(&["commit", "-q", "-m", "better"]).ok();
}

#[test]
fn a_merge_that_makes_the_model_worse_is_refused() {
    let env = Env::new();
    let repo = gated(&env);
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    version(&repo, 2, "25.4");
    repo.git(&["commit", "-q", "-m", "a little worse"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("notes", b"notes\n");
    repo.commit("notes");
    repo.write(".gitmodel.toml", POLICY.replace("2%", "0%").as_bytes());
    repo.commit("strict");
    let refused = repo.git(&["merge", "-q", "side"]);
    assert_ne!(refused.code, Some(0));
    says(&refused, &["25.4", "≤ 25 failed", "git merge --no-verify"]);
    // The merge is there to be finished with another model.
    version(&repo, 3, "24");
    repo.git(&["commit", "-q", "-m", "merged"]).ok();
    says(&repo.git(&["log", "-1", "--format=%p"]).ok(), &[" "]);
    // Against the better parent, what the merged-into branch allows is not enough.
    repo.write(".gitmodel.toml", POLICY.replace("regression = \"2%\"", "regression = 1\nbase = \"better\"").as_bytes());
    repo.commit("better");
    repo.git(&["checkout", "-q", "-b", "good"]).ok();
    version(&repo, 4, "10");
    repo.git(&["commit", "-q", "-m", "good"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("notes", b"more notes\n");
    repo.commit("notes");
    repo.git(&["merge", "-q", "--no-commit", "good"]).ok();
    version(&repo, 5, "20");
    says(&repo.git(&["commit", "-q", "-m", "merged"]).fails_with(1), &["≤ 11 failed"]);
    version(&repo, 5, "11");
    repo.git(&["commit", "-q", "-m", "merged"]).ok();
    says(&repo.model(&["check", "HEAD"]).ok(), &["10 ("]);
}

#[test]
fn only_a_file_has_metrics() {
    let env = Env::new();
    let repo = gated(&env);
    std::fs::remove_file(repo.path("metrics.json")).expect("removed");
    std::os::unix::fs::symlink("{\"test\": {\"mse\": 1}}", repo.path("metrics.json")).expect("a link");
    repo.git(&["add", "-A"]).ok();
    says(&repo.model(&["check"]).fails_with(2), &["not judged: there is no `metrics.json` in the index"]);
    repo.git(&["commit", "-q", "-m", "x"]).fails_with(1);
    // Without metrics, weights that are there are no model that is still to come.
    repo.git(&["rm", "-q", "-f", "metrics.json"]).ok();
    repo.git(&["commit", "-q", "-m", "x", "--no-verify"]).ok();
    says(&repo.model(&["check"]).fails_with(2), &["not judged"]);
    repo.model(&["check", "HEAD"]).fails_with(2);
}

/// What was kept is as it was on this side, and worse than on the other.
#[test]
fn a_merge_that_keeps_the_worse_side_is_held_against_the_better() {
    let env = Env::new();
    let repo = gated(&env);
    repo.write(".gitmodel.toml", POLICY.replace("regression", "base = \"better\"\nregression").as_bytes());
    repo.commit("better");
    repo.git(&["checkout", "-q", "-b", "good"]).ok();
    version(&repo, 2, "20");
    repo.git(&["commit", "-q", "-m", "good"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--no-commit", "-s", "ours", "good"]).ok();
    says(&repo.git(&["commit", "-q", "-m", "kept"]).fails_with(1), &["≤ 20.4 failed"]);
}

#[test]
fn weights_without_new_metrics_are_mentioned_and_refused_where_they_must_be_fresh() {
    let env = Env::new();
    let repo = gated(&env);
    repo.write("model.safetensors", &weights(2));
    repo.git(&["add", "."]).ok();
    let warned = repo.git(&["commit", "-q", "-m", "unmeasured"]).ok();
    says(&warned, &["warning: model `prices`: `model.safetensors` has changed and the metrics have not"]);
    repo.write(".gitmodel.toml", format!("{POLICY}fresh = true\n").as_bytes());
    repo.commit("strict");
    repo.write("model.safetensors", &weights(3));
    repo.git(&["add", "."]).ok();
    says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &["failed: `model.safetensors` has changed"]);
    version(&repo, 3, "24.9");
    let unknown = "failed: the metrics file does not say which weights it was computed from";
    says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &[unknown]);
    let record = |digest: &str| {
        format!(
            "{{\"test\": {{\"mse\": 24}}, \"git-model\": {{\"weights\": {{\"model.safetensors\": \"{digest}\"}}}}}}\n"
        )
    };
    repo.write("metrics.json", record(&format!("sha256:{}", "0".repeat(64))).as_bytes());
    repo.git(&["add", "."]).ok();
    let stale = "the metrics are of another version of `model.safetensors`";
    says(&repo.git(&["commit", "-q", "-m", "x"]).fails_with(1), &[stale]);
    let digest = crate::support::sha256(&repo.blob("", "model.safetensors"));
    repo.write("metrics.json", record(&format!("sha256:{digest}")).as_bytes());
    repo.git(&["add", "."]).ok();
    repo.git(&["commit", "-q", "-m", "fresh"]).ok();
}

#[test]
fn models_that_move_together() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    let policy = "[model.retriever]\nweights = \"retriever.safetensors\"\n[model.ranker]\nweights = \"ranker.safetensors\"\n\
                  [[gate]]\nmodels = [\"retriever\", \"ranker\"]\n\
                  [[gate]]\nmodel = \"ranker\"\nrequires = \"retriever@>=1.2\"\n";
    repo.write(".gitmodel.toml", policy.as_bytes());
    repo.write("retriever.safetensors", &weights(1));
    repo.write("ranker.safetensors", &weights(2));
    repo.git(&["add", "."]).ok();
    let refused = repo.git(&["commit", "-q", "-m", "first"]).fails_with(1);
    says(&refused, &["this history has no version of retriever", ">=1.2", "gates: 1 failed, 1 passed"]);
    repo.git(&["commit", "-q", "-m", "first", "--no-verify"]).ok();
    repo.git(&["tag", "-a", "-m", "x", "retriever@v1.1.0"]).ok();
    repo.write("ranker.safetensors", &weights(3));
    repo.git(&["add", "."]).ok();
    let refused = repo.git(&["commit", "-q", "-m", "alone"]).fails_with(1);
    says(&refused, &["ranker changed and retriever did not", "the latest in this history is retriever@v1.1.0"]);
    repo.git(&["tag", "-a", "-m", "x", "retriever@v1.2.3"]).ok();
    repo.write("retriever.safetensors", &weights(4));
    repo.git(&["add", "."]).ok();
    repo.git(&["commit", "-q", "-m", "both"]).ok();
}

#[test]
fn for_reviews_and_programs() {
    let env = Env::new();
    let repo = gated(&env);
    version(&repo, 2, "NaN");
    let markdown = repo.model(&["check", "--md"]).fails_with(1);
    says(
        &markdown,
        &["**Gates: 1 failed**", "| prices | test.mse | 25 | NaN | – | ≤ 25.5 | failed: it is no finite number |"],
    );
    let json = repo.model(&["check", "--json"]).fails_with(1);
    let json: serde_json::Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!((&json["passed"], &json["gates"][0]["value"]), (&false.into(), &"NaN".into()));
    assert_eq!((&json["gates"][0]["base_value"], &json["gates"][0]["verdict"]), (&25.0.into(), &"failed".into()));
    repo.model(&["check", "nothing"]).fails_with(2);
}

#[test]
fn tensors_that_died_or_are_gone_and_raw_weights_are_mentioned() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    let noise = noise(64, 1);
    let zeros = vec![0; 128];
    let ones = [0x80, 0x3f].repeat(64);
    let tensor = |name, bytes| Tensor { name, dtype: "BF16", shape: &[8, 8], bytes };
    repo.write("m.safetensors", &safetensors(&["a", "b", "c", "d"].map(|name| tensor(name, &noise))));
    repo.commit("first");
    repo.write("m.safetensors", &safetensors(&[tensor("a", &zeros), tensor("b", &ones), tensor("d", &noise)]));
    let mut raw = weights(1);
    raw.resize(2 << 20, 0);
    repo.write("raw/pytorch_model.bin.gguf", &raw);
    repo.write("raw/.gitattributes", b"*.gguf -filter\n");
    repo.write("large.dat", &raw);
    repo.git(&["add", "."]).ok();
    let mentioned = repo.git(&["commit", "-q", "-m", "second"]).ok();
    says(
        &mentioned,
        &[
            "warning: m.safetensors: a: all zero, and was not before",
            "warning: m.safetensors: b: 1 in all elements, and was not before",
            "warning: raw/pytorch_model.bin.gguf: 2.1 MB of weights that git would keep as they are; `git model track '*.gguf'`",
        ],
    );
    assert!(!mentioned.stderr.contains("large.dat") && !mentioned.stderr.contains(": d:"), "{}", mentioned.stderr);
    repo.write("m.safetensors", &safetensors(&[tensor("a", &zeros)]));
    repo.git(&["add", "."]).ok();
    let mentioned = repo.git(&["commit", "-q", "-m", "third"]).ok();
    says(&mentioned, &["warning: m.safetensors: b: was there before and is gone"]);
    assert!(!mentioned.stderr.contains(": a:"), "{}", mentioned.stderr);
}
