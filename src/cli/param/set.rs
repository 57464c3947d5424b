//! `git model param set`.

use std::ffi::OsString;

use super::{Which, diff};
use crate::cli::context;
use crate::error::{Error, Kind, Result};
use crate::params::edit::As;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::parameters;

/// Set parameters in the file of the work tree, and leave all else in it as it is.
///
/// A value keeps its kind: a whole number stays one, text stays text. A new key is added behind its siblings. All values are
/// set, or none.
#[derive(clap::Args)]
pub struct Args {
    /// The keys that lead to a value, and the value: `optimizer.lr=0.01`.
    #[arg(value_name = "PATH=VALUE", required = true)]
    values: Vec<OsString>,

    #[command(flatten)]
    which: Which,

    /// The values are JSON, of whatever kind.
    #[arg(long, conflicts_with = "string")]
    json: bool,

    /// The values are text.
    #[arg(long)]
    string: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = context()?.repo;
    let how = match (args.json, args.string) {
        (true, _) => As::Json,
        (_, true) => As::Text,
        _ => As::Same,
    };
    let values = args.values.iter().map(|word| {
        parameters::assignment(word).ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{}` is no `PATH=VALUE`", word.to_string_lossy()))
                .hint("`git model param set optimizer.lr=0.01`")
        })
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    let changed = args.which.file(&repo)?.set(&repo, &values, how)?;
    let table = diff::table(&changed);
    ui.note(if changed.is_empty() { "nothing has changed" } else { table.trim_end() });
    Ok(())
}
