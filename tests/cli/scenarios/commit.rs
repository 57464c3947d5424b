//! Commits of parts, renames, deletions, renormalizing.

use crate::support::{in_both_modes, is_manifest, model, noise};

#[test]
fn commit_all_takes_modified_models() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("new.bin", &noise(100, 1));
        repo.write("m.safetensors", &model(2));
        repo.git(&["commit", "-q", "-a", "-m", "second"]).ok();
        assert!(is_manifest(&repo.blob("HEAD", "m.safetensors")));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "?? new.bin\n");
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
    });
}

#[test]
fn commits_of_some_paths_leave_the_others_staged() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.write("a.bin", &noise(900, 1));
        repo.write("b.bin", &noise(900, 2));
        repo.git(&["add", "-A"]).ok();
        repo.write("m.safetensors", &model(2));
        repo.git(&["commit", "-q", "-m", "only two", "--", "a.bin", "m.safetensors"]).ok();
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "A  b.bin\n");
        repo.write("m.safetensors", &model(3));
        repo.git(&["commit", "-q", "-m", "with what is staged", "--include", "m.safetensors"]).ok();
        repo.assert_clean();
        for (revision, seed) in [("HEAD", 3), ("HEAD~", 2)] {
            let name = format!("{revision}:m.safetensors");
            assert!(repo.git(&["cat-file", "--filters", &name]).ok().stdout == model(seed));
        }
    });
}

#[test]
fn amend_and_the_version_before() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("m.safetensors", &model(3));
        repo.git(&["commit", "-q", "-a", "--amend", "--no-edit"]).ok();
        repo.git(&["checkout", "-q", "HEAD@{1}"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(3));
        repo.assert_settled();
    });
}

#[test]
fn renames_are_seen_and_undone() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.git(&["mv", "m.safetensors", "n.safetensors"]).ok();
        repo.commit("rename");
        let names = repo.git(&["diff", "-M", "--name-status", "HEAD~", "HEAD"]).ok();
        assert_eq!(names.text(), "R100\tm.safetensors\tn.safetensors\n");
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        assert!(!repo.path("n.safetensors").exists());
        repo.assert_settled();
        repo.git(&["checkout", "-q", "main"]).ok();
        std::fs::rename(repo.path("n.safetensors"), repo.path("o.bin")).expect("renamed");
        repo.commit("by hand, to another extension");
        assert!(repo.blob("HEAD", "o.bin") == repo.blob("HEAD~", "n.safetensors"));
    });
}

#[test]
fn deleted_and_brought_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.git(&["rm", "-q", "m.safetensors"]).ok();
        repo.git(&["commit", "-q", "-m", "delete"]).ok();
        assert!(!repo.path("m.safetensors").exists());
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}

#[test]
fn removed_from_the_index_only() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        repo.git(&["rm", "-q", "--cached", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "D  m.safetensors\n?? m.safetensors\n");
        repo.git(&["add", "m.safetensors"]).ok();
        repo.assert_clean();
    });
}

#[test]
fn out_of_the_filter_and_into_it() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write(".gitattributes", b"");
        repo.write("m.safetensors", &model(1));
        repo.commit("raw");
        assert!(repo.blob("HEAD", "m.safetensors") == model(1));
        repo.write(".gitattributes", b"*.safetensors filter=model\n");
        repo.git(&["add", "--renormalize", "."]).ok();
        repo.commit("as a model");
        assert!(is_manifest(&repo.blob("HEAD", "m.safetensors")));
        repo.assert_holds("m.safetensors", &model(1));
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.write(".gitattributes", b"");
        repo.git(&["add", "--renormalize", "."]).ok();
        repo.commit("raw again");
        assert!(repo.blob("HEAD", "m.safetensors") == model(1));
    });
}

#[test]
fn renormalizing_an_unchanged_model_changes_nothing() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.git(&["add", "--renormalize", "."]).ok();
        repo.assert_clean();
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.git(&["add", "--renormalize", "."]).ok();
        repo.assert_clean();
        repo.assert_holds("m.safetensors", &model(1));
    });
}

#[test]
fn an_add_without_changes_stores_nothing() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        let packs = || std::fs::read_dir(repo.path(".git/model/packs")).expect("packs").count();
        let before = packs();
        repo.write("m.safetensors", &model(2));
        repo.git(&["add", "-A"]).ok();
        repo.write("copy.safetensors", &model(1));
        repo.git(&["add", "-A"]).ok();
        assert_eq!(packs(), before);
    });
}
