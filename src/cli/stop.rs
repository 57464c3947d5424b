//! `git model stop`.

use super::deploy;
use crate::deploy::local::Local;
use crate::deploy::{halt, reconcile};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::ui::Ui;

/// Stop what runs in an environment: what it is doing is finished, then nothing answers there any more.
///
/// It stays so until the branch moves, or `git model deploy`. What was built is kept.
#[derive(clap::Args)]
pub struct Args {
    /// The environment.
    #[arg(value_name = "ENV")]
    environment: String,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let environment = deploy::environment(&context.repo, Some(&args.environment))?;
    let Some(local) = Local::existing(&context.repo, &environment.name) else {
        ui.note(&format!("nothing was deployed to {} from this clone", environment.name));
        return Ok(());
    };
    let Some(lock) = local.try_lock()? else {
        return Err(Error::failed(format!("somebody deploys to {} now", environment.name))
            .hint("`git model logs -f` shows it; stop when it has ended"));
    };
    let said = match halt::halt(&environment, &local, &lock, &reconcile::who(), ui)? {
        Some(version) => format!("{version} does not serve any more"),
        None => format!("nothing serves in {}", environment.name),
    };
    ui.note(&said);
    Ok(())
}
