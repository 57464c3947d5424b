//! The end of a version that has made way.

use std::time::Duration;

use super::Fault;
use super::local::{Local, Running};
use super::proxy::Proxy;
use super::runner::Runner;
use crate::metrics::policy::deploy::Environment;

/// How long a version that has no clients any more may take to end.
const END: Duration = Duration::from_secs(10);

/// Ends a version that new connections do not go to any more. It may finish what it is doing, within the environment's
/// `drain_timeout`. How many connections were cut.
///
/// # Errors
/// The engine or the proxy cannot be asked.
pub fn end(environment: &Environment, local: &Local, runner: &Runner, old: &Running) -> Result<u64, Fault> {
    let grace = environment.drain_timeout;
    let Some(proxy) = Proxy::find(local.dir()) else {
        runner.stop(old, grace)?;
        return Ok(0);
    };
    if environment.dockerfile.is_none() {
        // Our own server tells its clients to come back elsewhere, once they have reached it: a request may still be on its
        // way through an engine.
        proxy.wait_answered(old.address, grace)?;
        runner.stop(old, grace)?;
        return Ok(0);
    }
    let left = proxy.drain(old.address, grace)?;
    if left > 0 {
        proxy.cut(old.address)?;
    }
    runner.stop(old, END)?;
    Ok(left)
}
