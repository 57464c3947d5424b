//! The end of what runs.

use super::local::{Local, Lock};
use super::proxy::Proxy;
use super::record::{DeploymentId, Record};
use super::runner::Runner;
use super::{Fault, recover};
use crate::metrics::policy::deploy::Environment;
use crate::progress::Progress;

/// Stops what serves, and the proxy before it; which version that was.
///
/// # Errors
/// It cannot be stopped.
pub fn halt(
    environment: &Environment,
    local: &Local,
    lock: &Lock,
    by: &str,
    progress: &dyn Progress,
) -> Result<Option<String>, Fault> {
    let mut runtime = recover::settle(environment, local, lock, progress)?;
    let runner = Runner::to_stop(environment, local)?;
    // From now on nobody comes; who is there may stay until the end.
    if let Some(proxy) = Proxy::find(local.dir()) {
        proxy.stop()?;
    }
    let Some(serving) = runtime.serving.clone() else { return Ok(None) };
    runner.stop(&serving, environment.drain_timeout)?;
    runtime.serving = None;
    local.save(&runtime)?;
    let nobody = DeploymentId::from_random(0);
    recover::deactivate(&Record::of(&environment.name), local, &nobody, Some(&format!("stopped by {by}")))?;
    Ok(Some(serving.version))
}
