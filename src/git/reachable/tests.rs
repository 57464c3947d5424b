use std::collections::BTreeMap;

use super::*;

struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self(tempfile::tempdir().expect("a folder"));
        sandbox.git("", &["init", "-q", "-b", "main", "r"]);
        sandbox
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn common_dir(&self) -> PathBuf {
        self.dir("r/.git")
    }

    fn git(&self, folder: &str, args: &[&str]) -> String {
        self.git_at(folder, args, "2024-01-01T00:00:00Z")
    }

    fn git_at(&self, folder: &str, args: &[&str], date: &str) -> String {
        let mut command = Command::new("git");
        for name in MISLEADING {
            command.env_remove(name);
        }
        for (name, value) in [("NAME", "a"), ("EMAIL", "a@b"), ("DATE", date)] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.current_dir(self.dir(folder)).args(args).output().expect("git");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    fn write(&self, path: &str, content: &str) {
        std::fs::write(self.dir(path), content).expect("written");
    }

    /// Commits `content` as `r/f` and returns the commit.
    fn commit(&self, content: &str) -> String {
        self.write("r/f", content);
        self.git("r", &["add", "f"]);
        self.git("r", &["commit", "-q", "-m", "m"]);
        self.git("r", &["rev-parse", "HEAD"])
    }

    fn found(&self) -> Result<BTreeMap<String, String>, GitError> {
        let mut found = BTreeMap::new();
        blobs_starting_with::<GitError>(&self.common_dir(), b"M:", 1 << 20, |id, content| {
            let content = String::from_utf8(content.to_vec()).expect("text");
            assert!(found.insert(content, id.to_string()).is_none(), "a blob came twice");
            Ok(())
        })?;
        Ok(found)
    }

    fn assert_found(&self, contents: &[&str]) {
        let found = self.found().expect("walked");
        let mut contents = contents.to_vec();
        contents.sort_unstable();
        assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), contents);
    }

    fn loose(&self, id: &str) -> PathBuf {
        self.common_dir().join("objects").join(&id[..2]).join(&id[2..])
    }
}

#[test]
fn an_empty_repository_has_none() {
    Sandbox::new().assert_found(&[]);
}

#[test]
fn refs_tags_reflogs_stashes_and_the_index() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    sandbox.commit("not one");
    sandbox.commit("M:reset away");
    sandbox.git("r", &["reset", "-q", "--hard", "HEAD~1"]);
    sandbox.write("r/f", "M:stash dropped on top");
    sandbox.git("r", &["stash", "-q"]);
    sandbox.write("r/f", "M:second stash");
    sandbox.git("r", &["stash", "-q"]);
    let blob = |content: &str| {
        sandbox.write("r/x", content);
        sandbox.git("r", &["hash-object", "-w", "x"])
    };
    sandbox.git("r", &["update-ref", "refs/model/blob", &blob("M:a ref to a blob")]);
    sandbox.git("r", &["tag", "-a", "-m", "t", "tag", &blob("M:a tag of a blob")]);
    blob("M:nobody refers to it");
    sandbox.write("r/g", "M:index");
    sandbox.git("r", &["add", "g"]);
    let expected = [
        "M:first",
        "M:reset away",
        "M:stash dropped on top",
        "M:second stash",
        "M:a ref to a blob",
        "M:a tag of a blob",
    ];
    sandbox.assert_found(&[&expected[..], &["M:index"]].concat());
    sandbox.git("r", &["pack-refs", "--all"]);
    sandbox.git("r", &["repack", "-adq"]);
    sandbox.assert_found(&[&expected[..], &["M:index"]].concat());
}

#[test]
fn everything_of_linked_work_trees() {
    let sandbox = Sandbox::new();
    let first = sandbox.commit("M:first");
    sandbox.git("r", &["worktree", "add", "-q", "--detach", "../w"]);
    let commit = |content: &str| {
        sandbox.write("w/f", content);
        sandbox.git("w", &["commit", "-q", "-a", "-m", "m"]);
        sandbox.git("w", &["rev-parse", "HEAD"])
    };
    let own_ref = commit("M:a ref of its own");
    let noted = commit("M:noted by a rebase");
    let original = commit("M:ORIG_HEAD");
    sandbox.git("w", &["reset", "-q", "--hard", &first]);
    commit("M:in its reflog only");
    sandbox.git("w", &["reset", "-q", "--hard", &first]);
    let git_dir = sandbox.common_dir().join("worktrees/w");
    let log = std::fs::read_to_string(git_dir.join("logs/HEAD")).expect("a reflog");
    let is_kept = |line: &&str| [&own_ref, &noted, &original].iter().all(|id| !line[..81].contains(*id));
    let keep: Vec<&str> = log.lines().filter(is_kept).collect();
    assert_eq!(keep.len(), 3, "{log}");
    std::fs::write(git_dir.join("logs/HEAD"), keep.join("\n") + "\n").expect("written");
    commit("M:its HEAD");
    std::fs::remove_file(git_dir.join("ORIG_HEAD")).expect("removed");
    sandbox.assert_found(&["M:first", "M:in its reflog only", "M:its HEAD"]);

    sandbox.git("w", &["update-ref", "refs/worktree/mine", &own_ref]);
    std::fs::write(git_dir.join("ORIG_HEAD"), format!("{original}\n")).expect("written");
    std::fs::create_dir(git_dir.join("rebase-merge")).expect("made");
    std::fs::write(git_dir.join("rebase-merge/git-rebase-todo"), format!("pick {noted} m\n")).expect("written");
    sandbox.write("w/g", "M:its index");
    sandbox.git("w", &["add", "g"]);
    let all = [
        "M:first",
        "M:in its reflog only",
        "M:its HEAD",
        "M:a ref of its own",
        "M:noted by a rebase",
        "M:ORIG_HEAD",
        "M:its index",
    ];
    sandbox.assert_found(&all);
    std::fs::remove_dir_all(sandbox.dir("w")).expect("removed");
    sandbox.assert_found(&all);
}

#[test]
fn all_sides_of_a_conflict() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:base");
    sandbox.git("r", &["checkout", "-q", "-b", "other"]);
    let theirs = sandbox.commit("M:theirs");
    sandbox.git("r", &["checkout", "-q", "main"]);
    sandbox.commit("M:ours");
    let merge = Command::new("git").current_dir(sandbox.dir("r")).args(["merge", "other"]).output().expect("git");
    assert!(!merge.status.success());
    sandbox.git("r", &["branch", "-D", "other"]);
    std::fs::remove_dir_all(sandbox.common_dir().join("logs")).expect("removed");
    assert!(!theirs.is_empty());
    let found = sandbox.found().expect("walked");
    for side in ["M:base", "M:ours", "M:theirs"] {
        assert!(found.contains_key(side), "{side}: {found:?}");
    }
}

#[test]
fn a_bare_repository_and_replaced_objects() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    let (old, new) = (sandbox.git("r", &["rev-parse", "HEAD:f"]), {
        sandbox.write("r/x", "M:replacement");
        sandbox.git("r", &["hash-object", "-w", "x"])
    });
    sandbox.git("r", &["replace", &old, &new]);
    sandbox.assert_found(&["M:first", "M:replacement"]);
    sandbox.git("", &["clone", "-q", "--mirror", "r", "bare"]);
    let mut count = 0;
    blobs_starting_with::<GitError>(&sandbox.dir("bare"), b"M:", 1 << 20, |_, _| {
        count += 1;
        Ok(())
    })
    .expect("walked");
    assert_eq!(count, 2);
}

#[test]
fn what_is_gone_ends_the_walk() {
    let missing = "1234567890123456789012345678901234567890";
    type Damage = fn(&Sandbox, &str);
    let damages: [(&str, Damage); 8] = [
        ("a blob", |sandbox, _| {
            std::fs::remove_file(sandbox.loose(&sandbox.git("r", &["rev-parse", "HEAD:f"]))).expect("removed");
        }),
        ("a blob of an earlier commit", |sandbox, _| {
            std::fs::remove_file(sandbox.loose(&sandbox.git("r", &["rev-parse", "HEAD~1:f"]))).expect("removed");
        }),
        ("a tree", |sandbox, _| {
            std::fs::remove_file(sandbox.loose(&sandbox.git("r", &["rev-parse", "HEAD~1^{tree}"]))).expect("removed");
        }),
        ("a commit", |sandbox, _| {
            std::fs::remove_file(sandbox.loose(&sandbox.git("r", &["rev-parse", "HEAD~1"]))).expect("removed");
        }),
        ("a ref's object", |sandbox, missing| sandbox.write("r/.git/refs/heads/broken", &format!("{missing}\n"))),
        ("a ref that is none", |sandbox, _| sandbox.write("r/.git/refs/heads/broken", "garbage\n")),
        ("an empty ref", |sandbox, _| sandbox.write("r/.git/refs/heads/broken", "")),
        ("an object of a reflog", |sandbox, missing| {
            let log = std::fs::read_to_string(sandbox.dir("r/.git/logs/HEAD")).expect("a reflog");
            let head = sandbox.git("r", &["rev-parse", "HEAD"]);
            sandbox.write("r/.git/logs/HEAD", &format!("{log}{missing} {head} a <a> 1700000000 +0000\tx\n"));
        }),
    ];
    for (what, damage) in damages {
        let sandbox = Sandbox::new();
        sandbox.commit("M:first");
        sandbox.commit("M:second");
        damage(&sandbox, missing);
        assert!(sandbox.found().is_err(), "{what}");
    }
}

#[test]
fn damage_to_a_blob_or_an_index_ends_the_walk() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    sandbox.git("r", &["worktree", "add", "-q", "--detach", "../w"]);
    let index = sandbox.common_dir().join("worktrees/w/index");
    let good = std::fs::read(&index).expect("an index");
    std::fs::write(&index, &good[..good.len() - 1]).expect("written");
    assert!(sandbox.found().is_err());
    std::fs::write(&index, &good).expect("written");
    sandbox.assert_found(&["M:first"]);

    let path = sandbox.loose(&sandbox.git("r", &["rev-parse", "HEAD:f"]));
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, b"broken").expect("written");
    assert!(sandbox.found().is_err());
}

#[test]
fn what_a_remote_has_promised_may_be_missing_and_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    sandbox.commit("M:second");
    sandbox.git("r", &["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", sandbox.dir("r").display());
    sandbox.git("", &["clone", "-q", "--no-local", "--filter=blob:none", &url, "partial"]);
    let found = || {
        let mut found = BTreeMap::new();
        let git_dir = sandbox.dir("partial/.git");
        blobs_starting_with::<GitError>(&git_dir, b"M:", 1 << 20, |id, content| {
            found.insert(String::from_utf8(content.to_vec()).expect("text"), id);
            Ok(())
        })
        .map(|()| found.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(found().expect("walked"), ["M:second"]);
    sandbox.write("partial/f", "M:local");
    sandbox.git("partial", &["commit", "-q", "-a", "-m", "m"]);
    assert_eq!(found().expect("walked"), ["M:local", "M:second"]);
    let blob = sandbox.git("partial", &["rev-parse", "HEAD:f"]);
    std::fs::remove_file(sandbox.dir("partial/.git/objects").join(&blob[..2]).join(&blob[2..])).expect("removed");
    assert!(found().is_err());
}

#[test]
fn what_is_only_noted_may_be_gone() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    sandbox.write("r/.git/FETCH_HEAD", "1234567890123456789012345678901234567890\tnot-for-merge\tbranch 'x'\n");
    std::os::unix::fs::symlink("nowhere", sandbox.common_dir().join("MERGE_HEAD")).expect("made");
    sandbox.git("r", &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/none"]);
    sandbox.assert_found(&["M:first"]);
}

#[test]
fn locks_of_all_work_trees_are_seen() {
    let sandbox = Sandbox::new();
    sandbox.commit("M:first");
    sandbox.git("r", &["worktree", "add", "-q", "--detach", "../w"]);
    assert!(index_locks(&sandbox.common_dir()).is_empty());
    let lock = sandbox.common_dir().join("worktrees/w/index.lock");
    std::fs::write(&lock, "").expect("written");
    assert_eq!(index_locks(&sandbox.common_dir()), [lock]);
}
