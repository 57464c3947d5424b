//! The command line: one file per subcommand, each an `Args` whose doc comments are the help text, and a `run`.
//!
//! No logic lives here: a command parses, calls one function of the library and prints. What git calls is in
//! [`plumbing`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::worktree::{Context, OpenError};

mod checkout;
mod completions;
mod demo;
mod doctor;
mod fsck;
mod gc;
mod install;
mod ls_files;
mod man;
pub mod plumbing;
mod status;
mod table;
mod track;
mod uninstall;
mod untrack;

/// Makes git understand AI models: weight files stored, compared and merged tensor by tensor.
///
/// Keep using git: `git add`, `commit`, `checkout`, `merge`. Start with `git model track`.
#[derive(Parser)]
#[command(
    name = "git-model",
    bin_name = "git model",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct Cli {
    /// Print errors and warnings only.
    #[arg(short, long, global = true, display_order = 100)]
    quiet: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Install(install::Args),
    Uninstall(uninstall::Args),
    Track(track::Args),
    Untrack(untrack::Args),
    LsFiles(ls_files::Args),
    Status(status::Args),
    Checkout(checkout::Args),
    Doctor(doctor::Args),
    Fsck(fsck::Args),
    Gc(gc::Args),
    Demo(demo::Args),
    #[command(hide = true)]
    Man(man::Args),
    #[command(hide = true)]
    Completions(completions::Args),
    #[command(flatten)]
    Plumbing(plumbing::Command),
}

/// Parses the arguments and runs the command.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; where they cannot be printed nobody reads.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { crate::error::Kind::Usage as u8 } else { 0 });
        }
    };
    let ui = Ui::new(cli.quiet);
    let result = match cli.command {
        Command::Install(args) => install::run(args, &ui),
        Command::Uninstall(args) => uninstall::run(args, &ui),
        Command::Track(args) => track::run(args, &ui),
        Command::Untrack(args) => untrack::run(args, &ui),
        Command::LsFiles(args) => ls_files::run(args, &ui),
        Command::Status(args) => status::run(args, &ui),
        Command::Checkout(args) => checkout::run(args, &ui),
        Command::Doctor(args) => doctor::run(args, &ui),
        Command::Demo(args) => demo::run(args, &ui),
        Command::Man(args) => man::run(args, &ui),
        Command::Completions(args) => completions::run(args, &ui),
        Command::Gc(args) => gc::run(args, &ui),
        Command::Fsck(args) => fsck::run(args, &ui),
        Command::Plumbing(command) => plumbing::run(command, &ui),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.kind() as u8)
        }
    }
}

/// The whole command line, for man pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn current_dir() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| Error::failed(format!("cannot tell the current folder: {error}")))
}

/// A value as JSON for people and programs.
fn json(value: &impl serde::Serialize) -> String {
    // Plain structures of text and numbers always serialize.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn context() -> Result<Context> {
    Context::discover().map_err(|error| match error {
        OpenError::Git(error) => error.into(),
        OpenError::Store(error) => Error::from(error),
    })
}
