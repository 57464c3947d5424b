//! From a commit to a running model.
//!
//! - [`carry_out`]: a deployment from the wish to the record.
//! - [`reconcile`]: whether a branch's tip is to be deployed, and whose turn it is.
//! - [`pipeline`]: one deployment: build, test, switch, observe, record.
//! - [`plan`]: what is to be done, from what is known.
//! - [`record`]: what was deployed, as git keeps it.
//! - [`local`]: what runs, as this clone knows it; [`recover`] puts it in order after an accident.
//! - [`runner`]: starts and stops versions, in containers ([`docker`]) or as processes ([`process`]).
//! - [`image`]: a commit to a container image; [`release`]: to files.
//! - [`proxy`]: what clients talk to, whichever version serves.
//! - [`retire`]: the end of a version that has made way.
//! - [`health`], [`golden`], [`smoke`]: what is asked of a candidate.

pub mod carry_out;
pub mod docker;
mod fault;
pub mod golden;
pub mod halt;
pub mod health;
pub mod http;
pub mod image;
pub mod local;
pub mod pipeline;
pub mod plan;
pub mod process;
pub mod proxy;
pub mod reconcile;
pub mod record;
pub mod recover;
pub mod release;
pub mod retention;
pub mod retire;
pub mod runner;
pub mod smoke;
pub mod status;

pub use fault::Fault;
