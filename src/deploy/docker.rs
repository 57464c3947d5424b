//! The container engine: images in, containers out. Docker, and Podman through its Docker-compatible socket.
//!
//! - [`load`]: an image into the engine, without the layers it has.
//! - [`build`]: a Dockerfile to an image, by BuildKit where the `docker` command has it.
//! - [`container`]: containers: started, looked at, ended.
//!
//! All functions block; a runtime on the calling thread is kept inside. None waits for an engine that has gone: calls have a
//! time limit, and where much may happen without a word, the engine is asked from time to time whether it still lives.
//!
//! **Limitations.** No TLS and no SSH: an engine elsewhere is reached through a tunnel. Contexts of the `docker` command are
//! not looked at.

mod body;
pub mod build;
mod buildkit;
pub mod container;
mod error;
pub mod load;

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, Instant};

use bollard::errors::Error;
use bollard::query_parameters::RemoveImageOptions;
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt};
use tokio::runtime::Runtime;

pub use container::{Container, Run, State};
pub use error::EngineError;
pub use load::Loaded;

/// An engine that is there answers at once.
const HELLO: Duration = Duration::from_secs(5);
/// An engine with much to do takes its time.
const CALL: Duration = Duration::from_secs(60);
/// For calls that take as long as they take, and are watched otherwise.
const ENDLESS: Duration = Duration::from_secs(60 * 60 * 24 * 365);
/// After so long without a word the engine is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(30);
/// After so long without a word nothing is to be expected any more.
const SILENCE_MAX: Duration = Duration::from_secs(60 * 60);

/// The variable that names an engine.
const HOST: &str = "DOCKER_HOST";

/// An engine that answers.
pub struct Engine {
    runtime: Runtime,
    docker: Docker,
    place: String,
    name: String,
    is_podman: bool,
}

impl Engine {
    /// The engine that `DOCKER_HOST` names, or else the first that answers of Docker's and Podman's on this machine.
    ///
    /// # Errors
    /// None answers; the message says where it was looked for.
    pub fn connect() -> Result<Self, EngineError> {
        match std::env::var(HOST) {
            Ok(host) if !host.is_empty() => Self::connect_to(&host),
            _ => Self::connect_to_any(&places(|name| std::env::var(name).ok())),
        }
    }

    fn connect_to_any(places: &[String]) -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for place in places {
            match Self::connect_to(place) {
                Ok(engine) => return Ok(engine),
                Err(EngineError::Unreachable { place, why }) => tried.push((place, why)),
                Err(error) => return Err(error),
            }
        }
        let place = tried.iter().map(|(place, _)| format!("`{place}`")).collect::<Vec<_>>().join(" or ");
        // What is there and refuses says more than what is not there.
        let is_there = |place: &str| std::path::Path::new(place.trim_start_matches("unix://")).exists();
        let why = tried.iter().find(|(place, _)| is_there(place)).or_else(|| tried.first());
        let why = why.map_or_else(|| "there is no such place".to_owned(), |(_, why)| why.clone());
        Err(EngineError::Unreachable { place, why })
    }

    /// The engine at `host`, in the form that `DOCKER_HOST` has: `unix:///run/docker.sock` or `tcp://127.0.0.1:2375`.
    ///
    /// # Errors
    /// It does not answer, or is named in another way.
    pub fn connect_to(host: &str) -> Result<Self, EngineError> {
        let failed = |error| EngineError::of(error, host);
        let docker = match host.split_once("://") {
            Some(("unix", _)) => Docker::connect_with_unix(host, CALL.as_secs(), API_DEFAULT_VERSION),
            Some(("tcp" | "http", _)) => Docker::connect_with_http(host, CALL.as_secs(), API_DEFAULT_VERSION),
            _ => {
                let why = format!("`{HOST}` is `{host}`, and only `unix://` and `tcp://` addresses are understood");
                return Err(EngineError::Refused(why));
            }
        };
        let docker = docker.map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| EngineError::Refused(format!("no runtime can be made: {error}")))?;
        let hello = async {
            let docker = docker.with_timeout(HELLO).negotiate_version().await?;
            let version = docker.version().await?;
            Ok((docker.with_timeout(CALL), version))
        };
        let (docker, version) = within(&runtime, 2 * HELLO, hello, host)?;
        let kind = version.components.unwrap_or_default().into_iter().next().map(|component| component.name);
        let is_podman = kind.is_some_and(|kind| kind.starts_with("Podman"));
        let kind = if is_podman { "Podman" } else { "Docker" };
        let name = format!("{kind} {} at {host}", version.version.unwrap_or_default());
        Ok(Self { runtime, docker, place: host.to_owned(), name, is_podman })
    }

    /// What it is and where: `Docker 20.10.24 at unix:///var/run/docker.sock`.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The digest that an image's name stands for, by which the engine names it; `None` if it has no such image.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn image_id(&self, reference: &str) -> Result<Option<String>, EngineError> {
        let image = self.optional(self.docker.inspect_image(reference))?;
        Ok(image.and_then(|image| image.id))
    }

    /// Removes an image. One that has gone is fine; one that is in use stays.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn remove_image(&self, id: &str) -> Result<(), EngineError> {
        match self.call(self.docker.remove_image(id, None::<RemoveImageOptions>, None)) {
            Ok(_) | Err(Failure { status: Some(404 | 409), .. }) => Ok(()),
            Err(failure) => Err(failure.error),
        }
    }

    /// Waits for an answer, but not for ever.
    fn call<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.call_within(CALL, request)
    }

    fn call_within<T>(&self, limit: Duration, request: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(limit, request).await });
        let error = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => Error::RequestTimeoutError,
        };
        let status = match &error {
            Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
            _ => None,
        };
        Err(Failure { status, error: EngineError::of(error, &self.place) })
    }

    /// As [`Engine::call`]; `None` for what the engine does not have.
    fn optional<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, EngineError> {
        match self.call(request) {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure { status: Some(404), .. }) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    /// The client for calls that are watched with [`Engine::next`].
    fn patient(&self) -> Docker {
        self.docker.clone().with_timeout(ENDLESS)
    }

    /// The next word of an answer. Where there is silence, the engine is asked whether it lives; one that does may be silent
    /// for as long as `watch` says.
    async fn next<T>(
        &self,
        answer: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
        watch: &Watch,
    ) -> Result<Option<T>, EngineError> {
        loop {
            if let Ok(word) = tokio::time::timeout(SILENCE, answer.next()).await {
                watch.touch();
                return word.transpose().map_err(|error| EngineError::of(error, &self.place));
            }
            self.assert_alive(watch).await?;
        }
    }

    /// Asks the engine whether it lives, after a silence.
    async fn assert_alive(&self, watch: &Watch) -> Result<(), EngineError> {
        match tokio::time::timeout(HELLO, self.docker.ping()).await {
            Ok(Ok(_)) if !watch.is_over() => Ok(()),
            Ok(Ok(_)) => {
                let minutes = SILENCE_MAX.as_secs() / 60;
                Err(EngineError::Refused(format!("it has said nothing for {minutes} minutes")))
            }
            Ok(Err(error)) => Err(EngineError::of(error, &self.place)),
            Err(_) => Err(EngineError::unreachable(&self.place, "it does not answer any more")),
        }
    }
}

/// What was sent, and how long nothing has been said or sent.
struct Watch {
    last: Cell<Instant>,
    /// In bytes.
    sent: Cell<u64>,
    /// Whether nobody minds.
    is_patient: bool,
}

impl Watch {
    fn new(is_patient: bool) -> Self {
        Self { last: Cell::new(Instant::now()), sent: Cell::new(0), is_patient }
    }

    /// Something was said or sent.
    fn touch(&self) {
        self.last.set(Instant::now());
    }

    /// So many more bytes were sent.
    fn count(&self, bytes: u64) {
        self.touch();
        self.sent.set(self.sent.get() + bytes);
    }

    fn is_over(&self) -> bool {
        !self.is_patient && self.last.get().elapsed() >= SILENCE_MAX
    }
}

/// What the engine answered instead.
struct Failure {
    /// HTTP's word for it.
    status: Option<u16>,
    error: EngineError,
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

fn within<T>(
    runtime: &Runtime,
    limit: Duration,
    request: impl Future<Output = Result<T, Error>>,
    place: &str,
) -> Result<T, EngineError> {
    match runtime.block_on(async { tokio::time::timeout(limit, request).await }) {
        Ok(answer) => answer.map_err(|error| EngineError::of(error, place)),
        Err(_) => Err(EngineError::unreachable(place, "it does not answer in time")),
    }
}

/// Where engines are on this machine, in the order in which they are asked.
fn places(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let of_user = variable("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let mut places = vec!["unix:///var/run/docker.sock".to_owned()];
    places.extend(of_user.iter().map(|dir| format!("unix://{dir}/docker.sock")));
    places.extend(of_user.iter().map(|dir| format!("unix://{dir}/podman/podman.sock")));
    places.push("unix:///run/podman/podman.sock".to_owned());
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_says_where_an_engine_was_looked_for() {
        let places = ["unix:///nowhere/a.sock".to_owned(), "unix:///nowhere/b.sock".to_owned()];
        let error = Engine::connect_to_any(&places).map(drop).expect_err("nobody there");
        let text = error.to_string();
        assert!(matches!(error, EngineError::Unreachable { .. }), "{text}");
        assert!(places.iter().all(|place| text.contains(place.as_str())), "{text}");
    }

    #[test]
    fn only_addresses_that_are_understood_are_taken() {
        for host in ["ssh://user@host", "npipe:////./pipe/docker", "nonsense", ""] {
            let error = Engine::connect_to(host).map(drop).expect_err(host);
            assert!(matches!(error, EngineError::Refused(_)), "{error}");
        }
    }

    #[test]
    fn a_port_where_nobody_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let error = Engine::connect_to(&format!("tcp://{address}")).map(drop).expect_err("nobody there");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    }

    #[test]
    fn an_engine_that_is_silent_is_not_waited_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let begun = Instant::now();
        let error = Engine::connect_to(&format!("tcp://{address}")).map(drop).expect_err("silent");
        assert!(matches!(error, EngineError::Unreachable { .. }), "{error}");
        assert!(begun.elapsed() < 3 * HELLO);
    }

    #[test]
    fn dockers_own_place_comes_first() {
        let with = places(|_| Some("/run/user/1".to_owned()));
        assert_eq!(with[0], "unix:///var/run/docker.sock");
        assert_eq!(with[2], "unix:///run/user/1/podman/podman.sock");
        assert_eq!(places(|_| None).len(), 2);
    }
}
