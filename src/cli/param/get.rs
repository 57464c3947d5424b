//! `git model param get`.

use std::ffi::OsString;

use super::{Which, at};
use crate::cli::{context, json};
use crate::error::Result;
use crate::params::load::Tree;
use crate::ui::Ui;
use crate::version::parameters::At;

/// Print a parameter, or all of them.
///
/// Numbers, text, `true` and `false` are printed as they are, lists and maps as JSON.
#[derive(clap::Args)]
pub struct Args {
    /// The keys that lead to it: `optimizer.lr`. All if it is left out or empty.
    #[arg(default_value = "", hide_default_value = true)]
    path: String,

    /// The commit to read; `MODEL@v1.2.0` and `MODEL#prod` are some too. The work tree if it is left out.
    #[arg(value_name = "REV")]
    revision: Option<OsString>,

    #[command(flatten)]
    which: Which,

    /// Print JSON, text in quotes too.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = context()?.repo;
    let at = args.revision.as_deref().map_or(Ok(At::WorkTree), at)?;
    let found = args.which.file(&repo)?.get(&repo, &at, &args.path)?;
    if args.json || matches!(found.value, Tree::Map(_) | Tree::List(_)) {
        return ui.print(&json(&found.json()));
    }
    ui.print(&(found.plain() + "\n"))
}
