//! `git model fsck`: damage is found, and mended from what is left.

use crate::gc::{age, assert_checks_out, packs, weights};
use crate::support::{Env, Repo};

fn flip(path: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("readable");
    let at = at % bytes.len();
    bytes[at] ^= 0x20;
    std::fs::write(path, bytes).expect("written");
}

/// Two versions committed; the second is in the work tree.
fn two_versions<'e>(env: &'e Env) -> Repo<'e> {
    let repo = env.repo("repo");
    for version in [1, 2] {
        repo.write("m.safetensors", &weights(version));
        repo.commit(&format!("version {version}"));
    }
    repo
}

#[test]
fn a_healthy_store_has_no_findings() {
    let env = Env::new();
    let repo = two_versions(&env);
    for args in [&["fsck"][..], &["fsck", "--objects"], &["fsck", "--manifests"], &["fsck", "--repair"]] {
        let outcome = repo.model(args).ok();
        assert_eq!(outcome.text(), "", "{args:?}");
    }
    let said = repo.model(&["fsck"]).ok().stderr;
    assert!(said.contains("checked 2 packs, 4 objects, 2 manifests"), "{said}");
    assert!(!repo.path(".git/model/quarantine").exists());
    env.repo("empty").model(&["fsck"]).ok();
}

#[test]
fn a_flipped_byte_is_found_and_mended_from_the_work_tree() {
    let env = Env::new();
    for at in [9, 700, 20_000, 40_000, usize::MAX / 2] {
        let repo = env.repo(&format!("repo{at}"));
        repo.write("m.safetensors", &weights(1));
        repo.commit("one");
        let pack = packs(&repo).remove(0);
        let whole = std::fs::read(&pack).expect("readable");
        flip(&pack, at);
        let damaged = std::fs::read(&pack).expect("readable");
        let found = repo.model(&["fsck"]).fails_with(3);
        assert!(found.text().contains("git model fsck --repair"), "{}", found.text());
        assert_eq!(std::fs::read(&pack).expect("readable"), damaged, "a check changes nothing");
        repo.model(&["fsck", "--repair"]).ok();
        repo.model(&["fsck"]).ok();
        assert_checks_out(&repo, "HEAD", 1);
        let aside = std::fs::read_dir(repo.path(".git/model/quarantine")).expect("a folder").next();
        let aside = std::fs::read(aside.expect("a pack").expect("an entry").path()).expect("readable");
        assert!(aside == damaged && aside != whole);
    }
}

#[test]
fn a_deleted_pack_is_made_again_as_far_as_files_go() {
    let env = Env::new();
    let repo = two_versions(&env);
    for pack in packs(&repo) {
        std::fs::remove_file(pack).expect("removed");
    }
    let found = repo.model(&["fsck", "--manifests"]).fails_with(3);
    assert!(found.text().contains("is missing"), "{}", found.text());
    // Version 2 is in the work tree, version 1 nowhere.
    let left = repo.model(&["fsck", "--repair"]).fails_with(3);
    assert!(left.stderr.contains("stored again"), "{}", left.stderr);
    assert_eq!(left.text().lines().count(), 1, "{}", left.text());
    assert_checks_out(&repo, "HEAD", 2);
    // With a copy of version 1 in its place, that comes back too.
    repo.git(&["checkout", "-q", "HEAD~", "--", ".gitattributes"]).ok();
    repo.git(&["read-tree", "HEAD~"]).ok();
    repo.write("m.safetensors", &weights(1));
    repo.model(&["fsck", "--repair"]).ok();
    repo.git(&["reset", "-q", "--hard"]).ok();
    assert_checks_out(&repo, "HEAD~", 1);
    assert_checks_out(&repo, "HEAD", 2);
}

#[test]
fn a_file_that_was_changed_since_helps_with_what_it_still_has() {
    let env = Env::new();
    let repo = two_versions(&env);
    for pack in packs(&repo) {
        std::fs::remove_file(pack).expect("removed");
    }
    // Tensor `b` is the same in all versions.
    repo.write("m.safetensors", &weights(9));
    repo.model(&["fsck", "--repair"]).fails_with(3);
    repo.write("m.safetensors", &weights(2));
    repo.model(&["fsck", "--repair"]).fails_with(3);
    assert_checks_out(&repo, "HEAD", 2);
}

#[test]
fn an_add_after_damage_stores_what_was_lost() {
    let env = Env::new();
    let repo = two_versions(&env);
    std::fs::remove_file(repo.path("m.safetensors")).expect("removed");
    for pack in packs(&repo) {
        flip(&pack, 5000);
    }
    repo.model(&["fsck", "--repair"]).fails_with(3);
    repo.write("m.safetensors", &weights(2));
    repo.git(&["add", "--renormalize", "-A"]).ok();
    assert_checks_out(&repo, "HEAD", 2);
}

#[test]
fn gc_keeps_its_hands_off_a_damaged_store() {
    let env = Env::new();
    let repo = two_versions(&env);
    let pack = packs(&repo).remove(0);
    let len = std::fs::metadata(&pack).expect("a pack").len() as usize;
    flip(&pack, len - 100);
    age(&repo);
    let before = packs(&repo);
    let refused = repo.model(&["gc"]).fails_with(1);
    assert!(refused.stderr.contains("fsck --repair"), "{}", refused.stderr);
    assert_eq!(packs(&repo), before);
    repo.model(&["fsck", "--repair"]).ok();
    age(&repo);
    repo.model(&["gc"]).ok();
    assert_checks_out(&repo, "HEAD~", 1);
    assert_checks_out(&repo, "HEAD", 2);
}

#[test]
fn a_text_that_only_looks_like_a_manifest_is_told_and_no_damage() {
    let env = Env::new();
    let repo = two_versions(&env);
    repo.write("notes.txt", b"{\"git-model\":1,\"format\":\"sa");
    repo.commit("notes");
    let told = repo.model(&["fsck"]).ok();
    assert!(told.text().contains("starts like a manifest"), "{}", told.text());
    age(&repo);
    repo.model(&["gc"]).ok();
}
