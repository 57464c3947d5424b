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

#[test]
fn a_path_without_models_is_an_error() {
    let env = Env::new();
    let repo = env.repo("repo");
    let bytes = noise(5000, 1);
    for name in ["sub/m.bin", "top.bin", "sub/notes.txt"] {
        repo.write(name, &bytes);
    }
    repo.commit("first");
    for (path, place) in [("TYPO", "repo"), ("m.bin", "repo"), ("top.bin", "repo/sub"), ("notes.txt", "repo/sub")] {
        let wrong = env.at(place).model(&["checkout", ".", path]).fails_with(1);
        let expected = format!("error: pathspec `{path}` did not match any model known to git\nhint: ");
        assert!(wrong.stderr.starts_with(&expected), "{}", wrong.stderr);
        assert!(wrong.stderr.contains("`git model ls-files`"), "{}", wrong.stderr);
    }
    let manifests = ["sub/m.bin", "top.bin"].map(|name| (name, repo.blob("HEAD", name)));
    for paths in [&["m.bin", "../top.bin"][..], &[":/top.bin", ":(top)sub"], &["*.bin", "..", ":(top,icase)TOP.BIN"]] {
        manifests.iter().for_each(|(name, manifest)| repo.write(name, manifest));
        let done = env.at("repo/sub").model(&[&["checkout"], paths].concat()).ok();
        assert!(done.stderr.contains("2 of 2 files"), "{}", done.stderr);
    }
}
