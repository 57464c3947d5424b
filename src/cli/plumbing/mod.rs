//! What git calls, and what git-model starts: not for people.

use std::ffi::OsString;

use clap::Subcommand;

use crate::error::Result;
use crate::ui::Ui;

mod clean;
mod deploy_in_background;
mod deploy_proxy;
mod filter_process;
mod hook;
mod merge_driver;
mod merge_params;
mod smudge;

/// Commands that stand in git's configuration and hooks, and those of processes that git-model starts.
#[derive(Subcommand)]
pub enum Command {
    /// Filter many files for git (`filter.model.process`).
    #[command(hide = true)]
    FilterProcess(filter_process::Args),
    /// Filter one file: weights on standard input, manifest on standard output.
    #[command(hide = true)]
    Clean(clean::Args),
    /// Filter one file: manifest on standard input, weights on standard output.
    #[command(hide = true)]
    Smudge(smudge::Args),
    /// Do what a git hook asks for.
    #[command(hide = true)]
    Hook(hook::Args),
    /// Merge three manifests for git.
    #[command(hide = true)]
    MergeDriver(DriverArgs),
    /// Merge three parameter files for git.
    #[command(hide = true)]
    MergeParams(DriverArgs),
    /// Deploy what a hook has found to be due.
    #[command(hide = true)]
    DeployInBackground(deploy_in_background::Args),
    /// Lead connections to the model that is deployed.
    #[command(hide = true)]
    DeployProxy(deploy_proxy::Args),
}

/// What git passes to a merge driver (`%O %A %B %L %P %S %X %Y`).
#[derive(clap::Args)]
pub struct DriverArgs {
    /// The version both sides come from; empty if there is none.
    base: OsString,
    /// Our version; the result is written here.
    ours: OsString,
    /// Their version.
    theirs: OsString,
    /// The size of conflict markers; larger for a merge within a merge.
    marker_size: Option<u32>,
    /// The file's path in the work tree.
    #[arg(allow_hyphen_values = true)]
    path: Option<OsString>,
    /// Names of the base and the sides; git before 2.44 passes the placeholders as they are.
    #[arg(allow_hyphen_values = true)]
    labels: Vec<OsString>,
}

/// Runs one of them.
pub fn run(command: Command, ui: &Ui) -> Result {
    match command {
        Command::FilterProcess(args) => filter_process::run(args, ui),
        Command::Clean(args) => clean::run(args, ui),
        Command::Smudge(args) => smudge::run(args, ui),
        Command::Hook(args) => hook::run(args, ui),
        Command::MergeDriver(args) => merge_driver::run(args, ui),
        Command::MergeParams(args) => merge_params::run(args, ui),
        Command::DeployInBackground(args) => deploy_in_background::run(args, ui),
        Command::DeployProxy(args) => deploy_proxy::run(args, ui),
    }
}

/// What to tell after a file was cleaned, if it is worth a line.
fn summary(path: &[u8], summary: &crate::worktree::clean::Summary, ui: &Ui) -> Option<String> {
    /// Smaller files need no mention.
    const WORTH_BYTES: u64 = 1 << 20;
    use crate::ui::count;
    if summary.size < WORTH_BYTES || summary.stored_bytes == 0 {
        return None;
    }
    let path = String::from_utf8_lossy(path);
    let (stored, size) = (ui.bytes(summary.stored_bytes), ui.bytes(summary.size));
    Some(match summary.tensors {
        0 => format!("{path}: {stored} stored of {size}"),
        tensors => {
            let tensors = count(tensors, "tensor");
            format!("{path}: {tensors}, {} new, {stored} stored of {size}", summary.new_objects)
        }
    })
}
