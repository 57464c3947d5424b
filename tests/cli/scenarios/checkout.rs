//! Branches, paths and resets: whatever writes the work tree leaves whole files and a clean status.

use std::os::unix::fs::PermissionsExt;

use crate::support::{in_both_modes, model, noise};

#[test]
fn every_way_to_another_version_writes_its_bytes() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(3);
        let steps: [(&[&str], u64); 9] = [
            (&["checkout", "-q", "HEAD~"], 2),
            (&["checkout", "-q", "main"], 3),
            (&["switch", "-q", "-c", "side", "main~2"], 1),
            (&["switch", "-q", "main"], 3),
            (&["reset", "-q", "--hard", "HEAD~2"], 1),
            (&["reset", "-q", "--hard", "ORIG_HEAD"], 3),
            (&["reset", "-q", "--keep", "HEAD~"], 2),
            (&["reset", "-q", "--merge", "ORIG_HEAD"], 3),
            (&["checkout", "-q", "--detach", "side"], 1),
        ];
        for (args, seed) in steps {
            repo.git(args).ok();
            repo.assert_holds("m.safetensors", &model(seed));
            assert_eq!(repo.is_materialized("m.safetensors"), env.is_deferred(), "{args:?}");
            repo.assert_settled();
        }
    });
}

#[test]
fn paths_are_restored_from_index_and_commits() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("m.safetensors", b"spoiled");
        repo.git(&["checkout", "-q", "--", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
        repo.remove("m.safetensors");
        repo.git(&["restore", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();

        // Into the work tree only: the index keeps the version of HEAD.
        repo.git(&["restore", "--source", "HEAD~", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n");
        repo.git(&["checkout", "-q", "HEAD~", "--", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "M  m.safetensors\n");
        repo.git(&["restore", "--staged", "--worktree", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
    });
}

#[test]
fn a_mixed_reset_leaves_the_work_tree_alone() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.git(&["reset", "-q", "--mixed", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n");
        repo.git(&["reset", "-q", "--soft", "ORIG_HEAD"]).ok();
        repo.git(&["add", "m.safetensors"]).ok();
        repo.assert_clean();
    });
}

#[test]
fn local_changes_are_not_overwritten() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("m.safetensors", &model(9));
        let refused = repo.git(&["checkout", "-q", "HEAD~"]).fails_with(1);
        assert!(refused.stderr.contains("would be overwritten"), "{}", refused.stderr);
        repo.assert_holds("m.safetensors", &model(9));
        repo.git(&["checkout", "-q", "-f", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}

#[test]
fn many_files_and_the_executable_bit_come_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        let name = |at: u64| format!("layers/{}/{at}.safetensors", at % 7);
        (0..60).for_each(|at| repo.write(&name(at), &model(at)));
        std::fs::set_permissions(repo.path(&name(3)), PermissionsExt::from_mode(0o755)).expect("executable");
        repo.commit("many");
        std::fs::remove_dir_all(repo.path("layers")).expect("removed");
        repo.git(&["checkout", "-q", "."]).ok();
        (0..60).for_each(|at| repo.assert_holds(&name(at), &model(at)));
        let mode = |at| std::fs::metadata(repo.path(&name(at))).expect("metadata").permissions().mode() & 0o111;
        assert_eq!((mode(3), mode(4)), (0o111, 0));
        repo.assert_settled();
    });
}

#[test]
fn a_file_becomes_a_folder_and_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write("x.bin", &noise(500, 1));
        repo.commit("file");
        repo.remove("x.bin");
        repo.write("x.bin/inner.bin", &noise(600, 2));
        repo.commit("folder");
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("x.bin", &noise(500, 1));
        repo.assert_settled();
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("x.bin/inner.bin", &noise(600, 2));
        repo.assert_settled();
    });
}

#[test]
fn what_git_could_not_be_told_is_told_the_next_time() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        // As a killed filter leaves it: the whole file in place, git's index with the manifest's size, a note.
        repo.remove("m.safetensors");
        repo.git_with(&[("GIT_MODEL_SMUDGE", "skip")], &["checkout", "-q", "."]).ok();
        repo.write("m.safetensors", &model(1));
        let blob = repo.git(&["rev-parse", "HEAD:m.safetensors"]).ok().text().trim().to_owned();
        repo.write(".git/model/pending/999999999", format!("{blob} m.safetensors\0").as_bytes());
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n");

        repo.write(".git/index.lock", b"");
        let told = repo.model(&["checkout"]).ok();
        assert!(told.stderr.contains("git's index could not be updated"), "{}", told.stderr);
        repo.remove(".git/index.lock");
        repo.model(&["checkout"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_clean();
        assert!(repo.leftovers().is_empty(), "{:?}", repo.leftovers());
    });
}
