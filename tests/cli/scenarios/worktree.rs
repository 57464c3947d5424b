//! Linked work trees share one store.

use crate::support::{Env, Repo, in_both_modes, model, noise, walk};

fn linked<'e>(env: &'e Env, repo: &Repo<'_>, args: &[&str]) -> Repo<'e> {
    repo.git(&[&["worktree", "add", "-q"], args].concat()).ok();
    env.at("linked")
}

#[test]
fn a_new_work_tree_is_whole() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        let linked = linked(env, &repo, &["-b", "side", "../linked", "HEAD~"]);
        linked.assert_holds("m.safetensors", &model(1));
        linked.assert_settled();
        repo.assert_holds("m.safetensors", &model(2));
        linked.git(&["checkout", "-q", "--detach", "main"]).ok();
        linked.assert_holds("m.safetensors", &model(2));
        linked.assert_settled();
    });
}

#[test]
fn what_is_added_in_one_is_known_in_the_other() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        let linked = linked(env, &repo, &["-b", "side", "../linked"]);
        linked.write("sub/new.bin", &noise(900, 3));
        linked.git(&["-C", "sub", "add", "new.bin"]).ok();
        linked.git(&["commit", "-q", "-m", "new"]).ok();
        let mut stores = Vec::new();
        walk(env.root(), &mut |path| {
            let dir = path.parent().expect("a folder");
            if dir.ends_with("model/packs") && !stores.contains(&dir.to_owned()) {
                stores.push(dir.to_owned());
            }
        });
        assert_eq!(stores, [repo.path(".git/model/packs")]);
        repo.git(&["merge", "-q", "side"]).ok();
        repo.assert_holds("sub/new.bin", &noise(900, 3));
        repo.assert_settled();
    });
}

#[test]
fn two_adds_at_once() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        let linked = linked(env, &repo, &["-b", "side", "../linked"]);
        for at in 0..20 {
            // Half of the files are the same on both sides.
            repo.write(&format!("f{at}.bin"), &noise(40_000, at));
            linked.write(&format!("f{at}.bin"), &noise(40_000, if at % 2 == 0 { at } else { at + 100 }));
        }
        let mut children: Vec<_> =
            [&repo, &linked].map(|repo| repo.git_command(&["add", "-A"]).spawn().expect("starts")).into();
        for child in &mut children {
            assert!(child.wait().expect("ends").success());
        }
        repo.git(&["commit", "-q", "-m", "here"]).ok();
        linked.git(&["commit", "-q", "-m", "there"]).ok();
        for at in 0..20 {
            repo.remove(&format!("f{at}.bin"));
            linked.remove(&format!("f{at}.bin"));
        }
        let mut children: Vec<_> =
            [&repo, &linked].map(|repo| repo.git_command(&["checkout", "-q", "."]).spawn().expect("starts")).into();
        for child in &mut children {
            assert!(child.wait().expect("ends").success());
        }
        for at in 0..20 {
            repo.assert_holds(&format!("f{at}.bin"), &noise(40_000, at));
            linked.assert_holds(&format!("f{at}.bin"), &noise(40_000, if at % 2 == 0 { at } else { at + 100 }));
        }
        repo.assert_clean();
        linked.assert_clean();
    });
}

#[test]
fn stash_and_reset_within_a_linked_work_tree() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        let linked = linked(env, &repo, &["-b", "side", "../linked"]);
        linked.write("m.safetensors", &model(7));
        linked.git(&["stash", "-q"]).ok();
        linked.assert_holds("m.safetensors", &model(2));
        linked.git(&["stash", "pop", "-q"]).ok();
        linked.assert_holds("m.safetensors", &model(7));
        linked.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
        linked.assert_holds("m.safetensors", &model(1));
        linked.assert_settled();
        repo.assert_clean();
    });
}

#[test]
fn of_a_bare_repository() {
    in_both_modes(|env| {
        env.repo("repo").versions(2);
        let bare = env.clone_repo(&["--bare", "repo", "bare.git"]);
        let linked = linked(env, &bare, &["../linked", "main"]);
        linked.assert_holds("m.safetensors", &model(2));
        linked.assert_settled();
        linked.write("m.safetensors", &model(3));
        linked.commit("third");
        linked.git(&["checkout", "-q", "HEAD~2"]).ok();
        linked.assert_holds("m.safetensors", &model(1));
        linked.assert_settled();
        assert!(bare.path("model/packs").is_dir());
    });
}

#[test]
fn moved_and_removed() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        let linked = linked(env, &repo, &["--detach", "../linked"]);
        linked.git(&["worktree", "move", ".", "../moved"]).ok();
        let moved = env.at("moved");
        moved.git(&["checkout", "-q", "HEAD~"]).ok();
        moved.assert_holds("m.safetensors", &model(1));
        moved.assert_settled();
        repo.git(&["worktree", "remove", "../moved"]).ok();
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}
