//! From a commit to a running model.
//!
//! - [`health`]: whether a server answers.
//! - [`process`]: processes that outlive the command that started them.
//! - [`proxy`]: what clients talk to, whichever candidate serves.
//! - [`image`]: a commit to a container image.
//! - [`docker`]: the engine that runs it.

pub mod docker;
pub mod health;
pub mod image;
pub mod process;
pub mod proxy;
