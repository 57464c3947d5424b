//! Objects that are not there: manifests stay, git goes on, and the user is told what to do next.

use crate::support::{Env, Repo, in_both_modes, is_manifest, model, noise};

/// A clone whose origin has no store within reach, and what the clone said.
fn poor_clone<'e>(env: &'e Env, origin: &Repo<'_>) -> (Repo<'e>, String) {
    std::fs::rename(origin.path(".git/model"), env.root().join("store")).expect("renamed");
    let outcome = env.git(&["clone", "-q", "origin", "clone"]);
    (env.at("clone"), outcome.stderr)
}

fn bring_store_back(env: &Env, origin: &Repo<'_>) {
    std::fs::rename(env.root().join("store"), origin.path(".git/model")).expect("renamed");
}

#[test]
fn a_clone_leaves_manifests_and_says_so() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(2);
        let (clone, said) = poor_clone(env, &origin);
        assert!(is_manifest(&clone.read("m.safetensors")));
        assert!(said.contains("warning: `m.safetensors` holds its manifest"), "{said}");
        assert!(said.contains("git model checkout"), "{said}");
        clone.assert_clean();
        assert_eq!(clone.read("m.safetensors"), clone.blob("HEAD", "m.safetensors"));

        bring_store_back(env, &origin);
        clone.model(&["checkout"]).ok();
        clone.assert_holds("m.safetensors", &model(2));
        assert_eq!(clone.filtered(&["status"]), 0);
        clone.assert_settled();
    });
}

#[test]
fn work_goes_on_around_manifests() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(2);
        let (clone, _) = poor_clone(env, &origin);
        // None of these may fail, or commit anything but the same manifests.
        let manifest = clone.blob("HEAD", "m.safetensors");
        clone.git(&["checkout", "-q", "-b", "side", "HEAD~"]).ok();
        clone.git(&["checkout", "-q", "main"]).ok();
        clone.write("new.bin", &noise(300, 1));
        clone.commit("new");
        clone.git(&["add", "--renormalize", "."]).ok();
        clone.assert_clean();
        assert_eq!(clone.blob("HEAD", "m.safetensors"), manifest);
        clone.git(&["mv", "m.safetensors", "n.safetensors"]).ok();
        clone.commit("renamed");
        assert_eq!(clone.blob("HEAD", "n.safetensors"), manifest);
        clone.git(&["stash", "-q", "-u"]).ok();
        clone.git(&["reset", "-q", "--hard", "HEAD~2"]).ok();
        clone.assert_clean();
        bring_store_back(env, &origin);
        clone.model(&["checkout"]).ok();
        clone.assert_holds("m.safetensors", &model(2));
    });
}

#[test]
fn asking_again_in_vain_fails_and_changes_nothing() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(1);
        let (clone, _) = poor_clone(env, &origin);
        let failed = clone.model(&["checkout"]).fails_with(1);
        assert!(failed.stderr.contains("m.safetensors"), "{}", failed.stderr);
        assert!(failed.stderr.contains("hint:"), "{}", failed.stderr);
        assert!(is_manifest(&clone.read("m.safetensors")));
        clone.assert_clean();
    });
}

#[test]
fn whole_files_beside_missing_ones() {
    in_both_modes(|env| {
        let origin = env.repo("origin");
        for at in 0..4 {
            origin.write(&format!("{at}.bin"), &noise(5000, at));
            origin.commit("one");
        }
        // One of four packs goes.
        let mut packs: Vec<_> = std::fs::read_dir(origin.path(".git/model/packs")).expect("packs").flatten().collect();
        assert_eq!(packs.len(), 4);
        packs.sort_by_key(std::fs::DirEntry::file_name);
        std::fs::rename(packs[0].path(), env.root().join("pack")).expect("renamed");
        let clone = env.clone_repo(&["origin", "clone"]);
        let whole: Vec<u64> = (0..4).filter(|at| clone.read(&format!("{at}.bin")) == noise(5000, *at)).collect();
        assert_eq!(whole.len(), 3);
        clone.assert_clean();
        std::fs::rename(env.root().join("pack"), packs[0].path()).expect("renamed");
        clone.model(&["checkout"]).ok();
        (0..4).for_each(|at| clone.assert_holds(&format!("{at}.bin"), &noise(5000, at)));
        clone.assert_settled();
    });
}

#[test]
fn a_damaged_pack_spoils_no_file() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        let pack = std::fs::read_dir(repo.path(".git/model/packs")).expect("packs").next().expect("a pack");
        let path = pack.expect("a pack").path();
        let good = std::fs::read(&path).expect("read");
        for at in [9, good.len() / 3, good.len() / 2] {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::remove_file(&path).expect("removed");
            std::fs::write(&path, &bad).expect("written");
            repo.remove("m.safetensors");
            // Git goes on; the file holds its manifest until the store is mended.
            let checkout = repo.git(&["checkout", "-q", "."]).ok();
            let found = repo.read("m.safetensors");
            assert!(found == model(1) || is_manifest(&found), "spoiled by byte {at}");
            assert!(found == model(1) || checkout.stderr.contains("git model fsck --repair"), "{}", checkout.stderr);
            std::fs::write(&path, &good).expect("written");
            repo.git(&["checkout", "-q", "-f", "."]).ok();
            repo.model(&["checkout"]).ok();
            repo.assert_holds("m.safetensors", &model(1));
            repo.assert_clean();
        }
    });
}
