//! A model behind the Open Inference Protocol.
//!
//! The server is asked over HTTP (`serving/api.rs`) by the protocol's version 2, and answers with models that need nothing
//! but their file: no git, no repository, no home. It runs in an empty container as process 1.
//!
//! One thread deals with all connections; predictions are computed beside it, on as many threads as there are cores, so
//! that a large request does not keep others from being answered.

mod activity;
mod api;
mod body;
mod connections;
mod counters;
mod data;
mod native;
#[cfg(feature = "onnx")]
mod onnx;
mod predictor;
mod protocol;
mod refusal;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use self::api::{Every, Shared};
use self::body::Room;
use self::connections::Limits;
use self::counters::Counters;
use self::predictor::Predictor;
use crate::atomic_file::write_whole;
use crate::progress::{Progress, count};
use crate::version::predict::{self, PredictError};

/// Delays each prediction by so many milliseconds: for tests of draining.
const DELAY_VARIABLE: &str = "GIT_MODEL_SERVE_DELAY_MS";
/// How many connections there are at most, and how long their clients may take.
const CONNECTIONS_MAX: usize = 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A client that keeps its connections may just be about to ask: better that a server takes a little longer to end.
const QUIET_TIMEOUT: Duration = Duration::from_secs(5);
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The models.
    pub models: Vec<ModelFile>,
    /// Their version, as clients may ask for it.
    pub version: String,
    /// The address to listen on.
    pub address: IpAddr,
    /// The port; 0 for one that is free.
    pub port: u16,
    /// Bytes of a request at most.
    pub body_limit: usize,
    /// How long requests may take to end when the server is told to.
    pub drain_timeout: Duration,
    /// Whether to leave the session of whoever has started the server.
    pub has_new_session: bool,
    /// A file to write `ADDR:PORT` into once the server listens.
    pub ready_file: Option<PathBuf>,
}

/// A file, and the name its model is served by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// The name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A name that cannot stand in a path of HTTP.
    #[error("`{0}` cannot be the name or the version of a model that is served")]
    Name(String),
    /// Two models of one name.
    #[error("two models are named `{0}`")]
    SameName(String),
    /// A file that is no model that can be served.
    #[error(transparent)]
    Load(#[from] PredictError),
    /// Weights that predict nothing.
    #[error("`{0}` has weights that are NaN or infinite")]
    NotFinite(String),
    /// An ONNX file, where that is not built in.
    #[error("`{0}` is an ONNX model, and this git-model was built without ONNX")]
    WithoutOnnx(String),
    /// An ONNX file that cannot be run.
    #[error("`{path}` cannot be served: {why}")]
    Onnx {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The address is taken, or is none of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The file that tells others cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system does not give what a server needs.
    #[error("cannot serve: {0}")]
    System(#[from] io::Error),
    /// Counts that cannot be kept.
    #[error("cannot count requests: {0}")]
    Counters(#[from] prometheus::Error),
}

impl ModelFile {
    /// Reads `PATH` or `NAME=PATH`. A file of that whole name comes first; without a name, it is the file's, less its
    /// ending.
    pub fn parse(text: &OsStr) -> Self {
        let path = Path::new(text);
        if let Some((name, path)) = text.to_str().and_then(|text| text.split_once('='))
            && !Path::new(text).exists()
        {
            return Self { name: name.into(), path: path.into() };
        }
        Self { name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path: path.into() }
    }
}

/// Reads a time: a number of `ms`, `s`, `m` or `h`.
///
/// # Errors
/// It is none, for the user.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let number = text[..text.len() - unit.len()].parse::<u32>().ok();
    match number.zip(millis) {
        Some((number, millis)) => Ok(Duration::from_millis(u64::from(number) * millis)),
        None => Err("not a time such as `500ms`, `30s` or `2m`".into()),
    }
}

/// Serves models until SIGTERM or SIGINT, and then until all clients have their answers.
///
/// # Errors
/// Models that cannot be loaded, and an address that cannot be listened on.
pub fn serve(options: &Options, progress: &dyn Progress) -> Result<(), ServeError> {
    if options.has_new_session {
        // Who leads a group already has a session of its own, mostly.
        let _ = rustix::process::setsid();
    }
    let shared = Arc::new(load(options)?);
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(threads).build()?;
    let served = runtime.block_on(listen(options, shared, progress));
    // A prediction that nobody waits for any more is not waited for.
    runtime.shutdown_background();
    served
}

async fn listen(options: &Options, shared: Arc<Shared>, progress: &dyn Progress) -> Result<(), ServeError> {
    // From here on a signal does not kill, so nobody who reads that the server is ready can do so.
    let stops = stops()?;
    let address = SocketAddr::new(options.address, options.port);
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let names = shared.models.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    progress.note(&format!("serving {names} (version {}) on http://{address}", shared.version));
    // Last, so that who waits for it finds the line above.
    if let Some(path) = &options.ready_file {
        let failed = |source| ServeError::ReadyFile { path: path.clone(), source };
        write_whole(path, |mut file| writeln!(file, "{address}")).map_err(failed)?;
    }
    let limits = Limits {
        connections: CONNECTIONS_MAX,
        head: HEAD_TIMEOUT,
        stall: STALL_TIMEOUT,
        quiet: QUIET_TIMEOUT,
        linger: LINGER_TIMEOUT,
        drain: options.drain_timeout,
    };
    let cut = connections::serve(listener, shared, limits, stops, progress).await;
    if cut > 0 {
        progress.warn(&format!("{} cut before all was answered", count(cut as u64, "connection")));
    }
    Ok(())
}

/// A message for each signal to stop.
fn stops() -> io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(2);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signal: Signal = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move { while signal.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    }
    Ok(receiver)
}

fn load(options: &Options) -> Result<Shared, ServeError> {
    let mut models: Vec<(String, Arc<dyn Predictor>)> = Vec::new();
    check_name(&options.version)?;
    for ModelFile { name, path } in &options.models {
        check_name(name)?;
        if models.iter().any(|(other, _)| other == name) {
            return Err(ServeError::SameName(name.clone()));
        }
        models.push((name.clone(), predictor(path)?));
    }
    let counters = Counters::new(models.iter().map(|(name, _)| name.as_str()), &options.version)?;
    let delay = std::env::var(DELAY_VARIABLE).unwrap_or_default();
    let (delay, every) = delay.split_once('/').unwrap_or((&delay, "1"));
    Ok(Shared {
        models,
        version: options.version.clone(),
        counters,
        delay: Duration::from_millis(delay.parse().unwrap_or_default()),
        delayed: Every::new(every.parse().unwrap_or(1)),
        draining: watch::Sender::new(false),
        room: Room::new(options.body_limit),
    })
}

fn check_name(name: &str) -> Result<(), ServeError> {
    let is_usable = !name.is_empty() && !name.contains(char::is_control);
    is_usable.then_some(()).ok_or_else(|| ServeError::Name(name.into()))
}

fn predictor(path: &Path) -> Result<Arc<dyn Predictor>, ServeError> {
    let shown = || path.display().to_string();
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        return onnx(path);
    }
    let model = predict::load_file(path)?;
    if !model.is_finite() {
        return Err(ServeError::NotFinite(shown()));
    }
    Ok(Arc::new(model))
}

#[cfg(feature = "onnx")]
fn onnx(path: &Path) -> Result<Arc<dyn Predictor>, ServeError> {
    match onnx::Graph::load(path) {
        Ok(graph) => Ok(Arc::new(graph)),
        Err(why) => Err(ServeError::Onnx { path: path.display().to_string(), why }),
    }
}

#[cfg(not(feature = "onnx"))]
fn onnx(path: &Path) -> Result<Arc<dyn Predictor>, ServeError> {
    Err(ServeError::WithoutOnnx(path.display().to_string()))
}
