//! Parameter files, merged key by key through real git.

use crate::support::{Env, Repo};

/// `main` with `ours` and `side` with `theirs`, both from `base`; `main` is checked out.
fn branches<'e>(env: &'e Env, file: &str, base: &str, ours: &str, theirs: &str) -> Repo<'e> {
    let repo = env.repo("repo");
    repo.model(&["install", "--local", "--no-hooks"]).ok();
    repo.write(".gitattributes", b"params.* merge=model-params\nmetrics.* merge=model-params\n");
    repo.write(file, base.as_bytes());
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write(file, theirs.as_bytes());
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(file, ours.as_bytes());
    repo.commit("ours");
    repo
}

#[test]
fn neighbouring_keys_are_no_conflict() {
    let env = Env::bare();
    let base = "# the schedule\nlr: 1e-4  # peak\nwarmup: 100\nepochs: 3\n";
    let ours = "# the schedule\nlr: 0.0001  # peak\nwarmup: 200\nepochs: 3\n";
    let theirs = "# the schedule\nlr: 3e-4  # peak\nwarmup: 100\nepochs: 5\n";
    let repo = branches(&env, "params.yaml", base, ours, theirs);
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    let merged = String::from_utf8(repo.read("params.yaml")).expect("text");
    assert_eq!(merged, "# the schedule\nlr: 3e-4  # peak\nwarmup: 200\nepochs: 5\n");
}

#[test]
fn a_key_changed_both_ways_has_markers_around_it() {
    let env = Env::bare();
    let json = |lr: &str, loss: &str| format!("{{\n  \"lr\": {lr},\n  \"loss\": {loss},\n  \"steps\": 10\n}}\n");
    let repo = branches(&env, "metrics.json", &json("1", "9.0"), &json("1", "2.5"), &json("2", "3.5"));
    let merge = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    assert!(merge.stderr.contains("both sides have changed `loss`"), "{}", merge.stderr);
    let merged = String::from_utf8(repo.read("metrics.json")).expect("text");
    let (start, end) = (merged.find("<<<<<<<").expect("a marker"), merged.find(">>>>>>>").expect("a marker"));
    assert!(merged[start..end].contains("2.5") && merged[start..end].contains("3.5"), "{merged}");
    assert!(merged[..start].contains("\"lr\": 2"), "{merged}");
    assert!(merged[end..].contains("\"steps\": 10"), "{merged}");
}

#[test]
fn coupled_keys_from_different_sides_are_mentioned() {
    let env = Env::bare();
    let toml = |lr: &str, batch: u32| format!("learning_rate = {lr}\nbatch_size = {batch}\n");
    let repo = branches(&env, "params.toml", &toml("1e-4", 32), &toml("2e-4", 32), &toml("1e-4", 64));
    let merge = repo.git(&["merge", "--no-edit", "side"]).ok();
    assert!(merge.stderr.contains("learning_rate") && merge.stderr.contains("batch_size"), "{}", merge.stderr);
    assert_eq!(String::from_utf8(repo.read("params.toml")).expect("text"), toml("2e-4", 64));
}

#[test]
fn what_cannot_be_read_is_merged_by_line() {
    let env = Env::bare();
    let text = |first: &str, last: &str| format!("{{ {first}\n1\n2\n3\n4\n5\n{last}\n");
    let repo = branches(&env, "params.json", &text("a", "b"), &text("A", "b"), &text("a", "B"));
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    assert_eq!(String::from_utf8(repo.read("params.json")).expect("text"), text("A", "B"));
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.write("params.json", text("X", "b").as_bytes());
    repo.commit("another");
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.write("params.json", text("Y", "B").as_bytes());
    repo.commit("another");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let merged = String::from_utf8(repo.read("params.json")).expect("text");
    assert!(merged.contains("<<<<<<< HEAD") || merged.contains("<<<<<<< ours"), "{merged}");
}
