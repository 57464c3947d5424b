//! `git model eval`.

mod trusted;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::error::{Error, Kind, Result};
use crate::metrics::data;
use crate::metrics::document::Document;
use crate::metrics::evaluate::{self, EvalError, Input, Metric, Question, Scale, Task};
use crate::metrics::fresh::{self, FreshError, Weights};
use crate::metrics::output::{Output, OutputError};
use crate::progress::Progress;
use crate::text::Table;
use crate::ui::{Ui, count};

/// Compute metrics from predictions and targets.
///
/// Both are arrays in a file: CSV or TSV, `.npy`, `.npz` or `.safetensors`. `FILE:NAME` is one array, tensor or column of several. Row by row, predictions
/// are a number, a class, or a score for each class; targets are numbers or classes 0, 1, 2, …
///
/// What is predicted, and whether scores are logits or probabilities, is guessed from the numbers and told, unless it is said.
/// Prints JSON, on a terminal a table. Formulas: docs/metrics.md.
///
/// Without files, runs the command `evaluate` of each model in `.gitmodel.toml`, once `git model trust` has allowed it, and
/// notes in the metrics files that it writes which weights they are of.
#[derive(clap::Args)]
pub struct Args {
    /// What the model says: `FILE` or `FILE:NAME`.
    #[arg(value_name = "PREDICTIONS")]
    predictions: Option<OsString>,

    /// What is true; by default another column of the same file.
    #[arg(value_name = "TARGETS")]
    targets: Option<OsString>,

    /// A metric to compute, once for each; by default those that are usual for the task.
    #[arg(short, long = "metric", value_name = "NAME", hide_possible_values = true, value_parser = metrics())]
    metrics: Vec<Metric>,

    /// What is predicted.
    #[arg(long, value_name = "TASK")]
    task: Option<Task>,

    /// The predictions are scores before the sigmoid or softmax.
    #[arg(long, conflicts_with = "probabilities")]
    logits: bool,

    /// The predictions are probabilities.
    #[arg(long)]
    probabilities: bool,

    /// A column of predictions, by name, or by number where there is no header; once for each class.
    #[arg(long = "prediction-column", value_name = "COLUMN")]
    prediction_columns: Vec<String>,

    /// A column of targets.
    #[arg(long = "target-column", value_name = "COLUMN")]
    target_columns: Vec<String>,

    /// Where in the metrics file they stand: `test` makes `test.mse` of `mse`.
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,

    /// A JSON file to write them into; what else is in it stays.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The weights that made the predictions, to be noted in the metrics file, so that it can be told when they have changed.
    #[arg(long = "model", value_name = "FILE", requires = "output")]
    models: Vec<PathBuf>,

    /// Print JSON on a terminal, too.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let Some(predictions) = args.predictions.clone() else {
        return if is_plain(&args) {
            trusted::run(ui)
        } else {
            Err(Error::new(Kind::Usage, "`<PREDICTIONS>` is missing")
                .hint("without files, there are no options either"))
        };
    };
    if args.targets.is_none() && args.target_columns.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            "`<TARGETS>` is missing: there is nothing to compare the predictions with",
        )
        .hint("name a second file, or a column of the same with `--target-column`"));
    }
    let prefix = prefix(args.prefix.as_deref())?;
    args.output.as_deref().map(Output::open).transpose()?;
    let weights = weights(&args.models, ui)?;
    let evaluation = evaluate::evaluate(&question(&args, &predictions)?, ui)?;
    if let Some(guess) = &evaluation.guess {
        ui.note(&format!("{guess}; if that is wrong, say `--task`, `--logits` or `--probabilities`"));
    }
    evaluation.warnings.iter().for_each(|warning| ui.warn(warning));
    let named = |&(metric, value): &(Metric, f64)| (format!("{prefix}{}", metric.name()), value);
    let metrics: Vec<(String, f64)> = evaluation.scores.iter().map(named).collect();
    if let Some(path) = &args.output {
        // Read again: the computation may have taken long.
        let mut output = Output::open(path)?;
        output.set(&metrics)?;
        output.record(&weights);
        output.write()?;
        let what = count(metrics.len(), "metric");
        ui.note(&format!("wrote {what} of {} to `{}`", count(evaluation.rows, "row"), path.display()));
    }
    ui.print(&shown(&metrics, !args.json && ui.style().width.is_some()))
}

/// Whether nothing is said about predictions.
const fn is_plain(args: &Args) -> bool {
    let has_columns = !args.prediction_columns.is_empty() || !args.target_columns.is_empty();
    let has_output = args.output.is_some() || args.prefix.is_some();
    let has_task = args.task.is_some() || args.logits || args.probabilities || !args.metrics.is_empty();
    !has_columns && !has_output && !has_task
}

fn metrics() -> impl TypedValueParser<Value = Metric> {
    let names = PossibleValuesParser::new(Metric::ALL.iter().map(|metric| metric.name()));
    names.try_map(|name| Metric::parse(&name).ok_or_else(|| Error::new(Kind::Usage, "there is no such metric")))
}

/// The prefix with a dot at its end, or nothing.
fn prefix(given: Option<&str>) -> Result<String> {
    match given {
        None | Some("") => Ok(String::new()),
        Some(prefix) if prefix.split('.').any(|key| key.trim().is_empty()) => {
            Err(Error::new(Kind::Usage, format!("`{prefix}` is no dotted path"))
                .hint("a prefix is one name or several with a dot between them: `test`, `test.house`"))
        }
        Some(prefix) => Ok(format!("{prefix}.")),
    }
}

fn weights(models: &[PathBuf], ui: &Ui) -> Result<Vec<Weights>> {
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let context = super::work_tree_context()?;
    Ok(models.iter().map(|path| fresh::digest(&context, path, ui)).collect::<std::result::Result<_, _>>()?)
}

fn question(args: &Args, predictions: &OsStr) -> Result<Question> {
    let scale = match (args.logits, args.probabilities) {
        (true, _) => Some(Scale::Logits),
        (_, true) => Some(Scale::Probabilities),
        _ => None,
    };
    if args.task == Some(Task::Regression) && scale.is_some() {
        return Err(Error::new(Kind::Usage, "a regression has neither logits nor probabilities"));
    }
    let input = |spec: &OsStr, columns: &[String]| {
        let (path, member) = data::split(spec);
        Input { path, member, columns: columns.to_vec() }
    };
    Ok(Question {
        predictions: input(predictions, &args.prediction_columns),
        targets: input(args.targets.as_deref().unwrap_or(predictions), &args.target_columns),
        task: args.task,
        scale,
        metrics: args.metrics.clone(),
    })
}

/// The metrics as JSON, or as a table.
fn shown(metrics: &[(String, f64)], is_table: bool) -> String {
    if is_table {
        let mut table = Table::default();
        for (name, value) in metrics {
            let is_short = *value == 0.0 || !value.is_finite() || (1e-4..1e9).contains(&value.abs());
            table.row([name.clone(), if is_short { format!("{value:.6}") } else { format!("{value:.6e}") }]);
        }
        return table.text();
    }
    let mut document = Document::default();
    for (name, value) in metrics {
        // Names of one prefix are in no other's way.
        let _ = document.set(name, *value);
    }
    document.print()
}

impl From<EvalError> for Error {
    fn from(error: EvalError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            EvalError::Data(error) => error.into(),
            EvalError::Rows { .. } => failure.hint("each prediction belongs to the target in the same row"),
            EvalError::Empty(_) | EvalError::Unfit(_) => failure.with_kind(Kind::Usage),
            EvalError::Shape(_) => failure.hint("say what is predicted with `--task`, and by which columns or arrays"),
            EvalError::Row { .. } => {
                failure.hint("say what the predictions are with `--task`, `--logits` or `--probabilities`")
            }
        }
    }
}

impl From<FreshError> for Error {
    fn from(error: FreshError) -> Self {
        match error {
            FreshError::Git(error) => error.into(),
            FreshError::Io { .. } | FreshError::Outside(_) => {
                Self::failed(error.to_string()).hint("`--model` names a weights file of this work tree")
            }
        }
    }
}

impl From<OutputError> for Error {
    fn from(error: OutputError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            OutputError::Format(_) => failure.with_kind(Kind::Usage).hint("name it `metrics.json`"),
            OutputError::Document { .. } => failure.hint("mend it, or write to another file"),
            OutputError::Write { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                failure.hint("make its folder first")
            }
            OutputError::Read { .. } | OutputError::Write { .. } => failure,
        }
    }
}
