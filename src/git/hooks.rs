//! Our hooks, beside those of others.
//!
//! Git from 2.54 on runs hooks that stand in its configuration, before the one in the hooks folder: there, two settings
//! per hook are all. For older versions a small shell script takes the hook's place, does our part and calls the hook that was
//! there before, kept as `<event>.git-model-previous`; where ours judges what is to be committed, that one comes first. Where another tool rules the hooks
//! (`core.hooksPath`, husky, lefthook, pre-commit, overcommit), nothing is written: the caller gets the lines to add.
//!
//! **Limitations.** A hook that tells its event from its own file name sees the kept name after installation on an older
//! git. A new hook that another tool puts over our script is left alone. From git 2.54 on ours always comes first. Lines that
//! a user adds to our script go with it.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::install::{self, Program, Scope};
use super::{Git, GitError, git_version};
use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};

/// The events we have hooks for where people work.
pub const EVENTS: [&str; 9] = [
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
/// The events we have hooks for where pushes arrive.
pub const SERVER_EVENTS: [&str; 2] = ["post-receive", "pre-receive"];

const SHIM: &str = include_str!("../../hooks/shim.sh");
/// For hooks that git tells something on their standard input.
const READING_SHIM: &str = include_str!("../../hooks/reading-shim.sh");
const SHIM_MARK: &str = "# git-model hook shim ";
const PREVIOUS: &str = "git-model-previous";
/// The first git that runs hooks from its configuration.
const CONFIG_HOOKS_SINCE: (u32, u32) = (2, 54);

/// Why hooks could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The file system refused.
    #[error("cannot change `{}`: {source}", path.display())]
    Io {
        /// The hook.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl HookError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}

/// How it is with one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Ours runs.
    Installed,
    /// Ours does not run.
    Absent,
    /// Another tool rules this hook; ours runs once these lines are added.
    Ruled {
        /// Where to add them.
        file: PathBuf,
        /// The lines.
        snippet: String,
    },
    /// There already is a kept hook, and another one in place of our script.
    Blocked {
        /// The kept one.
        previous: PathBuf,
    },
}

/// The hooks of the repository around the current folder.
pub struct Hooks {
    dir: PathBuf,
    /// The repository's own folder, where git looks unless it is told otherwise.
    own: PathBuf,
    program: Program,
    by_config: bool,
    has_hooks_path: bool,
    top: Option<PathBuf>,
    events: &'static [&'static str],
}

impl Hooks {
    /// Looks where those for `events` are. `top` is the work tree's top.
    pub fn find(program: Program, top: Option<PathBuf>, events: &'static [&'static str]) -> Result<Self, GitError> {
        let told = |args: [&str; 2]| {
            let path = Git::new(["rev-parse"]).args(args.into_iter().filter(|arg| !arg.is_empty())).output()?;
            let path = Path::new(OsStr::from_bytes(path.strip_suffix(b"\n").unwrap_or(&path)));
            std::path::absolute(path).map_err(|error| GitError::read("the hooks' folder", error))
        };
        let dir = told(["--git-path", "hooks"])?;
        let own = told(["--git-common-dir", ""])?.join("hooks");
        let has_hooks_path = Git::new(["config", "--get", "core.hooksPath"]).answer()?.is_some();
        Ok(Self { dir, own, program, by_config: git_version()? >= CONFIG_HOOKS_SINCE, has_hooks_path, top, events })
    }

    /// Installs ours for every event. `scope` is where the settings go if git takes hooks from there.
    pub fn install(&self, scope: Scope) -> Result<Vec<(&'static str, State)>, HookError> {
        self.events.iter().map(|&event| Ok((event, self.install_one(event, scope)?))).collect()
    }

    /// Removes ours for every event; whether there were any.
    pub fn uninstall(&self, scope: Scope) -> Result<bool, HookError> {
        let mut any = false;
        for event in EVENTS.into_iter().chain(SERVER_EVENTS) {
            any |= !install::remove_sections(scope, &[&section(event)])?.is_empty();
            any |= self.remove_shim(event)?;
        }
        if any {
            // A folder that only we needed goes too; one with something in it stays.
            let _ = std::fs::remove_dir(&self.own);
        }
        Ok(any)
    }

    /// How it is now.
    pub fn state(&self) -> Result<Vec<(&'static str, State)>, HookError> {
        self.events.iter().map(|&event| Ok((event, self.state_of(event)?))).collect()
    }

    fn install_one(&self, event: &str, scope: Scope) -> Result<State, HookError> {
        if self.by_config {
            let settings = [
                (format!("{}.event", section(event)), event.to_owned()),
                (format!("{}.command", section(event)), self.command(event)),
            ];
            install::write(scope, &settings)?;
            self.remove_shim(event)?;
            return Ok(State::Installed);
        }
        match self.state_of(event)? {
            State::Absent => self.write_shim(event)?,
            // The script itself may be an older one, or call another binary.
            State::Installed if is_shim(&self.path(event)) => self.write_shim(event)?,
            other => return Ok(other),
        }
        Ok(State::Installed)
    }

    fn state_of(&self, event: &str) -> Result<State, HookError> {
        let key = format!("{}.command", section(event));
        if self.by_config && Git::new(["config", "--get", &key]).answer()?.is_some() {
            return Ok(State::Installed);
        }
        let path = self.path(event);
        let text = std::fs::read(&path).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
        let calls_us = |text: &str| text.contains("git-model") && text.contains(&format!("hook {event}"));
        if calls_us(&text) && is_executable(&path) {
            return Ok(State::Installed);
        }
        // The tool pre-commit calls what it has found in its place.
        let is_called = text.contains("pre-commit.com") && is_shim(&self.dir.join(format!("{event}.legacy")));
        if is_called && !self.by_config {
            return Ok(State::Installed);
        }
        if self.by_config {
            return Ok(State::Absent);
        }
        if let Some((file, snippet)) = self.ruler(event, &text) {
            let is_added = std::fs::read_to_string(&file).is_ok_and(|text| calls_us(&text));
            return Ok(if is_added { State::Installed } else { State::Ruled { file, snippet } });
        }
        let previous = self.previous(event);
        if exists(&path) && exists(&previous) {
            return Ok(State::Blocked { previous });
        }
        Ok(State::Absent)
    }

    /// The file of the tool that rules this hook, and what to add to it.
    fn ruler(&self, event: &str, text: &str) -> Option<(PathBuf, String)> {
        let program = self.program.as_str();
        let in_top = |name: &str| self.top.as_ref().unwrap_or(&self.dir).join(name);
        let failure = if stops_git(event) { " || exit 1" } else { "" };
        let line = if SERVER_EVENTS.contains(&event) {
            format!("{program} hook {event} \"$@\"{failure} # needs git's lines on its standard input\n")
        } else {
            format!(
                "if command -v {program} >/dev/null 2>&1; then {program} hook {event} \"$@\" </dev/null{failure}; fi\n"
            )
        };
        if text.contains("pre-commit.com") {
            let snippet = format!(
                "- repo: local\n  hooks:\n  - id: git-model-{event}\n    name: git-model\n    language: system\n    \
                 entry: {program} hook {event}\n    stages: [{event}]\n    always_run: true\n    pass_filenames: false\n"
            );
            return Some((in_top(".pre-commit-config.yaml"), snippet));
        }
        if text.contains("lefthook") {
            let snippet = format!("{event}:\n  commands:\n    git-model:\n      run: {program} hook {event} {{0}}\n");
            return Some((in_top("lefthook.yml"), snippet));
        }
        // Husky's own are in `.husky/_`, the user's in `.husky`.
        if let Some(dir) = self.dir.parent().filter(|_| self.dir.ends_with(".husky/_")) {
            return Some((dir.join(event), line));
        }
        let is_ruled = self.has_hooks_path || text.contains("overcommit") || text.contains("husky");
        is_ruled.then(|| (self.path(event), line))
    }

    fn path(&self, event: &str) -> PathBuf {
        self.dir.join(event)
    }

    fn previous(&self, event: &str) -> PathBuf {
        self.dir.join(format!("{event}.{PREVIOUS}"))
    }

    /// Git adds ` "$@"`. Without git-model, the hook succeeds, but not on a server, where nothing goes in unjudged.
    fn command(&self, event: &str) -> String {
        let program = self.program.as_str();
        if SERVER_EVENTS.contains(&event) {
            return format!("{program} hook {event}");
        }
        format!("command -v {program} >/dev/null 2>&1 || exit 0; {program} hook {event}")
    }

    fn write_shim(&self, event: &str) -> Result<(), HookError> {
        let path = self.path(event);
        let failure = if stops_git(event) { "exit 1" } else { ":" };
        let shim = if SERVER_EVENTS.contains(&event) { READING_SHIM } else { SHIM };
        let text = shim.replace("@EVENT@", event).replace("@PROGRAM@", self.program.as_str());
        let text = text.replace("@FAILURE@", failure).replace("@WANTED@", wanted(event));
        let text = text.replace("@KEPT_FIRST@", if judges(event) { "true" } else { "false" });
        if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            return Ok(());
        }
        let write = || {
            std::fs::create_dir_all(&self.dir)?;
            if exists(&path) && !is_shim(&path) {
                // A crash from here on is made up for by the next installation: it finds the kept hook and no other.
                std::fs::rename(&path, self.previous(event))?;
            }
            let folder = open_folder(&self.dir)?;
            let file = AtomicFile::create_in(folder.as_fd(), mode_by_umask(0o777))?;
            file.file().write_all(text.as_bytes())?;
            file.file().sync_data()?;
            file.persist(OsStr::new(event))?;
            sync_folder(folder)
        };
        write().map_err(|source| HookError::io(&path, source))
    }

    /// Takes our script away, wherever another tool may have moved it, and puts the kept hook back in its place.
    fn remove_shim(&self, event: &str) -> Result<bool, HookError> {
        let mut any = false;
        let folders = [Some(&self.dir), Some(&self.own).filter(|own| **own != self.dir)];
        let names = ["", ".legacy", ".old"].map(|ending| format!("{event}{ending}"));
        for path in folders.into_iter().flatten().flat_map(|folder| names.iter().map(|name| folder.join(name))) {
            if !is_shim(&path) {
                continue;
            }
            any = true;
            let previous = path.with_file_name(format!("{event}.{PREVIOUS}"));
            let restored =
                if exists(&previous) { std::fs::rename(previous, &path) } else { std::fs::remove_file(&path) };
            restored.map_err(|source| HookError::io(&path, source))?;
        }
        Ok(any)
    }
}

/// Whether git does not go on if the hook fails, and should not.
fn stops_git(event: &str) -> bool {
    event.starts_with("pre") && event != "pre-push"
}

/// Whether our part looks at what is about to be committed: then it comes after a hook that may change it. Else it comes before,
/// and puts in place what the other may want to see.
fn judges(event: &str) -> bool {
    matches!(event, "pre-commit" | "pre-merge-commit")
}

/// When our part has something to do, for a shell that has no need to start us otherwise. Only a rebase leaves out the hooks
/// before a commit; the first argument is a file beside its folders then. Most repositories deploy nothing.
fn wanted(event: &str) -> &'static str {
    match event {
        "prepare-commit-msg" => r#"{ [ -d "${1%/*}/rebase-merge" ] || [ -d "${1%/*}/rebase-apply" ]; }"#,
        "post-commit" | "post-rewrite" => "grep -qs deploy .gitmodel.toml",
        "pre-push" => r#"[ -n "$(git for-each-ref --count=1 refs/model/deployments)" ]"#,
        _ => "true",
    }
}

fn section(event: &str) -> String {
    format!("hook.git-model-{event}")
}

/// Git runs no other hook.
fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

fn is_shim(path: &Path) -> bool {
    let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && std::fs::read_to_string(path).is_ok_and(|text| text.contains(SHIM_MARK))
}

/// A link that leads nowhere is there, too.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
