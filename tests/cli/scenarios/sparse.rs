//! Sparse checkouts hold what they ask for, whole.

use crate::support::{Env, Repo, in_both_modes, model};

fn origin(env: &Env) -> Repo<'_> {
    let repo = env.repo("origin");
    for (at, folder) in ["a", "b", "b/deep", "c"].iter().enumerate() {
        repo.write(&format!("{folder}/m.safetensors"), &model(at as u64));
    }
    repo.write("top.safetensors", &model(9));
    repo.commit("models");
    repo
}

fn assert_there(repo: &Repo<'_>, expected: &[&str]) {
    let all = [("a", 0), ("b", 1), ("b/deep", 2), ("c", 3)];
    for (folder, seed) in all {
        let name = format!("{folder}/m.safetensors");
        if expected.contains(&folder) {
            repo.assert_holds(&name, &model(seed));
        } else {
            assert!(!repo.path(&name).exists(), "{name} is there");
        }
    }
    repo.assert_settled();
}

#[test]
fn by_folders() {
    in_both_modes(|env| {
        origin(env);
        for sparse_index in [false, true] {
            let name = format!("clone-{sparse_index}");
            let clone = env.clone_repo(&["--sparse", "origin", &name]);
            assert_there(&clone, &[]);
            clone.assert_holds("top.safetensors", &model(9));
            let flag = format!("--{}sparse-index", if sparse_index { "" } else { "no-" });
            clone.git(&["sparse-checkout", "set", "--cone", &flag, "a", "b/deep"]).ok();
            assert_there(&clone, &["a", "b", "b/deep"]);
            clone.git(&["sparse-checkout", "set", "c"]).ok();
            assert_there(&clone, &["c"]);
            clone.git(&["sparse-checkout", "add", "b"]).ok();
            assert_there(&clone, &["b", "b/deep", "c"]);
            clone.write("c/m.safetensors", &model(7));
            clone.git(&["commit", "-q", "-a", "-m", "changed"]).ok();
            clone.git(&["checkout", "-q", "HEAD~"]).ok();
            assert_there(&clone, &["b", "b/deep", "c"]);
            clone.git(&["sparse-checkout", "disable"]).ok();
            assert_there(&clone, &["a", "b", "b/deep", "c"]);
        }
    });
}

#[test]
fn by_patterns() {
    in_both_modes(|env| {
        origin(env);
        let clone = env.clone_repo(&["--no-checkout", "origin", "clone"]);
        clone.git(&["sparse-checkout", "set", "--no-cone", "/c/*", "!/b/", "deep"]).ok();
        clone.git(&["checkout", "-q", "main"]).ok();
        assert_there(&clone, &["b/deep", "c"]);
        clone.git(&["sparse-checkout", "set", "--no-cone", "*.safetensors", "!/c/*", "!top.safetensors"]).ok();
        assert_there(&clone, &["a", "b", "b/deep"]);
        assert!(!clone.path("top.safetensors").exists());
    });
}

#[test]
fn what_is_not_checked_out_is_not_materialized() {
    in_both_modes(|env| {
        origin(env);
        let clone = env.clone_repo(&["--sparse", "origin", "clone"]);
        clone.git(&["sparse-checkout", "set", "a"]).ok();
        clone.model(&["checkout"]).ok();
        assert_there(&clone, &["a"]);
        let asked = clone.filtered_paths(&["checkout", "-q", "--", "a"]);
        assert!(asked.is_empty() || !env.is_deferred(), "{asked:?}");
    });
}
