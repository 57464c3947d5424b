//! `git model checkout`, and the deferred materialization that it makes up for.

use crate::support::{Env, Tensor, model, noise, safetensors};

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

#[test]
fn one_file_is_no_plural() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("m.bin", &noise(5000, 1));
    repo.commit("first");
    let manifest = repo.blob("HEAD", "m.bin");
    repo.write("m.bin", &manifest);
    let done = repo.model(&["checkout"]).ok();
    assert!(done.stderr.ends_with("1 of 1 file materialized\n"), "{}", done.stderr);
    let same = repo.model(&["gc"]).ok();
    assert!(same.stderr.contains("1 pack of ") && same.stderr.contains(" is now 1 of "), "{}", same.stderr);
    let checked = repo.model(&["fsck"]).ok();
    assert!(checked.stderr.contains("checked 1 pack, 1 object, 1 manifest\n"), "{}", checked.stderr);
    repo.write("m.bin", &manifest);
    std::fs::remove_dir_all(repo.path(".git/model")).expect("removed");
    let failed = repo.model(&["checkout"]).fails_with(1);
    assert!(failed.stderr.contains("error: 1 file still holds its manifest\n"), "{}", failed.stderr);
    let tensor = safetensors(&[Tensor { name: "w", dtype: "BF16", shape: &[5000], bytes: &noise(5000, 2) }]);
    repo.write("one.safetensors", &tensor);
    repo.commit("one tensor");
    let status = repo.model(&["status"]).ok();
    assert!(status.text().contains("  1 tensor  "), "{}", status.text());
}

#[test]
fn a_copy_put_in_place_of_a_manifest_is_no_change() {
    let env = Env::new();
    let repo = env.repo("repo").versions(1);
    repo.write("sub/n.bin", &noise(900, 2));
    repo.commit("another");
    std::fs::remove_file(repo.path("m.safetensors")).expect("removed");
    std::fs::remove_file(repo.path("sub/n.bin")).expect("removed");
    repo.git_with(&[("GIT_MODEL_SMUDGE", "skip")], &["checkout", "-q", "."]).ok();
    repo.write("m.safetensors", &model(1));
    // One byte of this one differs: that is a change.
    let mut other = noise(900, 2);
    other[100] ^= 1;
    repo.write("sub/n.bin", &other);
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n M sub/n.bin\n");
    let said = repo.model(&["checkout"]).ok().stderr;
    assert!(said.contains("git knows now that 1 file is whole"), "{said}");
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M sub/n.bin\n");
    repo.assert_holds("sub/n.bin", &other);
}

#[test]
fn what_cannot_be_found_is_told_once_and_counted_when_it_is_back() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    repo.model(&["install", "--local"]).ok();
    assert!(repo.path(".git/hooks/post-checkout").is_file());
    let (packs, away) = (repo.path(".git/model/packs"), repo.path(".git/model/away"));
    std::fs::rename(&packs, &away).expect("moved");
    let said = repo.git(&["checkout", "-q", "HEAD~1"]).ok().stderr;
    assert_eq!(said.matches("`m.safetensors` holds its manifest, not its weights").count(), 1, "{said}");
    std::fs::remove_dir_all(&packs).ok();
    std::fs::rename(&away, &packs).expect("moved back");
    let done = repo.model(&["checkout"]).ok();
    assert!(done.stderr.ends_with("1 of 1 file materialized\n"), "{}", done.stderr);
    repo.assert_holds("m.safetensors", &model(1));
}
