//! `git model train`, from files to files: reads the rows, trains, and writes weights, settings and metrics.
//!
//! Nothing is written before all is known: a model that diverges, or rows that cannot be learned from, leave what was
//! there. Each of the three files appears when it is whole, the weights last.
//!
//! **Limitations.** All rows are held in memory, about three times.

use std::io;
use std::path::PathBuf;

use super::data::DataError;
use super::output::OutputError;
use super::train::fit::{Diverged, Event, Fitted, fit};
use super::train::kind::Kind;
use super::train::matrix::Matrix;
use super::train::model::Model;
use super::train::network::Network;
use super::train::optimizer::Optimizer;
use super::train::options::{OptionError, Options};
use super::train::scale::{Scale, constant_columns};
use super::train::scores::{Scores, scores};
use super::train::settings::Settings;
use super::train::table::{Columns, TableError};
use crate::progress::Progress;

mod files;
mod lesson;

use files::Params;
use lesson::Lesson;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Settings of the command line.
    pub options: Options,
    /// The weights' file.
    pub output: PathBuf,
    /// The file of parameters, read if it is there, then written.
    pub params: Option<PathBuf>,
    /// The file of metrics.
    pub metrics: PathBuf,
    /// Whether a file may be written over that holds no model of `git model train`.
    pub is_forced: bool,
    /// Whether each epoch is told.
    pub is_verbose: bool,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Report {
    /// The model.
    pub model: Model,
    /// Epochs, steps.
    pub fitted: Fitted,
    /// Rows trained on, and how good the model is on them.
    pub train: (usize, Scores),
    /// Rows for validation, if any, and how good the model is on them.
    pub validation: Option<(usize, Scores)>,
    /// The file of parameters, if it was written.
    pub params: Option<PathBuf>,
    /// Bytes of the weights' file.
    pub size: u64,
}

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// No rows were named.
    #[error("there is nothing to train on")]
    NoData,
    /// A file of rows cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Rows that cannot be learned from.
    #[error("`{path}`: {source}")]
    Table {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: TableError,
    },
    /// Settings that cannot be followed.
    #[error("{}{source}", place.as_ref().map(|place| format!("`{place}`: ")).unwrap_or_default())]
    Option {
        /// The file they stand in, if not on the command line alone.
        place: Option<String>,
        /// What is wrong with them.
        source: OptionError,
    },
    /// A file of parameters that has something else in the place of settings.
    #[error("`{path}` {why}")]
    Params {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A file of parameters or metrics that cannot be kept.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The loss is no number any more.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// A weight is larger than the file can hold.
    #[error("a weight is too large for f32")]
    TooLarge,
    /// A file that would be lost.
    #[error("`{0}` is there already, and no model of `git model train`")]
    Occupied(String),
    /// A file that cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Trains a model.
///
/// # Errors
/// What cannot be read, followed, learned or written.
pub fn train(request: &Request, progress: &dyn Progress) -> Result<Report, TrainError> {
    files::check(request)?;
    let params = Params::open(request)?;
    let (settings, mut options) = Settings::of(request.options.clone().or(params.options()?))
        .map_err(|source| TrainError::Option { place: params.place(), source })?;
    let lesson = Lesson::read(&settings, &options)?;
    options.target = Some(lesson.columns.target.clone());
    for column in constant_columns(&lesson.train.inputs) {
        let name = &lesson.columns.features[column];
        progress
            .warn(&format!("column `{name}` has the same value in all training rows; nothing can be learned from it"));
    }
    let (model, fitted) = fit_model(&settings, &lesson, request.is_verbose, progress)?;
    let Lesson { train, validation, .. } = lesson;
    let mut report = Report {
        train: (train.len(), scores(&model, &train)),
        validation: (!validation.is_empty()).then(|| (validation.len(), scores(&model, &validation))),
        params: None,
        size: 0,
        model,
        fitted,
    };
    report.params = params.write(&options)?;
    if report.params.is_none() {
        progress.warn("the settings were not written down: there is a `params.json`, and `--params` does not name it");
    }
    report.size = files::write(request, &report, progress)?;
    Ok(report)
}

/// Trains on standardised rows, and makes the result a model for rows as they are.
fn fit_model(
    settings: &Settings,
    lesson: &Lesson,
    is_verbose: bool,
    progress: &dyn Progress,
) -> Result<(Model, Fitted), TrainError> {
    let (mut train, mut validation) = (lesson.train.clone(), lesson.validation.clone());
    let scale = settings.standardizes.then(|| Scale::of(&train.inputs));
    let target_scale = (settings.standardizes && settings.kind == Kind::Linear)
        .then(|| Scale::of(&Matrix::new(1, train.targets.clone())));
    for rows in [&mut train, &mut validation] {
        if let Some(scale) = &scale {
            scale.apply(&mut rows.inputs);
        }
        if let Some(Scale { mean, std }) = &target_scale {
            rows.targets.iter_mut().for_each(|target| *target = (*target - mean[0]) / std[0]);
        }
    }
    let unit = target_scale.as_ref().map_or(1.0, |scale| scale.std[0] * scale.std[0]);
    let Columns { features, target, .. } = lesson.columns.clone();
    let network = Network::random(features.len(), settings.hidden, lesson.outputs, settings.schedule.seed);
    let optimizer = Optimizer::new(settings.method, settings.learning_rate, settings.weight_decay);
    let batches = train.len().div_ceil(settings.schedule.batch_size) as u64;
    progress.begin_steps("training", batches.saturating_mul(settings.schedule.epochs));
    let on_event = &mut |event| match event {
        Event::Step => progress.advance(1),
        Event::Epoch { number, train, validation } => {
            let validation = validation.map(|loss| format!(", {:.6} on validation", loss * unit)).unwrap_or_default();
            let line = format!("epoch {number}: loss {:.6}{validation}", train * unit);
            progress.status(&line);
            if is_verbose {
                progress.note(&line);
            }
        }
    };
    let fitted = fit(network, optimizer, settings.kind.loss(), (&train, &validation), &settings.schedule, on_event);
    progress.end();
    let mut fitted = fitted?;
    if let Some(scale) = target_scale {
        scale.undo_in(&mut fitted.network.output);
    }
    let model = Model { kind: settings.kind, features, target, scale, network: fitted.network.clone() };
    Ok((model.rounded().ok_or(TrainError::TooLarge)?, fitted))
}
