//! What scenario tests share: small models, both ways of restoring files, hooks, exact comparisons.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::{Env, Outcome, Repo, Tensor, noise, safetensors};

/// The setting that decides between the two ways of restoring a file.
const INLINE_LIMIT: &str = "model.smudge.inlineLimit";

/// A small model of two tensors; the seed decides about the first of them.
pub fn model(seed: u64) -> Vec<u8> {
    let (weight, bias) = (noise(2000, seed), noise(50, 7));
    safetensors(&[
        Tensor { name: "layer.weight", dtype: "BF16", shape: &[40, 50], bytes: &weight },
        Tensor { name: "layer.bias", dtype: "BF16", shape: &[50], bytes: &bias },
    ])
}

/// Runs a scenario twice, each time in a fresh environment: files go through git's memory, then after it.
pub fn in_both_modes(scenario: impl Fn(&Env)) {
    scenario(&Env::new());
    scenario(&Env::deferred());
}

/// Whether these bytes start like a manifest.
pub fn is_manifest(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"git-model\":")
}

impl Env {
    /// An environment in which every file, however small, is materialized after git has written its work tree.
    pub fn deferred() -> Self {
        let env = Self::new();
        env.configure(INLINE_LIMIT, "0");
        env
    }

    pub fn is_deferred(&self) -> bool {
        let config = std::fs::read_to_string(self.home().join(".gitconfig")).expect("a configuration");
        config.contains("inlineLimit")
    }

    /// Sets a value in the global configuration.
    pub fn configure(&self, key: &str, value: &str) {
        let mut command = self.command(super::git_binary(), self.root());
        command.args(["config", "--global", key, value]);
        self.run(command).ok();
    }

    /// `git ARGS` in the environment's folder; fails the test if git fails.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> Outcome {
        let mut command = self.command(super::git_binary(), self.root());
        command.args(args);
        self.run(command).ok()
    }

    /// `git clone ARGS`; the last argument is the new repository's folder.
    #[track_caller]
    pub fn clone_repo(&self, args: &[&str]) -> Repo<'_> {
        self.git(&[&["clone", "-q"], args].concat());
        self.at(args.last().expect("a folder"))
    }
}

impl Repo<'_> {
    /// A repository with `m.safetensors` in this many commits: `model(1)`, `model(2)`, …
    pub fn versions(self, count: u64) -> Self {
        for seed in 1..=count {
            self.write("m.safetensors", &model(seed));
            self.commit(&format!("version {seed}"));
        }
        self
    }

    /// `git ARGS` with these variables in its environment.
    pub fn git_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Outcome {
        let mut command = self.git_command(args);
        command.envs(variables.iter().copied());
        self.env.run(command)
    }

    /// `git ARGS` that reads `input`.
    pub fn git_reading(&self, input: &[u8], args: &[&str]) -> Outcome {
        let file = self.env.root().join("input");
        std::fs::write(&file, input).expect("written");
        let mut command = self.git_command(args);
        command.stdin(std::fs::File::open(&file).expect("opened"));
        self.env.run(command)
    }

    pub fn set(&self, key: &str, value: &str) {
        self.git(&["config", key, value]).ok();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// An executable file in the repository's hooks.
    pub fn hook(&self, name: &str, script: &str) {
        let hooks = self.path(self.git(&["rev-parse", "--git-path", "hooks"]).ok().text().trim());
        std::fs::create_dir_all(&hooks).expect("a folder");
        let path = hooks.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
    }

    #[track_caller]
    pub fn assert_holds(&self, name: &str, bytes: &[u8]) {
        let found = self.read(name);
        let kind = if is_manifest(&found) { "a manifest" } else { "other content" };
        assert!(found == bytes, "{name} holds {kind} of {} bytes, expected {} bytes", found.len(), bytes.len());
    }

    /// Nothing is modified, nothing is left behind, and git knows it without cleaning again what was materialized. It
    /// does clean again what is as young as its index: files that it or the test wrote itself.
    #[track_caller]
    pub fn assert_settled(&self) {
        let asked: Vec<String> = self.filtered_paths(&["status"]);
        let again: Vec<&String> = asked.iter().filter(|path| self.is_materialized(path)).collect();
        assert!(again.is_empty(), "status cleaned what was materialized: {again:?}");
        self.assert_clean();
        assert!(self.leftovers().is_empty(), "left behind: {:?}", self.leftovers());
    }

    /// Whether the file was made by materialization, which sets its time two seconds back.
    pub fn is_materialized(&self, name: &str) -> bool {
        let Ok(metadata) = std::fs::symlink_metadata(self.path(name)) else {
            // A trace does not tell unusual names as they are.
            return self.env.is_deferred();
        };
        let nanoseconds = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
        let (changed, modified) = (
            nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        );
        (1_900_000_000..60_000_000_000).contains(&(changed - modified))
    }

    /// Temporary files and notes that should have gone with the process that made them.
    pub fn leftovers(&self) -> Vec<String> {
        let git_dir = self.path(self.git(&["rev-parse", "--git-common-dir"]).ok().text().trim());
        let mut found = Vec::new();
        for root in [&self.dir, &git_dir] {
            walk(root, &mut |path| {
                let text = path.to_string_lossy();
                let in_pending = path.parent().is_some_and(|dir| dir.ends_with("model/pending"));
                if text.contains(".git-model-tmp-") || text.ends_with("index.lock") || in_pending {
                    found.push(text.into_owned());
                }
            });
        }
        found
    }
}

/// Calls `visit` for each file below `dir`; links are not followed.
pub fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
