//! A hermetic place to run git and git-model in: an empty environment, a home of its own, a fixed clock and author.

#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

mod scenario;
mod weights;

pub use scenario::{in_both_modes, is_manifest, model, walk};
pub use weights::{Tensor, noise, random, safetensors};

/// The git that is tested: `GIT_MODEL_TEST_GIT`, or the one on PATH.
pub fn git_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GIT_MODEL_TEST_GIT") {
        return path.into();
    }
    let path = std::env::var_os("PATH").expect("a PATH");
    let found = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file());
    found.expect("git is on PATH")
}

/// A temporary folder with a home and a configuration of its own; gone when dropped.
pub struct Env {
    root: tempfile::TempDir,
}

/// What a command did.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text on stdout")
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }

    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", String::from_utf8_lossy(&self.stdout), self.stderr);
        self
    }
}

impl Env {
    /// A fresh environment whose git has the filter in its global configuration.
    pub fn new() -> Self {
        let env = Self::bare();
        let config = "[filter \"model\"]\n\tprocess = git-model filter-process\n\tclean = git-model clean -- %f\n\
                      \tsmudge = git-model smudge -- %f\n\trequired = true\n";
        let path = env.home().join(".gitconfig");
        let before = std::fs::read_to_string(&path).expect("a configuration");
        std::fs::write(&path, before + config).expect("written");
        env
    }

    /// A fresh environment in which git-model is on PATH but not installed.
    pub fn bare() -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let env = Self { root };
        std::fs::create_dir(env.home()).expect("a home");
        let config = "[user]\n\tname = Test\n\temail = test@example.org\n[init]\n\tdefaultBranch = main\n\
                      [protocol \"file\"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n";
        std::fs::write(env.home().join(".gitconfig"), config).expect("written");
        env
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// A command in `dir` with nothing of the caller's environment.
    pub fn command(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_git-model")).parent().expect("a folder").to_owned();
        let git = git_binary().parent().expect("a folder").to_owned();
        let path = std::env::join_paths([binary, git, "/usr/bin".into(), "/bin".into()]).expect("a PATH");
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(dir)
            .env("PATH", path)
            .env("HOME", self.home())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, mut command: Command) -> Outcome {
        outcome(command.output().expect("the command starts"))
    }

    /// An empty repository with `*.safetensors` and other weight files under the filter.
    pub fn repo(&self, name: &str) -> Repo<'_> {
        let dir = self.root().join(name);
        std::fs::create_dir(&dir).expect("a folder");
        let repo = Repo { env: self, dir };
        repo.git(&["init", "-q"]).ok();
        repo.write(".gitattributes", b"*.safetensors filter=model merge=model\n*.bin filter=model merge=model\n");
        repo
    }

    /// An existing folder as a repository.
    pub fn at(&self, name: &str) -> Repo<'_> {
        Repo { env: self, dir: self.root().join(name) }
    }
}

/// The SHA-256 of `bytes` in hex.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn outcome(output: Output) -> Outcome {
    Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A repository in a test environment.
pub struct Repo<'e> {
    pub env: &'e Env,
    pub dir: PathBuf,
}

impl Repo<'_> {
    pub fn git_command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(git_binary(), &self.dir);
        command.args(args);
        command
    }

    pub fn git(&self, args: &[&str]) -> Outcome {
        self.env.run(self.git_command(args))
    }

    /// `git model …`
    pub fn model_command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(env!("CARGO_BIN_EXE_git-model"), &self.dir);
        command.args(args);
        command
    }

    pub fn model(&self, args: &[&str]) -> Outcome {
        self.env.run(self.model_command(args))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, bytes).expect("written");
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `git add -A` and `git commit`.
    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]).ok();
        self.git(&["commit", "-q", "-m", message]).ok();
    }

    /// Writes a file and adds it as if it were no model yet.
    pub fn add_raw(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        // Younger than the index, git would look at it again, and find that the filter makes something else of it.
        let times = std::fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(60));
        std::fs::File::open(self.path(name)).and_then(|file| file.set_times(times)).expect("a time");
        self.write(".git/info/attributes", b"* -filter\n");
        self.git(&["add", "--", name]).ok();
        std::fs::remove_file(self.path(".git/info/attributes")).expect("removed");
    }

    /// What git has for `name` at `revision`.
    pub fn blob(&self, revision: &str, name: &str) -> Vec<u8> {
        self.git(&["cat-file", "blob", &format!("{revision}:{name}")]).ok().stdout
    }

    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.git(&["status", "--porcelain"]).ok().text(), "");
    }

    /// How many files the filter is asked for by this command.
    pub fn filtered(&self, args: &[&str]) -> usize {
        self.filtered_paths(args).len()
    }

    /// Which files the filter is asked for by this command.
    pub fn filtered_paths(&self, args: &[&str]) -> Vec<String> {
        let mut command = self.git_command(args);
        let trace = self.env.root().join("trace");
        let _ = std::fs::remove_file(&trace);
        command.env("GIT_TRACE_PACKET", &trace);
        self.env.run(command).ok();
        let trace = std::fs::read(&trace).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace);
        trace.lines().filter_map(|line| line.split_once("> pathname=").map(|(_, path)| path.to_owned())).collect()
    }
}
