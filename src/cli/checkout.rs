//! `git model checkout`.

use std::ffi::OsString;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::StoreError;
use crate::ui::{self, Ui};
use crate::worktree::assemble::AssembleError;
use crate::worktree::materialize::{self, Report};
use crate::worktree::models;
use crate::worktree::recover::{self, Scope};

/// Put whole weight files in the place of manifests in the work tree.
///
/// Git does this by itself at each checkout. This command makes up for one that was interrupted, ran with
/// `GIT_MODEL_SMUDGE=skip`, or could not find the tensors then.
#[derive(clap::Args)]
pub struct Args {
    /// Files or folders; without any, the whole work tree.
    paths: Vec<OsString>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::work_tree_context()?;
    if let Some(path) = models::first_unmatched(&args.paths)? {
        let path = path.to_string_lossy();
        return Err(Error::failed(format!("pathspec `{path}` did not match any model known to git"))
            .hint("run `git model ls-files` to list them"));
    }
    let recovered = recover::recover(&context, Scope::Stale, ui);
    let pending = models::unmaterialized(&context, &args.paths)?;
    let mut report = materialize::materialize(&context, &pending, ui);
    report.index_error = report.index_error.or(recovered.index_error);
    let told = recover::tell_git_of_whole_files(&context, &args.paths, &mut report)?;
    tell(&report, ui);
    if told > 0 {
        ui.note(&format!(
            "git knows now that {} whole",
            if told == 1 { "1 file is".into() } else { format!("{told} files are") }
        ));
    }
    match report.failed.len() {
        0 => {
            let (done, recovered) = (report.done.len(), recovered.done.len());
            ui.note(&format!("{} of {} materialized", done + recovered, ui::count(pending.len() + recovered, "file")));
            Ok(())
        }
        failed => Err(Error::failed(still(failed)).hint("run `git model fsck` to see which objects are missing")),
    }
}

fn still(failed: usize) -> String {
    let hold = if failed == 1 { "still holds its manifest" } else { "still hold their manifests" };
    format!("{} {hold}", ui::count(failed, "file"))
}

/// Prints what went wrong, file by file.
pub fn tell(report: &Report, ui: &Ui) {
    for (path, error) in &report.failed {
        let path = String::from_utf8_lossy(path);
        let next = match error {
            materialize::MaterializeError::Assemble(error) if error.is_missing() => {
                "fetch the missing objects and run `git model checkout`"
            }
            materialize::MaterializeError::Assemble(AssembleError::Store(StoreError::Corrupt { .. })) => {
                "run `git model fsck --repair`"
            }
            _ => "mend that and run `git model checkout`",
        };
        ui.warn(&format!("`{path}` holds its manifest, not its weights: {error}; {next}"));
    }
    if let Some(error) = &report.index_error {
        ui.warn(&format!(
            "git's index could not be updated ({error}) and shows unchanged files as modified; run `git model checkout`"
        ));
    }
}
