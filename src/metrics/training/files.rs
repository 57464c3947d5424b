//! The three files that training leaves: settings, weights, metrics.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Report, Request, TrainError};
use crate::atomic_file::write_whole;
use crate::metrics::fresh::{self, FreshError};
use crate::metrics::output::Output;
use crate::metrics::train::options::Options;
use crate::metrics::train::scores::Scores;
use crate::progress::Progress;
use crate::worktree::Context;

/// The key of the settings in a file of parameters, and of scores on training rows in one of metrics.
const TRAIN: &str = "train";
const VALIDATION: &str = "validation";
/// Where settings are written when no file was named.
const PARAMS: &str = "params.json";

/// The file of parameters.
pub struct Params {
    file: Option<(PathBuf, Output)>,
    /// Whether it was named, and so is read.
    is_named: bool,
}

impl Params {
    /// The file that was named, or else a new one beside the weights; one that is there already is left alone unless it was
    /// named.
    ///
    /// # Errors
    /// A file that is no JSON object, or cannot be read.
    pub fn open(request: &Request) -> Result<Self, TrainError> {
        let path = match &request.params {
            Some(path) => path.clone(),
            None => request.output.with_file_name(PARAMS),
        };
        let is_named = request.params.is_some();
        let is_used = is_named || path.symlink_metadata().is_err();
        let file = is_used.then(|| Output::open(&path).map(|output| (path, output))).transpose()?;
        Ok(Self { file, is_named })
    }

    /// The file that settings were read from.
    pub fn place(&self) -> Option<String> {
        let (path, _) = self.file.as_ref().filter(|_| self.is_named)?;
        path.exists().then(|| path.display().to_string())
    }

    /// The settings in it.
    ///
    /// # Errors
    /// What is no setting.
    pub fn options(&self) -> Result<Options, TrainError> {
        let Some((path, output)) = self.file.as_ref().filter(|_| self.is_named) else { return Ok(Options::default()) };
        let failed = |why: String| TrainError::Params { path: path.display().to_string(), why };
        let text = output.document().print();
        let object: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| failed(format!("has more than JSON: {error}")))?;
        match object.get(TRAIN) {
            None => Ok(Options::default()),
            Some(Value::Object(table)) => {
                Options::parse(table).map_err(|source| TrainError::Option { place: self.place(), source })
            }
            Some(_) => Err(failed(format!("has a `{TRAIN}` that is no table of settings"))),
        }
    }

    /// Writes down what was used; all else in the file stays. Returns its path if there is one to be written.
    ///
    /// # Errors
    /// A place that cannot be written.
    pub fn write(self, options: &Options) -> Result<Option<PathBuf>, TrainError> {
        let Some((path, mut output)) = self.file else { return Ok(None) };
        output.document_mut().root_mut()[TRAIN] = Value::Object(options.to_json());
        output.write()?;
        Ok(Some(path))
    }
}

/// Looks whether weights and metrics can be written, before any work is done.
///
/// # Errors
/// Folders that are not there, and a file that would be lost.
pub fn check(request: &Request) -> Result<(), TrainError> {
    let path = &request.output;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let source = match (folder.metadata(), path.metadata()) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("there is no folder `{}`", folder.display()))
        }
        (Err(error), _) => error,
        (Ok(folder), _) if !folder.is_dir() => io::ErrorKind::NotADirectory.into(),
        (_, Ok(there)) if there.is_dir() => io::ErrorKind::IsADirectory.into(),
        _ if path.symlink_metadata().is_ok() && !request.is_forced => {
            return Err(TrainError::Occupied(path.display().to_string()));
        }
        _ => return Ok(Output::open(&request.metrics).map(drop)?),
    };
    Err(TrainError::Write { path: path.display().to_string(), source })
}

/// Writes the weights, then the metrics with a note of which weights they are of. Returns the bytes of the weights' file.
///
/// # Errors
/// A place that cannot be written.
pub fn write(request: &Request, report: &Report, progress: &dyn Progress) -> Result<u64, TrainError> {
    // Read again: training may have taken long.
    let mut output = Output::open(&request.metrics)?;
    let bytes = report.model.to_safetensors();
    write_whole(&request.output, |mut file| file.write_all(&bytes))
        .map_err(|source| TrainError::Write { path: request.output.display().to_string(), source })?;
    let root = output.document_mut().root_mut();
    let validation = report.validation.as_ref().map(|(_, scores)| scores);
    for (part, scores) in [(TRAIN, Some(&report.train.1)), (VALIDATION, validation)] {
        match scores {
            // Those of another kind of model would stay otherwise.
            Some(_) => root[part] = Value::Object(Map::new()),
            None => drop(root.as_object_mut().and_then(|root| root.shift_remove(part))),
        }
    }
    (root["epochs"], root["steps"]) = (report.fitted.epochs.into(), report.fitted.steps.into());
    let named = |(part, scores): (&str, &Scores)| -> Vec<(String, f64)> {
        scores.iter().map(|(name, value)| (format!("{part}.{name}"), *value)).collect()
    };
    output.set(&named((TRAIN, &report.train.1)))?;
    if let Some(scores) = validation {
        output.set(&named((VALIDATION, scores)))?;
    }
    // Outside of a repository nobody asks.
    if let Ok(context) = Context::discover() {
        match fresh::digest(&context, &request.output, progress) {
            Ok(weights) => output.record(&[weights]),
            Err(FreshError::Outside(_)) => {}
            Err(error) => progress.warn(&format!("the metrics do not say which weights they are of: {error}")),
        }
    }
    output.write()?;
    Ok(bytes.len() as u64)
}
