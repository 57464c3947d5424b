//! The end of what runs.

use super::local::{Local, Lock};
use super::proxy::Proxy;
use super::record::Record;
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
    let serving = runtime.serving.clone();
    if let Some(serving) = &serving {
        // The proxy stays until the last answer is given.
        runner.stop(serving, environment.drain_timeout)?;
        runtime.serving = None;
        local.save(&runtime)?;
        recover::deactivate(&Record::of(&environment.name), local, None, &format!("stopped by {by}"))?;
    }
    if let Some(proxy) = Proxy::find(local.dir()) {
        proxy.stop()?;
    }
    Ok(serving.map(|serving| serving.version))
}
