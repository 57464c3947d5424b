//! Empty files stay empty, in git and in the work tree.

use crate::support::{in_both_modes, model, noise};

#[test]
fn an_empty_file_has_no_manifest() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write("empty.bin", b"");
        repo.write("full.bin", &noise(10, 1));
        repo.commit("empty");
        assert_eq!(repo.blob("HEAD", "empty.bin"), b"");
        assert_eq!(repo.git(&["rev-parse", "HEAD:empty.bin"]).ok().text().trim().len(), 40);
        repo.remove("empty.bin");
        repo.git(&["checkout", "-q", "."]).ok();
        repo.assert_holds("empty.bin", b"");
        repo.assert_settled();
        let clone = env.clone_repo(&["repo", "clone"]);
        clone.assert_holds("empty.bin", b"");
        clone.assert_holds("full.bin", &noise(10, 1));
        clone.assert_settled();
    });
}

#[test]
fn from_empty_to_full_and_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        for bytes in [Vec::new(), model(1), Vec::new()] {
            repo.write("m.safetensors", &bytes);
            repo.commit("next");
        }
        for (revision, bytes) in
            [("main~", model(1)), ("main~2", Vec::new()), ("main~", model(1)), ("main", Vec::new())]
        {
            repo.git(&["checkout", "-q", revision]).ok();
            repo.assert_holds("m.safetensors", &bytes);
            repo.assert_settled();
        }
    });
}
