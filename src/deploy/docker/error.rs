//! What can go wrong with an engine.

use std::net::SocketAddr;

use crate::deploy::image::ImageError;

/// What went wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// None answers, or the one that did has gone.
    #[error("no container engine answers at {place}: {why}")]
    Unreachable {
        /// Where it was looked for.
        place: String,
        /// Why it cannot be reached.
        why: String,
    },
    /// The engine has no such container or image.
    #[error("the container engine does not have it: {0}")]
    NotFound(String),
    /// Somebody else listens on the port.
    #[error("{address} is taken already: {why}")]
    PortTaken {
        /// The address of this machine.
        address: SocketAddr,
        /// What the engine says.
        why: String,
    },
    /// A step of a Dockerfile failed.
    #[error("the image cannot be built: {step}: {output}")]
    BuildFailed {
        /// The step: `Step 2/3 : RUN make`.
        step: String,
        /// The last lines that it printed, and what the builder says.
        output: String,
    },
    /// The engine does not want to.
    #[error("the container engine refuses: {0}")]
    Refused(String),
    /// What is to be sent cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What the engine says cannot be written to the log.
    #[error("cannot write the log: {0}")]
    Log(std::io::Error),
}

impl EngineError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreachable { .. } => {
                "start Docker or Podman, or name an engine in `DOCKER_HOST`; `git model build -o FILE` needs none"
                    .into()
            }
            Self::PortTaken { .. } => "stop what listens there, or choose another port".into(),
            Self::Image(error) => return error.hint(),
            Self::NotFound(_) | Self::BuildFailed { .. } | Self::Refused(_) | Self::Log(_) => return None,
        })
    }

    /// Of what the client says; `place` is where the engine is.
    pub(super) fn of(error: bollard::errors::Error, place: &str) -> Self {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { status_code: 404, message } => Self::NotFound(message),
            Error::DockerResponseServerError { message, .. } | Error::DockerStreamError { error: message } => {
                Self::Refused(message)
            }
            Error::RequestTimeoutError => Self::unreachable(place, "it does not answer in time"),
            Error::JsonDataError { .. } | Error::JsonSerdeError { .. } | Error::StrParseError { .. } => {
                Self::Refused(format!("it answers with what is not understood: {error}"))
            }
            error => Self::unreachable(place, &cause(&error)),
        }
    }

    pub(super) fn unreachable(place: &str, why: &str) -> Self {
        Self::Unreachable { place: place.to_owned(), why: why.to_owned() }
    }
}

/// What an error was caused by in the end. What lies above only says who has passed it on.
fn cause(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error).to_string()
}
