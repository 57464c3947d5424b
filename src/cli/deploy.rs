//! `git model deploy`.

mod choose;
pub mod tell;

pub use choose::environment;

use crate::deploy::Fault;
use crate::deploy::carry_out::{self, Wish};
use crate::deploy::plan::NoWayBack;
use crate::deploy::reconcile;
use crate::deploy::record::State;
use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::version::named;

/// Deploy a version of a model: build it, test a candidate, switch to it, watch it.
///
/// `[deploy.NAME]` in `.gitmodel.toml` says where and how. What serves keeps serving until the new version has passed
/// everything, and whenever anything fails. Where a branch is deployed by hooks, this is for another version, or to try again.
#[derive(clap::Args)]
pub struct Args {
    /// The environment; not needed if there is only one.
    #[arg(value_name = "ENV")]
    environment: Option<String>,

    /// What to deploy: a commit, a branch, a version such as `house@v1.2.0`. Without it, the tip of the environment's branch.
    #[arg(value_name = "REV")]
    revision: Option<String>,

    /// Show all that the stages say.
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let (name, revision) = choose::words(&context.repo, args.environment, args.revision)?;
    let environment = environment(&context.repo, name.as_deref())?;
    let commit = match revision {
        Some(revision) => {
            let revision = named::revision(revision.as_ref())?;
            named::commit(&revision.to_string_lossy())?
        }
        None => reconcile::tip(&environment)?
            .ok_or_else(|| Error::failed(format!("there is no branch `{}` to deploy", environment.branch)))?,
    };
    let wish = Wish {
        environment: &environment,
        commit,
        deployment: None,
        trigger: "manual".into(),
        by: reconcile::who(),
        rollback_to: None,
        is_automatic: false,
        is_verbose: args.verbose,
    };
    match carry_out::deploy(&context, &wish, ui)? {
        Some(event) => tell::outcome(&event, &environment, ui),
        None => Ok(()),
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let failure = Self::failed(fault.to_string());
        match fault {
            Fault::Untrusted(_) => failure.hint("see what would run, and allow it: `git model trust`"),
            Fault::Engine(error) => match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            },
            Fault::PortTaken(_) => {
                failure.hint("end what listens there, or set another `port` in `[deploy.NAME]` of `.gitmodel.toml`")
            }
            Fault::Git(error) => error.into(),
            Fault::Model(_) | Fault::System(_) | Fault::Io(_) => failure,
        }
    }
}

impl From<NoWayBack> for Error {
    fn from(error: NoWayBack) -> Self {
        Self::failed(error.to_string()).hint("`git model deployments` lists what was deployed")
    }
}

/// The exit code's error of a deployment that did not succeed.
fn unsuccessful(state: State, message: String) -> Error {
    let failure = Error::failed(message);
    match state {
        State::Failure => failure,
        _ => failure.hint("once that is mended: `git model deploy` tries again"),
    }
}
