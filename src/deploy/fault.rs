//! Why a deployment does not go on.

use std::io;

use super::docker::EngineError;
use super::image::ImageError;
use super::proxy::ProxyError;
use super::record::State;
use crate::git::GitError;
use crate::metrics::check::CheckError;

/// Why a deployment does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The model is not good enough: it does not build, start, answer or pass its tests.
    #[error("{0}")]
    Model(String),
    /// The machine, the disk or the engine fails.
    #[error("{0}")]
    System(String),
    /// Somebody else listens on a port that was to be used.
    #[error("{0}")]
    PortTaken(String),
    /// The user has not allowed it.
    #[error("`[deploy.{0}]` is not trusted in this clone, or has changed since")]
    Untrusted(String),
    /// The engine does not do what it should.
    #[error(transparent)]
    Engine(EngineError),
    /// A file or the disk.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
}

impl Fault {
    /// How the deployment ends.
    pub const fn state(&self) -> State {
        match self {
            Self::Model(_) => State::Failure,
            _ => State::Error,
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::PortTaken { .. } => Self::PortTaken(error.to_string()),
            EngineError::BuildFailed { .. } => Self::Model(error.to_string()),
            error => Self::Engine(error),
        }
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Self::System(error.to_string())
    }
}

impl From<ProxyError> for Fault {
    fn from(error: ProxyError) -> Self {
        match error {
            ProxyError::PortTaken { .. } => Self::PortTaken(error.to_string()),
            error => Self::System(error.to_string()),
        }
    }
}

impl From<CheckError> for Fault {
    fn from(error: CheckError) -> Self {
        Self::Model(error.to_string())
    }
}
