//! How it is with an environment, as far as can be seen now.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::health::{self, Health};
use super::local::{Instance, Local};
use super::pipeline::reachable;
use super::process;
use super::proxy::Proxy;
use super::record::{Deployment, Record, State};
use super::runner::Runner;
use super::{Fault, reconcile, recover};
use crate::git::{Git, GitError, Repo};
use crate::metrics::policy::deploy::{Environment, Strategy};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How it is with an environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The environment.
    pub environment: String,
    /// Where clients come to.
    pub address: SocketAddr,
    /// What serves them.
    pub serving: Option<Serving>,
    /// The branch whose tip should.
    pub branch: String,
    /// How far what serves is from the branch's tip; none if it is the tip.
    pub drift: Option<String>,
    /// What is under way: a deployment, and its stage.
    pub deploying: Option<(String, String)>,
    /// What is not as it should be, each with what to do.
    pub problems: Vec<String>,
    /// The last deployment.
    pub last: Option<Deployment>,
}

/// What serves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Serving {
    /// The deployment.
    pub deployment: String,
    /// The version, else the commit in short.
    pub version: String,
    /// The commit.
    pub commit: String,
    /// What runs it: `container NAME` or `process PID`.
    pub instance: String,
    /// Whether it answers that it is ready; else what it says.
    pub health: Result<(), String>,
}

/// Looks at an environment.
///
/// # Errors
/// What cannot be read.
pub fn look(repo: &Repo, environment: &Environment) -> Result<Standing, Fault> {
    let name = &environment.name;
    let deployments = Record::of(name).deployments()?;
    let mut standing = Standing {
        environment: name.clone(),
        address: recover::front(environment),
        serving: None,
        branch: environment.branch.clone(),
        drift: None,
        deploying: None,
        problems: Vec::new(),
        last: deployments.last().cloned(),
    };
    let Some(local) = Local::existing(repo, name) else {
        standing.drift = Some("nothing is deployed from this clone".into());
        return Ok(standing);
    };
    // While the lock is ours, what is written down does not change.
    let lock = local.try_lock()?;
    let runtime = local.runtime()?;
    let is_free = lock.is_some();
    drop(lock);
    if let Some(deployed) = runtime.environment.as_ref().filter(|deployed| *deployed != environment) {
        standing.address = recover::front(deployed);
        let what = format!("`[deploy.{name}]` has changed since it was deployed to; `git model deploy {name}`");
        standing.problems.push(what);
    }
    // As it was deployed, and trusted.
    let environment = runtime.environment.as_ref().unwrap_or(environment);
    let runner = Runner::to_stop(environment, &local)?;
    if let Some(deploying) = &runtime.deploying {
        let (id, stage) = (deploying.deployment.to_string(), deploying.stage.clone());
        if is_free {
            let problem = format!("the deployer of {id} was ended in the stage `{stage}`; `git model reconcile`");
            standing.problems.push(problem);
        } else {
            standing.deploying = Some((id, stage));
        }
    }
    for old in runtime.retired.iter().filter(|_| is_free && runtime.deploying.is_none()) {
        let problem = format!("{} may still run beside what serves; `git model reconcile`", old.version);
        standing.problems.push(problem);
    }
    if let Some(serving) = &runtime.serving {
        let alive = runner.alive(&serving.instance).map_err(|why| why.to_string());
        let answer = alive.and_then(|()| match health::check(reachable(serving.address), &serving.health, ANSWER) {
            Health::Ready => Ok(()),
            Health::NotReady(why) => Err(why),
        });
        standing.serving = Some(Serving {
            deployment: serving.deployment.to_string(),
            version: serving.version.clone(),
            commit: serving.commit.clone(),
            instance: match &serving.instance {
                Instance::Container(name) => format!("container {name}"),
                Instance::Process(process) => format!("process {}", process.pid),
            },
            health: answer,
        });
        look_at_front(environment, &local, serving.address, &mut standing);
    }
    standing.drift = drift(environment, &standing)?;
    Ok(standing)
}

/// Whether clients get to what serves.
fn look_at_front(environment: &Environment, local: &Local, target: SocketAddr, standing: &mut Standing) {
    let front = recover::front(environment);
    if environment.strategy != Strategy::Proxy || target == front {
        return;
    }
    let problem = match Proxy::find(local.dir()).map(|proxy| proxy.status()) {
        Some(Ok(status)) if status.route.as_ref().is_some_and(|route| route.target == target) => {
            (status.listen != front).then(|| format!("the proxy listens at {}, not at {front}", status.listen))
        }
        Some(Ok(_)) => Some(format!("{front} does not lead to what serves")),
        Some(Err(error)) => Some(error.to_string()),
        None => Some(match process::listener(front.port()) {
            Some(stranger) => format!("the proxy does not run, and port {} is taken by {stranger}", front.port()),
            None => "the proxy does not run, so nobody reaches what serves".into(),
        }),
    };
    standing.problems.extend(problem.map(|problem| format!("{problem}; `git model reconcile`")));
}

fn drift(environment: &Environment, standing: &Standing) -> Result<Option<String>, GitError> {
    let Some(tip) = reconcile::tip(environment)? else {
        return Ok(Some(format!("there is no branch `{}`", environment.branch)));
    };
    let Some(serving) = &standing.serving else { return Ok(Some("nothing is deployed".into())) };
    let tip = tip.to_string();
    if serving.commit == tip {
        return Ok(None);
    }
    let count = |range: String| -> Result<u64, GitError> {
        let count = Git::new(["rev-list", "--count"]).arg(range).arg("--").output().unwrap_or_default();
        Ok(String::from_utf8_lossy(&count).trim().parse().unwrap_or(0))
    };
    let behind = count(format!("{}..{tip}", serving.commit))?;
    let ahead = count(format!("{tip}..{}", serving.commit))?;
    let commits = |number| crate::progress::count(number, "commit");
    let branch = &environment.branch;
    Ok(Some(match (behind, ahead) {
        (behind, 0) => format!("{} behind `{branch}`", commits(behind)),
        (0, ahead) => format!("{} ahead of `{branch}`", commits(ahead)),
        (behind, ahead) => format!("{} behind `{branch}`, {} ahead", commits(behind), commits(ahead)),
    }))
}

/// What a record says of a deployment, and what has become of its deployer: one that was ended says nothing any more.
pub fn state(repo: &Repo, deployment: &Deployment) -> (State, Option<String>) {
    let recorded = (deployment.state(), deployment.last.reason.clone());
    if deployment.state().is_final() {
        return recorded;
    }
    let Some(local) = Local::existing(repo, &deployment.last.environment) else { return recorded };
    let id = &deployment.last.deployment;
    if local.clone_name() != deployment.last.clone || local.is_waiting(id) {
        return recorded;
    }
    let Ok(Some(_lock)) = local.try_lock() else { return recorded };
    // It may have come to its end since it was read.
    let now = Record::of(&deployment.last.environment).deployments().unwrap_or_default();
    match now.into_iter().find(|now| now.last.deployment == *id) {
        Some(now) if now.state().is_final() => (now.state(), now.last.reason),
        _ => (State::Error, Some("its deployer was ended".into())),
    }
}
