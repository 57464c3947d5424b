//! `git model uninstall`.

use super::install::{Place, ScopeArgs};
use crate::deploy::record::share;
use crate::error::Result;
use crate::git::Git;
use crate::git::install::{self, SECTIONS};
use crate::progress::Progress;
use crate::ui::Ui;

/// Take back what `git model install` did.
///
/// Removes the settings from git's configuration and, within a repository, the hooks; a hook that was there before comes
/// back. Weights that are stored already stay where they are, and files keep their attributes.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Leave the repository's hooks alone.
    #[arg(long)]
    no_hooks: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let place = Place::find(&args.scope, args.no_hooks)?;
    let flag = place.scope.flag();
    let removed = install::remove_sections(place.scope, &SECTIONS).map_err(|error| place.cannot_configure(error))?;
    ui.note(&match removed.len() {
        0 => format!("git-model was not configured ({flag})"),
        _ => format!("git does not call git-model any more ({flag})"),
    });
    let has_own = || Git::new(["config", "--local", "--get", "filter.model.process"]).succeeds().unwrap_or(false);
    if !place.scope.is_in_repository() && place.hooks.is_some() && has_own() {
        ui.note("this repository has settings of its own: `git model uninstall --local` removes them");
    }
    if let Some(hooks) = &place.hooks
        && hooks.uninstall(place.hook_scope())?
    {
        ui.note("hooks are as they were before");
    }
    if place.hooks.is_some() {
        share::unconfigure()?;
    }
    Ok(())
}
