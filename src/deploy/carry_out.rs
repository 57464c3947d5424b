//! A deployment from the wish to the record: trust, turn, pipeline, and what is kept.

use std::io::Write;

use super::local::{self, Local};
use super::pipeline::{self, Order, Stages};
use super::record::{Deployment, DeploymentId, Event, Stage, State};
use super::runner::Runner;
use super::{Fault, reconcile, recover, retention};
use crate::git::Repo;
use crate::git::history::{CommitId, History};
use crate::metrics::policy::FILE;
use crate::metrics::policy::deploy::Environment;
use crate::metrics::trust;
use crate::progress::Progress;
use crate::worktree::Context;

/// Failures that nobody has seen yet are told by the next command; no more of them than this.
const UNSEEN_MAX: u64 = 16 << 10;

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Wish<'w> {
    /// Where.
    pub environment: &'w Environment,
    /// What.
    pub commit: CommitId,
    /// Its name, if it has been told already.
    pub deployment: Option<DeploymentId>,
    /// Why: the name of a hook, `manual`, `rollback`.
    pub trigger: String,
    /// Who.
    pub by: String,
    /// The deployment to go back to.
    pub rollback_to: Option<Deployment>,
    /// Whether a hook wants it, and it may be overtaken.
    pub is_automatic: bool,
    /// Whether all that the stages say is shown.
    pub is_verbose: bool,
}

impl Wish<'_> {
    fn order(&self) -> Result<Order, Fault> {
        Ok(Order {
            deployment: self.deployment.clone().map_or_else(reconcile::new_id, Ok)?,
            commit: self.commit,
            trigger: self.trigger.clone(),
            by: self.by.clone(),
            rollback_to: self.rollback_to.clone(),
            is_verbose: self.is_verbose,
        })
    }
}

/// Deploys. What was recorded at the end; none if a newer tip has overtaken it.
///
/// # Errors
/// An environment that is not trusted, and what keeps a deployment from being begun or recorded.
pub fn deploy(context: &Context, wish: &Wish, progress: &dyn Progress) -> Result<Option<Event>, Fault> {
    let environment = wish.environment;
    trusted(&context.repo, environment, wish.commit)?;
    let local = Local::of(&context.repo, &environment.name)?;
    let order = wish.order()?;
    let turn = reconcile::take_turn(context, environment, &local, &order, wish.is_automatic, progress)?;
    let Some((lock, _)) = turn else { return Ok(None) };
    let event = pipeline::deploy(context, environment, &local, &lock, &order, progress)?;
    let pruned =
        Runner::to_stop(environment, &local).and_then(|runner| retention::prune(environment, &local, &lock, &runner));
    if let (Err(fault), State::Success) = (pruned, event.state) {
        progress.warn(&format!("old versions could not be removed: {fault}"));
    }
    Ok(Some(event))
}

/// Builds, and tests if that is wanted.
///
/// # Errors
/// As for [`deploy`], and what went wrong.
pub fn rehearse(context: &Context, wish: &Wish, stages: Stages, progress: &dyn Progress) -> Result<Vec<Stage>, Fault> {
    let environment = wish.environment;
    trusted(&context.repo, environment, wish.commit)?;
    let local = Local::of(&context.repo, &environment.name)?;
    let order = wish.order()?;
    let lock = reconcile::wait(&local, progress)?;
    recover::settle(environment, &local, &lock, progress)?;
    pipeline::rehearse(context, environment, &local, &lock, &order, stages, progress)
}

/// That an environment may be deployed to, with the Dockerfile that this commit has.
///
/// # Errors
/// It is not trusted in this clone.
pub fn trusted(repo: &Repo, environment: &Environment, commit: CommitId) -> Result<(), Fault> {
    let dockerfile = match &environment.dockerfile {
        None => None,
        Some(path) => {
            let blob = History::new(repo)?.blob_at(commit, path.as_bytes())?;
            let missing = || Fault::Model(format!("`{FILE}` names `{path}`, which the commit has not"));
            Some(repo.blob(blob.ok_or_else(missing)?)?)
        }
    };
    if trust::is_environment_trusted(environment, dockerfile.as_deref())? {
        return Ok(());
    }
    Err(Fault::Untrusted(environment.name.clone()))
}

/// Leaves word of a deployment that has failed where nobody looked.
pub fn leave_word(repo: &Repo, line: &str) {
    let path = local::root(repo).join("unseen");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // It stands in the record, too.
    let _ = file.and_then(|mut file| {
        if file.metadata()?.len() > UNSEEN_MAX {
            return Ok(());
        }
        writeln!(file, "{line}")
    });
}

/// What was left to tell, once.
pub fn unseen(repo: &Repo) -> Vec<String> {
    let path = local::root(repo).join("unseen");
    let taken = local::root(repo).join(format!("unseen-{}", std::process::id()));
    // What is added from now on is told next time.
    if std::fs::rename(&path, &taken).is_err() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(&taken).unwrap_or_default();
    let _ = std::fs::remove_file(taken);
    text.lines().map(str::to_owned).collect()
}
