//! `git model trust`, and the commands that run after it.

use crate::support::{Env, Repo, model};

const WEIGHTS: &str = "m.safetensors";
const SCRIPT: &str = "echo ran >>ran; printf '{\"mse\": %s}' \"${1:-5}\" >metrics.json; exit ${2:-0}\n";

fn policy(command: &str) -> String {
    format!("[model.house]\nweights = [\"*.safetensors\"]\nmetrics = \"metrics.json\"\nevaluate = {command}\n")
}

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", policy("[\"sh\", \"evaluate.sh\"]").as_bytes());
    repo.write("evaluate.sh", SCRIPT.as_bytes());
    repo.write(WEIGHTS, &model(1));
    repo.commit("start");
    repo
}

#[test]
fn nothing_runs_before_it_is_trusted() {
    let env = Env::new();
    let repo = repo(&env);
    let refused = repo.model(&["eval"]).fails_with(1);
    assert!(refused.stderr.contains("`sh evaluate.sh` is not trusted") && refused.stderr.contains("git model trust"));
    assert_eq!(repo.model(&["trust", "--show"]).ok().text(), "not trusted\thouse\tsh evaluate.sh\n");
    // Nobody can be asked.
    let refused = repo.model(&["trust"]).fails_with(1);
    assert!(refused.stderr.contains("--yes") && refused.stderr.contains("sh evaluate.sh"), "{}", refused.stderr);
    assert!(!repo.path("ran").exists());
    repo.model(&["trust", "--yes"]).ok();
    assert_eq!(repo.model(&["trust", "--show"]).ok().text(), "trusted\thouse\tsh evaluate.sh\n");
    assert_eq!(repo.git(&["config", "--local", "--get-all", "model.trust"]).ok().text().lines().count(), 1);
    repo.model(&["trust", "--yes"]).ok();
    assert_eq!(repo.git(&["config", "--local", "--get-all", "model.trust"]).ok().text().lines().count(), 1);
    repo.model(&["eval"]).ok();
    assert!(repo.path("ran").exists());
    assert!(repo.model(&["eval", "--task", "regression"]).fails_with(2).stderr.contains("<PREDICTIONS>"));
}

#[test]
fn a_changed_command_must_be_trusted_again() {
    let env = Env::new();
    let repo = repo(&env);
    repo.model(&["trust", "--yes"]).ok();
    for changed in ["[\"sh\", \"evaluate.sh\", \"1\"]", "[\"sh evaluate.sh\"]", "[\"sh\", \"-c\", \"evaluate.sh\"]"] {
        repo.write(".gitmodel.toml", policy(changed).as_bytes());
        repo.model(&["eval"]).fails_with(1);
    }
    repo.write(".gitmodel.toml", policy("[\"sh\", \"evaluate.sh\"]").as_bytes());
    repo.model(&["eval"]).ok();
    repo.model(&["trust", "--remove"]).ok();
    repo.model(&["eval"]).fails_with(1);
    assert_eq!(repo.model(&["trust", "--remove"]).ok().code, Some(0));
}

#[test]
fn a_repository_cannot_trust_itself() {
    let env = Env::new();
    let repo = repo(&env);
    repo.model(&["trust", "--yes"]).ok();
    let digest = repo.git(&["config", "--local", "--get", "model.trust"]).ok().text().trim().to_owned();
    repo.model(&["trust", "--remove"]).ok();
    // Settings in a tracked file that the clone's configuration includes.
    repo.write("settings", format!("[model]\n\ttrust = {digest}\n").as_bytes());
    repo.set("include.path", "../settings");
    assert_eq!(repo.git(&["config", "--get", "model.trust"]).ok().text().trim(), digest);
    repo.model(&["eval"]).fails_with(1);
    // Another clone has not been asked.
    repo.git(&["config", "--unset", "include.path"]).ok();
    repo.model(&["trust", "--yes"]).ok();
    env.clone_repo(&["repo", "clone"]).model(&["eval"]).fails_with(1);
}

#[test]
fn an_evaluation_tells_of_which_weights() {
    let env = Env::new();
    let repo = repo(&env);
    repo.model(&["trust", "--yes"]).ok();
    repo.model(&["eval"]).ok();
    let metrics: serde_json::Value = serde_json::from_slice(&repo.read("metrics.json")).expect("JSON");
    let digest = metrics["git-model"]["weights"][WEIGHTS].as_str().expect("a digest");
    assert!(digest.starts_with("sha256:"), "{metrics}");
    // From a folder below, it runs at the top.
    repo.write("sub/x", b"");
    let mut command = repo.model_command(&["eval"]);
    command.current_dir(repo.path("sub"));
    env.run(command).ok();
    assert_eq!(repo.read("ran"), b"ran\nran\n");
    repo.write(".gitmodel.toml", policy("[\"sh\", \"evaluate.sh\", \"1\", \"6\"]").as_bytes());
    repo.model(&["trust", "--yes"]).ok();
    repo.model(&["eval"]).fails_with(6);
    let metrics: serde_json::Value = serde_json::from_slice(&repo.read("metrics.json")).expect("JSON");
    assert!(metrics["git-model"].is_null(), "{metrics}");
}

#[test]
fn without_a_command_it_says_how_to_name_one() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write(".gitmodel.toml", b"[model.house]\nweights = [\"*.safetensors\"]\n");
    assert!(repo.model(&["trust"]).ok().stderr.contains("evaluate = "));
    assert!(repo.model(&["eval"]).fails_with(1).stderr.contains("evaluate = "));
}
