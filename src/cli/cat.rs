//! `git model cat`.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use crate::atomic_file::write_whole;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::find::{self, TensorError};
use crate::version::npy;

/// Write one tensor of a model as a NumPy file.
///
/// Types that NumPy does not have (BF16, FP8, quantized blocks) are written as float32, which holds their values.
#[derive(clap::Args)]
pub struct Args {
    /// `FILE` as it is now, `REVISION:FILE` as it was, `:FILE` as it is in the index.
    #[arg(value_name = "[REVISION:]FILE")]
    model: OsString,

    /// The tensor's name.
    tensor: String,

    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write the tensor's bytes as they are, without a header.
    #[arg(long)]
    raw: bool,

    /// Write over a file that is there.
    #[arg(short, long, requires = "output")]
    force: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    if let Some(path) = args.output.as_ref().filter(|path| !args.force && path.symlink_metadata().is_ok()) {
        return Err(
            Error::failed(format!("`{}` is there already", path.display())).hint("write over it with `--force`")
        );
    }
    let model = find::find(&args.model)?;
    let tensor = model.tensor(&args.tensor).map_err(|error| explain(error, &args))?;
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(Error::new(Kind::Usage, "a tensor is no text for a terminal")
            .hint(format!("write it to a file with `-o {}.npy`", tensor.name)));
    }
    let bytes = model.bytes(tensor).map_err(|error| explain(error, &args))?;
    let by_column = model.is_by_column(tensor).map_err(|error| Error::failed(error.to_string()))?;
    let file = if args.raw { Some(bytes) } else { npy::encode(&tensor.dtype, &tensor.shape, by_column, &bytes) };
    let file = file.ok_or_else(|| {
        Error::failed(format!("`{}` is {}, whose values cannot be read", tensor.name, tensor.dtype))
            .hint("write its bytes with `--raw`")
    })?;
    if !args.raw && npy::is_widened(&tensor.dtype) {
        ui.note(&format!("`{}`: {} written as float32", tensor.name, tensor.dtype));
    }
    match &args.output {
        Some(path) => write_whole(path, |mut out| out.write_all(&file))
            .map_err(|error| Error::failed(format!("cannot write `{}`: {error}", path.display()))),
        None => ui.print_bytes(&file),
    }
}

fn explain(error: TensorError, args: &Args) -> Error {
    let model = args.model.to_string_lossy();
    match error {
        TensorError::Unknown { name, similar } => {
            let failure = Error::failed(format!("`{model}` has no tensor `{name}`"));
            if similar.is_empty() {
                failure.hint(format!("`git model show {model}` lists its tensors"))
            } else {
                failure.hint(format!("did you mean `{}`?", similar.join("` or `")))
            }
        }
        TensorError::Store(error) => error.into(),
        TensorError::File(error) => Error::failed(format!("cannot read `{model}`: {error}")),
    }
}
