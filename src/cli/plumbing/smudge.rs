//! `git-model smudge PATH` (`filter.model.smudge`): for tools that do not speak the long-running protocol.

use std::ffi::OsString;
use std::io::{self, BufWriter, Read, Write};

use crate::error::{Error, Result};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::ui::Ui;
use crate::worktree::smudge;

#[derive(clap::Args)]
pub struct Args {
    /// The file's path from the top of the work tree.
    path: OsString,
}

pub fn run(args: Args, _: &Ui) -> Result {
    let mut input = io::stdin().lock();
    let mut text = Vec::new();
    input.by_ref().take(BYTES_MAX + 1).read_to_end(&mut text)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match Manifest::parse(&text) {
        Ok(manifest) => {
            let context = crate::cli::context()?;
            smudge::write(&context, &manifest, &mut out).map_err(|error| {
                Error::failed(format!("cannot restore `{}`: {error}", args.path.to_string_lossy()))
                    .hint("run `git model fsck` to see what is missing")
            })?;
        }
        Err(_) => {
            out.write_all(&text)?;
            io::copy(&mut input, &mut out)?;
        }
    }
    out.flush().map_err(Error::from)
}
