//! `git model prune`.

use super::deploy;
use crate::deploy::local::Local;
use crate::deploy::runner::Runner;
use crate::deploy::{reconcile, retention};
use crate::error::Result;
use crate::progress::Progress;
use crate::ui::{Ui, count};

/// Remove images and files of versions that are not kept, and logs of old deployments.
///
/// The last `keep` versions that have served stay, and with them what runs. It is done after each deployment, too. The record
/// stays whole; a version whose image is gone is built again when one goes back to it.
#[derive(clap::Args)]
pub struct Args {
    /// The environment; not needed if there is only one.
    #[arg(value_name = "ENV")]
    environment: Option<String>,

    /// Only say what would be removed.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let environment = deploy::environment(&context.repo, args.environment.as_deref())?;
    let local = Local::of(&context.repo, &environment.name)?;
    if args.dry_run {
        let runner = Runner::to_stop(&environment, &local)?;
        let mut surplus = retention::surplus(&environment, &local.runtime()?);
        surplus.retain(|digest| runner.has(digest));
        return ui.print(&surplus.iter().map(|digest| format!("{digest}\n")).collect::<String>());
    }
    let lock = reconcile::wait(&local, ui)?;
    let runner = Runner::to_stop(&environment, &local)?;
    let pruned = retention::prune(&environment, &local, &lock, &runner)?;
    ui.print(&pruned.artifacts.iter().map(|digest| format!("{digest}\n")).collect::<String>())?;
    ui.note(&format!(
        "{} removed, and the logs of {}",
        count(pruned.artifacts.len(), "version"),
        count(pruned.logs, "deployment")
    ));
    Ok(())
}
