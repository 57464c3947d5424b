//! Merges in which the model needs no merging: changed on one side, or on neither.

use crate::support::{Env, Repo, in_both_modes, model, noise};

fn branch(repo: &Repo<'_>, name: &str, file: &str, bytes: &[u8]) {
    repo.git(&["checkout", "-q", "-B", name, "main"]).ok();
    repo.write(file, bytes);
    repo.commit(name);
}

fn base(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo").versions(1);
    repo.write("notes.txt", b"first\n");
    repo.commit("notes");
    repo
}

#[test]
fn changed_on_neither_side() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "ours", "ours.txt", b"ours");
        branch(&repo, "theirs", "theirs.txt", b"theirs");
        repo.git(&["checkout", "-q", "ours"]).ok();
        repo.git(&["merge", "-q", "--no-edit", "theirs"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}

#[test]
fn changed_on_one_side() {
    in_both_modes(|env| {
        for (changed, strategy) in [("ours", "ort"), ("theirs", "ort"), ("theirs", "recursive"), ("theirs", "resolve")]
        {
            let repo = env.repo(&format!("{changed}-{strategy}")).versions(1);
            let other = if changed == "ours" { "theirs" } else { "ours" };
            branch(&repo, changed, "m.safetensors", &model(2));
            branch(&repo, other, "other.bin", &noise(400, 3));
            repo.git(&["checkout", "-q", "ours"]).ok();
            repo.git(&["merge", "-q", "--no-edit", "-s", strategy, "theirs"]).ok();
            repo.assert_holds("m.safetensors", &model(2));
            repo.assert_holds("other.bin", &noise(400, 3));
            repo.assert_settled();
        }
    });
}

#[test]
fn fast_forward() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "next", "m.safetensors", &model(2));
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.git(&["merge", "-q", "--ff-only", "next"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
    });
}

#[test]
fn the_same_change_on_both_sides() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "ours", "m.safetensors", &model(2));
        branch(&repo, "theirs", "m.safetensors", &model(2));
        repo.write("theirs.txt", b"theirs");
        repo.commit("more");
        repo.git(&["checkout", "-q", "ours"]).ok();
        repo.git(&["merge", "-q", "--no-edit", "theirs"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
    });
}

#[test]
fn renamed_on_one_side_changed_on_the_other() {
    in_both_modes(|env| {
        let repo = base(env);
        repo.git(&["checkout", "-q", "-b", "ours"]).ok();
        repo.git(&["mv", "m.safetensors", "renamed.safetensors"]).ok();
        repo.commit("rename");
        branch(&repo, "theirs", "notes.txt", b"second\n");
        repo.git(&["checkout", "-q", "ours"]).ok();
        repo.git(&["merge", "-q", "--no-edit", "theirs"]).ok();
        repo.assert_holds("renamed.safetensors", &model(1));
        assert!(!repo.path("m.safetensors").exists());
        repo.assert_settled();
    });
}

#[test]
fn added_on_one_side_deleted_on_the_other() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "ours", "new.bin", &noise(400, 3));
        repo.git(&["checkout", "-q", "-B", "theirs", "main"]).ok();
        repo.git(&["rm", "-q", "m.safetensors"]).ok();
        repo.git(&["commit", "-q", "-m", "delete"]).ok();
        repo.git(&["checkout", "-q", "ours"]).ok();
        repo.git(&["merge", "-q", "--no-edit", "theirs"]).ok();
        repo.assert_holds("new.bin", &noise(400, 3));
        assert!(!repo.path("m.safetensors").exists());
        repo.assert_settled();
    });
}

#[test]
fn an_aborted_merge_brings_the_old_version_back() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "theirs", "m.safetensors", &model(2));
        repo.write("notes.txt", b"theirs\n");
        repo.commit("notes of theirs");
        branch(&repo, "ours", "notes.txt", b"ours\n");
        repo.git(&["merge", "-q", "--no-edit", "theirs"]).fails_with(1);
        repo.assert_holds("m.safetensors", &model(2));
        repo.git(&["merge", "--abort"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
        repo.git(&["merge", "-q", "--no-edit", "-X", "ours", "theirs"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
    });
}

#[test]
fn a_squash_leaves_the_change_staged() {
    in_both_modes(|env| {
        let repo = base(env);
        branch(&repo, "theirs", "m.safetensors", &model(2));
        branch(&repo, "ours", "notes.txt", b"ours\n");
        repo.git(&["merge", "-q", "--squash", "theirs"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "M  m.safetensors\n");
    });
}

/// A repository in the middle of a conflict: `main` and `side` have changed one tensor each in their own way.
fn in_conflict(env: &Env) -> Repo<'_> {
    env.configure("merge.model.driver", "git-model merge-driver %O %A %B %L %P");
    env.configure("merge.model.recursive", "model");
    let repo = env.repo("repo").versions(1);
    branch(&repo, "side", "m.safetensors", &model(2));
    branch(&repo, "ours", "m.safetensors", &model(3));
    repo
}

fn conflicting_stages(repo: &Repo<'_>) -> usize {
    repo.git(&["ls-files", "-u"]).ok().text().lines().count()
}

#[test]
fn a_conflict_stays_one_until_the_user_resolves_it() {
    in_both_modes(|env| {
        let repo = in_conflict(env);
        repo.git(&["merge", "-q", "--no-edit", "side"]).fails_with(1);
        assert_eq!(conflicting_stages(&repo), 3);
        repo.assert_holds("m.safetensors", &model(3));
        for (side, seed) in [("--theirs", 2), ("--ours", 3), ("--theirs", 2)] {
            repo.git(&["checkout", side, "m.safetensors"]).ok();
            repo.assert_holds("m.safetensors", &model(seed));
            assert_eq!(conflicting_stages(&repo), 3, "{side}");
        }
        repo.git(&["commit", "-q", "-m", "too early"]).fails_with(128);
        repo.git(&["add", "m.safetensors"]).ok();
        repo.git(&["commit", "-q", "-m", "theirs"]).ok();
        assert!(repo.blob("HEAD", "m.safetensors") == repo.blob("side", "m.safetensors"));
        repo.assert_settled();
    });
}

#[test]
fn a_rebase_in_conflict_does_not_go_on() {
    in_both_modes(|env| {
        let repo = in_conflict(env);
        repo.git(&["rebase", "-q", "side"]).fails_with(1);
        assert_eq!(conflicting_stages(&repo), 3);
        repo.git_with(&[("GIT_EDITOR", "true")], &["rebase", "--continue"]).fails_with(1);
        repo.git(&["checkout", "--theirs", "m.safetensors"]).ok();
        repo.git(&["add", "m.safetensors"]).ok();
        repo.git_with(&[("GIT_EDITOR", "true")], &["rebase", "--continue"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        assert_eq!(repo.git(&["log", "--format=%s", "-2"]).ok().text(), "ours\nside\n");
        repo.assert_settled();
    });
}
