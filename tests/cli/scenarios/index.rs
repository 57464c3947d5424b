//! The index survives what is written into it: every version, every extension, both hashes.

use crate::support::{Env, Repo, in_both_modes, model, noise};

fn has_extension(repo: &Repo<'_>, signature: &[u8; 4]) -> bool {
    repo.read(".git/index").windows(4).any(|window| window == signature)
}

/// Checkouts, an add and a reset in a repository with these settings; all files whole, `git fsck` content.
fn exercise(env: &Env, name: &str, settings: &[(&str, &str)], check: impl Fn(&Repo<'_>)) {
    let repo = env.repo(name);
    settings.iter().for_each(|(key, value)| repo.set(key, value));
    for at in 0..30 {
        repo.write(&format!("dir{}/file-{at}.bin", at % 3), &noise(200, at));
    }
    let repo = repo.versions(2);
    repo.git(&["status"]).ok();
    check(&repo);
    for (revision, seed) in [("main~", 1), ("main", 2)] {
        repo.git(&["checkout", "-q", revision]).ok();
        check(&repo);
        repo.assert_holds("m.safetensors", &model(seed));
        repo.assert_settled();
        check(&repo);
        repo.git(&["ls-files", "--debug"]).ok();
    }
    repo.write("m.safetensors", &model(3));
    repo.git(&["add", "-A"]).ok();
    std::fs::remove_dir_all(repo.path("dir1")).expect("removed");
    repo.git(&["reset", "-q", "--hard"]).ok();
    repo.assert_holds("dir1/file-1.bin", &noise(200, 1));
    repo.assert_holds("m.safetensors", &model(2));
    repo.assert_settled();
    check(&repo);
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn of_every_version() {
    in_both_modes(|env| {
        for version in ["2", "3", "4"] {
            exercise(env, &format!("v{version}"), &[("index.version", version)], |repo| {
                // Git writes version 3 only for entries that need it.
                let expected = if version == "4" { 4 } else { 2 };
                assert_eq!(repo.read(".git/index")[7], expected);
            });
        }
    });
}

#[test]
fn of_version_3_with_extended_entries() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("intended.bin", &noise(100, 1));
        repo.git(&["add", "--intent-to-add", "intended.bin"]).ok();
        assert_eq!(repo.read(".git/index")[7], 3);
        repo.git(&["checkout", "-q", "main~"]).ok();
        assert_eq!(repo.read(".git/index")[7], 3);
        repo.assert_holds("m.safetensors", &model(1));
        assert!(!repo.filtered_paths(&["status"]).contains(&"m.safetensors".into()) || !env.is_deferred());
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " A intended.bin\n");
    });
}

#[test]
fn with_an_untracked_cache() {
    in_both_modes(|env| {
        exercise(env, "repo", &[("core.untrackedCache", "true")], |repo| assert!(has_extension(repo, b"UNTR")));
        let repo = env.at("repo");
        repo.write("dir0/new.txt", b"new");
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "?? dir0/new.txt\n");
        repo.git(&["checkout", "-q", "main~"]).ok();
        assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), "?? dir0/new.txt\n");
        assert!(has_extension(&repo, b"UNTR"));
    });
}

#[test]
fn with_a_file_system_monitor() {
    in_both_modes(|env| {
        // A monitor that always answers that everything may have changed.
        let monitor = env.root().join("monitor");
        std::fs::write(&monitor, "#!/bin/sh\nprintf 'token\\0/\\0'\n").expect("written");
        std::fs::set_permissions(&monitor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        let settings = [("core.fsmonitor", monitor.to_str().expect("text")), ("core.fsmonitorHookVersion", "2")];
        exercise(env, "repo", &settings, |repo| assert!(has_extension(repo, b"FSMN")));
    });
}

#[test]
fn split() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.set("core.splitIndex", "true");
        repo.set("splitIndex.maxPercentChange", "100");
        let repo = repo.versions(2);
        for (revision, seed) in [("main~", 1), ("main", 2), ("main~", 1)] {
            repo.git(&["checkout", "-q", revision]).ok();
            repo.assert_holds("m.safetensors", &model(seed));
            // Entries in the shared part are not patched; git may read these files once.
            assert!(repo.filtered(&["status"]) <= 1);
            repo.assert_clean();
            if env.is_deferred() {
                assert_eq!(repo.filtered(&["status"]), 0);
            }
            assert!(has_extension(&repo, b"link"));
        }
        // Now the entry stands in the shared part, and only its stat data change.
        repo.git(&["update-index", "--split-index"]).ok();
        repo.remove("m.safetensors");
        repo.git(&["checkout", "-q", "--", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_clean();
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_clean();
        repo.git(&["fsck", "--strict"]).ok();
    });
}

#[test]
fn without_a_checksum() {
    in_both_modes(|env| {
        exercise(env, "repo", &[("index.skipHash", "true")], |_| {});
        let index = env.at("repo").read(".git/index");
        let (major, minor) = git_version(env);
        if (major, minor) >= (2, 40) {
            assert!(index.ends_with(&[0; 20]), "a checksum was written");
        }
    });
}

fn git_version(env: &Env) -> (u32, u32) {
    let version = env.git(&["version"]);
    let mut numbers = version.text().trim_start_matches("git version ").split('.').map(str::parse);
    let mut next = || numbers.next().expect("a number").expect("a number");
    (next(), next())
}

#[test]
fn many_threads_and_an_end_of_entries_marker() {
    in_both_modes(|env| {
        let settings =
            [("index.threads", "4"), ("index.recordEndOfIndexEntries", "true"), ("index.recordOffsetTable", "true")];
        exercise(env, "repo", &settings, |_| {});
    });
}

#[test]
fn of_sha256() {
    in_both_modes(|env| {
        let dir = env.root().join("repo");
        env.git(&["init", "-q", "--object-format=sha256", "repo"]);
        let repo = env.at("repo");
        repo.write(".gitattributes", b"*.safetensors filter=model\n*.bin filter=model\n");
        let repo = repo.versions(2);
        assert_eq!(repo.git(&["rev-parse", "HEAD:m.safetensors"]).ok().text().trim().len(), 64);
        for (revision, seed) in [("main~", 1), ("main", 2)] {
            repo.git(&["checkout", "-q", revision]).ok();
            repo.assert_holds("m.safetensors", &model(seed));
            repo.assert_settled();
        }
        repo.git_with(&[("GIT_MODEL_SMUDGE", "skip")], &["checkout", "-q", "main~"]).ok();
        repo.model(&["checkout"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
        let clone = env.clone_repo(&[dir.to_str().expect("text"), "clone"]);
        clone.assert_holds("m.safetensors", &model(1));
        clone.assert_settled();
    });
}

#[test]
fn locked_by_another_process() {
    let env = Env::deferred();
    let repo = env.repo("repo").versions(2);
    // The lock appears between git's writing and ours, and stays.
    repo.hook("post-checkout", "touch .git/index.lock");
    let checkout = repo.git(&["checkout", "-q", "main~"]).ok();
    assert!(checkout.stderr.contains("index could not be updated"), "{}", checkout.stderr);
    repo.assert_holds("m.safetensors", &model(1));
    assert!(repo.path(".git/index.lock").exists(), "someone else's lock was removed");
    // Git takes another size for a change, whatever the content.
    repo.remove(".git/index.lock");
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n");
    repo.remove(".git/hooks/post-checkout");
    repo.model(&["checkout"]).ok();
    repo.assert_holds("m.safetensors", &model(1));
    repo.assert_settled();
}
