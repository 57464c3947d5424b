//! `git model export`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::{export, find};
use crate::worktree::assemble::AssembleError;

/// Write a version of a model to a file, as it was to the last bit.
#[derive(clap::Args)]
pub struct Args {
    /// `REVISION:FILE`, or `:FILE` for the index.
    #[arg(value_name = "REVISION:FILE")]
    model: OsString,

    /// The file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Write over a file that is there.
    #[arg(short, long)]
    force: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let model = find::find(&args.model)?;
    let shown = args.output.display();
    let Some((context, manifest)) = model.stored() else {
        return Err(Error::new(Kind::Usage, format!("`{}` is a file already", args.model.display()))
            .hint(format!("name a version: `HEAD:{}`", args.model.display())));
    };
    if !args.force && args.output.symlink_metadata().is_ok() {
        return Err(Error::failed(format!("`{shown}` is there already")).hint("write over it with `--force`"));
    }
    export::export(context, manifest, &args.output, ui).map_err(|error| explain(error, &args))?;
    ui.note(&format!("wrote `{shown}` ({})", ui.bytes(manifest.size)));
    Ok(())
}

fn explain(error: AssembleError, args: &Args) -> Error {
    let what = match &error {
        AssembleError::Write(source) => format!("cannot write `{}`: {source}", args.output.display()),
        error => format!("cannot restore `{}`: {error}", args.model.display()),
    };
    let failure = Error::failed(what);
    match error {
        AssembleError::Write(_) => failure,
        error if error.is_missing() => failure.hint("fetch the missing objects from a clone that has them"),
        _ => failure.hint("run `git model fsck --repair`"),
    }
}
