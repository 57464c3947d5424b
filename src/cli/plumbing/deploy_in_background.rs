//! `git-model deploy-in-background`: what a hook has started, when nobody looks any more.

use crate::deploy::carry_out::{self, Wish};
use crate::deploy::reconcile;
use crate::deploy::record::{DeploymentId, State};
use crate::error::{Error, Result};
use crate::metrics::check;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::named;

/// Deploy a tip in the background.
#[derive(clap::Args)]
pub struct Args {
    environment: String,
    commit: String,
    deployment: String,
    trigger: String,
    by: String,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    // The terminal it was started from may be closed. It is no leader of a group, so this cannot fail.
    let _ = rustix::process::setsid();
    let context = crate::cli::context()?;
    let commit = args.commit.parse()?;
    // Where people work, `HEAD` may have gone elsewhere since.
    let policy = match context.repo.work_dir() {
        Some(_) => check::policy(&context.repo, &named::version_of(commit))?.unwrap_or_default(),
        None => reconcile::policy(&context.repo)?,
    };
    let environment = policy.environments.into_iter().find(|environment| environment.name == args.environment);
    let environment =
        environment.ok_or_else(|| Error::failed(format!("there is no environment `{}` any more", args.environment)))?;
    let wish = Wish {
        environment: &environment,
        commit,
        deployment: DeploymentId::parse(&args.deployment),
        trigger: args.trigger,
        by: args.by,
        rollback_to: None,
        is_automatic: true,
        is_verbose: true,
    };
    let id = &args.deployment;
    match carry_out::deploy(&context, &wish, ui) {
        Ok(None) => ui.note("there was nothing to do any more"),
        Ok(Some(event)) if event.state == State::Success => ui.note("done"),
        Ok(Some(event)) => {
            let why = event.reason.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
            let what = format!("{} {} to {}", event.model, event.version_or_commit(), event.environment);
            let line = format!("deployment {id} of {what} ended as {}: {why}", event.state.name());
            carry_out::leave_word(&context.repo, &line);
            ui.note(&line);
        }
        Err(fault) => {
            carry_out::leave_word(&context.repo, &format!("deployment {id} to {} failed: {fault}", environment.name));
            return Err(fault.into());
        }
    }
    Ok(())
}
