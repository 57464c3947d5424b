//! `git model reconcile`, and what hooks do of it.

use std::time::Duration;

use crate::deploy::carry_out::{self, Wish};
use crate::deploy::local::Local;
use crate::deploy::reconcile::{self, Due};
use crate::deploy::record::Record;
use crate::deploy::record::State;
use crate::deploy::{recover, status};
use crate::error::{Error, Kind, Result};
use crate::git::Repo;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::worktree::Context;

/// So often it is looked whether a deployment has ended.
const LOOK: Duration = Duration::from_millis(100);

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
        let lock = match local.try_lock()? {
            Some(lock) => lock,
            None if args.wait => reconcile::wait(&local, ui)?,
            None => {
                ui.note(&format!("{}: a deployment is under way", environment.name));
                any = true;
                continue;
            }
        };
        // What was deployed was trusted; what the section says by now may not be.
        let environment = local.runtime()?.environment.unwrap_or(environment);
        recover::settle(&environment, &local, &lock, ui)?;
        if recover::revive(&context, &environment, &local, &lock, ui)? {
            ui.note(&format!("{}: serves again", environment.name));
            any = true;
        }
    }
    let mut failed = args.wait && !hooks_have_succeeded(&context.repo)?;
    let due = reconcile::due(&context.repo, false)?;
    for due in &due {
        if args.wait {
            failed |= !deploy(&context, due, ui)?;
        } else {
            start(&context, due, "reconcile", &reconcile::who(), ui)?;
        }
    }
    if due.is_empty() && !any && !failed {
        ui.note("all is as it should be");
    }
    if failed { Err(Error::silent(Kind::Failed)) } else { Ok(()) }
}

/// Waits for deployments of tips that are under way or queued; whether the last one of each tip did not fail.
fn hooks_have_succeeded(repo: &Repo) -> Result<bool> {
    let mut all_well = true;
    for environment in reconcile::policy(repo)?.environments {
        let (Some(local), Some(tip)) = (Local::existing(repo, &environment.name), reconcile::tip(&environment)?) else {
            continue;
        };
        let record = Record::of(&environment.name);
        let tip = tip.to_string();
        loop {
            let own = recover::own(&record, &local)?;
            let last = own.iter().rev().find(|one| one.last.rollback_to.is_none() && one.last.commit == tip);
            let state = last.map(|last| status::state(repo, last).0);
            if state.is_none_or(State::is_final) {
                all_well &= state != Some(State::Failure);
                break;
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(all_well)
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
