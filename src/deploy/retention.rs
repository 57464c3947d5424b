//! What is kept to go back to, and what is not.

use std::collections::HashSet;

use super::local::{Local, Lock, Runtime};
use super::record::{Deployment, Record};
use super::runner::Runner;
use super::{Fault, plan, recover};
use crate::metrics::policy::deploy::Environment;

/// Logs of so many deployments are kept, or of as many as versions.
const LOGS_MIN: usize = 20;

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Digests of images and releases.
    pub artifacts: Vec<String>,
    /// Deployments whose logs are gone.
    pub logs: usize,
}

/// What could be deleted in an environment.
pub fn surplus(environment: &Environment, runtime: &Runtime) -> Vec<String> {
    let used: Vec<&str> = runtime.all().map(|running| running.artifact.digest()).collect();
    let made: Vec<_> = runtime.made.iter().map(|made| (made.artifact.digest(), made.has_served)).collect();
    plan::surplus(&made, environment.keep, &used)
}

/// Deletes images and files of all but the last versions that have served, and the logs of old deployments.
///
/// # Errors
/// What cannot be read or deleted.
pub fn prune(environment: &Environment, local: &Local, lock: &Lock, runner: &Runner) -> Result<Pruned, Fault> {
    let _held = lock;
    let runtime = local.runtime()?;
    let mut pruned = Pruned::default();
    for digest in surplus(environment, &runtime) {
        if runner.discard(&digest)? {
            pruned.artifacts.push(digest);
        }
    }
    let own = recover::own(&Record::of(&environment.name), local)?;
    pruned.logs = logs(local, &own, environment.keep.max(LOGS_MIN))?;
    Ok(pruned)
}

fn logs(local: &Local, own: &[Deployment], keep: usize) -> Result<usize, Fault> {
    let kept: HashSet<&str> =
        own.iter().rev().take(keep).map(|deployment| deployment.last.deployment.as_str()).collect();
    let mut gone = 0;
    let Ok(entries) = std::fs::read_dir(local.dir().join("logs")) else { return Ok(0) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let known = own.iter().any(|deployment| name == deployment.last.deployment.as_str());
        if known && !name.to_str().is_some_and(|name| kept.contains(name)) {
            std::fs::remove_dir_all(entry.path())?;
            gone += 1;
        }
    }
    Ok(gone)
}
