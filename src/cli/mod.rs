//! The command line: one file per subcommand, each an `Args` whose doc comments are the help text, and a `run`.
//!
//! No logic lives here: a command parses, calls one function of the library and prints. What git calls is in
//! [`plumbing`].

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::deploy::carry_out;
use crate::error::{Error, Result};
use crate::git::install::quote;
use crate::git::{Git, Repo};
use crate::metrics::data::DataError;
use crate::progress::Progress;
use crate::ui::{Options, Ui, When};
use crate::worktree::{Context, OpenError};

mod blame;
mod build;
mod cat;
mod check;
mod checkout;
mod ci;
mod completions;
mod demo;
mod deploy;
mod deployments;
mod diff;
mod doctor;
mod du;
mod eval;
mod export;
mod fsck;
mod gc;
mod init;
mod install;
mod list;
mod log;
mod logs;
mod ls_files;
mod man;
mod merge;
mod metrics;
mod param;
mod pipeline;
pub mod plumbing;
mod predict;
mod promote;
mod prune;
mod reconcile;
mod resolve;
mod rollback;
mod run;
mod serve_model;
mod show;
mod status;
mod stop;
mod tag;
mod track;
mod train;
mod trust;
mod uninstall;
mod untrack;
mod verify;

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

    /// Print long output at once, not in git's pager.
    #[arg(long, global = true, display_order = 101)]
    no_pager: bool,

    /// When to use colours.
    #[arg(long, global = true, display_order = 102, value_name = "WHEN", default_value = "auto")]
    color: When,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Install(install::Args),
    Uninstall(uninstall::Args),
    Track(track::Args),
    Untrack(untrack::Args),
    LsFiles(ls_files::Args),
    Status(status::Args),
    Show(show::Args),
    Diff(diff::Args),
    Blame(blame::Args),
    Log(log::Args),
    Metrics(metrics::Args),
    Cat(cat::Args),
    Export(export::Args),
    Verify(verify::Args),
    List(list::Args),
    Tag(tag::Args),
    Promote(promote::Args),
    Param(param::Args),
    Check(check::Args),
    Run(run::Args),
    Trust(trust::Args),
    Deploy(deploy::Args),
    Rollback(rollback::Args),
    Deployments(deployments::Args),
    Logs(logs::Args),
    Stop(stop::Args),
    Prune(prune::Args),
    Pipeline(pipeline::Args),
    Ci(ci::Args),
    Reconcile(reconcile::Args),
    Checkout(checkout::Args),
    Merge(merge::Args),
    Resolve(resolve::Args),
    Train(Box<train::Args>),
    Predict(predict::Args),
    ServeModel(serve_model::Args),
    Build(build::Args),
    Doctor(doctor::Args),
    Du(du::Args),
    Eval(eval::Args),
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
    let ui = Ui::new(Options { is_quiet: cli.quiet, has_no_pager: cli.no_pager, colour: cli.color });
    if is_for_people(&cli.command) {
        mention_failures(&ui);
    }
    let result = match cli.command {
        Command::Init(args) => init::run(args, &ui),
        Command::Install(args) => install::run(args, &ui),
        Command::Uninstall(args) => uninstall::run(args, &ui),
        Command::Track(args) => track::run(args, &ui),
        Command::Untrack(args) => untrack::run(args, &ui),
        Command::LsFiles(args) => ls_files::run(args, &ui),
        Command::Status(args) => status::run(args, &ui),
        Command::Show(args) => show::run(args, &ui),
        Command::Diff(args) => diff::run(args, &ui),
        Command::Cat(args) => cat::run(args, &ui),
        Command::Export(args) => export::run(args, &ui),
        Command::Verify(args) => verify::run(args, &ui),
        Command::Blame(args) => blame::run(args, &ui),
        Command::Log(args) => log::run(args, &ui),
        Command::Metrics(args) => metrics::run(args, &ui),
        Command::List(args) => list::run(args, &ui),
        Command::Tag(args) => tag::run(args, &ui),
        Command::Promote(args) => promote::run(args, &ui),
        Command::Param(args) => param::run(args, &ui),
        Command::Check(args) => check::run(args, &ui),
        Command::Run(args) => run::run(args, &ui),
        Command::Trust(args) => trust::run(args, &ui),
        Command::Deploy(args) => deploy::run(args, &ui),
        Command::Rollback(args) => rollback::run(args, &ui),
        Command::Deployments(args) => deployments::run(args, &ui),
        Command::Logs(args) => logs::run(args, &ui),
        Command::Stop(args) => stop::run(args, &ui),
        Command::Prune(args) => prune::run(args, &ui),
        Command::Pipeline(args) => pipeline::run(args, &ui),
        Command::Ci(args) => ci::run(args, &ui),
        Command::Reconcile(args) => reconcile::run(args, &ui),
        Command::Checkout(args) => checkout::run(args, &ui),
        Command::Merge(args) => merge::run(args, &ui),
        Command::Resolve(args) => resolve::run(args, &ui),
        Command::Train(args) => train::run(*args, &ui),
        Command::Predict(args) => predict::run(args, &ui),
        Command::ServeModel(args) => serve_model::run(args, &ui),
        Command::Build(args) => build::run(args, &ui),
        Command::Doctor(args) => doctor::run(args, &ui),
        Command::Du(args) => du::run(args, &ui),
        Command::Eval(args) => eval::run(args, &ui),
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
            ExitCode::from(error.code())
        }
    }
}

/// Whether somebody reads what a command says. A server has no repository, and may be what a deployment has started.
const fn is_for_people(command: &Command) -> bool {
    !matches!(command, Command::Plumbing(_) | Command::Completions(_) | Command::Man(_) | Command::ServeModel(_))
}

/// Deployments that have failed where nobody looked.
fn mention_failures(ui: &Ui) {
    let Ok(repo) = Repo::discover() else { return };
    for line in carry_out::unseen(&repo) {
        ui.warn(&format!("{line}; see `git model logs`"));
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

/// The context of a command that has to do with files of the work tree.
fn work_tree_context() -> Result<Context> {
    // In its own folder git does nothing with files, whether there is a work tree or not.
    let asked = ["--is-inside-work-tree", "--is-inside-git-dir", "--is-bare-repository", "--absolute-git-dir"];
    let answer = Git::new(["rev-parse"]).args(asked).output().unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if let Some(dir) = answer.strip_prefix("false\ntrue\nfalse\n") {
        let dir = dir.trim_end_matches('\n');
        return Err(no_work_tree(dir).hint(format!("run it in the work tree that belongs to `{dir}`")));
    }
    let context = context()?;
    if context.repo.work_dir().is_none() {
        let dir = context.repo.git_dir();
        let clone = format!("run it in a clone: `git clone {}`", quote(dir.as_os_str()));
        return Err(no_work_tree(&dir.to_string_lossy()).hint(clone));
    }
    Ok(context)
}

fn no_work_tree(dir: &str) -> Error {
    Error::failed(format!("this command needs a work tree, and `{dir}` is none"))
}

fn context() -> Result<Context> {
    Context::discover().map_err(open_error)
}

impl From<DataError> for Error {
    fn from(error: DataError) -> Self {
        let failure = Self::failed(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn open_error(error: OpenError) -> Error {
    match error {
        OpenError::Git(error) => error.into(),
        OpenError::Store(error) => error.into(),
    }
}
