//! `git model predict`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::atomic_file::write_whole;
use crate::error::{Error, Kind, Result};
use crate::progress::{Progress, count};
use crate::ui::Ui;
use crate::version::predict::{self, Inputs, PredictError, Predicted};

/// Predict the rows of a table with a model of `git model train`.
///
/// Writes a number for each row, for two classes the probability of class 1, for more the probability of each; `git model
/// eval` compares them with what was true.
#[derive(clap::Args)]
pub struct Args {
    /// `FILE` as it is now, `REVISION:FILE` as it was, or a revision with one model.
    #[arg(value_name = "MODEL")]
    model: OsString,

    /// The rows: a file .csv, .tsv, .npy, or `FILE:ARRAY` in .npz and .safetensors. In a table with names, columns that the
    /// model does not look at are passed over.
    #[arg(value_name = "DATA")]
    data: OsString,

    /// Write to this file, .csv or .npy, instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write over a file that is there.
    #[arg(short, long, requires = "output")]
    force: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let is_npy = args.output.as_deref().map(is_npy).transpose()?;
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.symlink_metadata().is_ok()) {
        return Err(
            Error::failed(format!("`{}` is there already", path.display())).hint("write over it with `--force`")
        );
    }
    let model = predict::load(&args.model)?;
    let inputs = Inputs::open(&model, &args.data)?;
    let predicted = match &args.output {
        None => inputs.csv(|text| ui.print(text))?,
        Some(path) => {
            let mut predicted = Predicted::default();
            write_whole(path, |mut file| {
                predicted = if is_npy == Some(true) {
                    inputs.npy(file)?
                } else {
                    inputs.csv(|text| file.write_all(text.as_bytes()).map_err(PredictError::from))?
                };
                Ok::<(), PredictError>(())
            })
            .map_err(|error| match error {
                PredictError::Write(error) => Error::failed(format!("cannot write `{}`: {error}", path.display())),
                error => error.into(),
            })?;
            ui.note(&format!("wrote `{}` ({})", path.display(), count(predicted.rows, "row")));
            predicted
        }
    };
    if predicted.not_finite > 0 {
        let rows = count(predicted.not_finite, "row");
        ui.warn(&format!("the prediction is NaN or infinite in {rows}; look for NaN in `{}`", args.data.display()));
    }
    Ok(())
}

/// Whether the file's name is that of a NumPy file, not of a CSV file.
fn is_npy(path: &Path) -> Result<bool> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(false),
        Some("npy") => Ok(true),
        _ => Err(Error::new(Kind::Usage, format!("`{}` is neither .csv nor .npy", path.display()))),
    }
}

impl From<PredictError> for Error {
    fn from(error: PredictError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            PredictError::Find(error) => error.into(),
            PredictError::Data(error) => error.into(),
            PredictError::NotTrained { .. } => failure.hint("train one: `git model train DATA --target COLUMN`"),
            PredictError::Width { .. } => failure.hint("give the table a first line with the names of its columns"),
            PredictError::Read { .. } => failure.hint("run `git model fsck` to check the store"),
            PredictError::Write(_) => failure,
        }
    }
}
