//! `git model param diff`.

use std::ffi::OsString;

use serde_json::json;

use super::{Which, at};
use crate::cli::context;
use crate::error::{Error, Result};
use crate::text::Table;
use crate::ui::Ui;
use crate::version::named::{self, NameError};
use crate::version::parameters::{self, At, Difference, Parameter, ParametersError, Said};

/// Show which parameters differ between two versions.
///
/// Without revisions, compares the work tree with the last commit; with one, the work tree with that commit; with two, two
/// commits. Numbers are compared by what they say: `1e-4` is `0.0001`.
#[derive(clap::Args)]
pub struct Args {
    /// The old version. `MODEL@v1.2.0` and `MODEL#prod` are revisions too.
    #[arg(value_name = "A")]
    old: Option<OsString>,

    /// The new version.
    #[arg(value_name = "B")]
    new: Option<OsString>,

    #[command(flatten)]
    which: Which,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = context()?.repo;
    let file = args.which.file(&repo)?;
    let old = match &args.old {
        Some(old) => Some(at(old)?),
        None => match named::commit("HEAD") {
            Ok(head) => Some(At::Commit(head, "HEAD".to_owned())),
            // Before the first commit, everything is new.
            Err(NameError::Unborn) => None,
            Err(error) => return Err(error.into()),
        },
    };
    let new = args.new.as_deref().map_or(Ok(At::WorkTree), at)?;
    let before = old.as_ref().map_or(Ok(None), |old| file.said(&repo, old))?;
    let after = file.said(&repo, &new)?;
    if before.is_none() && after.is_none() {
        return Err(Error::from(ParametersError::Absent { path: file.shown(), place: String::new() }));
    }
    let changed = parameters::differences(&before.unwrap_or_else(Said::nothing), &after.unwrap_or_else(Said::nothing));
    if args.json {
        let value = |value: &Option<Parameter>| value.as_ref().map(Parameter::json);
        let row = |row: &Difference| json!({ "path": row.path, "old": value(&row.old), "new": value(&row.new) });
        return ui.print(&crate::cli::json(&changed.iter().map(row).collect::<Vec<_>>()));
    }
    ui.page(&table(&changed))
}

/// A line for each value: its path, what it was, what it is.
pub fn table(changed: &[Difference]) -> String {
    let mut table = Table::to_the_left();
    for row in changed {
        let cell = |value: &Option<Parameter>| value.as_ref().map_or_else(|| "–".to_owned(), Parameter::plain);
        table.row([row.path.clone(), cell(&row.old), "→".to_owned(), cell(&row.new)]);
    }
    table.text()
}
