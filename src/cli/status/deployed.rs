//! What `git model status` says of environments.

use crate::deploy::status::{self, Standing};
use crate::deploy::{local, reconcile};
use crate::error::Result;
use crate::git::Repo;
use crate::metrics::policy::FILE;
use crate::progress::Progress;
use crate::ui::Ui;

/// How it is with each environment of `HEAD`, and with those that it has no more but where something runs.
pub fn standings(repo: &Repo, ui: &Ui) -> Result<Vec<Standing>> {
    let environments = match reconcile::policy(repo) {
        Ok(policy) => policy.environments,
        Err(error) => {
            ui.warn(&format!("{error}; only what runs is shown"));
            Vec::new()
        }
    };
    let mut standings: Vec<Standing> =
        environments.iter().map(|environment| Ok(status::look(repo, environment)?)).collect::<Result<_>>()?;
    for environment in
        local::serving(repo).into_iter().filter(|known| !environments.iter().any(|one| one.name == known.name))
    {
        let mut standing = status::look(repo, &environment)?;
        let name = &environment.name;
        standing
            .problems
            .push(format!("`{FILE}` at `HEAD` has no `[deploy.{name}]`; to end it: `git model stop {name}`"));
        standings.push(standing);
    }
    Ok(standings)
}

/// One line for each, and what is not as it should be.
pub fn text(standing: &Standing) -> String {
    let mut text = format!("{}: ", standing.environment);
    match &standing.serving {
        None => text += "nothing serves",
        Some(serving) => {
            text += &format!(
                "{} at http://{} ({}, deployment {})",
                serving.version, standing.address, serving.instance, serving.deployment
            );
            match &serving.health {
                Ok(()) => text += ", healthy",
                Err(why) => text += &format!(", NOT healthy: {why}"),
            }
        }
    }
    if let Some(drift) = &standing.drift {
        text += &format!("; {drift}");
    }
    text.push('\n');
    if let Some((id, stage)) = &standing.deploying {
        text += &format!("  deployment {id} is in the stage `{stage}`\n");
    }
    if let Some(last) = standing.last.as_ref().filter(|last| last.last.reason.is_some() && !last.was_active) {
        let reason = last.last.reason.as_deref().unwrap_or_default();
        text +=
            &format!("  the last deployment, {}, ended as {}: {reason}\n", last.last.deployment, last.state().name());
    }
    for problem in &standing.problems {
        text += &format!("  {problem}\n");
    }
    text
}
