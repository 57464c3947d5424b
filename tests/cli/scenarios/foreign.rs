//! Text that stands where weights are expected: later manifests, conflict markers, git-lfs pointers, skipped manifests.

use crate::support::{Env, in_both_modes, is_manifest, model, noise};

/// Commits `text` as it is, then has it checked out, modified and committed by git alone.
fn passes_through(name: &str, text: &[u8], warning: Option<&str>) {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write(name, text);
        let added = repo.git(&["add", "-A"]).ok();
        repo.git(&["commit", "-q", "-m", "text"]).ok();
        assert!(repo.blob("HEAD", name) == text, "clean changed the text");
        repo.remove(name);
        let checkout = repo.git(&["checkout", "-q", "."]).ok();
        repo.assert_holds(name, text);
        repo.assert_clean();
        if let Some(warning) = warning {
            let said = added.stderr + &checkout.stderr;
            assert!(said.contains(warning) && said.contains(name), "{said}");
        }
        let clone = env.clone_repo(&["repo", "clone"]);
        clone.assert_holds(name, text);
        clone.assert_clean();
    });
}

#[test]
fn a_manifest_of_a_later_version() {
    let text = b"{\"git-model\":2,\"format\":\"safetensors\",\"zone\":[1]}\n\n{\"anything\":true}\n";
    passes_through("m.safetensors", text, Some("update git-model"));
}

#[test]
fn a_broken_manifest() {
    passes_through("m.safetensors", b"{\"git-model\":1,\"format\":\"opaque\",\"size\":3}\n\n{\"sha", Some("broken"));
    passes_through("m.bin", b"{\"git-model\":", Some("manifest"));
}

#[test]
fn a_manifest_of_objects_that_nobody_has() {
    let text =
        format!("{{\"git-model\":1,\"format\":\"opaque\",\"size\":3}}\n\n{{\"sha256\":\"{}\"}}\n", "ab".repeat(32));
    passes_through("m.bin", text.as_bytes(), Some("holds its manifest"));
}

#[test]
fn conflict_markers() {
    let text = b"<<<<<<< ours\n{\"git-model\":1,\"format\":\"opaque\",\"size\":3}\n=======\n\
                 {\"git-model\":1,\"format\":\"opaque\",\"size\":4}\n>>>>>>> theirs\n";
    passes_through("m.bin", text, None);
    let within = b"{\"git-model\":1,\"format\":\"opaque\",\"size\":3}\n\n<<<<<<< ours\n{}\n=======\n>>>>>>> theirs\n";
    passes_through("m.bin", within, None);
}

#[test]
fn a_pointer_of_git_lfs() {
    let text = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "0a".repeat(32));
    passes_through("m.bin", text.as_bytes(), Some("git lfs pull"));
}

#[test]
fn what_only_starts_like_a_pointer_is_stored() {
    let env = Env::new();
    let repo = env.repo("repo");
    let bytes = [&b"version https://git-lfs.github.com/spec/v1\n"[..], &noise(2000, 1)].concat();
    repo.write("m.bin", &bytes);
    repo.write("n.bin", &[&b"<<<<<<< "[..], &noise(2000, 1)].concat());
    repo.commit("bytes");
    assert!(is_manifest(&repo.blob("HEAD", "m.bin")));
    assert!(is_manifest(&repo.blob("HEAD", "n.bin")));
}

#[test]
fn a_merge_without_a_driver_leaves_text_that_git_can_handle() {
    in_both_modes(|env| {
        // No `merge.model.driver` is configured: git merges the manifests as text.
        let repo = env.repo("repo").versions(1);
        repo.git(&["checkout", "-q", "-b", "side"]).ok();
        repo.write("m.safetensors", &model(2));
        repo.commit("theirs");
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.write("m.safetensors", &model(3));
        repo.commit("ours");
        repo.git(&["merge", "-q", "side"]).fails_with(1);
        let text = String::from_utf8(repo.read("m.safetensors")).expect("text");
        assert!(text.contains("<<<<<<< HEAD") && text.contains("{\"git-model\":1"), "{text}");
        repo.git(&["checkout", "-q", "--theirs", "--", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.git(&["checkout", "-q", "--ours", "--", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.git(&["checkout", "-q", "--merge", "--", "m.safetensors"]).ok();
        assert!(String::from_utf8_lossy(&repo.read("m.safetensors")).contains("<<<<<<<"));
        repo.git(&["checkout", "-q", "--ours", "--", "m.safetensors"]).ok();
        repo.git(&["commit", "-q", "-a", "-m", "ours it is"]).ok();
        repo.assert_clean();
        repo.assert_holds("m.safetensors", &model(3));
    });
}

#[test]
fn skipped_manifests_can_be_moved_about_and_committed() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    let skip = [("GIT_MODEL_SMUDGE", "skip")];
    repo.git_with(&skip, &["checkout", "-q", "HEAD~"]).ok();
    assert!(is_manifest(&repo.read("m.safetensors")));
    std::fs::copy(repo.path("m.safetensors"), repo.path("copy.safetensors")).expect("copied");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-q", "-m", "a copy of the manifest"]).ok();
    assert!(repo.blob("HEAD", "copy.safetensors") == repo.blob("HEAD", "m.safetensors"));
    repo.model(&["checkout", "copy.safetensors"]).ok();
    repo.assert_holds("copy.safetensors", &model(1));
    assert!(is_manifest(&repo.read("m.safetensors")));
    repo.assert_clean();
}
