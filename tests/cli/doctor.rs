//! `git model doctor`: every finding goes away by the command that it names.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{Env, Outcome, Repo, noise};

fn examine(repo: &Repo<'_>) -> (Option<i32>, Value) {
    let outcome = repo.model(&["doctor", "--json"]);
    (outcome.code, serde_json::from_str(outcome.text()).expect("JSON"))
}

/// The finding that has `what` in its text, as severity and command.
#[track_caller]
fn find(report: &Value, what: &str) -> Option<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| text(&finding["what"]).contains(what))?;
    Some((text(&found["severity"]), text(&found["mend"])))
}

fn shell(repo: &Repo<'_>, line: &str) -> Outcome {
    let mut shell = repo.env.command("/bin/sh", &repo.dir);
    shell.args(["-c", line]);
    repo.env.run(shell)
}

/// The finding is there, its command mends it, and a problem makes the exit code 3.
#[track_caller]
fn mends(repo: &Repo<'_>, severity: &str, what: &str) {
    let (code, report) = examine(repo);
    let (found, mend) = find(&report, what).unwrap_or_else(|| panic!("no `{what}` in {report:#}"));
    assert_eq!(found, severity, "{what}");
    if severity == "problem" {
        assert_eq!(code, Some(3), "{report:#}");
    }
    shell(repo, &mend).ok();
    let (_, after) = examine(repo);
    assert_eq!(find(&after, what), None, "after `{mend}`: {after:#}");
}

#[track_caller]
fn assert_healthy(repo: &Repo<'_>) {
    let (code, report) = examine(repo);
    assert_eq!((code, report["findings"].as_array().map(Vec::len)), (Some(0), Some(0)), "{report:#}");
}

fn installed(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.model(&["install"]).ok();
    repo
}

#[test]
fn a_sound_installation_has_nothing_to_mend() {
    let env = Env::bare();
    let repo = installed(&env);
    repo.write("m.bin", &noise(5000, 1));
    repo.commit("weights");
    assert_healthy(&repo);
    let text = repo.model(&["doctor"]).ok();
    assert!(text.text().ends_with("\nnothing is wrong\n"), "{}", text.text());
    let config = env.home().join(".gitconfig");
    assert!(text.text().contains(config.to_str().expect("text")), "{}", text.text());
    let outside = env.at("home").model(&["doctor"]).ok();
    assert!(outside.stderr.contains("not in a repository"), "{}", outside.stderr);
}

#[test]
fn settings_are_mended() {
    let env = Env::bare();
    let repo = env.repo("repo");
    mends(&repo, "problem", "git does not call git-model");
    assert_healthy(&repo);
    let breakages: [(&[&str], &str); 5] = [
        (&["--global", "--unset", "merge.model.driver"], "models would be merged as text"),
        (&["--global", "--unset", "filter.model.clean"], "`filter.model.clean` is not set"),
        (&["--global", "merge.model.recursive", "text"], "`merge.model.recursive` is"),
        // The repository's settings overrule those of the user, so they are put right there.
        (&["--local", "filter.model.required", "false"], "a file that cannot be stored would go into git as it is"),
        (&["--local", "filter.model.process", "git-model-gone filter-process"], "`filter.model.process` is"),
    ];
    for (args, what) in breakages {
        repo.git(&[&["config"], args].concat()).ok();
        mends(&repo, "problem", what);
    }
    assert_healthy(&repo);
}

#[test]
fn hooks_are_mended() {
    let env = Env::bare();
    let repo = env.repo("repo");
    repo.model(&["install", "--no-hooks"]).ok();
    mends(&repo, "advice", "hook post-checkout is absent");
    assert_healthy(&repo);
    if repo.path(".git/hooks/post-merge").exists() {
        repo.write(".git/hooks/post-merge", b"#!/bin/sh\n");
        repo.write(".git/hooks/post-merge.git-model-previous", b"#!/bin/sh\n");
        mends(&repo, "advice", "hook post-merge is blocked");
        assert_healthy(&repo);
        repo.git(&["config", "core.hooksPath", "elsewhere"]).ok();
        let (code, report) = examine(&repo);
        assert_eq!(code, Some(0));
        let (_, mend) = find(&report, "hook post-merge is ruled by another tool").expect("a finding");
        let lines = shell(&repo, &mend).ok();
        let hook = |event: &str| {
            lines.text().lines().find(|line| line.contains(&format!("hook {event} "))).expect("a line").to_owned()
        };
        for event in git_model::git::hooks::EVENTS {
            repo.write(&format!("elsewhere/{event}"), format!("#!/bin/sh\n{}\n", hook(event)).as_bytes());
        }
        assert_healthy(&repo);
    }
}

#[test]
fn files_are_mended() {
    let env = Env::bare();
    let repo = installed(&env);
    let bytes = noise(5000, 1);
    repo.write("dir/it's a model.bin", &bytes);
    repo.commit("weights");

    repo.write("dir/it's a model.bin", &repo.blob("HEAD", "dir/it's a model.bin"));
    mends(&repo, "problem", "not materialized");
    assert!(repo.read("dir/it's a model.bin") == bytes);

    repo.write("raw.pt", &noise(500, 2));
    repo.commit("raw");
    repo.write(".gitattributes", b"*.bin filter=model merge=model\n*.pt filter=model\n");
    mends(&repo, "advice", "in git as it is");
    assert!(repo.git(&["cat-file", "blob", ":raw.pt"]).ok().stdout.starts_with(b"{\"git-model\""));
    mends(&repo, "problem", "without `merge=model`");
    assert_healthy(&repo);
}

#[test]
fn missing_tensors_are_stored_again_from_the_work_tree() {
    let env = Env::bare();
    let repo = installed(&env);
    // The larger one has its manifest on record.
    for (name, elements) in [("small.bin", 5000), ("large.bin", 3 << 20)] {
        repo.write(name, &noise(elements, 1));
    }
    repo.commit("weights");
    std::fs::remove_dir_all(repo.path(".git/model/packs")).expect("removed");
    mends(&repo, "problem", "but the work tree has them");
    assert_healthy(&repo);
    for name in ["small.bin", "large.bin"] {
        let bytes = repo.read(name);
        std::fs::remove_file(repo.path(name)).expect("removed");
        repo.git(&["checkout", "-q", name]).ok();
        assert!(repo.read(name) == bytes, "{name}");
    }
}

#[test]
fn missing_tensors_are_fetched_from_a_remote_at_hand() {
    let env = Env::bare();
    let repo = installed(&env);
    repo.write("m.bin", &noise(5000, 1));
    repo.commit("weights");
    let mut clone = repo.git_command(&["clone", "-q", "../repo", "../clone"]);
    clone.env("GIT_MODEL_SMUDGE", "skip");
    env.run(clone).ok();
    let clone = env.at("clone");
    clone.model(&["install"]).ok();
    mends(&clone, "problem", "tensors are missing from the store");
    assert!(clone.read("m.bin") == repo.read("m.bin"));
    assert_healthy(&clone);
}

#[test]
fn the_store_is_looked_at() {
    let env = Env::bare();
    let repo = installed(&env);
    repo.write("m.bin", &noise(5000, 1));
    repo.commit("weights");
    let left = repo.path(".git/model/packs/.git-model-tmp-1-2-3");
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(3 * 24 * 60 * 60));
    File::create(left).and_then(|file| file.set_times(times)).expect("made");
    assert_eq!(examine(&repo).0, Some(0));
    assert!(repo.model(&["doctor"]).ok().text().contains(" in 1 pack ("));
    mends(&repo, "advice", "1 file left");

    for damage in [
        |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2),
        |bytes: &mut Vec<u8>| {
            // In the index, before the footer.
            let at = bytes.len() - 70;
            bytes[at] ^= 1;
        },
    ] {
        let packs = std::fs::read_dir(repo.path(".git/model/packs")).expect("packs");
        let pack =
            packs.map(|pack| pack.expect("a pack").path()).find(|path| path.extension().is_some()).expect("a pack");
        let mut bytes = std::fs::read(&pack).expect("readable");
        damage(&mut bytes);
        std::fs::remove_file(&pack).expect("removed");
        std::fs::write(&pack, bytes).expect("written");
        mends(&repo, "problem", "is damaged");
        assert_healthy(&repo);
    }
}
