//! The truth after a deployer that was killed, an engine that was away, or a machine that was started again.
//!
//! Whoever has the lock of an environment and finds that a deployment is under way knows that its deployer is dead: the
//! lock ends with the process. What serves is then decided by what runs and answers, not by what was planned.

use std::time::{Duration, SystemTime};

use super::Fault;
use super::health::{self, Health};
use super::local::{Artifact, Instance, Local, Lock, Running, Runtime};
use super::pipeline::reachable;
use super::proxy::{Proxy, Route};
use super::record::{Deployment, DeploymentId, Record, State};
use super::retire;
use super::runner::{Launch, NotAlive, Runner};
use crate::git::GitError;
use crate::git::time::rfc3339;
use crate::metrics::policy::deploy::{Environment, Strategy};
use crate::progress::Progress;
use crate::version::named;
use crate::worktree::Context;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Puts in order what a dead deployer has left, and makes the record agree with what runs.
///
/// # Errors
/// What cannot be read or written.
pub fn settle(
    environment: &Environment,
    local: &Local,
    lock: &Lock,
    progress: &dyn Progress,
) -> Result<Runtime, Fault> {
    let _held = lock;
    let mut runtime = local.runtime()?;
    let record = Record::of(&environment.name);
    let runner = Runner::to_stop(environment, local)?;
    if let Some(deploying) = runtime.deploying.clone() {
        let stage = &deploying.stage;
        progress.warn(&format!("the deployer of {} was ended in the stage `{stage}`", deploying.deployment));
        decide(&mut runtime, &runner);
        local.save(&runtime)?;
        if let Err(error) = lead(environment, local, &runner, &runtime) {
            progress.warn(&format!("clients do not get to what serves: {error}"));
        }
        clear(environment, local, &mut runtime, &runner, progress);
        if let Some(test) = &deploying.test {
            test.stop(Duration::ZERO)?;
        }
        runtime.deploying = None;
        local.save(&runtime)?;
    } else if !runtime.retired.is_empty() || runtime.candidate.is_some() {
        clear(environment, local, &mut runtime, &runner, progress);
        local.save(&runtime)?;
    }
    let known: Vec<&Running> = runtime.all().collect();
    if let Err(error) = runner.sweep(&known) {
        progress.warn(&format!("what was started and is not used may still run: {error}"));
    }
    agree(&record, local, &runtime)?;
    local.clear_queue();
    local.clear_unfinished();
    Ok(runtime)
}

/// Starts again what should run and does not: the machine was started again, or somebody has ended it.
///
/// # Errors
/// It cannot be started.
pub fn revive(
    context: &Context,
    environment: &Environment,
    local: &Local,
    lock: &Lock,
    progress: &dyn Progress,
) -> Result<bool, Fault> {
    let _held = lock;
    let mut runtime = local.runtime()?;
    let Some(serving) = runtime.serving.clone() else { return Ok(false) };
    let runner = Runner::to_stop(environment, local)?;
    let mut any = false;
    if let Err(why) = runner.alive(&serving.instance) {
        if let NotAlive::Unknown(why) = why {
            return Err(Fault::System(why));
        }
        progress.note(&format!("{why}; starting it again"));
        if !runner.has(serving.artifact.digest()) {
            let (name, commit) = (&environment.name, &serving.commit);
            return Err(Fault::System(format!(
                "what it was started from is gone; `git model deploy {name} {commit}` builds it again"
            )));
        }
        // What is left of it has its name.
        runner.stop(&serving, Duration::ZERO)?;
        let models = named::models(&context.repo, serving.commit.parse()?)?;
        let model = models.into_iter().find(|model| model.name == environment.model);
        let model = model.ok_or_else(|| Fault::Model(format!("there is no model `{}`", environment.model)))?;
        let front = front(environment);
        let launch = Launch {
            deployment: &serving.deployment,
            artifact: &serving.artifact,
            model: &model,
            version: &serving.version,
            address: (serving.address == front).then_some(front),
        };
        let (instance, address) = runner.start(&launch)?;
        let running = Running { instance, address, ..serving };
        runtime.serving = Some(running.clone());
        local.save(&runtime)?;
        let is_alive = || runner.not_ended(&running.instance);
        let ready = health::wait_ready(reachable(address), &running.health, environment.ready_timeout, &is_alive);
        runner.keep_running(&running.instance)?;
        ready.map_err(|why| Fault::System(format!("it was started again, but is not ready: {why}")))?;
        any = true;
    }
    any |= environment.strategy == Strategy::Proxy && Proxy::find(local.dir()).is_none();
    lead(environment, local, &runner, &runtime)?;
    Ok(any)
}

/// Where clients come to.
pub const fn front(environment: &Environment) -> std::net::SocketAddr {
    std::net::SocketAddr::new(environment.address, environment.port)
}

/// Which version serves: the new one if it was switched to and is healthy, else the one before.
fn decide(runtime: &mut Runtime, runner: &Runner) {
    let is_new = |running: &Running| {
        runtime.deploying.as_ref().is_some_and(|deploying| deploying.deployment == running.deployment)
    };
    let Some(serving) = runtime.serving.clone() else { return };
    if !is_new(&serving) || is_healthy(&serving, runner) {
        return;
    }
    let before = runtime.retired.iter().rposition(|running| is_healthy(running, runner));
    let Some(before) = before else { return };
    runtime.serving = Some(runtime.retired.remove(before));
    runtime.candidate = Some(serving);
}

fn is_healthy(running: &Running, runner: &Runner) -> bool {
    runner.not_ended(&running.instance).is_ok()
        && health::check(reachable(running.address), &running.health, ANSWER) == Health::Ready
}

/// The proxy leads to what serves.
fn lead(environment: &Environment, local: &Local, runner: &Runner, runtime: &Runtime) -> Result<(), Fault> {
    let Some(serving) = &runtime.serving else { return Ok(()) };
    let front = front(environment);
    if environment.strategy != Strategy::Proxy || serving.address == front {
        return Ok(());
    }
    let proxy = Proxy::ensure(local.dir(), front, runner.program())?;
    Ok(proxy.switch(&Route { deployment: serving.deployment.to_string(), target: serving.address })?)
}

/// Ends what was tested or has made way.
fn clear(environment: &Environment, local: &Local, runtime: &mut Runtime, runner: &Runner, progress: &dyn Progress) {
    let mut left = Vec::new();
    for old in runtime.candidate.take().into_iter().chain(std::mem::take(&mut runtime.retired)) {
        if let Err(error) = retire::end(environment, local, runner, &old) {
            progress.warn(&format!("{} still runs beside what serves: {error}", old.version));
            left.push(old);
        }
    }
    runtime.retired = left;
}

/// The record says of this clone's deployments what runs.
fn agree(record: &Record, local: &Local, runtime: &Runtime) -> Result<(), GitError> {
    let serving = runtime.serving.as_ref().map(|serving| &serving.deployment);
    for deployment in own(record, local)? {
        let is_serving = serving == Some(&deployment.last.deployment);
        let mut event = deployment.last.clone();
        event.at = rfc3339(SystemTime::now());
        match deployment.state() {
            // The disk was full when it should have been said.
            State::InProgress | State::Failure | State::Error if is_serving => {
                event.state = State::Success;
                event.digest = runtime.serving.as_ref().map(|serving| serving.artifact.digest().to_owned());
                if let Some(Artifact::Image { tag, .. }) = runtime.serving.as_ref().map(|serving| &serving.artifact) {
                    event.image = Some(tag.clone());
                }
                event.target = runtime.serving.as_ref().map(|serving| kind(&serving.instance).to_owned());
                event.reason = Some("its deployer was ended after the switch; it was found healthy".into());
                record.append(&event)?;
                deactivate(record, local, Some(&event.deployment), &format!("{} serves", event.deployment))?;
            }
            // Its deployer was ended between the two lines of the record.
            State::Success if !is_serving => {
                event.state = State::Inactive;
                event.reason =
                    Some(serving.map_or_else(|| "it has ended".into(), |serving| format!("{serving} serves")));
                record.append(&event)?;
            }
            State::InProgress | State::Queued => {
                if local.is_waiting(&event.deployment) {
                    continue;
                }
                event.state = State::Error;
                event.reason = Some("its deployer was ended".into());
                record.append(&event)?;
            }
            _ => {}
        }
    }
    Ok(())
}

const fn kind(instance: &Instance) -> &'static str {
    match instance {
        Instance::Container(_) => "docker",
        Instance::Process(_) => "process",
    }
}

/// Deployments that were made in this clone.
///
/// # Errors
/// Git cannot say.
pub fn own(record: &Record, local: &Local) -> Result<Vec<Deployment>, GitError> {
    let mut all = record.deployments()?;
    all.retain(|deployment| deployment.last.clone == local.clone_name());
    Ok(all)
}

/// Deployments that this clone has made something for, with what that was: the record says which and when, but what may be
/// started again or deleted is known here alone.
///
/// # Errors
/// Git cannot say.
pub fn made(record: &Record, local: &Local, runtime: &Runtime) -> Result<Vec<Deployment>, GitError> {
    let mut all = own(record, local)?;
    all.retain_mut(|deployment| {
        let last = &mut deployment.last;
        let Some(made) = runtime.made.iter().find(|made| made.deployment == last.deployment) else { return false };
        last.commit.clone_from(&made.commit);
        last.digest = Some(made.artifact.digest().to_owned());
        (last.target, last.image) = match &made.artifact {
            Artifact::Image { tag, .. } => (Some("docker".into()), Some(tag.clone())),
            Artifact::Release { .. } => (Some("process".into()), None),
        };
        deployment.was_active = made.has_served;
        true
    });
    Ok(all)
}

/// All of this clone's deployments that are recorded as serving do so no more, but `serving`.
///
/// # Errors
/// Git cannot read or write.
pub fn deactivate(
    record: &Record,
    local: &Local,
    serving: Option<&DeploymentId>,
    reason: &str,
) -> Result<(), GitError> {
    for deployment in own(record, local)? {
        if deployment.state() == State::Success && Some(&deployment.last.deployment) != serving {
            let mut event = deployment.last;
            event.state = State::Inactive;
            event.at = rfc3339(SystemTime::now());
            event.reason = Some(reason.to_owned());
            record.append(&event)?;
        }
    }
    Ok(())
}
