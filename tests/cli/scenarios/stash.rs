//! `git stash`: changes go away and come back, staged ones staged, the others not.

use crate::support::{Repo, in_both_modes, model, noise};

fn status(repo: &Repo<'_>) -> String {
    repo.git(&["status", "--porcelain"]).ok().text().to_owned()
}

#[test]
fn an_unstaged_change_comes_back_unstaged() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("m.safetensors", &model(5));
        repo.git(&["stash", "-q"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
        for command in ["apply", "pop"] {
            repo.git(&["checkout", "-q", "-f"]).ok();
            repo.git(&["stash", command, "-q"]).ok();
            repo.assert_holds("m.safetensors", &model(5));
            assert_eq!(status(&repo), " M m.safetensors\n");
            let staged = repo.git(&["diff", "--cached", "--name-only"]).ok();
            assert_eq!(staged.text(), "", "the change was staged");
        }
        assert_eq!(repo.git(&["stash", "list"]).ok().text(), "");
    });
}

#[test]
fn index_and_work_tree_are_kept_apart() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("m.safetensors", &model(5));
        repo.git(&["add", "m.safetensors"]).ok();
        let staged = repo.blob("", "m.safetensors");
        repo.write("m.safetensors", &model(6));
        assert_eq!(status(&repo), "MM m.safetensors\n");
        repo.git(&["stash", "-q"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.git(&["stash", "pop", "-q", "--index"]).ok();
        repo.assert_holds("m.safetensors", &model(6));
        assert_eq!(status(&repo), "MM m.safetensors\n");
        assert!(repo.blob("", "m.safetensors") == staged, "the index holds another version");
    });
}

#[test]
fn keep_index_leaves_the_staged_version() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("m.safetensors", &model(5));
        repo.git(&["add", "m.safetensors"]).ok();
        repo.write("m.safetensors", &model(6));
        repo.git(&["stash", "-q", "--keep-index"]).ok();
        repo.assert_holds("m.safetensors", &model(5));
        assert_eq!(status(&repo), "M  m.safetensors\n");
        repo.git(&["reset", "-q", "--hard"]).ok();
        repo.git(&["stash", "pop", "-q"]).ok();
        repo.assert_holds("m.safetensors", &model(6));
    });
}

#[test]
fn untracked_models_are_stashed_too() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("new/n.bin", &noise(3000, 3));
        repo.write("m.safetensors", &model(5));
        repo.git(&["stash", "-q", "-u"]).ok();
        assert!(!repo.path("new/n.bin").exists());
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
        repo.git(&["stash", "pop", "-q"]).ok();
        repo.assert_holds("new/n.bin", &noise(3000, 3));
        repo.assert_holds("m.safetensors", &model(5));
        assert_eq!(status(&repo), " M m.safetensors\n?? new/\n");
    });
}

#[test]
fn on_another_branch() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("other.bin", &noise(100, 1));
        repo.commit("other");
        repo.write("m.safetensors", &model(5));
        repo.git(&["stash", "-q"]).ok();
        repo.git(&["checkout", "-q", "-b", "side", "HEAD~"]).ok();
        repo.git(&["stash", "pop", "-q"]).ok();
        repo.assert_holds("m.safetensors", &model(5));
        assert_eq!(status(&repo), " M m.safetensors\n");
        repo.git(&["stash", "-q"]).ok();
        repo.git(&["stash", "branch", "third"]).ok();
        repo.assert_holds("m.safetensors", &model(5));
    });
}

#[test]
fn autostash_carries_a_change_across_a_rebase() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.git(&["checkout", "-q", "-b", "side"]).ok();
        repo.write("a.bin", &noise(200, 1));
        repo.commit("side");
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.write("b.bin", &noise(200, 2));
        repo.commit("main");
        repo.git(&["checkout", "-q", "side"]).ok();
        repo.write("m.safetensors", &model(5));
        repo.git(&["rebase", "-q", "--autostash", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(5));
        repo.assert_holds("a.bin", &noise(200, 1));
        repo.assert_holds("b.bin", &noise(200, 2));
        assert_eq!(status(&repo), " M m.safetensors\n");
    });
}
