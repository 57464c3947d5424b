//! `git model check`.

use std::ffi::OsString;

use super::{context, json};
use crate::error::{Error, Kind, Result};
use crate::git::revision;
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, CheckError, Question, Report, Scope};
use crate::metrics::gate::Outcome;
use crate::metrics::policy::FILE;
use crate::metrics::report;
use crate::progress::Progress;
use crate::ui::Ui;

/// Judge the gates of `.gitmodel.toml`: is the model good enough to go in?
///
/// Judges what is staged, as the commit hook does, or the commit REV. Prints one line for each gate: the metric in the version
/// it is compared with, now, the change, what is allowed, and the verdict. Exits with 0 if all gates pass, 1 if one fails, 2
/// if one cannot be judged.
#[derive(clap::Args)]
pub struct Args {
    /// A commit to judge in place of what is staged.
    #[arg(value_name = "REV")]
    revision: Option<OsString>,

    /// Compare with this revision, whatever the gates name.
    #[arg(long, value_name = "REV")]
    base: Option<OsString>,

    /// Print JSON.
    #[arg(long, conflicts_with = "md")]
    json: bool,

    /// Print a table in Markdown, for a review.
    #[arg(long)]
    md: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let report = judged(&args).map_err(|error| error.with_kind(Kind::Usage))?;
    if args.json {
        ui.print(&json(&report::json(&report)))?;
    } else if args.md {
        ui.print(&report::markdown(&report))?;
    } else {
        report.warnings.iter().for_each(|warning| ui.warn(warning));
        if report.verdicts.is_empty() {
            ui.note(&format!("no gates: describe them in `{FILE}` and `git add` it"));
        } else {
            ui.print(&report::text(&report, &ui.style()))?;
        }
    }
    match report.outcome() {
        Outcome::Failed => Err(Error::silent(Kind::Failed)),
        Outcome::Unjudged => Err(Error::silent(Kind::Usage)),
        _ => Ok(()),
    }
}

fn judged(args: &Args) -> Result<Report> {
    let repo = context()?.repo;
    let version = match &args.revision {
        None => Version::Index,
        Some(revision) => {
            let name = revision.to_string_lossy().into_owned();
            let id = revision::commit(revision)?;
            Version::Commit { id: id.ok_or_else(|| Error::failed(format!("`{name}` is no commit")))?, name }
        }
    };
    let question =
        Question { version: &version, policy: None, base: args.base.as_deref(), scope: Scope::All, tags: &[] };
    let changed = version.changed(&repo)?;
    Ok(check::check(&repo, &question, &changed)?)
}

impl From<CheckError> for Error {
    fn from(error: CheckError) -> Self {
        let message = error.to_string();
        match error {
            CheckError::Policy { .. } => {
                Self::failed(message).hint("`git model check` tells whether it is mended, once it is added")
            }
            CheckError::NoBase { .. } => Self::failed(message)
                .hint("`git branch -a` and `git tag` list what there is; fetch it if a server has it"),
            CheckError::Git(error) => error.into(),
        }
    }
}
