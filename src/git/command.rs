//! Starting `git`, and knowing which `git` has started us.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::GitError;

/// Set while a push is looked at: where its objects are.
pub(super) const QUARANTINE: &str = "GIT_QUARANTINE_PATH";

/// What git tells its hooks about one repository, and one moment of it: `git rev-parse --local-env-vars`, and where a push is.
pub const LOCAL_VARIABLES: [&str; 18] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    QUARANTINE,
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "GIT_REFLOG_ACTION",
];

/// A `git` to run.
pub struct Git(Command);

impl Git {
    /// `git` with these arguments, in the current folder.
    pub fn new<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new("git");
        command.args(args);
        if std::env::var_os(QUARANTINE).is_some() {
            // Who pushes may have pushed replacements of objects before.
            command.env("GIT_NO_REPLACE_OBJECTS", "1");
        }
        Self(command)
    }

    /// This program at `path`, as `git model` with these arguments.
    pub fn program<S: AsRef<OsStr>>(path: &Path, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(path);
        command.args(args);
        Self(command)
    }

    /// Without the configuration of user and system, and with an author of its own.
    pub fn hermetic(mut self) -> Self {
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG_PARAMETERS"]
        {
            self.0.env_remove(variable);
        }
        for who in ["AUTHOR", "COMMITTER"] {
            self.0.env(format!("GIT_{who}_NAME"), "git-model demo");
            self.0.env(format!("GIT_{who}_EMAIL"), "demo@example.org");
        }
        self.0.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        self.0.env("GIT_CONFIG_COUNT", "1");
        self.0.env("GIT_CONFIG_KEY_0", "init.defaultBranch").env("GIT_CONFIG_VALUE_0", "main");
        self
    }

    /// In another folder.
    pub fn current_dir(mut self, dir: &Path) -> Self {
        self.0.current_dir(dir);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    /// With this variable in its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.0.args(args);
        self
    }

    /// Runs it and returns what it printed.
    ///
    /// # Errors
    /// A `git` that cannot be started or exits with another code than 0.
    pub fn output(self) -> Result<Vec<u8>, GitError> {
        self.output_with_input(b"")
    }

    /// Runs it with `input` on its standard input.
    pub fn output_with_input(mut self, input: &[u8]) -> Result<Vec<u8>, GitError> {
        let output = self.run(input)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failure(&output))
    }

    /// Runs it and returns what it printed, on standard error first.
    pub fn output_with_talk(mut self) -> Result<Vec<u8>, GitError> {
        let output = self.run(b"")?;
        if output.status.success() { Ok([output.stderr, output.stdout].concat()) } else { Err(self.failure(&output)) }
    }

    /// Runs it, whatever its exit code, and returns what it printed, on standard error first.
    ///
    /// # Errors
    /// A `git` that cannot be started.
    pub fn talk(mut self) -> Result<Vec<u8>, GitError> {
        let output = self.run(b"")?;
        Ok([output.stderr, output.stdout].concat())
    }

    /// Runs it and returns what it printed; `None` if it exited with 1, by which some commands say that there is nothing.
    ///
    /// # Errors
    /// A `git` that cannot be started or exits with another code than 0 and 1.
    pub fn answer(mut self) -> Result<Option<Vec<u8>>, GitError> {
        let output = self.run(b"")?;
        match output.status.code() {
            Some(0) => Ok(Some(output.stdout)),
            Some(1) => Ok(None),
            _ => Err(self.failure(&output)),
        }
    }

    /// Runs it; whether it exited with 0. What it prints is dropped.
    pub fn succeeds(mut self) -> Result<bool, GitError> {
        Ok(self.run(b"")?.status.success())
    }

    /// Runs it before the user's eyes, with all that it prints on standard error; whether it exited with 0.
    ///
    /// # Errors
    /// A `git` that cannot be started.
    pub fn in_view(mut self) -> Result<bool, GitError> {
        self.0.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::inherit());
        let status = self.0.status().map_err(|error| self.error(error.to_string()))?;
        Ok(status.success())
    }

    /// Runs it and writes what it prints to `out` as it comes.
    ///
    /// # Errors
    /// A `git` that cannot be started or exits with another code than 0.
    pub fn copy_output(mut self, out: &mut dyn Write) -> Result<(), GitError> {
        self.0.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.0.spawn().map_err(|error| self.error(error.to_string()))?;
        let copied = child.stdout.take().map(|mut stdout| std::io::copy(&mut stdout, out));
        let status = child.wait().map_err(|error| self.error(error.to_string()))?;
        match copied {
            Some(Err(error)) => Err(self.error(error.to_string())),
            _ if !status.success() => Err(self.error(status.to_string())),
            _ => Ok(()),
        }
    }

    fn run(&mut self, input: &[u8]) -> Result<Output, GitError> {
        self.0.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.0.spawn().map_err(|error| self.error(error.to_string()))?;
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A git that does not read all of its input says so by its exit code.
                stdin.map(|mut stdin| stdin.write_all(input))
            });
            child.wait_with_output()
        })
        .map_err(|error| self.error(error.to_string()))
    }

    fn failure(&self, output: &Output) -> GitError {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        self.error(if why.is_empty() { output.status.to_string() } else { why })
    }

    fn error(&self, why: String) -> GitError {
        let args: Vec<_> = self.0.get_args().map(OsStr::to_string_lossy).collect();
        GitError::Command { args: args.join(" "), why }
    }
}

/// The version of the `git` on PATH: major, minor.
pub fn git_version() -> Result<(u32, u32), GitError> {
    let output = Git::new(["version"]).output()?;
    let text = String::from_utf8_lossy(&output);
    let mut numbers = text
        .trim()
        .rsplit(' ')
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(|word| word.split('.').map_while(|number| number.parse().ok()).collect::<Vec<u32>>().into_iter());
    let mut next = || numbers.as_mut().and_then(Iterator::next);
    match (next(), next()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(GitError::read("git's version", text.trim())),
    }
}

/// The subcommand of the `git` that started this process, where the system tells: `add`, `diff`, `cat-file`, …
pub fn caller() -> Option<String> {
    let parent = rustix::process::getppid()?.as_raw_nonzero().get();
    // Git starts a filter through a shell, and not every shell makes way for the one command it runs.
    subcommand(parent).or_else(|| subcommand(parent_of(parent)?))
}

/// Whether a `git commit --amend` has started this process, through a hook: git does not tell its hooks. An alias with the option
/// in it does not show.
pub fn is_amending() -> bool {
    /// A hook, a shell, and what another tool puts between.
    const ANCESTORS_MAX: usize = 8;
    let mut process = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get());
    for _ in 0..ANCESTORS_MAX {
        let Some(id) = process else { return false };
        if subcommand(id).as_deref() == Some("commit") {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let mut args = line.split(|&byte| byte == 0).take_while(|arg| *arg != b"--");
            return args.any(|arg| arg.len() > 3 && b"--amend".starts_with(arg));
        }
        process = parent_of(id);
    }
    false
}

/// The parent of a process: the second word behind the program's name, which stands in parentheses.
fn parent_of(process: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// What the process does, if it is a `git`.
fn subcommand(process: i32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let mut args = line.split(|&byte| byte == 0).map(String::from_utf8_lossy);
    let program = args.next()?;
    let program = program.rsplit('/').next()?;
    if let Some(subcommand) = program.strip_prefix("git-") {
        return Some(subcommand.to_owned());
    }
    if program != "git" {
        return None;
    }
    while let Some(arg) = args.next() {
        match arg.as_ref() {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path" | "--config-env" => {
                args.next();
            }
            option if option.starts_with('-') => {}
            subcommand => return Some(subcommand.to_owned()),
        }
    }
    None
}
