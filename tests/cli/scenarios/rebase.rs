//! Commits put elsewhere: rebase, cherry-pick, revert, bisect.

use crate::support::{Env, Repo, in_both_modes, model, noise};

/// `main` and `side` have parted: one changes the model, the other adds a file.
fn parted(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo").versions(1);
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    for seed in [2, 3] {
        repo.write("m.safetensors", &model(seed));
        repo.commit(&format!("side {seed}"));
    }
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("extra.bin", &noise(700, 4));
    repo.commit("extra");
    repo
}

#[test]
fn rebase_of_a_branch_that_changed_the_model() {
    in_both_modes(|env| {
        let repo = parted(env);
        for backend in ["--merge", "--apply"] {
            repo.git(&["checkout", "-q", "-B", "work", "side"]).ok();
            repo.git(&["rebase", "-q", backend, "main"]).ok();
            repo.assert_holds("m.safetensors", &model(3));
            repo.assert_holds("extra.bin", &noise(700, 4));
            repo.assert_settled();
            assert!(repo.blob("HEAD~", "m.safetensors") == repo.blob("side~", "m.safetensors"), "{backend}");
        }
    });
}

#[test]
fn interactive_rebase_stops_and_goes_on() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(3);
        let edit_first = [("GIT_SEQUENCE_EDITOR", "sed -i '1s/^pick/edit/'")];
        repo.git_with(&edit_first, &["rebase", "-q", "-i", "HEAD~2"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
        repo.write("note.bin", &noise(100, 1));
        repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-q", "--amend", "--no-edit"]).ok();
        repo.git(&["rebase", "--continue"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.assert_holds("note.bin", &noise(100, 1));
        repo.assert_settled();
        repo.git_with(&edit_first, &["rebase", "-q", "-i", "HEAD~2"]).ok();
        repo.git(&["rebase", "--abort"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.assert_settled();
    });
}

#[test]
fn commands_within_a_rebase_read_whole_files_when_asked_to_be_inline() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(3);
        let exec = "head -c 40 m.safetensors | grep -q git-model && exit 1 || exit 0";
        let inline = [("GIT_MODEL_SMUDGE", "inline")];
        repo.git_with(&inline, &["rebase", "-q", "--force-rebase", "--exec", exec, "HEAD~2"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.assert_clean();
    });
}

#[test]
fn cherry_pick() {
    in_both_modes(|env| {
        let repo = parted(env);
        repo.git(&["cherry-pick", "side~"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
        repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
        repo.git(&["cherry-pick", "side~2..side"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.assert_holds("extra.bin", &noise(700, 4));
        repo.assert_settled();
        repo.git(&["reset", "-q", "--hard", "HEAD~2"]).ok();
        repo.git(&["cherry-pick", "--no-commit", "side~"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "M  m.safetensors\n");
    });
}

#[test]
fn revert() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("extra.bin", &noise(700, 4));
        repo.commit("extra");
        repo.git(&["revert", "--no-edit", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_holds("extra.bin", &noise(700, 4));
        repo.assert_settled();
        assert!(repo.blob("HEAD", "m.safetensors") == repo.blob("HEAD~3", "m.safetensors"));
    });
}

#[test]
fn bisect_finds_the_version_that_went_wrong() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(8);
        repo.git(&["bisect", "start", "HEAD", "HEAD~7"]).ok();
        loop {
            let current = repo.read("m.safetensors");
            let seed = (1..=8).find(|&seed| model(seed) == current).expect("a whole version at each step");
            repo.assert_settled();
            let said = repo.git(&["bisect", if seed < 6 { "good" } else { "bad" }]).ok();
            if said.text().contains("is the first bad commit") {
                assert!(said.text().contains("version 6"), "{}", said.text());
                break;
            }
        }
        repo.git(&["bisect", "reset"]).ok();
        repo.assert_holds("m.safetensors", &model(8));
        repo.assert_settled();
    });
}
