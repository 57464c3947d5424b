//! `git model status`.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Env, Repo, Tensor, noise, safetensors};

/// Three tensors; only `b` depends on the seed.
fn weights(seed: u64) -> Vec<u8> {
    let (a, b, c) = (noise(5000, 1), noise(6000, seed), noise(10, 1));
    safetensors(&[
        Tensor { name: "a", dtype: "BF16", shape: &[5000], bytes: &a },
        Tensor { name: "b", dtype: "BF16", shape: &[6000], bytes: &b },
        Tensor { name: "c", dtype: "BF16", shape: &[10], bytes: &c },
    ])
}

fn status(repo: &Repo<'_>) -> Value {
    serde_json::from_str(repo.model(&["status", "--json"]).ok().text()).expect("JSON")
}

fn model<'v>(status: &'v Value, path: &str) -> &'v Value {
    status["models"].as_array().expect("models").iter().find(|model| model["path"] == path).expect(path)
}

#[test]
fn tells_how_it_stands_with_each_model() {
    let env = Env::new();
    let repo = env.repo("repo");
    for name in ["same", "modified", "deleted", "later", "manifest"] {
        repo.write(&format!("{name}.safetensors"), &weights(1));
    }
    repo.add_raw("raw.bin", &noise(500, 4));
    repo.commit("all");
    repo.write("modified.safetensors", &weights(2));
    repo.git(&["rm", "-q", "--cached", "deleted.safetensors"]).ok();
    repo.write("new file.safetensors", &weights(3));
    repo.git(&["add", "modified.safetensors", "new file.safetensors"]).ok();
    repo.git(&["mv", "raw.bin", "renamed.bin"]).ok();
    repo.write("later.safetensors", &weights(5));
    repo.write("untracked.safetensors", &weights(6));
    repo.write("untracked.txt", b"text");
    repo.write("manifest.safetensors", &repo.blob("HEAD", "manifest.safetensors"));

    let status = status(&repo);
    let cases = [
        ("same.safetensors", "unchanged", "materialized", 0, 0),
        ("modified.safetensors", "modified", "materialized", 0, 1),
        ("new file.safetensors", "new", "materialized", 3, 0),
        ("later.safetensors", "unchanged", "modified", 0, 0),
        ("manifest.safetensors", "unchanged", "manifest", 0, 0),
        ("untracked.safetensors", "untracked", "materialized", 0, 0),
    ];
    for (path, state, worktree, added, changed) in cases {
        let model = model(&status, path);
        let seen = (&model["state"], &model["worktree"], &model["added"], &model["changed"]);
        assert_eq!(seen, (&state.into(), &worktree.into(), &added.into(), &changed.into()), "{path}");
    }
    // Git compares a raw file with what the filter makes of it only if the index entry is as old as the index.
    let raw = &model(&status, "renamed.bin");
    assert_eq!(raw["state"], "raw");
    assert!(raw["worktree"] == "materialized" || raw["worktree"] == "modified", "{raw}");
    // The file is still there: deleted from the index, and not added again.
    let deleted = &model(&status, "deleted.safetensors");
    assert!(deleted["state"] == "deleted" || deleted["state"] == "untracked", "{deleted}");
    assert_eq!(status["models"].as_array().expect("models").len(), cases.len() + 2);

    let text = repo.model(&["status"]).ok();
    assert!(text.text().contains("3 tensors, 1 changed"), "{}", text.text());
    assert!(text.stderr.contains("git add --renormalize"), "{}", text.stderr);
    assert!(text.stderr.contains("git model checkout"), "{}", text.stderr);
}

#[test]
fn a_conflict_is_one_model() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("m.safetensors", &weights(1));
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write("m.safetensors", &weights(2));
    repo.commit("side");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write("m.safetensors", &weights(3));
    repo.commit("main");
    repo.git(&["merge", "-q", "side"]).fails_with(1);
    let status = status(&repo);
    assert_eq!(status["models"].as_array().expect("models").len(), 1);
    assert_eq!(model(&status, "m.safetensors")["state"], "conflict");
}

#[test]
fn says_what_a_push_would_move() {
    let env = Env::new();
    let repo = env.repo("repo");
    assert_eq!(status(&repo)["push"], serde_json::json!({"bytes": 0, "everything": true}));
    repo.write("m.safetensors", &weights(1));
    repo.commit("first");
    let first = status(&repo);
    let all = first["push"]["bytes"].as_u64().expect("a number");
    let packs = std::fs::read_dir(repo.path(".git/model/packs")).expect("packs");
    let stored: u64 = packs.map(|pack| pack.expect("a pack").metadata().expect("metadata").len()).sum();
    assert!(all > stored * 9 / 10 && all < stored, "{all} of {stored}");
    let text = repo.model(&["status"]).ok();
    assert!(text.text().contains("a push would move all: "), "{}", text.text());

    repo.git(&["init", "-q", "--bare", "../remote.git"]).ok();
    repo.git(&["remote", "add", "origin", "../remote.git"]).ok();
    repo.git(&["push", "-q", "-u", "origin", "main"]).ok();
    assert_eq!(status(&repo)["push"], serde_json::json!({"bytes": 0, "everything": false}));
    assert!(repo.model(&["status"]).ok().text().ends_with("nothing to push\n"));

    // Half of the file is new; what is not committed does not move.
    repo.write("m.safetensors", &weights(2));
    repo.git(&["add", "."]).ok();
    assert_eq!(status(&repo)["push"]["bytes"], 0);
    repo.commit("second");
    let second = status(&repo);
    let bytes = second["push"]["bytes"].as_u64().expect("a number");
    assert!(bytes > all / 4 && bytes < all * 3 / 4, "{bytes} of {all}");
    assert_eq!(model(&second, "m.safetensors")["push_bytes"], bytes);
}

#[test]
fn an_empty_repository_gets_a_hint() {
    let env = Env::new();
    let outcome = env.repo("repo").model(&["status"]).ok();
    assert!(outcome.stderr.contains("git model track"), "{}", outcome.stderr);
}

#[test]
fn folders_and_links_are_no_models() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("d.safetensors/m.safetensors", &weights(1));
    repo.write("d.safetensors/notes.txt", b"text");
    std::os::unix::fs::symlink("d.safetensors/m.safetensors", repo.path("l.safetensors")).expect("a link");
    let only = |status: &Value| {
        let models = status["models"].as_array().expect("models");
        models.iter().map(|model| model["path"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(only(&status(&repo)), ["d.safetensors/m.safetensors"]);
    repo.commit("all");
    let committed = status(&repo);
    assert_eq!(only(&committed), ["d.safetensors/m.safetensors"]);
    assert_eq!(model(&committed, "d.safetensors/m.safetensors")["state"], "unchanged");
    let text = repo.model(&["status"]).ok();
    assert!(!text.stderr.contains("renormalize"), "{}", text.stderr);
    let doctor = repo.model(&["doctor"]);
    assert!(!doctor.text().contains("in git as it is"), "{}", doctor.text());
    let told = repo.model(&["track", "*.bin"]).ok();
    assert!(!told.stderr.contains("convert"), "{}", told.stderr);
}

#[test]
fn lost_objects_are_said() {
    let env = Env::new();
    let repo = env.repo("repo");
    for name in ["dir/it's here.safetensors", "gone.safetensors"] {
        repo.write(name, &weights(name.len() as u64));
        // As young as the index, git would ask the filter about them, which stores them again.
        let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(60));
        File::open(repo.path(name)).and_then(|file| file.set_times(times)).expect("a time");
    }
    repo.commit("all");
    let sound = repo.model(&["status"]).ok();
    assert!(!(sound.text().to_owned() + &sound.stderr).contains("not in the store"), "{}", sound.text());
    std::fs::remove_dir_all(repo.path(".git/model")).expect("removed");
    std::fs::remove_file(repo.path("gone.safetensors")).expect("removed");
    let lost = status(&repo);
    assert_eq!(model(&lost, "dir/it's here.safetensors")["stored"], false);
    let listed = repo.model(&["ls-files", "--long"]).ok();
    assert!(listed.text().contains("materialized, not in the store\n"), "{}", listed.text());
    assert!(listed.text().contains("missing, not in the store\n"), "{}", listed.text());

    let sub = env.at("repo/dir");
    let text = sub.model(&["status"]).ok();
    assert!(text.text().contains("it's here.safetensors  3 tensors  22.2 kB  not in the store\n"), "{}", text.text());
    assert!(text.text().contains("../gone.safetensors"), "{}", text.text());
    assert!(text.stderr.contains("run `git model doctor`"), "{}", text.stderr);
    let (_, command) = text.stderr.split_once("has the bytes; run `").expect("a command");
    let (command, _) = command.split_once('`').expect("its end");
    let mut shell = env.command("/bin/sh", &sub.dir);
    shell.args(["-c", command]);
    env.run(shell).ok();
    let mended = status(&repo);
    assert_eq!(model(&mended, "dir/it's here.safetensors")["stored"], true);
    assert_eq!(model(&mended, "gone.safetensors")["stored"], false);
}

#[test]
fn commands_about_files_need_a_work_tree() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.git(&["init", "-q", "--bare", "../bare.git"]).ok();
    for (place, hint) in
        [("bare.git", "hint: run it in a clone: `git clone "), ("repo/.git", "hint: run it in the work tree ")]
    {
        let place = env.at(place);
        for args in
            [&["status"][..], &["ls-files"], &["checkout"], &["track"], &["track", "*.bin"], &["untrack", "*.bin"]]
        {
            let refused = place.model(args).fails_with(1);
            assert!(refused.stderr.starts_with("error: this command needs a work tree"), "{}", refused.stderr);
            assert!(refused.stderr.contains(hint), "{}", refused.stderr);
            assert_eq!(refused.stderr.lines().count(), 2, "{}", refused.stderr);
            assert!(!place.path(".gitattributes").exists());
        }
    }
}
