//! A TCP proxy: new connections go to the healthy candidate, old ones end in peace.
//!
//! It is a process of its own, one for each environment, that outlives the commands which talk to it through a socket
//! ([`Proxy`]). A connection belongs to the target that it was opened to: [`Proxy::switch`] moves none, [`Proxy::drain`]
//! waits for the old ones. The route is on disk before a switch is answered, so a proxy that was killed goes on where it
//! was.
//!
//! In the environment's folder, which only its user can enter: `proxy.sock` (0600) to talk to it, `proxy.json` with the
//! route, `proxy.lock`, which a proxy holds as long as it accepts connections, and `proxy.log`.
//!
//! **Limitations.** Connections are not looked into: a client that keeps one open stays with the old target until one of
//! both closes it. Without data there is no time limit. Between the end of one proxy and the start of the next, connections
//! are refused.

mod client;
mod connections;
mod control;
mod folder;
mod log;
mod relay;
mod server;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::process::Process;

pub use client::Proxy;
pub use server::serve;

/// What this proxy and its clients speak. A proxy of another version is replaced.
const PROTOCOL: u32 = 2;

/// Where connections go.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The id of the deployment that answers there.
    pub deployment: String,
    /// Where it listens.
    pub target: SocketAddr,
}

/// How a proxy is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The environment's folder, private to its user.
    pub dir: PathBuf,
    /// Where clients connect; port 0 means any.
    pub listen: SocketAddr,
}

/// How a proxy stands.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where new connections go; without a route they are closed at once.
    pub route: Option<Route>,
    /// The proxy itself.
    pub process: Process,
    /// How many connections are open, by their target.
    pub connections: Vec<(SocketAddr, u64)>,
    /// On how many of them the client has asked, and nothing has come back yet.
    #[serde(default)]
    pub waiting: Vec<(SocketAddr, u64)>,
    /// How many connections were accepted since it runs.
    pub accepted: u64,
    /// How many of them were closed because no target took them.
    pub refused: u64,
    /// What it speaks.
    pub protocol: u32,
}

impl Status {
    /// How many connections to `target` are open.
    pub fn open(&self, target: SocketAddr) -> u64 {
        Self::of(&self.connections, target)
    }

    /// How many connections to `target` wait for their first answer.
    pub fn waiting(&self, target: SocketAddr) -> u64 {
        Self::of(&self.waiting, target)
    }

    fn of(counts: &[(SocketAddr, u64)], target: SocketAddr) -> u64 {
        counts.iter().filter(|(of, _)| *of == target).map(|(_, count)| count).sum()
    }
}

/// Why a proxy does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Somebody else listens on the port.
    #[error("port {} is taken{}", address.port(), by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    PortTaken {
        /// What was to be listened on.
        address: SocketAddr,
        /// Who does, if that can be told: "`python3` (process 1234)".
        by: Option<String>,
    },
    /// The address is not ours to listen on.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A file or the folder is out of reach.
    #[error("cannot {what} `{}`: {source}", path.display())]
    Io {
        /// What was tried: `write`.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another proxy has the folder.
    #[error("a proxy runs already for `{}`{}", dir.display(), process(by))]
    Running {
        /// The folder.
        dir: PathBuf,
        /// That proxy.
        by: Option<Process>,
    },
    /// The process of a proxy that was started has ended, or never answered.
    #[error("the proxy did not start: {why}")]
    Start {
        /// What it said last, or how long it was waited for.
        why: String,
        /// Where it says more.
        log: PathBuf,
    },
    /// It is not there, or hangs.
    #[error("the proxy of `{}` does not answer: {why}", dir.display())]
    NoAnswer {
        /// Its folder.
        dir: PathBuf,
        /// What happened instead.
        why: String,
    },
    /// It does not do what it was asked.
    #[error("the proxy refused: {0}")]
    Refused(String),
}

fn process(process: &Option<Process>) -> String {
    process.as_ref().map(|process| format!(" (process {})", process.pid)).unwrap_or_default()
}
