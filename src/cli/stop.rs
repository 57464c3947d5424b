//! `git model stop`.

use std::time::Duration;

use super::deploy;
use crate::deploy::local::Local;
use crate::deploy::{halt, reconcile};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::ui::Ui;

/// How long a deployment that is under way may take to end.
const END: Duration = Duration::from_secs(5);

/// Stop what runs in an environment: what it is doing is finished, then nothing answers there any more.
///
/// A deployment that is under way is ended, too. It stays so until the branch moves, or `git model deploy`. What was built is kept.
#[derive(clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(value_name = "ENV")]
    environment: String,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let name = &args.environment;
    let local = Local::existing(&context.repo, name).filter(|_| !name.contains('/'));
    // How it was deployed counts, whatever `.gitmodel.toml` says by now.
    let known = local.map(|local| Ok::<_, Error>((local.runtime()?.environment, local))).transpose()?;
    let Some((Some(environment), local)) = known else {
        let environment = deploy::environment(&context.repo, Some(name))?;
        ui.note(&format!("nothing was deployed to {} from this clone", environment.name));
        return Ok(());
    };
    if let (None, Some(deploying)) = (local.try_lock()?, local.runtime()?.deploying) {
        ui.note(&format!("deployment {} is ended in the stage `{}`", deploying.deployment, deploying.stage));
        deploying.process.stop(END)?;
    }
    let lock = reconcile::wait(&local, ui)?;
    let said = match halt::halt(&environment, &local, &lock, &reconcile::who(), ui)? {
        Some(version) => format!("{version} does not serve any more"),
        None => format!("nothing serves in {}", environment.name),
    };
    ui.note(&said);
    Ok(())
}
