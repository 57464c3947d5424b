//! `git model checkout`, and the deferred materialization that it makes up for.

use crate::support::{Env, noise};

#[test]
fn skipped_files_are_materialized_on_demand() {
    let env = Env::new();
    let repo = env.repo("repo");
    let bytes = noise(100_000, 1);
    repo.write("dir/a b.bin", &bytes);
    repo.commit("first");
    std::fs::remove_file(repo.path("dir/a b.bin")).expect("removed");
    let mut checkout = repo.git_command(&["checkout", "-q", "."]);
    checkout.env("GIT_MODEL_SMUDGE", "skip");
    env.run(checkout).ok();
    assert!(repo.read("dir/a b.bin").starts_with(b"{\"git-model\":1"));
    repo.model(&["checkout"]).ok();
    assert!(repo.read("dir/a b.bin") == bytes);
    assert_eq!(repo.filtered(&["status"]), 0);
    repo.assert_clean();
}

#[test]
fn large_files_are_deferred_and_not_cleaned_again() {
    let env = Env::new();
    let repo = env.repo("repo");
    let versions = [noise(9 << 20, 1), noise(9 << 20, 2)];
    for bytes in &versions {
        repo.write("m.bin", bytes);
        repo.commit("version");
    }
    for (revision, bytes) in [("HEAD~", &versions[0]), ("main", &versions[1])] {
        repo.git(&["checkout", "-q", revision]).ok();
        assert!(repo.read("m.bin") == *bytes);
        assert_eq!(repo.filtered(&["status"]), 0);
        assert_eq!(repo.filtered(&["status"]), 0);
        repo.assert_clean();
    }
}
