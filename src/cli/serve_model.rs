//! `git model serve-model`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::server::serving::{self, ModelFile, Options, ServeError};
use crate::ui::Ui;

/// Serve models of `git model train` over HTTP, by the Open Inference Protocol v2.
///
/// Clients ask `/v2/models/NAME/infer`. SIGTERM and Ctrl-C drain: requests are answered to their end, and a second one ends
/// the server at once. Needs neither git nor a repository.
#[derive(clap::Args)]
#[command(disable_version_flag = true)]
pub struct Args {
    /// The file of a model, or `NAME=FILE`.
    #[arg(value_name = "FILE", required = true)]
    models: Vec<OsString>,

    /// The model's name; by default its file's, less the ending.
    #[arg(long)]
    name: Option<String>,

    /// The models' version.
    #[arg(long, default_value = "1")]
    version: String,

    /// The address to listen on: 0.0.0.0 for all of this machine.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,

    /// The port to listen on; 0 for one that is free.
    #[arg(long, default_value = "8080")]
    port: u16,

    /// The most bytes a request may have.
    #[arg(long, value_name = "BYTES", default_value = "16777216")]
    body_limit: usize,

    /// How long requests may take to end when the server is told to stop: `500ms`, `30s`, `2m`.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = serving::parse_time)]
    drain_timeout: Duration,

    /// Go on when the terminal is closed: leave its session.
    #[arg(long)]
    new_session: bool,

    /// Write `ADDRESS:PORT` into this file once clients may come.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let mut models: Vec<_> = args.models.iter().map(|text| ModelFile::parse(text)).collect();
    if let Some(name) = args.name {
        let [only] = &mut models[..] else {
            return Err(Error::new(Kind::Usage, "`--name` is for one model")
                .hint("name several as `git model serve-model NAME=FILE NAME=FILE`"));
        };
        only.name = name;
    }
    let options = Options {
        models,
        version: args.version,
        address: args.address,
        port: args.port,
        body_limit: args.body_limit,
        drain_timeout: args.drain_timeout,
        has_new_session: args.new_session,
        ready_file: args.ready_file,
    };
    Ok(serving::serve(&options, ui)?)
}

impl From<ServeError> for Error {
    fn from(error: ServeError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            ServeError::Load(error) => error.into(),
            ServeError::Name(_) => failure.hint("give another one with `--name` or `--version`; it may have no `/`"),
            ServeError::SameName(_) => failure.hint("name them: `git model serve-model NAME=FILE NAME=FILE`"),
            ServeError::NotFinite(_) => failure.hint("`git model show --stats` tells which tensors"),
            ServeError::WithoutOnnx(_) => failure.hint("build one with ONNX: `cargo build --release --features onnx`"),
            ServeError::Listen { .. } => {
                failure.hint("choose another with `--address` and `--port`; `--port 0` takes one that is free")
            }
            ServeError::Onnx { .. }
            | ServeError::ReadyFile { .. }
            | ServeError::System(_)
            | ServeError::Counters(_) => failure,
        }
    }
}
