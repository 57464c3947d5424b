//! What was deployed where, when, by whom and why: the record that git keeps.
//!
//! Each environment has a chain of its own, `refs/model/deployments/<env>` ([`crate::git::ledger`]). A message in it says that
//! a deployment has come into another state, with all that was known of it then; the last one of a deployment says how it
//! is. The order is that of the chain: clocks of several machines do not agree.
//!
//! A message is a line for people, an empty line, and one JSON object ([`Event`]).

mod event;
pub mod share;

pub use event::{Deployment, DeploymentId, Event, Stage, StageState, State, deployments};

use crate::git::history::CommitId;
use crate::git::ledger::Ledger;
use crate::git::{Git, GitError};
use crate::metrics::policy::deploy;

/// Below it stand the records of this clone.
pub const REFS: &str = "refs/model/deployments/";
/// Below it stand those of remotes, as they were when they were fetched.
pub const REMOTE_REFS: &str = "refs/model/remotes/";

/// The record of an environment.
#[derive(Debug, Clone)]
pub struct Record {
    environment: String,
    ledger: Ledger,
}

impl Record {
    /// That of the environment of this name.
    pub fn of(environment: &str) -> Self {
        let ledger = Ledger::new(format!("{REFS}{environment}"), format!("deployments to {environment}"));
        Self { environment: environment.to_owned(), ledger }
    }

    /// All deployments, the oldest first. Messages that cannot be read are passed over: a later version has written them.
    ///
    /// # Errors
    /// Git cannot say.
    pub fn deployments(&self) -> Result<Vec<Deployment>, GitError> {
        let events = self.ledger.entries()?;
        let events = events.iter().filter_map(|entry| Event::parse(&entry.message));
        Ok(deployments(events.filter(|event| event.environment == self.environment)))
    }

    /// Adds an event.
    ///
    /// # Errors
    /// Git cannot write it.
    pub fn append(&self, event: &Event) -> Result<(), GitError> {
        let about: Option<CommitId> = event.commit.parse().ok();
        self.ledger.append(&event.message(), about)
    }

    /// Takes in what was fetched from remotes; whether that was anything.
    ///
    /// # Errors
    /// Git cannot read or write.
    pub fn unite(&self) -> Result<bool, GitError> {
        let mut any = false;
        for (name, environment) in fetched()? {
            any |= environment == self.environment && self.ledger.unite(&name)?;
        }
        Ok(any)
    }
}

/// The environments that have a record here, or at a remote that was fetched from.
///
/// # Errors
/// Git cannot say.
pub fn environments() -> Result<Vec<String>, GitError> {
    let listed = Git::new(["for-each-ref", "--format=%(refname)", REFS]).output()?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut all: Vec<String> = listed.lines().filter_map(|name| name.strip_prefix(REFS)).map(str::to_owned).collect();
    all.extend(fetched()?.into_iter().map(|(_, environment)| environment));
    all.retain(|name| deploy::is_name(name));
    all.sort();
    all.dedup();
    Ok(all)
}

/// The refs of remotes, with the environment each is about.
fn fetched() -> Result<Vec<(String, String)>, GitError> {
    let listed = Git::new(["for-each-ref", "--format=%(refname)", REMOTE_REFS]).output()?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let one = |name: &str| {
        let (_, environment) = name.rsplit_once("/deployments/")?;
        Some((name.to_owned(), environment.to_owned()))
    };
    Ok(listed.lines().filter_map(one).collect())
}
