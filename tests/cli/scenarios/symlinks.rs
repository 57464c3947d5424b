//! Links: never written through, never taken for models; and what happens to a file between git's writing and ours.

use std::os::unix::fs::symlink;

use crate::support::{Env, Repo, in_both_modes, is_manifest, model, noise};

/// A repository whose checkout of `main~` is disturbed by a script before files are materialized.
fn disturbed<'e>(env: &'e Env, script: &str) -> Repo<'e> {
    let repo = env.repo("repo");
    for seed in [1, 2] {
        repo.write("dir/m.safetensors", &model(seed));
        repo.commit("version");
    }
    repo.hook("post-checkout", script);
    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    repo
}

#[test]
fn a_folder_that_became_a_link_is_not_followed() {
    let env = Env::deferred();
    std::fs::create_dir(env.root().join("outside")).expect("a folder");
    let repo = disturbed(&env, "cp dir/m.safetensors ../outside/; rm -r dir; ln -s ../outside dir");
    assert!(repo.path("dir").is_symlink());
    assert!(is_manifest(&repo.read("../outside/m.safetensors")), "written through a link");
}

#[test]
fn a_file_that_became_a_link_is_not_followed() {
    let env = Env::deferred();
    let repo = disturbed(&env, "mv dir/m.safetensors ../outside; ln -s ../../outside dir/m.safetensors");
    assert!(repo.path("dir/m.safetensors").is_symlink(), "the link was replaced");
    assert!(is_manifest(&repo.read("../outside")), "written through a link");
}

#[test]
fn what_a_user_writes_meanwhile_stays() {
    let env = Env::deferred();
    let repo = disturbed(&env, "echo mine > dir/m.safetensors");
    repo.assert_holds("dir/m.safetensors", b"mine\n");
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M dir/m.safetensors\n");
}

#[test]
fn what_a_user_appends_meanwhile_stays() {
    let env = Env::deferred();
    let repo = disturbed(&env, "echo mine >> dir/m.safetensors");
    assert!(repo.read("dir/m.safetensors").ends_with(b"mine\n"));
}

#[test]
fn what_a_user_removes_meanwhile_is_not_brought_back() {
    let env = Env::deferred();
    let repo = disturbed(&env, "rm -r dir");
    assert!(!repo.path("dir").exists());
    let repo_with_folder = env.at("repo");
    repo_with_folder.hook("post-checkout", "rm dir/m.safetensors; mkdir dir/m.safetensors");
    repo.git(&["checkout", "-q", "-f", "main"]).ok();
    assert!(repo.path("dir/m.safetensors").is_dir());
}

#[test]
fn what_became_a_pipe_is_not_waited_for() {
    let env = Env::deferred();
    let repo = disturbed(&env, "rm dir/m.safetensors; mkfifo dir/m.safetensors");
    assert!(std::fs::metadata(repo.path("dir/m.safetensors")).is_ok_and(|metadata| !metadata.is_file()));
}

#[test]
fn another_name_of_the_same_file_keeps_the_manifest() {
    let env = Env::deferred();
    let repo = disturbed(&env, "ln dir/m.safetensors ../other-name");
    repo.assert_holds("dir/m.safetensors", &model(1));
    assert!(is_manifest(&repo.read("../other-name")), "the file was changed in place");
    repo.assert_settled();
}

#[test]
fn links_are_stored_as_links() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        symlink("m.safetensors", repo.path("link.safetensors")).expect("a link");
        symlink("nowhere", repo.path("broken.bin")).expect("a link");
        repo.commit("links");
        assert_eq!(repo.blob("HEAD", "link.safetensors"), b"m.safetensors");
        let clone = env.clone_repo(&["repo", "clone"]);
        assert!(clone.path("link.safetensors").is_symlink());
        clone.assert_holds("link.safetensors", &model(1));
        clone.assert_settled();

        let plain = env.clone_repo(&["-c", "core.symlinks=false", "repo", "plain"]);
        plain.assert_holds("link.safetensors", b"m.safetensors");
        plain.assert_holds("broken.bin", b"nowhere");
        plain.assert_holds("m.safetensors", &model(1));
    });
}

#[test]
fn a_work_tree_below_a_link() {
    in_both_modes(|env| {
        env.repo("real").versions(2);
        symlink("real", env.root().join("link")).expect("a link");
        let repo = env.at("link");
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}

#[test]
fn a_model_becomes_a_link_and_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write("a.bin", &noise(800, 1));
        repo.write("b.bin", &noise(800, 2));
        repo.commit("files");
        repo.remove("b.bin");
        symlink("a.bin", repo.path("b.bin")).expect("a link");
        repo.commit("link");
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("b.bin", &noise(800, 2));
        assert!(!repo.path("b.bin").is_symlink());
        repo.assert_settled();
        repo.git(&["checkout", "-q", "main"]).ok();
        assert!(repo.path("b.bin").is_symlink());
        repo.assert_holds("a.bin", &noise(800, 1));
        repo.assert_settled();
    });
}
