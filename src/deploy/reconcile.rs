//! Whether a branch's tip is to be deployed, and whose turn it is.
//!
//! Every hook asks the same question, because none of them tells the whole story: git runs no `post-merge` after a conflict
//! was resolved, a rebase or a cherry-pick.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::local::{Local, Lock, Runtime};
use super::pipeline::{Order, first_event};
use super::plan::{self, Decision};
use super::process::{self, Process};
use super::record::{DeploymentId, Event, Record, State};
use super::{Fault, recover, status};
use crate::atomic_file::write_whole;
use crate::git::history::CommitId;
use crate::git::time::rfc3339;
use crate::git::{Git, GitError, Repo, merging, revision};
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, CheckError};
use crate::metrics::policy::Policy;
use crate::metrics::policy::deploy::Environment;
use crate::progress::Progress;
use crate::worktree::Context;

/// An environment whose branch has moved.
#[derive(Debug, Clone)]
pub struct Due {
    /// The environment.
    pub environment: Environment,
    /// The branch's tip.
    pub tip: CommitId,
}

/// The policy that says where models run: that of `HEAD`.
///
/// # Errors
/// It cannot be read.
pub fn policy(repo: &Repo) -> Result<Policy, CheckError> {
    let Some(head) = revision::commit(OsStr::new("HEAD"))? else { return Ok(Policy::default()) };
    let version = Version::Commit { name: "HEAD".into(), id: head };
    Ok(check::policy(repo, &version)?.unwrap_or_default())
}

/// The environments that are to be deployed to now. Where people work, only those of the branch that is checked out, and
/// none in the midst of a rebase. At its end, git still has the folders of one that is under way: `is_rewritten`.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn due(repo: &Repo, is_rewritten: bool) -> Result<Vec<Due>, Fault> {
    if merging::is_rebasing(repo) && !is_rewritten {
        return Ok(Vec::new());
    }
    let policy = policy(repo)?;
    if policy.environments.is_empty() {
        return Ok(Vec::new());
    }
    let current = current_branch()?;
    let mut due = Vec::new();
    for environment in policy.environments {
        let is_here = repo.work_dir().is_none() || current.as_deref() == Some(&*environment.branch);
        let tip = if is_here { tip(&environment)? } else { None };
        let Some(tip) = tip else { continue };
        if decide(repo, &environment, tip, None)? == Decision::Deploy {
            due.push(Due { environment, tip });
        }
    }
    Ok(due)
}

fn current_branch() -> Result<Option<String>, GitError> {
    let name = Git::new(["symbolic-ref", "--quiet", "--short", "HEAD"]).answer()?;
    Ok(name.map(|name| String::from_utf8_lossy(&name).trim().to_owned()))
}

/// The tip of an environment's branch.
///
/// # Errors
/// Git cannot say.
pub fn tip(environment: &Environment) -> Result<Option<CommitId>, GitError> {
    revision::commit(&OsString::from(format!("refs/heads/{}", environment.branch)))
}

/// `besides` is the deployment that asks.
fn decide(
    repo: &Repo,
    environment: &Environment,
    tip: CommitId,
    besides: Option<&DeploymentId>,
) -> Result<Decision, Fault> {
    let Some(local) = Local::existing(repo, &environment.name) else { return Ok(Decision::Deploy) };
    let mut own = recover::own(&Record::of(&environment.name), &local)?;
    own.retain(|deployment| besides != Some(&deployment.last.deployment));
    for deployment in &mut own {
        deployment.last.state = status::state(repo, deployment).0;
    }
    // What was passed over for a newer one was never tried.
    own.retain(|deployment| deployment.was_active || deployment.state() != State::Inactive);
    let serving = local.runtime()?.serving;
    let serving = serving.as_ref().map(|serving| &*serving.commit);
    Ok(plan::reconcile(&tip.to_string(), &own, serving))
}

/// Waits until nobody else deploys to the environment, and puts in order what was left. None if the order was overtaken
/// meanwhile, which is recorded: of several tips that wait, the newest wins.
///
/// # Errors
/// What cannot be read or written.
pub fn take_turn(
    context: &Context,
    environment: &Environment,
    local: &Local,
    order: &Order,
    is_automatic: bool,
    progress: &dyn Progress,
) -> Result<Option<(Lock, Runtime)>, Fault> {
    let record = Record::of(&environment.name);
    let mut queued = announced(&record, &order.deployment)?;
    let mut place = queued.is_some().then(|| Queued::join(local, &order.deployment)).transpose()?;
    let lock = match local.try_lock()? {
        Some(lock) => lock,
        None => {
            if queued.is_none() {
                place = Some(Queued::join(local, &order.deployment)?);
                queued = Some(announce(context, environment, local, order)?);
            }
            wait(local, progress)?
        }
    };
    let runtime = recover::settle(environment, local, &lock, progress)?;
    drop(place);
    if !is_automatic {
        return Ok(Some((lock, runtime)));
    }
    let tip = tip(environment)?;
    let why = match tip {
        Some(tip) if tip == order.commit => match decide(&context.repo, environment, tip, Some(&order.deployment))? {
            Decision::Deploy => return Ok(Some((lock, runtime))),
            Decision::Nothing(why) => why.to_owned(),
        },
        _ => format!("`{}` has moved on", environment.branch),
    };
    if let Some(mut event) = queued {
        event.state = State::Inactive;
        event.reason = Some(why);
        event.at = rfc3339(SystemTime::now());
        record.append(&event)?;
    }
    Ok(None)
}

/// The lock, however long it takes; says whom it waits for.
///
/// # Errors
/// The lock cannot be opened.
pub fn wait(local: &Local, progress: &dyn Progress) -> io::Result<Lock> {
    if let Some(lock) = local.try_lock()? {
        return Ok(lock);
    }
    progress.note(&waiting(local));
    local.lock()
}

/// Says in the record that a deployment waits.
fn announce(context: &Context, environment: &Environment, local: &Local, order: &Order) -> Result<Event, Fault> {
    let (_, mut event) = first_event(context, environment, local, order)?;
    event.state = State::Queued;
    Record::of(&environment.name).append(&event)?;
    Ok(event)
}

/// What was said of a deployment that waits.
fn announced(record: &Record, deployment: &DeploymentId) -> Result<Option<Event>, GitError> {
    let all = record.deployments()?;
    let found = all.into_iter().rev().find(|known| known.last.deployment == *deployment);
    Ok(found.filter(|known| known.state() == State::Queued).map(|known| known.last))
}

fn waiting(local: &Local) -> String {
    let deploying = local.runtime().ok().and_then(|runtime| runtime.deploying);
    match deploying {
        Some(other) => format!(
            "waiting for deployment {}, which is in the stage `{}` (process {}); `git model stop ENV` would end it",
            other.deployment, other.stage, other.process.pid
        ),
        None => "waiting for another deployment".into(),
    }
}

/// A place in the queue: who comes after a process that has died finds out by it.
struct Queued(PathBuf);

impl Queued {
    fn join(local: &Local, deployment: &DeploymentId) -> io::Result<Self> {
        Self::of(local, deployment, &Process::current()?)
    }

    fn of(local: &Local, deployment: &DeploymentId, process: &Process) -> io::Result<Self> {
        let path = local.queue(deployment);
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let text = serde_json::to_vec(process)?;
        // Whoever looks meanwhile finds one or the other.
        write_whole(&path, |mut file| io::Write::write_all(&mut file, &text))?;
        Ok(Self(path))
    }

    /// The place is somebody else's from now on.
    fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A new name for a deployment.
///
/// # Errors
/// The system has no random numbers.
pub fn new_id() -> io::Result<DeploymentId> {
    let mut bytes = [0; 4];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(DeploymentId::from_random(u32::from_le_bytes(bytes)))
}

/// Who works here, as git knows it: `Name <address>`.
pub fn who() -> String {
    let who = Git::new(["var", "GIT_COMMITTER_IDENT"]).output().unwrap_or_default();
    let who = String::from_utf8_lossy(&who).into_owned();
    who.rfind('>').map_or_else(|| "unknown".into(), |end| who[..=end].to_owned())
}

/// Starts the deployment of a tip in the background, where it goes on when git and the terminal are gone. What was recorded,
/// and the log.
///
/// # Errors
/// The commit has no weights of the model; it cannot be started.
pub fn start(context: &Context, due: &Due, trigger: &str, by: &str) -> Result<(Event, PathBuf), Fault> {
    let Due { environment, tip } = due;
    let local = Local::of(&context.repo, &environment.name)?;
    let order = Order {
        deployment: new_id()?,
        commit: *tip,
        trigger: trigger.to_owned(),
        by: by.to_owned(),
        rollback_to: None,
        is_verbose: false,
    };
    let place = Queued::join(&local, &order.deployment)?;
    let event = announce(context, environment, &local, &order)?;
    drop(local.open_log(&order.deployment, "pipeline")?);
    let log = local.logs(&order.deployment).join("pipeline.log");
    let args =
        ["deploy-in-background", "--", &environment.name, &tip.to_string(), order.deployment.as_str(), trigger, by];
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let folder = context.repo.work_dir().unwrap_or_else(|| context.repo.git_dir());
    // The repository may be one that is found by these alone.
    let mut variables = vec![("GIT_DIR".to_owned(), context.repo.git_dir().into_os_string())];
    variables.extend(context.repo.work_dir().map(|top| ("GIT_WORK_TREE".to_owned(), top.into_os_string())));
    let process = process::start(&std::env::current_exe()?, &args, &variables, &folder, &log)?;
    // If it was faster, the place is gone already, and this one says that it is not waiting any more.
    Queued::of(&local, &order.deployment, &process)?.leave();
    place.leave();
    Ok((event, log))
}
