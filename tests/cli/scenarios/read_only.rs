//! Folders that cannot be written to.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Env, Outcome, Repo, git_binary, in_both_modes, is_manifest, model};

/// `git ARGS` as someone whom permission bits bind: root without its capabilities, or the user as they are.
fn bound_git(repo: &Repo<'_>, args: &[&str]) -> Outcome {
    let is_root = rustix::process::geteuid().is_root();
    let mut command: Command = repo.env.command(if is_root { "setpriv".into() } else { git_binary() }, &repo.dir);
    if is_root {
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(git_binary());
    }
    command.args(args);
    repo.env.run(command)
}

fn set_mode(repo: &Repo<'_>, name: &str, mode: u32) {
    std::fs::set_permissions(repo.path(name), PermissionsExt::from_mode(mode)).expect("mode set");
}

#[test]
fn a_file_in_a_folder_made_read_only_keeps_its_manifest_and_is_named() {
    let env = Env::deferred();
    let repo = env.repo("repo");
    for seed in [1, 2] {
        repo.write("dir/m.safetensors", &model(seed));
        repo.commit("version");
    }
    repo.hook("post-checkout", "chmod 555 dir");
    let checkout = bound_git(&repo, &["checkout", "-q", "HEAD~"]).ok();
    assert!(checkout.stderr.contains("warning: `dir/m.safetensors` holds its manifest"), "{}", checkout.stderr);
    assert!(checkout.stderr.contains("git model checkout"), "{}", checkout.stderr);
    assert!(is_manifest(&repo.read("dir/m.safetensors")));
    repo.assert_clean();
    set_mode(&repo, "dir", 0o755);
    repo.model(&["checkout"]).ok();
    repo.assert_holds("dir/m.safetensors", &model(1));
    repo.assert_settled();
}

#[test]
fn a_store_that_cannot_be_written_fails_the_add_and_nothing_else() {
    let env = Env::new();
    let repo = env.repo("repo").versions(1);
    for dir in [".git/model/packs", ".git/model"] {
        set_mode(&repo, dir, 0o555);
    }
    // What is stored already can be read.
    repo.remove("m.safetensors");
    bound_git(&repo, &["checkout", "-q", "."]).ok();
    repo.assert_holds("m.safetensors", &model(1));
    repo.write("m.safetensors", &model(2));
    let add = bound_git(&repo, &["add", "m.safetensors"]).fails_with(128);
    assert!(add.stderr.contains("m.safetensors"), "{}", add.stderr);
    assert!(add.stderr.contains("git model doctor"), "{}", add.stderr);
    repo.assert_holds("m.safetensors", &model(2));
    for dir in [".git/model", ".git/model/packs"] {
        set_mode(&repo, dir, 0o700);
    }
    bound_git(&repo, &["add", "m.safetensors"]).ok();
    repo.commit("second");
    repo.assert_clean();
}

#[test]
fn a_read_only_file_is_added_and_replaced() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("m.safetensors", &model(2));
        set_mode(&repo, "m.safetensors", 0o444);
        bound_git(&repo, &["commit", "-q", "-a", "-m", "second"]).ok();
        bound_git(&repo, &["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}
