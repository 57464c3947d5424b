//! `git model install` and `uninstall`: settings, and hooks beside those of others.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Env, Repo, noise};

fn version(repo: &Repo<'_>) -> (u32, u32) {
    let text = repo.git(&["version"]).ok().text().to_owned();
    let mut numbers =
        text.split(' ').nth(2).expect("a version").split('.').map(|number| number.parse().expect("digits"));
    (numbers.next().expect("major"), numbers.next().expect("minor"))
}

fn takes_hooks_from_config(repo: &Repo<'_>) -> bool {
    version(repo) >= (2, 54)
}

/// Every file below `dir`: its mode, and its content or where it leads.
pub fn snapshot(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry")) {
        let metadata = entry.metadata().expect("metadata");
        let name = entry.file_name().into_string().expect("text");
        if metadata.is_dir() {
            all.extend(snapshot(&entry.path()).into_iter().map(|(inner, file)| (format!("{name}/{inner}"), file)));
        } else {
            let content = std::fs::read_link(entry.path())
                .map(|target| target.into_os_string().into_encoded_bytes())
                .unwrap_or_else(|_| std::fs::read(entry.path()).expect("readable"));
            all.insert(name, (metadata.permissions().mode(), content));
        }
    }
    all
}

/// An executable script of the repository.
pub fn script(repo: &Repo<'_>, name: &str, text: &str) {
    repo.write(name, text.as_bytes());
    std::fs::set_permissions(repo.path(name), std::fs::Permissions::from_mode(0o751)).expect("a mode");
}

fn empty_repo<'e>(env: &'e Env, name: &str) -> Repo<'e> {
    let repo = env.repo(name);
    repo.git(&["commit", "-q", "--allow-empty", "-m", "first"]).ok();
    repo
}

#[test]
fn settings_are_written_once_and_leave_nothing_behind() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    let before = (snapshot(&env.home()), snapshot(&repo.path(".git")));
    repo.model(&["install"]).ok();
    let installed = (snapshot(&env.home()), snapshot(&repo.path(".git")));
    let get = |key: &str| repo.git(&["config", "--global", key]).ok().text().trim_end().to_owned();
    assert_eq!(get("filter.model.process"), "git-model filter-process");
    assert_eq!(get("filter.model.clean"), "git-model clean %f");
    assert_eq!(get("filter.model.smudge"), "git-model smudge %f");
    assert_eq!(get("filter.model.required"), "true");
    assert_eq!(get("merge.model.driver"), "git-model merge-driver %O %A %B %L %P %S %X %Y");
    assert_eq!(get("merge.model.recursive"), "model");
    let again = repo.model(&["install"]).ok();
    assert!(again.stderr.contains("already"), "{}", again.stderr);
    assert!(installed == (snapshot(&env.home()), snapshot(&repo.path(".git"))));
    repo.model(&["uninstall"]).ok();
    assert!(before == (snapshot(&env.home()), snapshot(&repo.path(".git"))));
    repo.model(&["uninstall"]).ok();
    assert!(before == (snapshot(&env.home()), snapshot(&repo.path(".git"))));
}

#[test]
fn a_configuration_file_that_only_we_needed_goes_too() {
    let env = Env::bare();
    std::fs::remove_file(env.home().join(".gitconfig")).expect("removed");
    let outside = env.at("home");
    outside.model(&["install"]).ok();
    outside.model(&["uninstall"]).ok();
    assert!(snapshot(&env.home()).is_empty());
}

#[test]
fn a_changed_setting_is_put_right() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    repo.git(&["config", "--global", "filter.model.process", "other"]).ok();
    repo.git(&["config", "--global", "--add", "filter.model.process", "another"]).ok();
    repo.model(&["install"]).ok();
    let all = repo.git(&["config", "--global", "--get-all", "filter.model.process"]).ok();
    assert_eq!(all.text(), "git-model filter-process\n");
}

#[test]
fn scopes_are_kept_apart() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    let before = snapshot(&env.root().join("repo/.git"));
    for (flag, file) in [("--local", "config"), ("--worktree", "config.worktree")] {
        if flag == "--worktree" {
            let refused = repo.git(&["worktree", "add", "-q", "../other"]).ok();
            assert_eq!(refused.stdout, b"");
            let refused = repo.model(&["install", flag]).fails_with(1);
            assert!(refused.stderr.contains("git config extensions.worktreeConfig true"), "{}", refused.stderr);
            repo.git(&["config", "extensions.worktreeConfig", "true"]).ok();
        }
        repo.model(&["install", flag]).ok();
        let config = String::from_utf8(repo.read(&format!(".git/{file}"))).expect("text");
        assert!(config.contains("[filter \"model\"]"), "{config}");
        assert_eq!(repo.git(&["config", "--global", "filter.model.process"]).code, Some(1));
        repo.model(&["uninstall", flag]).ok();
        if flag == "--local" {
            assert!(before == snapshot(&repo.path(".git")));
        }
    }
    assert!(!repo.path(".git/config.worktree").exists());
    repo.model(&["install", "--local", "--global"]).fails_with(2);
    let outside = env.at("home").model(&["install", "--local"]).fails_with(1);
    assert!(outside.stderr.contains("git init"), "{}", outside.stderr);
}

#[test]
fn a_binary_that_is_not_on_path_is_called_by_its_path() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    let dir = env.root().join("it's 100%f");
    std::fs::create_dir(&dir).expect("a folder");
    let binary = dir.join("git-model");
    // Not in this process: what another test starts meanwhile would have the file open for writing, and it could not be run.
    let mut copy = env.command("cp", env.root());
    copy.arg(env!("CARGO_BIN_EXE_git-model")).arg(&binary);
    env.run(copy).ok();
    let mut install = env.command(&binary, &repo.dir);
    install.args(["install", "--local"]);
    env.run(install).ok();
    let process = repo.git(&["config", "filter.model.process"]).ok().text().to_owned();
    assert!(process.contains("it'\\''s 100%f/git-model' filter-process"), "{process}");
    let bytes = noise(40_000, 3);
    repo.write("m.bin", &bytes);
    repo.commit("by the filter");
    assert!(repo.blob("HEAD", "m.bin").starts_with(b"{\"git-model\""));
    // `clean` and `smudge` alone, as a git without the long-running protocol calls them.
    repo.git(&["config", "--unset", "filter.model.process"]).ok();
    let hash = repo.git(&["hash-object", "--path", "m.bin", "m.bin"]).ok().text().to_owned();
    assert_eq!(hash, repo.git(&["rev-parse", "HEAD:m.bin"]).ok().text());
    assert!(repo.git(&["cat-file", "--filters", "HEAD:m.bin"]).ok().stdout == bytes);
}

#[test]
fn files_are_whole_before_the_users_hook_sees_them() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    let log = env.root().join("log");
    let hook = format!("#!/bin/sh\n{{ echo \"$@\"; head -c 14 m.bin 2>&1; echo; }} >>'{}'\nexit 7\n", log.display());
    script(&repo, ".git/hooks/post-checkout", &hook);
    repo.model(&["install", "--local"]).ok();
    repo.git(&["config", "model.smudge.inlineLimit", "1"]).ok();
    let bytes = noise(40_000, 5);
    repo.write("m.bin", &bytes);
    repo.commit("weights");
    repo.git(&["checkout", "-q", "HEAD~"]).fails_with(1);
    std::fs::remove_file(&log).expect("the hook ran");
    let head = repo.git(&["rev-parse", "HEAD", "main"]).ok().text().replace('\n', " ");
    // The user's hook decides on the exit code, of which git makes 1.
    repo.git(&["checkout", "-q", "main"]).fails_with(1);
    let log = std::fs::read(&log).expect("the hook ran");
    assert!(log.starts_with(format!("{head}1\n").as_bytes()), "{}", String::from_utf8_lossy(&log));
    assert!(log.ends_with(&[&bytes[..14], b"\n"].concat()), "{}", String::from_utf8_lossy(&log));
    repo.assert_clean();
}

#[test]
fn hooks_come_back_as_they_were() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    repo.write("scripts/merge-hook", b"#!/bin/sh\n");
    script(&repo, ".git/hooks/post-checkout", "#!/bin/sh\nexit 0\n");
    std::os::unix::fs::symlink("../../scripts/merge-hook", repo.path(".git/hooks/post-merge")).expect("a link");
    let before = snapshot(&repo.path(".git"));
    repo.model(&["install", "--local"]).ok();
    let installed = snapshot(&repo.path(".git"));
    assert_eq!(installed.contains_key("hooks/post-merge.git-model-previous"), !takes_hooks_from_config(&repo));
    repo.model(&["install", "--local"]).ok();
    assert!(installed == snapshot(&repo.path(".git")));
    repo.model(&["uninstall", "--local"]).ok();
    assert!(before == snapshot(&repo.path(".git")));
    repo.model(&["install", "--local", "--no-hooks"]).ok();
    assert!(snapshot(&repo.path(".git/hooks")) == snapshot_of(&before, "hooks/"));
}

fn snapshot_of(all: &BTreeMap<String, (u32, Vec<u8>)>, folder: &str) -> BTreeMap<String, (u32, Vec<u8>)> {
    all.iter().filter_map(|(name, file)| Some((name.strip_prefix(folder)?.to_owned(), file.clone()))).collect()
}

#[test]
fn without_git_model_on_path_hooks_do_nothing_of_ours() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    script(&repo, ".git/hooks/post-checkout", "#!/bin/sh\necho mine >ran\n");
    repo.model(&["install", "--local"]).ok();
    let mut checkout = repo.git_command(&["checkout", "-q", "-b", "other"]);
    checkout.env("PATH", "/usr/bin:/bin");
    let outcome = env.run(checkout).ok();
    assert_eq!(outcome.stderr, "");
    assert_eq!(repo.read("ran"), b"mine\n");
}

#[test]
fn a_hook_that_another_tool_has_renamed_does_not_call_back() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    if takes_hooks_from_config(&repo) {
        return assert_eq!(repo.model(&["install", "--local"]).ok().code, Some(0));
    }
    // What pre-commit does: it moves the hook there is aside, and calls it.
    let tool = "#!/bin/sh\necho tool >>ran\n\"$0.legacy\" \"$@\"\n";
    script(&repo, ".git/hooks/post-checkout", tool);
    repo.model(&["install", "--local"]).ok();
    std::fs::rename(repo.path(".git/hooks/post-checkout"), repo.path(".git/hooks/post-checkout.legacy"))
        .expect("moved");
    script(&repo, ".git/hooks/post-checkout", tool);
    repo.git(&["checkout", "-q", "-b", "other"]).ok();
    assert_eq!(repo.read("ran"), b"tool\n");
    repo.model(&["uninstall", "--local"]).ok();
    assert_eq!(repo.read(".git/hooks/post-checkout.legacy"), tool.as_bytes());
    assert!(!repo.path(".git/hooks/post-checkout.git-model-previous").exists());
}

#[test]
fn a_hook_put_over_ours_is_left_alone() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    if takes_hooks_from_config(&repo) {
        return assert_eq!(repo.model(&["install", "--local"]).ok().code, Some(0));
    }
    script(&repo, ".git/hooks/post-merge", "#!/bin/sh\n# first\n");
    repo.model(&["install", "--local"]).ok();
    script(&repo, ".git/hooks/post-merge", "#!/bin/sh\n# second\n");
    let outcome = repo.model(&["install", "--local"]).ok();
    assert!(outcome.stderr.contains("remove one of the two"), "{}", outcome.stderr);
    repo.model(&["uninstall", "--local"]).ok();
    assert_eq!(repo.read(".git/hooks/post-merge"), b"#!/bin/sh\n# second\n");
}

#[test]
fn where_others_rule_hooks_the_lines_to_add_are_printed() {
    let env = Env::bare();
    for (setting, file) in [(".husky/_", ".husky/post-checkout"), ("my hooks", "my hooks/post-checkout")] {
        let repo = empty_repo(&env, &setting.replace(['/', ' '], "-"));
        std::fs::create_dir_all(repo.path(setting)).expect("a folder");
        repo.git(&["config", "core.hooksPath", setting]).ok();
        let outcome = repo.model(&["install", "--local"]).ok();
        if takes_hooks_from_config(&repo) {
            assert_eq!(outcome.text(), "");
            continue;
        }
        assert!(snapshot(&repo.path(setting)).is_empty());
        assert!(outcome.stderr.contains(file), "{}", outcome.stderr);
        let line = outcome.text().lines().next().expect("a line to add").to_owned();
        assert!(line.contains("git-model hook post-checkout \"$@\""), "{line}");
        script(&repo, file, &format!("#!/bin/sh -e\n{line}\necho done >ran\n"));
        if setting == ".husky/_" {
            script(&repo, ".husky/_/post-checkout", "#!/bin/sh\nexec .husky/post-checkout \"$@\"\n");
        }
        repo.git(&["checkout", "-q", "-b", "other"]).ok();
        assert_eq!(repo.read("ran"), b"done\n");
        let again = repo.model(&["install", "--local"]).ok();
        assert!(!again.text().contains("post-checkout"), "{}", again.text());
    }
}

#[test]
fn hook_managers_get_lines_in_their_own_language() {
    let env = Env::bare();
    let managers = [
        ("# File generated by pre-commit: https://pre-commit.com", ".pre-commit-config.yaml", "stages: [post-merge]"),
        ("exec lefthook run post-merge", "lefthook.yml", "run: git-model hook post-merge {0}"),
    ];
    for (text, file, expected) in managers {
        let repo = empty_repo(&env, file);
        if takes_hooks_from_config(&repo) {
            continue;
        }
        let hook = format!("#!/bin/sh\n{text}\n");
        script(&repo, ".git/hooks/post-merge", &hook);
        let outcome = repo.model(&["install", "--local"]).ok();
        assert_eq!(repo.read(".git/hooks/post-merge"), hook.as_bytes());
        assert!(outcome.stderr.contains(file) && outcome.text().contains(expected), "{}", outcome.text());
        repo.write(file, outcome.stdout.as_slice());
        assert_eq!(repo.model(&["install", "--local"]).ok().text(), "");
    }
}

#[test]
fn hooks_of_a_linked_work_tree_are_those_of_the_repository() {
    let env = Env::bare();
    let repo = empty_repo(&env, "repo");
    repo.git(&["worktree", "add", "-q", "../linked"]).ok();
    let linked = env.at("linked");
    let before = snapshot(&repo.path(".git/hooks"));
    linked.model(&["install", "--local"]).ok();
    assert_eq!(before != snapshot(&repo.path(".git/hooks")), !takes_hooks_from_config(&repo));
    linked.model(&["uninstall", "--local"]).ok();
    assert!(before == snapshot(&repo.path(".git/hooks")));
}
