//! `git model metrics`.

use crate::error::{Error, Result};
use crate::ui::Ui;
use crate::version::models::ModelsError;
use crate::version::series::SeriesError;

mod diff;
mod plot;
mod show;
pub mod table;

/// Show, compare and plot the metrics of models.
///
/// Metrics are the numbers in the file that `.gitmodel.toml` names for a model; without one, in `metrics.json` (or `.yaml`,
/// `.yml`, `.toml`) beside the weights or at the top. They are called by their dotted paths: `test.mse`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Show(show::Args),
    Diff(diff::Args),
    Plot(plot::Args),
}

pub fn run(args: Args, ui: &Ui) -> Result {
    match args.command {
        Command::Show(args) => show::run(args, ui),
        Command::Diff(args) => diff::run(args, ui),
        Command::Plot(args) => plot::run(args, ui),
    }
}

/// How a table is printed.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct Format {
    /// Print JSON.
    #[arg(long)]
    json: bool,

    /// Print a table in Markdown.
    #[arg(long)]
    md: bool,

    /// Print comma-separated values.
    #[arg(long)]
    csv: bool,
}

impl From<ModelsError> for Error {
    fn from(error: ModelsError) -> Self {
        let message = error.to_string();
        match error {
            ModelsError::Git(error) => error.into(),
            ModelsError::Policy(error) => error.into(),
            ModelsError::Unknown { nearest: Some(nearest), .. } => {
                Self::failed(message).hint(format!("did you mean `{nearest}`?"))
            }
            ModelsError::Unknown { known, .. } => {
                Self::failed(message).hint(format!("there is `{}`", known.join("`, `")))
            }
            ModelsError::None => Self::failed(message)
                .hint("`git model track` tracks weight files; `.gitmodel.toml` names models and their metrics"),
        }
    }
}

impl From<SeriesError> for Error {
    fn from(error: SeriesError) -> Self {
        let message = error.to_string();
        match error {
            SeriesError::Git(error) => error.into(),
            SeriesError::Unknown { nearest, known, .. } => {
                let mut error = Self::failed(message);
                if let Some(nearest) = nearest {
                    error = error.hint(format!("did you mean `{nearest}`?"));
                }
                error.hint(format!("there is `{}`; `git model metrics show` lists all", known.join("`, `")))
            }
            SeriesError::Unborn => Self::failed(message).hint("`git commit` makes the first version"),
            SeriesError::Empty(_) => Self::failed(message)
                .hint("commit a file of metrics; `git model metrics --help` tells where it is looked for"),
        }
    }
}
