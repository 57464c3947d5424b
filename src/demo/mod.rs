//! The main job on a small model, from `git init` to the table of space, by the commands that a user types.
//!
//! The commands run with a configuration of their own, so that neither the user's settings nor hooks matter and nothing
//! outside the folder changes.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::git::{Git, GitError};

mod model;

use model::Tuning;

const FILE: &str = "model.safetensors";
/// The layers that fine-tuning changes.
const TUNED: Tuning<'_> = Tuning { layers: &[10, 11], run: 0 };

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A command failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The folder could not be written to.
    #[error("cannot write in `{}`: {source}", dir.display())]
    Dir {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The transcript could not be written.
    #[error("cannot write to standard output: {0}")]
    Transcript(io::Error),
    /// What this program is here to prevent.
    #[error("`{FILE}` came back with other bytes than it had")]
    Differs,
}

struct Demo<'a> {
    dir: &'a Path,
    program: PathBuf,
    out: &'a mut dyn Write,
}

/// What a version takes, in bytes.
struct Space {
    whole: u64,
    stored: u64,
}

/// Shows in the new folder `dir` what this program does; writes a transcript to `out`. `bytes` prints a number of bytes.
pub fn run(dir: &Path, out: &mut dyn Write, bytes: &dyn Fn(u64) -> String) -> Result<(), DemoError> {
    let program = std::env::current_exe().map_err(|source| DemoError::Dir { dir: dir.into(), source })?;
    let mut demo = Demo { dir, program, out };
    let base = model::safetensors(Tuning::NONE);
    let tuned = model::safetensors(TUNED);

    demo.say(&format!(
        "A language model of {} layers, {} of bf16 weights.\n",
        model::LAYERS,
        bytes(base.len() as u64)
    ))?;
    demo.write(&base)?;
    demo.git(&["init", "--quiet"])?;
    demo.git(&["model", "install", "--local"])?;
    demo.git(&["model", "track", "*.safetensors"])?;
    demo.git(&["add", "."])?;
    demo.git(&["commit", "--quiet", "-m", "Base model"])?;
    let first = demo.stored()?;

    demo.say(&format!("\nFine-tuning changes {} of the layers a little.\n", TUNED.layers.len()))?;
    demo.write(&tuned)?;
    demo.git(&["add", "."])?;
    demo.git(&["commit", "--quiet", "-m", "Fine-tuned"])?;
    demo.git(&["diff", "--stat", "HEAD~"])?;
    let both = demo.stored()?;

    demo.say("\nBack to the base model, and forth again.\n")?;
    for (revision, expected) in [("HEAD~", &base), ("-", &tuned)] {
        demo.git(&["checkout", "--quiet", revision])?;
        demo.compare(expected)?;
        demo.say("the file is the same, byte for byte")?;
    }
    demo.git(&["status", "--short"])?;

    let size = base.len() as u64;
    let rows = [
        ("base model", Space { whole: size, stored: first }),
        ("fine-tuned", Space { whole: size, stored: both - first }),
        ("together", Space { whole: 2 * size, stored: both }),
    ];
    demo.say(&format!("\n{:12}{:>12}{:>12}", "", "whole", "stored"))?;
    for (name, space) in rows {
        let percent = space.stored as f64 * 100.0 / space.whole as f64;
        demo.say(&format!("{name:12}{:>12}{:>12}{percent:>8.1} %", bytes(space.whole), bytes(space.stored)))?;
    }
    Ok(())
}

/// The branches of [`run_merge`]: both train layer 3.
const CHAT: Tuning<'_> = Tuning { layers: &[2, 3], run: 1 };
const CODE: Tuning<'_> = Tuning { layers: &[3, 4], run: 2 };

/// Shows in the new folder `dir` how two branches of a model are merged; writes a transcript to `out`.
pub fn run_merge(dir: &Path, out: &mut dyn Write) -> Result<(), DemoError> {
    let program = std::env::current_exe().map_err(|source| DemoError::Dir { dir: dir.into(), source })?;
    let mut demo = Demo { dir, program, out };
    demo.say("Two branches train a model further: `chat` layers 2 and 3, `code` layers 3 and 4.\n")?;
    demo.write(&model::safetensors(Tuning::NONE))?;
    demo.git(&["init", "--quiet"])?;
    demo.git(&["model", "install", "--local"])?;
    demo.git(&["model", "track", "*.safetensors"])?;
    demo.git(&["add", "."])?;
    demo.git(&["commit", "--quiet", "-m", "Base model"])?;
    for (branch, tuning) in [("code", CODE), ("chat", CHAT)] {
        demo.git(&["checkout", "--quiet", "-b", branch, "main"])?;
        demo.write(&model::safetensors(tuning))?;
        demo.git(&["commit", "--quiet", "-a", "-m", &format!("Train for {branch}")])?;
    }

    demo.say("\nWhat only one has changed is taken; layer 3 is a conflict.\n")?;
    demo.git(&["merge", "code"])?;
    demo.say("\nThe attention of layer 3 from `code`, the rest of it by TIES.\n")?;
    demo.git(&["model", "resolve", FILE, "--tensors", "*.self_attn.*", "--take", "theirs"])?;
    demo.git(&["model", "resolve", FILE, "--take", "ties"])?;
    demo.git(&["commit", "--quiet", "--no-edit"])?;
    demo.git(&["log", "--oneline", "--graph", "--format=%s"])?;

    demo.say("\nOr everything that both have changed by TIES, at once.\n")?;
    demo.git(&["reset", "--quiet", "--hard", "HEAD~"])?;
    demo.git(&["-c", "model.merge.strategy=ties", "merge", "--quiet", "code"])?;
    demo.git(&["diff", "--stat", "HEAD~"])
}

impl Demo<'_> {
    fn say(&mut self, line: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).map_err(DemoError::Transcript)
    }

    fn dir_error(&self) -> impl Fn(io::Error) -> DemoError {
        let dir = self.dir.to_owned();
        move |source| DemoError::Dir { dir: dir.clone(), source }
    }

    fn write(&self, model: &[u8]) -> Result<(), DemoError> {
        std::fs::write(self.dir.join(FILE), model).map_err(self.dir_error())
    }

    fn compare(&self, expected: &[u8]) -> Result<(), DemoError> {
        let there = std::fs::read(self.dir.join(FILE)).map_err(self.dir_error())?;
        if there == expected { Ok(()) } else { Err(DemoError::Differs) }
    }

    /// Prints the command as a user types it, runs it, prints what it prints. A merge may end in a conflict.
    fn git(&mut self, args: &[&str]) -> Result<(), DemoError> {
        let shown: Vec<_> = args
            .iter()
            .filter(|&&arg| arg != "--quiet")
            .map(|arg| crate::git::install::quote(OsStr::new(arg)))
            .collect();
        self.say(&format!("$ git {}", shown.join(" ")))?;
        let git = match args {
            ["model", args @ ..] => Git::program(&self.program, args),
            _ => Git::new(args),
        };
        let git = git.current_dir(self.dir).hermetic();
        let output = if args[0] == "merge" { git.talk()? } else { git.output_with_talk()? };
        self.out.write_all(&output).map_err(DemoError::Transcript)
    }

    /// Bytes of the store's packs.
    fn stored(&self) -> Result<u64, DemoError> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.dir.join(".git/model/packs")).map_err(self.dir_error())? {
            bytes += entry.and_then(|entry| entry.metadata()).map_err(self.dir_error())?.len();
        }
        Ok(bytes)
    }
}
