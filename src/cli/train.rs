//! `git model train`.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::metrics::train::options::{OptionError, Options};
use crate::metrics::train::scores::Scores;
use crate::metrics::train::table::TableError;
use crate::metrics::training::{self, Report, Request, TrainError};
use crate::progress::{Progress, count};
use crate::text::Table;
use crate::ui::Ui;
use crate::version::predict;

/// Train a small model on a table: linear, logistic or softmax regression, with a hidden layer if wanted.
///
/// Writes the weights, the settings (under `train`, into `params.json` beside the weights unless one is there) and the
/// metrics: three files to commit together. The same data, settings and seed give the same weights on every machine.
#[derive(clap::Args)]
pub struct Args {
    /// The rows: a file .csv, .tsv, .npy, or `FILE:ARRAY` in .npz and .safetensors. By default the `data` of `--params`.
    data: Option<String>,

    #[command(flatten)]
    options: Options,

    /// Leave features, and the target of a linear model, as they are; else they are brought to mean 0 and deviation 1.
    #[arg(long)]
    no_standardize: bool,

    /// Take settings from `train` in this JSON file, and write what was used back to it. Options win.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,

    /// The weights' file.
    #[arg(short, long, value_name = "FILE", default_value = "model.safetensors")]
    output: PathBuf,

    /// The file of metrics; what else is in it is kept.
    #[arg(long, value_name = "FILE", default_value = "metrics.json")]
    metrics: PathBuf,

    /// Write over a file that holds another model.
    #[arg(short, long)]
    force: bool,

    /// Tell the loss of every epoch.
    #[arg(short, long)]
    verbose: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    // A model of its own may be trained again.
    let is_forced = args.force || predict::load(args.output.as_os_str()).is_ok();
    let standardize = args.no_standardize.then_some(false);
    let request = Request {
        options: Options { data: args.data, standardize, ..args.options },
        output: args.output,
        params: args.params,
        metrics: args.metrics,
        is_forced,
        is_verbose: args.verbose,
    };
    let report = training::train(&request, ui)?;
    ui.print(&text(&report))?;
    ui.note(&wrote(&request, &report, ui));
    Ok(())
}

/// The scores, with a column for each part of the rows.
fn text(report: &Report) -> String {
    let mut table = Table::default();
    let cell = |(rows, _): &(usize, Scores), what: &str| format!("{what} ({})", count(*rows as u64, "row"));
    let validation = report.validation.as_ref();
    table.row(
        [String::new(), cell(&report.train, "train")]
            .into_iter()
            .chain(validation.map(|part| cell(part, "validation"))),
    );
    for (at, (name, value)) in report.train.1.iter().enumerate() {
        let validated = validation.and_then(|(_, scores)| scores.get(at)).map(|(_, value)| number(*value));
        table.row([name.to_string(), number(*value)].into_iter().chain(validated));
    }
    table.text()
}

/// With six digits that count.
fn number(value: f64) -> String {
    let digits = if value == 0.0 || !value.is_finite() { 0 } else { value.abs().log10().floor() as i64 };
    if (-4..9).contains(&digits) { format!("{value:.*}", (5 - digits).max(0) as usize) } else { format!("{value:.5e}") }
}

fn wrote(request: &Request, report: &Report, ui: &Ui) -> String {
    let fitted = &report.fitted;
    let best =
        if fitted.best_epoch < fitted.epochs { format!(", the best was {}", fitted.best_epoch) } else { String::new() };
    let params = report.params.as_ref().map(|path| format!(", `{}`", path.display())).unwrap_or_default();
    format!(
        "{} ({}{best}); wrote `{}` ({}){params} and `{}`",
        count(fitted.epochs, "epoch"),
        count(fitted.steps, "step"),
        request.output.display(),
        ui.bytes(report.size),
        request.metrics.display(),
    )
}

impl From<TrainError> for Error {
    fn from(error: TrainError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            TrainError::NoData => {
                failure.with_kind(Kind::Usage).hint("name a file: `git model train houses.csv --target price`")
            }
            TrainError::Data(error) => error.into(),
            TrainError::Table { path, source } => match source {
                TableError::NoColumn { .. } | TableError::NoFeatures(_) => {
                    failure.hint(format!("name the column to predict: `git model train {path} --target COLUMN`"))
                }
                TableError::NoClass { .. } | TableError::MissingClass { .. } => {
                    failure.hint("number the classes from 0, or train on numbers with `--model linear`")
                }
                TableError::NotFinite { .. } => failure.hint("leave such rows out, or fill in a number"),
                TableError::Twice(_) => failure.hint("give every column a name of its own"),
                TableError::TooFew(_) | TableError::Unlike { .. } => failure,
            },
            TrainError::Option { place: None, source } => {
                let failure = failure.with_kind(Kind::Usage);
                match source {
                    OptionError::Value { .. } => failure.hint("`git model train --help` lists the options"),
                    OptionError::Unknown { .. } => failure,
                }
            }
            TrainError::Option { .. } => failure.hint("`git model train --help` lists the settings"),
            TrainError::Diverged(_) | TrainError::TooLarge => failure.hint("try a lower `--lr`; nothing was written"),
            TrainError::Occupied(_) => failure.hint("write over it with `--force`, or name another file with `-o`"),
            TrainError::Output(error) => error.into(),
            TrainError::Params { .. } | TrainError::Write { .. } => failure,
        }
    }
}
