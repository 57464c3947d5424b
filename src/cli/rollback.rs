//! `git model rollback`.

use super::deploy;
use crate::deploy::carry_out::{self, Wish};
use crate::deploy::local::Local;
use crate::deploy::record::Record;
use crate::deploy::{plan, reconcile, recover};
use crate::error::Result;
use crate::progress::Progress;
use crate::ui::Ui;

/// Go back to a version that served before.
///
/// Without `--to`, the last one that served another commit than now. What was built then is used if it is still there, else it
/// is built again from the commit. It is a deployment of its own in the record; the branch stays as it is, and its tip is
/// not deployed by itself again until it moves.
#[derive(clap::Args)]
pub struct Args {
    /// The environment; not needed if there is only one.
    #[arg(value_name = "ENV")]
    environment: Option<String>,

    /// The deployment to go back to; its first digits are enough.
    #[arg(long, value_name = "ID")]
    to: Option<String>,

    /// Show all that the stages say.
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let environment = deploy::environment(&context.repo, args.environment.as_deref())?;
    let local = Local::of(&context.repo, &environment.name)?;
    let runtime = local.runtime()?;
    let own = recover::made(&Record::of(&environment.name), &local, &runtime)?;
    let serving = runtime.serving.map(|serving| serving.commit);
    let to = plan::rollback(&environment.name, &own, serving.as_deref(), args.to.as_deref())?;
    ui.note(&format!("back to {} {} (deployment {})", to.last.model, to.last.version_or_commit(), to.last.deployment));
    let wish = Wish {
        environment: &environment,
        commit: to.last.commit.parse()?,
        deployment: None,
        trigger: "rollback".into(),
        by: reconcile::who(),
        rollback_to: Some(to.clone()),
        is_automatic: false,
        is_verbose: args.verbose,
    };
    match carry_out::deploy(&context, &wish, ui)? {
        Some(event) => deploy::tell::outcome(&event, &environment, ui),
        None => Ok(()),
    }
}
