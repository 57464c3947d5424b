//! `git-model deploy-proxy`: what clients of a deployed model talk to. `git model deploy` starts it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::deploy::proxy::{self, Options, ProxyError};
use crate::error::{Error, Result};
use crate::ui::Ui;

#[derive(clap::Args)]
pub struct Args {
    /// The environment's folder, where the proxy is told what to do.
    #[arg(long)]
    dir: PathBuf,
    /// The address and port on which clients connect.
    #[arg(long)]
    listen: SocketAddr,
}

/// Runs a proxy until it is told to end. It outlives the terminal of whoever has started it.
pub fn run(args: Args, ui: &Ui) -> Result {
    // Who leads a group already, as from a shell, stays in its session.
    let _ = rustix::process::setsid();
    Ok(proxy::serve(&Options { dir: args.dir, listen: args.listen }, ui)?)
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            ProxyError::PortTaken { .. } => {
                failure.hint("stop it, or set another `port` in `[deploy.ENV]` of `.gitmodel.toml`")
            }
            ProxyError::Listen { .. } => {
                failure.hint("set an address and a `port` of this machine in `[deploy.ENV]` of `.gitmodel.toml`")
            }
            ProxyError::Running { by: Some(process), .. } => {
                failure.hint(format!("`kill {}` ends it, after its connections", process.pid))
            }
            ProxyError::Start { log, .. } => failure.hint(format!("its log: `{}`", log.display())),
            ProxyError::Running { by: None, .. }
            | ProxyError::NoAnswer { .. }
            | ProxyError::Io { .. }
            | ProxyError::Refused(_) => failure,
        }
    }
}
