//! A repository that borrows git's objects borrows tensors too.

use crate::support::{Env, Repo, in_both_modes, is_manifest, model};

/// How many packs the repository itself has.
fn packs(repo: &Repo<'_>) -> usize {
    std::fs::read_dir(repo.path(".git/model/packs")).map_or(0, Iterator::count)
}

fn assert_whole(repo: &Repo<'_>) {
    for (revision, seed) in [("HEAD", 2), ("HEAD~", 1)] {
        repo.git(&["checkout", "-q", revision]).ok();
        repo.assert_holds("m.safetensors", &model(seed));
        repo.assert_settled();
    }
}

#[test]
fn shared_clones_copy_nothing() {
    in_both_modes(|env| {
        env.repo("origin").versions(2);
        let shared = env.clone_repo(&["--shared", "origin", "shared"]);
        assert_whole(&shared);
        assert_eq!(packs(&shared), 0);
        shared.git(&["remote", "remove", "origin"]).ok();
        shared.git(&["checkout", "-q", "main"]).ok();
        assert_whole(&shared);
        shared.git(&["checkout", "-q", "main"]).ok();
        shared.write("m.safetensors", &model(3));
        shared.commit("third");
        assert_eq!(packs(&shared), 1);
        assert_whole_with(&shared, 3);
    });
}

fn assert_whole_with(repo: &Repo<'_>, last: u64) {
    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    repo.assert_holds("m.safetensors", &model(last - 1));
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.assert_holds("m.safetensors", &model(last));
    repo.assert_settled();
}

#[test]
fn borrowed_through_a_lender_that_borrows() {
    in_both_modes(|env| {
        env.repo("origin").versions(2);
        env.clone_repo(&["--shared", "origin", "first"]);
        let second = env.clone_repo(&["--shared", "first", "second"]);
        second.git(&["remote", "remove", "origin"]).ok();
        assert_whole(&second);
        assert_eq!(packs(&second), 0);
    });
}

#[test]
fn a_plain_clone_of_a_borrower_gets_its_own() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(2);
        let shared = env.clone_repo(&["--shared", "origin", "shared"]);
        let clone = env.clone_repo(&[&format!("file://{}", shared.dir.display()), "clone"]);
        clone.assert_holds("m.safetensors", &model(2));
        for repo in [&origin, &shared] {
            std::fs::remove_dir_all(&repo.dir).expect("removed");
        }
        clone.remove("m.safetensors");
        clone.git(&["checkout", "-q", "."]).ok();
        clone.assert_holds("m.safetensors", &model(2));
        clone.assert_settled();
    });
}

#[test]
fn a_reference_and_a_relative_path() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(2);
        let hub = env.clone_repo(&["--bare", "origin", "hub.git"]);
        let clone = env.clone_repo(&["--reference", "origin", "hub.git", "clone"]);
        assert_whole(&clone);
        assert_eq!(packs(&clone), 0);

        let relative = env.clone_repo(&["--no-checkout", "--shared", "origin", "relative"]);
        relative.git(&["remote", "remove", "origin"]).ok();
        std::fs::write(relative.path(".git/objects/info/alternates"), "../../../origin/.git/objects\n")
            .expect("written");
        relative.git(&["checkout", "-q", "main"]).ok();
        assert_whole(&relative);
        drop((origin, hub));
    });
}

#[test]
fn alternates_of_the_environment() {
    let env = Env::new();
    let origin = env.repo("origin").versions(1);
    let other = env.repo("other");
    let objects = origin.path(".git/objects");
    let variables = [("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.to_str().expect("text"))];
    let commit = origin.git(&["rev-parse", "HEAD"]).ok();
    other.remove(".gitattributes");
    other.git_with(&variables, &["checkout", "-q", "--detach", commit.text().trim()]).ok();
    other.assert_holds("m.safetensors", &model(1));
    assert!(is_manifest(&other.git_with(&variables, &["cat-file", "blob", "HEAD:m.safetensors"]).ok().stdout));
    assert_eq!(packs(&other), 0);
}
