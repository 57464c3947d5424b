//! A server that judges what is pushed to it: `git model install --server`.

use crate::support::{Env, Outcome, Repo, Tensor, noise, safetensors};

const POLICY: &str = r#"
[model.prices]
weights = ["model.safetensors"]
metrics = "metrics.json"

[[gate]]
model = "prices"
metric = "mse"
max = 30
regression = "2%"

[protect]
branches = ["main", "release/*"]
tags = ["prices@v*"]
taggers = ["test@example.org"]
"#;

struct Places<'e> {
    server: Repo<'e>,
    repo: Repo<'e>,
}

/// A server with one version of a model, and a clone of it whose owner has no hooks.
fn places(env: &Env) -> Places<'_> {
    let server = env.root().join("server.git");
    std::fs::create_dir(&server).expect("a folder");
    let server = Repo { env, dir: server };
    server.git(&["init", "-q", "--bare"]).ok();
    server.model(&["install", "--server"]).ok();
    let repo = env.repo("repo");
    repo.git(&["remote", "add", "origin", "../server.git"]).ok();
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    version(&repo, 1, "25");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    Places { server, repo }
}

fn version(repo: &Repo<'_>, seed: u64, mse: &str) {
    let bytes = noise(64, seed);
    let file = safetensors(&[Tensor { name: "a", dtype: "BF16", shape: &[8, 8], bytes: &bytes }]);
    repo.write("model.safetensors", &file);
    repo.write("metrics.json", format!("{{\"mse\": {mse}}}\n").as_bytes());
    repo.commit(&format!("error of {mse}"));
}

#[track_caller]
fn says(outcome: &Outcome, expected: &[&str]) {
    for expected in expected {
        assert!(outcome.stderr.contains(expected), "{expected}\nin:\n{}", outcome.stderr);
    }
}

#[track_caller]
fn tip(repo: &Repo<'_>, name: &str) -> String {
    repo.git(&["rev-parse", name]).ok().text().to_owned()
}

#[test]
fn a_worse_model_does_not_reach_a_protected_branch() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let before = tip(&server, "main");
    version(&repo, 2, "26");
    version(&repo, 3, "24");
    let refused = repo.git(&["push", "-q", "origin", "main"]).fails_with(1);
    says(
        &refused,
        &["refused: commit ", "error of 26: gates: 1 failed", "≤ 25.5  failed", "pre-receive hook declined"],
    );
    assert_eq!(tip(&server, "main"), before);
    // Nothing is asked of other branches, and going there first does not help.
    repo.git(&["push", "-q", "origin", "main:topic"]).ok();
    repo.git(&["push", "-q", "origin", "main"]).fails_with(1);
    repo.git(&["push", "-q", "origin", "main:release/1"]).fails_with(1);
    repo.git(&["reset", "-q", "--hard", "HEAD~2"]).ok();
    version(&repo, 4, "25.5");
    repo.git(&["push", "-q", "origin", "main", "main:release/1"]).ok();
    assert_eq!(tip(&server, "main"), tip(&repo, "main"));
}

#[test]
fn the_policy_is_that_of_the_branch_as_it_was() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    repo.write(".gitmodel.toml", b"# all is good enough\n");
    version(&repo, 2, "99");
    says(&repo.git(&["push", "-q", "origin", "main"]).fails_with(1), &["error of 99: gates: 1 failed"]);
    // Once it is there, it counts.
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]).ok();
    repo.write(
        ".gitmodel.toml",
        POLICY.replace("max = 30", "max = 100").replace("regression = \"2%\"\n", "").as_bytes(),
    );
    repo.commit("lax");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    version(&repo, 2, "99");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    // A policy that cannot be read would stop everybody after it.
    repo.write(".gitmodel.toml", b"[gates]\n");
    repo.commit("broken");
    says(
        &repo.git(&["push", "-q", "origin", "main"]).fails_with(1),
        &["there is no key `gates`; did you mean `gate`?"],
    );
    assert_eq!(tip(&server, "main"), tip(&repo, "main~"));
}

#[test]
fn protected_branches_and_tags_stay() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    repo.git(&["commit", "-q", "--amend", "-m", "other"]).ok();
    says(&repo.git(&["push", "-q", "-f", "origin", "main"]).fails_with(1), &["its history cannot be rewritten"]);
    says(&repo.git(&["push", "-q", "origin", ":main"]).fails_with(1), &["cannot be deleted"]);
    repo.git(&["reset", "-q", "--hard", "origin/main"]).ok();
    repo.git(&["tag", "-a", "-m", "one", "prices@v1.0.0"]).ok();
    repo.git(&["tag", "prices@v1.0.1"]).ok();
    repo.git(&["tag", "anything"]).ok();
    repo.git(&["push", "-q", "origin", "prices@v1.0.0", "anything"]).ok();
    says(&repo.git(&["push", "-q", "origin", "prices@v1.0.1"]).fails_with(1), &["somebody without a name"]);
    repo.git(&["tag", "-f", "-a", "-m", "moved", "prices@v1.0.0"]).ok();
    says(
        &repo.git(&["push", "-q", "-f", "origin", "prices@v1.0.0"]).fails_with(1),
        &["tag prices@v1.0.0: it is protected"],
    );
    says(&repo.git(&["push", "-q", "origin", ":prices@v1.0.0"]).fails_with(1), &["cannot be deleted"]);
    repo.git(&["push", "-q", "origin", ":anything"]).ok();
    // What the server says of who pushes counts more than a tag.
    repo.git(&["tag", "-a", "-m", "two", "prices@v2.0.0"]).ok();
    let mut push = repo.git_command(&["push", "-q", "origin", "prices@v2.0.0"]);
    push.env("REMOTE_USER", "mallory");
    says(&env.run(push).fails_with(1), &["mallory may not make it; `taggers` may: test@example.org"]);
    assert_eq!(server.git(&["tag"]).ok().text(), "prices@v1.0.0\n");
}

/// Merged into an old version, the branch itself is the second parent, and each commit for itself makes nothing worse.
#[test]
fn a_merge_the_other_way_round_brings_nothing_old_back() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let old = tip(&repo, "main");
    version(&repo, 2, "20");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let before = tip(&server, "main");
    repo.git(&["checkout", "-q", "--detach", old.trim()]).ok();
    repo.git(&["merge", "-q", "-s", "ours", "-m", "back", "main"]).ok();
    let refused = repo.git(&["push", "-q", "origin", "HEAD:main"]).fails_with(1);
    says(&refused, &["back: against the branch as it was: gates: 1 failed"]);
    assert_eq!(tip(&server, "main"), before);
    repo.git(&["checkout", "-q", "--detach", old.trim()]).ok();
    repo.git(&["merge", "-q", "--no-ff", "-m", "taken", "main"]).ok();
    repo.git(&["push", "-q", "origin", "HEAD:main"]).ok();
}

/// What another protected branch has was judged by that one's policy, or by none.
#[test]
fn a_branch_that_dropped_its_policy_lets_nothing_into_another() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let before = tip(&server, "main");
    repo.git(&["rm", "-q", ".gitmodel.toml"]).ok();
    repo.git(&["commit", "-q", "-m", "no policy"]).ok();
    repo.git(&["push", "-q", "origin", "main:release/1"]).ok();
    version(&repo, 2, "99");
    repo.git(&["push", "-q", "origin", "main:release/1"]).ok();
    says(&repo.git(&["push", "-q", "origin", "main"]).fails_with(1), &["error of 99: gates: 1 failed"]);
    assert_eq!(tip(&server, "main"), before);
}

/// Replacements of objects are pushed like any ref, and git follows them unless it is told not to.
#[test]
fn replaced_objects_hide_nothing() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let before = tip(&server, "main");
    version(&repo, 2, "99");
    let bad = tip(&repo, "main");
    repo.git(&["push", "-q", "origin", "main:topic"]).ok();
    let tree = format!("{}^{{tree}}", before.trim());
    let made = repo.git(&["commit-tree", "-m", "replaced", "-p", bad.trim(), &tree]).ok();
    let replaced = format!("{}:refs/replace/{}", made.text().trim(), before.trim());
    repo.git(&["push", "-q", "origin", &replaced]).ok();
    says(&repo.git(&["push", "-q", "origin", "main"]).fails_with(1), &["error of 99: gates: 1 failed"]);
    assert_eq!(tip(&server, "main"), before);
}

#[test]
fn a_tag_does_not_stand_for_the_branch_that_a_gate_names() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    repo.write(".gitmodel.toml", POLICY.replace("max = 30", "base = \"main\"\ngoal = \"minimize\"").as_bytes());
    repo.commit("main is the base");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    let before = tip(&server, "main");
    version(&repo, 2, "29");
    repo.git(&["push", "-q", "origin", "HEAD:refs/tags/main"]).ok();
    says(&repo.git(&["push", "-q", "origin", "HEAD:refs/heads/main"]).fails_with(1), &["gates: 1 failed"]);
    assert_eq!(tip(&server, "refs/heads/main"), before);
}

/// A version is an annotated tag, whether it is there already or comes with the push.
#[test]
fn a_version_that_comes_along_counts_if_it_is_annotated() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let policy = format!("{POLICY}\n[model.other]\n[[gate]]\nmodel = \"prices\"\nrequires = \"other@>=1.0\"\n");
    repo.write(".gitmodel.toml", policy.as_bytes());
    repo.git(&["commit", "-q", "-a", "-m", "other"]).ok();
    repo.git(&["push", "-q", "origin", "main"]).ok();
    version(&repo, 2, "24");
    repo.git(&["tag", "other@v1.0.0"]).ok();
    let refused = repo.git(&["push", "-q", "--atomic", "origin", "main", "other@v1.0.0"]).fails_with(1);
    says(&refused, &["this history has no version of other"]);
    repo.git(&["tag", "-f", "-a", "-m", "x", "other@v1.0.0"]).ok();
    repo.git(&["push", "-q", "--atomic", "origin", "main", "other@v1.0.0"]).ok();
    assert_eq!(tip(&server, "main"), tip(&repo, "main"));
}

#[test]
fn what_cannot_be_judged_does_not_go_in() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let before = tip(&server, "main");
    version(&repo, 2, "99");
    server.write("model", b"no folder");
    repo.git(&["push", "-q", "origin", "main"]).fails_with(1);
    std::fs::remove_file(server.path("model")).expect("removed");
    let mut push = repo.git_command(&["push", "-q", "origin", "main"]);
    push.env("TMPDIR", "/nonexistent");
    env.run(push).fails_with(1);
    assert_eq!(tip(&server, "main"), before);
}

/// A server whose `HEAD` names a branch that nobody has is common: `git init --bare` has guessed it.
#[test]
fn a_head_that_leads_nowhere_protects_all_the_same() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    server.git(&["symbolic-ref", "HEAD", "refs/heads/nowhere"]).ok();
    repo.git(&["tag", "-a", "-m", "one", "prices@v1.0.0"]).ok();
    repo.git(&["push", "-q", "origin", "prices@v1.0.0"]).ok();
    says(&repo.git(&["push", "-q", "origin", ":prices@v1.0.0"]).fails_with(1), &["cannot be deleted"]);
    version(&repo, 2, "26");
    repo.git(&["push", "-q", "origin", "main:release/1"]).fails_with(1);
}

#[test]
fn objects_that_have_not_arrived() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    version(&repo, 2, "24");
    let told = repo.git(&["push", "-q", "origin", "main"]).ok();
    says(&told, &["`model.safetensors`: 2 objects that it names have not arrived; this server keeps manifests only"]);
    // With a store of its own, a server wants them.
    std::fs::create_dir_all(server.path("model/packs")).expect("a store");
    version(&repo, 3, "23");
    let refused = repo.git(&["push", "-q", "origin", "main"]).fails_with(1);
    says(&refused, &["error of 23: `model.safetensors`: 2 objects that it names have not arrived"]);
    for pack in std::fs::read_dir(repo.path(".git/model/packs")).expect("packs") {
        let pack = pack.expect("a pack").path();
        std::fs::copy(&pack, server.path("model/packs").join(pack.file_name().expect("a name"))).expect("copied");
    }
    repo.git(&["push", "-q", "origin", "main"]).ok();
    repo.write("model.safetensors", b"");
    repo.add_raw("model.safetensors", b"{\"git-model\":1,\"format\":\"safetensors\"}\n");
    repo.git(&["commit", "-q", "-m", "broken"]).ok();
    says(&repo.git(&["push", "-q", "origin", "main"]).fails_with(1), &["begins as a manifest and is none"]);
}

#[test]
fn the_server_hook_stands_beside_another() {
    let env = Env::new();
    let Places { server, repo } = places(&env);
    let hook = server.path("hooks/pre-receive");
    server.model(&["uninstall", "--local"]).ok();
    assert!(!hook.exists());
    let script = b"#!/bin/sh\ncat >seen\n[ ! -e closed ]\n";
    server.write("hooks/pre-receive", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, mode).expect("executable");
    server.model(&["install", "--server"]).ok();
    server.model(&["install", "--server"]).ok();
    version(&repo, 2, "24");
    repo.git(&["push", "-q", "origin", "main"]).ok();
    assert!(String::from_utf8_lossy(&server.read("seen")).contains(" refs/heads/main\n"));
    server.write("closed", b"");
    version(&repo, 3, "23");
    repo.git(&["push", "-q", "origin", "main"]).fails_with(1);
    server.model(&["uninstall", "--local"]).ok();
    assert_eq!(server.read("hooks/pre-receive"), script);
    let says_so = repo.model(&["install", "--server"]).fails_with(1);
    says(&says_so, &["is no bare repository"]);
}
