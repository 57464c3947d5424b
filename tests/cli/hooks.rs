//! Our hooks beside those of the user, in all that people do: each hook runs as often as it does where we are not, and the
//! gates judge what is committed.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::check::weights;
use crate::install::{script, snapshot};
use crate::support::{Env, Outcome, Repo};

const EVENTS: [&str; 9] = [
    "post-checkout",
    "post-commit",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "prepare-commit-msg",
];

/// The last line makes the hooks after a commit look for environments; else they would not be started.
const POLICY: &str = r#"
[model.prices]
weights = ["model.safetensors"]
metrics = "metrics.json"

[[gate]]
model = "prices"
metric = "mse"
max = 30
regression = "2%"
# Nothing to deploy.
"#;

/// What people do: its name, the branch that it starts from, and the steps (see [`Place::step`]).
const WORK: &[(&str, &str, &[&str])] = &[
    ("commit", "base", &["version 5 24", "commit -q -m x"]),
    ("commit of what is staged", "base", &["version 5 24", "metrics 99", "commit -q -m x"]),
    ("commit -a", "base", &["version 5 26", "metrics 24", "commit -q -a -m x"]),
    ("commit FILE", "base", &["version 5 26", "notes 1 mine", "commit -q -m x -- notes"]),
    ("amend", "base", &["version 5 24.9", "commit -q -m x", "version 6 24.8", "commit -q --amend --no-edit"]),
    ("merge, forward", "base", &["merge -q side"]),
    ("merge", "ours", &["merge -q --no-edit side"]),
    ("merge, conflict", "clash", &["! merge side", "notes 1 both", "add notes", "commit -q -m x"]),
    ("merge --squash", "ours", &["merge -q --squash side", "commit -q -m x"]),
    ("rebase --merge", "ours", &["rebase -q --merge side"]),
    ("rebase --apply", "ours", &["rebase -q --apply side"]),
    ("rebase --merge, conflict", "clash", &["! rebase --merge side", "notes 1 both", "add notes", "rebase --continue"]),
    ("rebase --apply, conflict", "clash", &["! rebase --apply side", "notes 1 both", "add notes", "rebase --continue"]),
    ("cherry-pick", "ours", &["cherry-pick side"]),
    ("cherry-pick, conflict", "clash", &["! cherry-pick side", "notes 1 both", "add notes", "cherry-pick --continue"]),
    ("revert", "side", &["revert --no-edit HEAD"]),
    ("am", "base", &["am -q ../notes.patch"]),
    ("switch", "base", &["checkout -q side", "switch -q -c new", "checkout -q base -- metrics.json"]),
];

/// What makes a model worse than allowed. The last step must be refused.
const WORSE: &[(&str, &str, &[&str])] = &[
    ("commit", "base", &["version 5 26", "commit -q -m x"]),
    ("commit of what is staged", "base", &["version 5 26", "metrics 24", "commit -q -m x"]),
    ("commit -a", "base", &["version 5 24", "metrics 26", "commit -q -a -m x"]),
    ("commit FILE", "base", &["version 5 24", "metrics 26", "commit -q -m x -- metrics.json"]),
    ("amend", "ours", &["version 5 26", "commit -q --amend --no-edit"]),
    ("merge", "ours", &["merge --no-edit worse"]),
    ("merge, conflict", "clash", &["! merge worse", "notes 1 both", "add notes", "commit -q -m x"]),
    ("cherry-pick, conflict", "clash", &["! cherry-pick worse", "notes 1 both", "add notes", "cherry-pick --continue"]),
];

/// Where the user's hooks are, and where one works.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Setup {
    None,
    HooksFolder,
    HooksPath,
    Linked,
}

/// A repository whose hooks leave a line each time they run.
struct Place<'e> {
    /// Where one works.
    repo: Repo<'e>,
    log: PathBuf,
}

impl<'e> Place<'e> {
    /// With the user's hooks, and ours if `is_installed`. The model's error is 25, and 24 on `side`.
    fn new(env: &'e Env, name: &str, setup: Setup, is_installed: bool) -> Self {
        let log = env.root().join(format!("{name}.log"));
        let place = Self { repo: env.repo(name), log };
        let repo = &place.repo;
        let binary = env!("CARGO_BIN_EXE_git-model");
        let counted =
            format!("#!/bin/sh\n[ \"$1\" = hook ] && echo \"ours $2\" >>\"$HOOK_LOG\"\nexec '{binary}' \"$@\"\n");
        script(repo, "../counted/git-model", &counted);
        repo.write(".gitmodel.toml", POLICY.as_bytes());
        repo.write(".git/info/exclude", b"/my hooks/\n");
        place.do_steps(&["notes 0 0", "version 1 25", "commit -q -m first", "branch base"]);
        place.do_steps(&["checkout -q -b side", "notes 1 theirs", "version 2 24", "commit -q -m side"]);
        place.do_steps(&["checkout -q -b worse base", "notes 1 theirs", "version 3 26", "commit -q -m worse"]);
        place.do_steps(&["checkout -q -b ours base", "notes 18 ours", "commit -q -a -m ours"]);
        place.do_steps(&["format-patch -q -1 --output=../notes.patch"]);
        place.do_steps(&["checkout -q -b clash base", "notes 1 ours", "commit -q -a -m clash"]);
        let folder = if setup == Setup::HooksPath { "my hooks" } else { ".git/hooks" };
        if setup == Setup::HooksPath {
            repo.git(&["config", "core.hooksPath", folder]).ok();
        }
        if setup == Setup::Linked {
            let linked = format!("../{name}-linked");
            repo.git(&["worktree", "add", "-q", "-b", "work", &linked]).ok();
        }
        for event in EVENTS.into_iter().filter(|_| setup != Setup::None) {
            let hook = format!("#!/bin/sh\necho 'user {event}' >>\"$HOOK_LOG\"\n");
            script(repo, &format!("{folder}/{event}"), &hook);
        }
        if is_installed {
            place.install(folder);
        }
        if setup == Setup::Linked {
            return Self { repo: env.at(&format!("{name}-linked")), log: place.log };
        }
        place
    }

    /// Puts the lines that are printed, if any, first into the user's hooks.
    fn install(&self, folder: &str) {
        let repo = &self.repo;
        let printed = repo.model(&["install", "--local"]).ok();
        for line in printed.text().lines() {
            let event = EVENTS.into_iter().find(|event| line.contains(&format!("hook {event} "))).expect("an event");
            let name = format!("{folder}/{event}");
            let text = String::from_utf8(repo.read(&name)).expect("text");
            script(repo, &name, &text.replacen("#!/bin/sh\n", &format!("#!/bin/sh\n{line}\n"), 1));
        }
        assert_eq!(repo.model(&["install", "--local"]).ok().text(), "");
    }

    /// Git, with the git-model that is counted.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.repo.git_command(args);
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path).expect("a PATH");
        let counted = self.repo.env.root().join("counted");
        let path = std::env::join_paths([counted].into_iter().chain(std::env::split_paths(path))).expect("a PATH");
        command.env("PATH", path).env("HOOK_LOG", &self.log).env("GIT_EDITOR", "true");
        command
    }

    fn git(&self, args: &[&str]) -> Outcome {
        self.repo.env.run(self.command(args))
    }

    /// One step: `version SEED MSE` writes and adds a model, `metrics MSE` only writes metrics, `notes LINE TEXT` writes
    /// notes; else it is for git, and must fail after `! `.
    fn step(&self, step: &str) {
        let words: Vec<&str> = step.split(' ').collect();
        match words.as_slice() {
            ["version", seed, mse] => {
                self.repo.write("model.safetensors", &weights(seed.parse().expect("a number")));
                self.step(&format!("metrics {mse}"));
                self.git(&["add", "."]).ok();
            }
            ["metrics", mse] => self.repo.write("metrics.json", format!("{{\"mse\": {mse}}}\n").as_bytes()),
            ["notes", line, text] => {
                let mut lines: Vec<String> = (0..20).map(|at| at.to_string()).collect();
                lines[line.parse::<usize>().expect("a number")] = (*text).to_owned();
                self.repo.write("notes", (lines.join("\n") + "\n").as_bytes());
            }
            ["!", args @ ..] => {
                let outcome = self.git(args);
                assert_ne!(outcome.code, Some(0), "{step}: {}{}", outcome.text(), outcome.stderr);
            }
            args => {
                let outcome = self.git(args);
                assert_eq!(outcome.code, Some(0), "{step}: {}{}", outcome.text(), outcome.stderr);
            }
        }
    }

    fn do_steps(&self, steps: &[&str]) {
        steps.iter().for_each(|step| self.step(step));
    }

    /// A branch `work` at `branch`, and nothing left of what was done before.
    fn start(&self, branch: &str) {
        self.do_steps(&["reset -q --hard", "clean -q -f -d", &format!("checkout -q -f -B work {branch}")]);
        self.git(&["branch", "-q", "-D", "new"]);
        self.forget();
    }

    /// From here on runs are counted.
    fn forget(&self) {
        std::fs::write(&self.log, "").expect("a log");
    }

    /// How often the hooks ran: ours, or the user's.
    fn runs(&self, whose: &str) -> BTreeMap<String, usize> {
        let log = std::fs::read_to_string(&self.log).expect("a log");
        let mut runs = BTreeMap::new();
        for event in log.lines().filter_map(|line| line.strip_prefix(whose)?.strip_prefix(' ')) {
            *runs.entry(event.to_owned()).or_default() += 1;
        }
        runs
    }

    fn tip(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).ok().text().to_owned()
    }
}

/// Every hook runs as often as in a repository that we are not installed in.
#[track_caller]
fn hooks_run_as_often_as_without_us(setup: Setup) {
    let env = Env::new();
    let user = if setup == Setup::None { Setup::HooksFolder } else { setup };
    let without = Place::new(&env, "without", user, false);
    let with = Place::new(&env, "with", setup, true);
    for (name, branch, steps) in WORK {
        without.start(branch);
        without.do_steps(steps);
        let expected = without.runs("user");
        with.start(branch);
        with.do_steps(steps);
        assert!(!expected.is_empty(), "{name}: git runs a hook");
        let (mut ours, mut wanted) = (with.runs("ours"), expected.clone());
        // Our script starts us for this only while git is rebasing; a line in the user's hook always does.
        if !name.starts_with("rebase") {
            let event = "prepare-commit-msg";
            let (ran, wanted) = (ours.remove(event), wanted.remove(event));
            assert!(ran.is_none() || ran == wanted, "{name}: {event}");
        }
        assert_eq!(ours, wanted, "{name}: ours");
        let own = if setup == Setup::None { BTreeMap::new() } else { expected };
        assert_eq!(with.runs("user"), own, "{name}: the user's");
    }
}

/// What is worse is refused by one run of ours, after the hook that was there before ours, which may change what is judged.
#[track_caller]
fn worse_models_are_refused_once(setup: Setup) {
    let env = Env::new();
    let place = Place::new(&env, "repo", setup, true);
    let kept = usize::from(matches!(setup, Setup::HooksFolder | Setup::Linked));
    for (name, branch, steps) in WORSE {
        place.start(branch);
        let (last, before) = steps.split_last().expect("a step");
        place.do_steps(before);
        let tip = place.tip();
        place.forget();
        let outcome = place.git(&last.split(' ').collect::<Vec<_>>());
        let said = format!("{name}: {}{}", outcome.text(), outcome.stderr);
        assert!(outcome.code != Some(0) && said.contains("gates: 1 failed"), "{said}");
        assert!(said.lines().any(|line| line.contains(" 26 ") && line.ends_with("failed")), "{said}");
        assert_eq!(place.tip(), tip, "{said}");
        let count = |whose: &str| {
            let runs = place.runs(whose);
            ["pre-commit", "pre-merge-commit"].iter().filter_map(|&event| runs.get(event)).sum::<usize>()
        };
        assert_eq!((count("ours"), count("user")), (1, kept), "{said}");
    }
}

#[test]
fn alone() {
    hooks_run_as_often_as_without_us(Setup::None);
}

#[test]
fn beside_the_users_hooks() {
    hooks_run_as_often_as_without_us(Setup::HooksFolder);
    worse_models_are_refused_once(Setup::HooksFolder);
}

#[test]
fn in_a_folder_of_core_hooks_path() {
    hooks_run_as_often_as_without_us(Setup::HooksPath);
    worse_models_are_refused_once(Setup::HooksPath);
}

#[test]
fn in_a_linked_work_tree() {
    hooks_run_as_often_as_without_us(Setup::Linked);
    worse_models_are_refused_once(Setup::Linked);
}

/// What is chosen counts, not what the work tree has.
#[test]
fn of_a_commit_by_hunks_only_what_is_chosen_counts() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::HooksFolder, true);
    let metrics = |mse: &str, note: &str| {
        let lines: String = (0..9).map(|at| format!(" \"line{at}\": {at},\n")).collect();
        format!("{{\n \"mse\": {mse},\n{lines} \"note\": \"{note}\"\n}}\n")
    };
    place.start("base");
    place.repo.write("metrics.json", metrics("25", "").as_bytes());
    place.do_steps(&["commit -q -a -m lines"]);
    place.repo.write("metrics.json", metrics("26", "noted").as_bytes());
    for (answers, code) in [("y\nn\n", 1), ("n\ny\n", 0)] {
        place.forget();
        let answered = env.root().join("answers");
        std::fs::write(&answered, answers).expect("written");
        let mut commit = place.command(&["commit", "-q", "-m", "x", "-p"]);
        commit.stdin(std::fs::File::open(&answered).expect("answers"));
        let outcome = env.run(commit);
        let is_refused = outcome.stderr.contains("gates: 1 failed");
        assert_eq!((outcome.code, is_refused), (Some(code), code == 1), "{}", outcome.stderr);
        assert_eq!(place.runs("ours").get("pre-commit"), Some(&1));
    }
    assert_eq!(place.repo.blob("HEAD", "metrics.json"), metrics("25", "noted").as_bytes());
}

#[test]
fn with_no_verify_no_hook_runs_before_a_commit() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::HooksFolder, true);
    place.start("base");
    place.do_steps(&["version 5 26", "commit -q --no-verify -m x"]);
    assert_eq!(place.runs("ours").get("pre-commit"), None);
    assert_eq!(place.runs("user").keys().collect::<Vec<_>>(), ["post-commit", "prepare-commit-msg"]);
}

/// The user's hook decides on the commit before ours, and is told what git tells.
#[test]
fn the_users_hook_has_the_first_word() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::HooksFolder, true);
    place.start("base");
    let own = |event: &str| {
        let kept = format!(".git/hooks/{event}.git-model-previous");
        if place.repo.path(&kept).exists() { kept } else { format!(".git/hooks/{event}") }
    };
    script(&place.repo, &own("pre-commit"), "#!/bin/sh\necho mine >&2\nexit 3\n");
    place.do_steps(&["version 5 24"]);
    let refused = place.git(&["commit", "-q", "-m", "x"]).fails_with(1);
    assert!(refused.stderr.contains("mine"), "{}", refused.stderr);
    assert_eq!(place.runs("ours").get("pre-commit"), None);
    let hook = "#!/bin/sh\necho \"$# $2\" >>\"$HOOK_LOG\"\necho said by a hook >\"$1\"\n";
    script(&place.repo, &own("prepare-commit-msg"), hook);
    place.do_steps(&["commit -q --no-verify -m x"]);
    let log = std::fs::read_to_string(&place.log).expect("a log");
    assert!(log.contains("2 message\n"), "{log}");
    assert_eq!(place.git(&["log", "-1", "--format=%s"]).ok().text(), "said by a hook\n");
}

/// Other modes than usual, a hook that git does not run, and one that is no text.
#[test]
fn after_everything_hooks_come_back_as_they_were() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::HooksFolder, false);
    let repo = &place.repo;
    let mode =
        |name: &str, mode| std::fs::set_permissions(repo.path(name), Permissions::from_mode(mode)).expect("a mode");
    mode(".git/hooks/pre-commit", 0o700);
    mode(".git/hooks/post-merge", 0o644);
    repo.write(".git/hooks/pre-applypatch", b"\x7fno text \xff\0");
    script(repo, ".git/hooks/commit-msg", "#!/bin/sh\n");
    let config = repo.read(".git/config");
    let before = snapshot(&repo.path(".git/hooks"));
    place.install(".git/hooks");
    place.start("base");
    place.do_steps(&["merge -q side", "version 5 24", "commit -q -m x"]);
    assert_eq!(place.runs("user").get("post-merge"), None, "git does not run what is not executable");
    repo.model(&["uninstall", "--local"]).ok();
    assert!(before == snapshot(&repo.path(".git/hooks")));
    assert!(config == repo.read(".git/config"));
}

/// A folder that only we needed goes too.
#[test]
fn a_hooks_folder_that_was_not_there_goes_again() {
    let env = Env::new();
    let repo = env.repo("repo");
    std::fs::remove_dir_all(repo.path(".git/hooks")).expect("removed");
    repo.model(&["install", "--local"]).ok();
    repo.model(&["uninstall", "--local"]).ok();
    assert!(!repo.path(".git/hooks").exists());
}

/// What was installed before another folder was named is taken back all the same.
#[test]
fn hooks_are_removed_from_the_folder_that_git_does_not_look_into_any_more() {
    let env = Env::new();
    let repo = env.repo("repo");
    let before = snapshot(&repo.path(".git/hooks"));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["config", "core.hooksPath", "elsewhere"]).ok();
    repo.model(&["uninstall", "--local"]).ok();
    assert!(before == snapshot(&repo.path(".git/hooks")));
}

/// pre-commit keeps the hook that it finds as `.legacy`, and calls it.
#[test]
fn the_users_hook_runs_under_a_tool_that_has_taken_ours_over() {
    let env = Env::new();
    let repo = env.repo("repo");
    script(&repo, ".git/hooks/post-checkout", "#!/bin/sh\necho mine >>ran\n");
    repo.model(&["install", "--local"]).ok();
    repo.git(&["commit", "-q", "--allow-empty", "-m", "first"]).ok();
    std::fs::rename(repo.path(".git/hooks/post-checkout"), repo.path(".git/hooks/post-checkout.legacy"))
        .expect("moved");
    script(&repo, ".git/hooks/post-checkout", "#!/bin/sh\necho tool >>ran\n\"$0.legacy\" \"$@\"\n");
    repo.git(&["checkout", "-q", "-b", "other"]).ok();
    assert_eq!(repo.read("ran"), b"tool\nmine\n");
}

/// A hook of the user that evaluates and adds what comes out.
#[test]
fn what_the_users_hook_adds_is_judged() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::None, false);
    let hook = "#!/bin/sh\necho '{\"mse\": 26}' >metrics.json\ngit add metrics.json\n";
    script(&place.repo, ".git/hooks/pre-commit", hook);
    place.install(".git/hooks");
    place.start("base");
    place.do_steps(&["version 5 24"]);
    let refused = place.git(&["commit", "-q", "-m", "x"]).fails_with(1);
    assert!(refused.stderr.contains("gates: 1 failed"), "{}", refused.stderr);
}

/// The base is the parent of the commit that is made, not the commit that goes.
#[test]
fn amending_step_by_step_does_not_pass_over_a_gate() {
    let env = Env::new();
    let place = Place::new(&env, "repo", Setup::None, true);
    place.start("base");
    place.do_steps(&["version 5 25.4", "commit -q -m x", "version 6 25.8"]);
    let refused = place.git(&["commit", "-q", "--amend", "--no-edit"]).fails_with(1);
    assert!(refused.stderr.contains("gates: 1 failed"), "{}", refused.stderr);
}
