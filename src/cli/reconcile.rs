//! `git model reconcile`, and what hooks do of it.

use crate::deploy::carry_out::{self, Wish};
use crate::deploy::local::Local;
use crate::deploy::reconcile::{self, Due};
use crate::deploy::record::State;
use crate::deploy::recover;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::worktree::Context;

/// Bring what runs in line with the branches: deploy tips that are not deployed, start again what has ended.
///
/// Hooks do so after a commit, a merge, a rebase, a checkout and, on a server, a push. Deployments run in the background; one
/// line tells their names and logs. A tip is tried once: what has failed, was stopped or rolled back waits for the next commit,
/// or for `git model deploy`.
#[derive(clap::Args)]
pub struct Args {
    /// Deploy before your eyes, and exit with 1 if that does not succeed.
    #[arg(long)]
    wait: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let mut any = false;
    for environment in reconcile::policy(&context.repo)?.environments {
        let Some(local) = Local::existing(&context.repo, &environment.name) else { continue };
        let Some(lock) = local.try_lock()? else {
            ui.note(&format!("{}: a deployment is under way", environment.name));
            any = true;
            continue;
        };
        recover::settle(&environment, &local, &lock, ui)?;
        if recover::revive(&context, &environment, &local, &lock, ui)? {
            ui.note(&format!("{}: serves again", environment.name));
            any = true;
        }
    }
    let due = reconcile::due(&context.repo, false)?;
    let mut failed = false;
    for due in &due {
        if args.wait {
            failed |= !deploy(&context, due, ui)?;
        } else {
            start(&context, due, "reconcile", &reconcile::who(), ui)?;
        }
    }
    if due.is_empty() && !any {
        ui.note("all is as it should be");
    }
    if failed { Err(Error::silent(Kind::Failed)) } else { Ok(()) }
}

fn deploy(context: &Context, due: &Due, ui: &Ui) -> Result<bool> {
    let environment = &due.environment;
    let wish = Wish {
        environment,
        commit: due.tip,
        deployment: None,
        trigger: "reconcile".into(),
        by: reconcile::who(),
        rollback_to: None,
        is_automatic: true,
        is_verbose: false,
    };
    let Some(event) = carry_out::deploy(context, &wish, ui)? else { return Ok(true) };
    if let Err(error) = super::deploy::tell::outcome(&event, environment, ui) {
        ui.error(&error);
    }
    Ok(event.state == State::Success)
}

/// After git has done something. Never fails: git is done already.
pub fn after(context: &Context, event: &str, by: Option<&str>, ui: &Ui) {
    let due = match reconcile::due(&context.repo, event == "post-rewrite") {
        Ok(due) => due,
        Err(fault) => return ui.warn(&format!("nothing is deployed: {fault}")),
    };
    for due in due {
        let by = by.map_or_else(reconcile::who, str::to_owned);
        if let Err(error) = start(context, &due, event, &by, ui) {
            ui.warn(&format!("{} is not deployed: {error}", due.environment.name));
            error.hints().iter().for_each(|hint| ui.talk(&format!("hint: {hint}")));
        }
    }
}

/// One line, and the rest happens elsewhere.
fn start(context: &Context, due: &Due, trigger: &str, by: &str, ui: &Ui) -> Result {
    carry_out::trusted(&context.repo, &due.environment, due.tip)?;
    let (event, log) = reconcile::start(context, due, trigger, by)?;
    ui.note(&format!(
        "deploying {} {} to {}: deployment {}, log `{}`",
        event.model,
        event.version_or_commit(),
        event.environment,
        event.deployment,
        log.display()
    ));
    Ok(())
}
