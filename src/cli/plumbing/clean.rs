//! `git-model clean PATH` (`filter.model.clean`): for tools that do not speak the long-running protocol.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::worktree::{clean, manifest_deltas};

#[derive(clap::Args)]
pub struct Args {
    /// The file's path from the top of the work tree.
    path: OsString,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = crate::cli::context()?;
    let name = args.path.to_string_lossy();
    let cleaned = clean::clean(&context, args.path.as_bytes(), &mut io::stdin().lock())
        .map_err(|error| Error::failed(format!("cannot store `{name}`: {error}")))?;
    if let Some(warning) = &cleaned.warning {
        ui.warn(&format!("`{name}` {warning}"));
    }
    let older = manifest_deltas::older(&context, args.path.as_bytes(), &cleaned);
    let mut out = io::stdout().lock();
    out.write_all(&cleaned.text).and_then(|()| out.flush())?;
    manifest_deltas::note(&context, older, &cleaned);
    Ok(())
}
