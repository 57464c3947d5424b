//! Clones of repositories on the same machine find the weights without a pull.

use crate::support::{Env, Repo, in_both_modes, is_manifest, model};

fn origin(env: &Env) -> Repo<'_> {
    env.repo("origin").versions(2)
}

fn assert_whole(clone: &Repo<'_>) {
    clone.assert_holds("m.safetensors", &model(2));
    clone.assert_settled();
    clone.git(&["checkout", "-q", "HEAD~"]).ok();
    clone.assert_holds("m.safetensors", &model(1));
    clone.assert_settled();
}

#[test]
fn by_path_and_by_url() {
    in_both_modes(|env| {
        let origin = origin(env);
        let path = origin.dir.to_str().expect("text").to_owned();
        let url = format!("file://{path}");
        let sources: [(&str, &[&str]); 6] = [
            ("path", &["origin"]),
            ("absolute", &[&path]),
            ("url", &[&url]),
            ("branch", &["-b", "main", "--single-branch", "origin"]),
            ("no-hardlinks", &["--no-hardlinks", "origin"]),
            ("named", &["-o", "upstream", &url]),
        ];
        for (name, args) in sources {
            assert_whole(&env.clone_repo(&[args, &[name]].concat()));
        }
    });
}

#[test]
fn a_clone_outlives_its_origin() {
    in_both_modes(|env| {
        let origin = origin(env);
        let clone = env.clone_repo(&["origin", "clone"]);
        std::fs::remove_dir_all(&origin.dir).expect("removed");
        clone.remove("m.safetensors");
        clone.git(&["checkout", "-q", "."]).ok();
        clone.assert_holds("m.safetensors", &model(2));
        clone.assert_settled();
    });
}

#[test]
fn a_clone_has_the_branches_that_it_did_not_check_out() {
    in_both_modes(|env| {
        let origin = origin(env);
        origin.git(&["checkout", "-q", "-b", "other"]).ok();
        origin.write("other.safetensors", &model(9));
        origin.commit("other");
        origin.git(&["checkout", "-q", "main"]).ok();
        let clone = env.clone_repo(&["origin", "clone"]);
        std::fs::remove_dir_all(&origin.dir).expect("removed");
        clone.model(&["fsck"]).ok();
        clone.git(&["checkout", "-q", "other"]).ok();
        clone.assert_holds("other.safetensors", &model(9));
        clone.assert_settled();
    });
}

#[test]
fn checkout_long_after_a_clone_without_one() {
    in_both_modes(|env| {
        origin(env);
        let clone = env.clone_repo(&["--no-checkout", "origin", "clone"]);
        assert!(!clone.path("m.safetensors").exists());
        clone.git(&["checkout", "-q", "main"]).ok();
        assert_whole(&clone);
    });
}

#[test]
fn of_a_clone_of_a_clone() {
    in_both_modes(|env| {
        origin(env);
        env.clone_repo(&["origin", "first"]);
        assert_whole(&env.clone_repo(&["first", "second"]));
    });
}

#[test]
fn shallow() {
    in_both_modes(|env| {
        let url = format!("file://{}", origin(env).dir.display());
        let clone = env.clone_repo(&["--depth", "1", &url, "clone"]);
        clone.assert_holds("m.safetensors", &model(2));
        clone.assert_settled();
    });
}

#[test]
fn without_the_suffix_of_a_bare_repository() {
    in_both_modes(|env| {
        let origin = origin(env);
        std::fs::rename(&origin.dir, env.root().join("old")).expect("renamed");
        env.git(&["clone", "-q", "--bare", "old", "hub.git"]);
        std::fs::rename(env.root().join("old/.git/model"), env.root().join("hub.git/model")).expect("renamed");
        // Git completes `hub` to `hub.git`.
        assert_whole(&env.clone_repo(&["hub", "clone"]));
    });
}

#[test]
fn from_a_folder_with_spaces_and_percent_signs() {
    in_both_modes(|env| {
        let origin = env.repo("my 100%25 models").versions(2);
        let path = origin.dir.to_str().expect("text").to_owned();
        assert_whole(&env.clone_repo(&[&path, "by path"]));
        let url = format!("file://{}", path.replace('%', "%25").replace(' ', "%20"));
        assert_whole(&env.clone_repo(&[&url, "by url"]));
    });
}

#[test]
fn with_a_rewritten_url() {
    in_both_modes(|env| {
        let origin = origin(env);
        env.configure(&format!("url.{}.insteadOf", origin.dir.display()), "hub:origin");
        assert_whole(&env.clone_repo(&["hub:origin", "clone"]));
    });
}

#[test]
fn fetch_and_pull_bring_new_versions() {
    in_both_modes(|env| {
        let origin = origin(env);
        let clone = env.clone_repo(&["origin", "clone"]);
        let origin = origin.versions(3);
        origin.git(&["checkout", "-q", "-b", "side"]).ok();
        origin.write("m.safetensors", &model(4));
        origin.commit("side");
        clone.git(&["pull", "-q"]).ok();
        clone.assert_holds("m.safetensors", &model(3));
        clone.assert_settled();
        clone.git(&["checkout", "-q", "side"]).ok();
        clone.assert_holds("m.safetensors", &model(4));
        clone.assert_settled();
    });
}

#[test]
fn a_bare_clone_answers_archive() {
    in_both_modes(|env| {
        origin(env);
        let bare = env.clone_repo(&["--bare", "origin", "bare.git"]);
        for (revision, seed) in [("main", 2), ("main~", 1)] {
            let tar = bare.git(&["archive", "--format=tar", revision, "m.safetensors"]).ok().stdout;
            let bytes = model(seed);
            assert!(tar.windows(bytes.len()).any(|window| window == bytes), "{revision}");
            assert!(!tar.windows(13).any(is_manifest));
        }
    });
}

#[test]
fn into_a_separate_git_dir() {
    in_both_modes(|env| {
        origin(env);
        assert_whole(&env.clone_repo(&["--separate-git-dir", "elsewhere.git", "origin", "clone"]));
        assert!(env.root().join("elsewhere.git/model/packs").is_dir());
    });
}
