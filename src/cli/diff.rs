//! `git model diff`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::diff::compare::Options;
use crate::diff::html::{Heading, Target, WriteError};
use crate::diff::side::ReadError;
use crate::diff::{self, DiffError, Report};
use crate::error::{Error, Kind, Result};
use crate::git::{changes, shown};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::named;

/// Show what has changed between versions of models, by their numbers.
///
/// Without revisions, compares the work tree with the index; with one, the work tree with that commit; with two, or with
/// `A..B` or `A...B`, two commits; with `A:FILE B:FILE`, two files. Only tensors that differ are read. `MODEL@v1.2.0` and
/// `MODEL#prod` are revisions too.
///
/// For each: how far it moved relative to its size (‖Δ‖/‖W‖), the cosine between old and new, the largest single
/// difference and where it is, the share of elements that changed, the rank of the difference, and NaNs before and after.
#[derive(clap::Args)]
pub struct Args {
    /// Revisions, then paths.
    #[arg(value_name = "REVISION|PATH")]
    args: Vec<OsString>,

    /// Paths only.
    #[arg(last = true, value_name = "PATH")]
    paths: Option<Vec<OsString>>,

    /// Compare the index with the last commit (or the commit given).
    #[arg(long, visible_alias = "staged")]
    cached: bool,

    /// Count tensors by module; reads none.
    #[arg(long, group = "view")]
    stat: bool,

    /// Print only the names of tensors, each behind its file and a tab; reads none.
    #[arg(long, group = "view")]
    name_only: bool,

    /// Print JSON.
    #[arg(long, group = "view")]
    json: bool,

    /// Write a page for a browser: one file, nothing else needed. `-` is standard output.
    #[arg(long, value_name = "FILE", group = "view")]
    html: Option<PathBuf>,

    /// Exit with 1 if there are differences and with 128 if they cannot be told.
    #[arg(long)]
    exit_code: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let (wants_code, result) = (args.exit_code, show(args, ui));
    match result {
        Ok(true) if wants_code => Err(Error::silent(Kind::Failed)),
        Ok(_) => Ok(()),
        Err(error) => Err(if wants_code { error.with_kind(Kind::Fatal) } else { error }),
    }
}

/// Prints what differs; whether anything does.
fn show(args: Args, ui: &Ui) -> Result<bool> {
    let context = super::context()?;
    let words = args.args.iter().map(|word| named::revision(word)).collect::<std::result::Result<Vec<_>, _>>()?;
    let (versions, paths) = changes::versions(&words, args.paths.as_deref(), args.cached)?;
    let options = Options { workers: context.settings.workers, histograms: args.html.is_some() };
    let options = (!args.stat && !args.name_only).then_some(&options);
    let page_file = args.html.as_deref().filter(|path| *path != Path::new("-")).map(Target::open).transpose()?;
    let report = diff::diff(&context, &versions, &paths, options, ui)?;
    let style = ui.style();
    if args.json {
        ui.print(&super::json(&diff::json::json(&report)))?;
    } else if let Some(path) = &args.html {
        let page = diff::html::page(&report, &Heading::of(&versions, &paths), style.units);
        match page_file {
            Some(file) => {
                file.write(&page)?;
                ui.note(&format!("wrote `{}` ({})", path.display(), style.units.bytes(page.len() as u64)));
            }
            None => ui.print(&page)?,
        }
    } else if args.stat {
        ui.page(&diff::text::stat(&report, &style))?;
    } else if args.name_only {
        ui.page(&diff::text::names(&report))?;
    } else {
        ui.page(&diff::text::full(&report, &style))?;
    }
    for path in &report.unmerged {
        let path = shown(path);
        ui.warn(&format!(
            "`{path}` is in conflict; compare its sides with `git model diff :2:{path} :3:{path}`, and see what is open \
             with `git model resolve --list`"
        ));
    }
    failure(&report).map_or(Ok(!report.files.is_empty() || !report.unmerged.is_empty()), Err)
}

/// The error of a report in which tensors could not be read.
fn failure(report: &Report) -> Option<Error> {
    let errors: Vec<&ReadError> = report
        .files
        .iter()
        .flat_map(|file| &file.entries)
        .filter_map(|entry| entry.numbers.as_ref()?.as_ref().err())
        .collect();
    let first = errors.first()?;
    let what = crate::progress::count(errors.len(), "tensor");
    let error = Error::failed(format!("the numbers of {what} cannot be told: {first}"));
    Some(error.hint(if first.is_missing() {
        "fetch the missing objects; `--stat` needs none of them"
    } else {
        "run `git model fsck --repair` to find what is damaged and mend what can be mended"
    }))
}

impl From<DiffError> for Error {
    fn from(error: DiffError) -> Self {
        match error {
            DiffError::Git(error) => error.into(),
            DiffError::File { .. } => Self::failed(error.to_string()),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Self::failed(error.to_string())
    }
}
