//! Unusual file names: whatever git and the file system take.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::support::{Env, in_both_modes, is_manifest, model, noise};

const NAMES: [&[u8]; 24] = [
    b"a b.bin",
    b" leading.bin",
    b"trailing .bin",
    "gr\u{f6}\u{df}e \u{2713} \u{1f40d}.bin".as_bytes(),
    "o\u{308} decomposed.bin".as_bytes(),
    b"new\nline.bin",
    b"tab\there.bin",
    b"return\rhere.bin",
    b"-dash.bin",
    b"--help.bin",
    b"quote\".bin",
    b"apostrophe'.bin",
    b"back\\slash.bin",
    b"$(touch pwned).bin",
    b"`touch pwned`.bin",
    b"star*.bin",
    b"question?.bin",
    b"[brackets].bin",
    b":(top)colon.bin",
    b"!bang.bin",
    b"#hash.bin",
    b"\xff\xfe not utf-8.bin",
    b"equals=pathname=x.bin",
    b".bin",
];

#[test]
fn come_back_under_their_names() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        let folders: [&[u8]; 3] = [b"", b"-d \xe9/", b"deep/ /\n/"];
        let mut files = Vec::new();
        for folder in folders {
            std::fs::create_dir_all(repo.dir.join(OsStr::from_bytes(folder))).expect("a folder");
            for name in NAMES {
                let name: OsString = OsStr::from_bytes(&[folder, name].concat()).to_owned();
                let bytes = noise(300, files.len() as u64);
                std::fs::write(repo.dir.join(&name), &bytes).expect("written");
                files.push((name, bytes));
            }
        }
        repo.commit("names");
        for (name, _) in &files {
            let revision = OsString::from_iter([OsStr::new("HEAD:"), name]);
            let mut show = repo.git_command(&["cat-file", "blob"]);
            show.arg(revision);
            assert!(is_manifest(&env.run(show).ok().stdout), "{name:?}");
            std::fs::remove_file(repo.dir.join(name)).expect("removed");
        }
        repo.git(&["checkout", "-q", "."]).ok();
        for (name, bytes) in &files {
            assert!(std::fs::read(repo.dir.join(name)).expect("there") == *bytes, "{name:?}");
        }
        assert!(!repo.path("pwned").exists());
        repo.assert_settled();
    });
}

#[test]
fn skipped_ones_are_materialized_by_name() {
    let env = Env::new();
    let repo = env.repo("repo");
    for name in NAMES {
        std::fs::write(repo.dir.join(OsStr::from_bytes(name)), noise(300, 1)).expect("written");
    }
    repo.commit("names");
    for name in NAMES {
        let name = OsStr::from_bytes(name);
        std::fs::remove_file(repo.dir.join(name)).expect("removed");
        repo.git_with(&[("GIT_MODEL_SMUDGE", "skip")], &["checkout", "-q", "."]).ok();
        assert!(is_manifest(&std::fs::read(repo.dir.join(name)).expect("there")), "{name:?}");
        let mut checkout = env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
        checkout.args(["checkout", "--"]).arg(OsString::from_iter([OsStr::new("./"), name]));
        env.run(checkout).ok();
        assert!(std::fs::read(repo.dir.join(name)).expect("there") == noise(300, 1), "{name:?}");
    }
    repo.assert_clean();
}

#[test]
fn single_shot_filters_take_them_too() {
    let env = Env::new();
    // Git falls back on these where there is no process.
    env.git(&["config", "--global", "--unset", "filter.model.process"]);
    let repo = env.repo("repo");
    for name in NAMES {
        std::fs::write(repo.dir.join(OsStr::from_bytes(name)), noise(300, 1)).expect("written");
    }
    repo.commit("names");
    for name in NAMES {
        std::fs::remove_file(repo.dir.join(OsStr::from_bytes(name))).expect("removed");
    }
    repo.git(&["checkout", "-q", "."]).ok();
    for name in NAMES {
        let name = OsStr::from_bytes(name);
        assert!(std::fs::read(repo.dir.join(name)).expect("there") == noise(300, 1), "{name:?}");
    }
    assert!(!repo.path("pwned").exists());
}

#[test]
fn a_long_path_in_deep_folders() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        let name = format!("{}/{}.safetensors", vec!["d".repeat(100); 12].join("/"), "f".repeat(240));
        repo.write(&name, &model(1));
        repo.commit("deep");
        repo.remove(&name);
        repo.git(&["checkout", "-q", "."]).ok();
        repo.assert_holds(&name, &model(1));
        repo.assert_settled();
    });
}

#[test]
fn a_repository_in_a_folder_with_an_unusual_name() {
    in_both_modes(|env| {
        for name in ["with space", "quo\"te", "new\nline", "gr\u{f6}\u{df}e", "-dash", "a:b"] {
            let repo = env.repo(name).versions(2);
            repo.git(&["checkout", "-q", "HEAD~"]).ok();
            repo.assert_holds("m.safetensors", &model(1));
            repo.assert_settled();
        }
    });
}
