//! `git model track`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, Kind, Result};
use crate::git::attributes::FILE_NAME;
use crate::git::install::quote;
use crate::git::{Git, path_for_user};
use crate::progress::Progress;
use crate::text::Table;
use crate::ui::{self, Ui};
use crate::worktree::models;
use crate::worktree::track::{self, Outcome, Proposal, TrackError};

/// Make models of files: git keeps them tensor by tensor.
///
/// Writes the patterns to `.gitattributes` in the current folder; commit that file. Quote patterns, so that the shell
/// does not expand them: `git model track '*.safetensors'`. Without a pattern it looks for weight files by their content
/// and proposes patterns.
#[derive(clap::Args)]
pub struct Args {
    /// Patterns, files or folders.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<OsString>,

    /// Add the proposed patterns.
    #[arg(short, long, conflicts_with = "patterns")]
    yes: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::work_tree_context()?;
    let dir = super::current_dir()?;
    let patterns = if args.patterns.is_empty() {
        let proposals = track::propose(&dir)?;
        if proposals.is_empty() {
            ui.note("no weight files here that are not models already");
            return Ok(());
        }
        if !args.yes {
            return show(&proposals, ui);
        }
        proposals.into_iter().map(|proposal| proposal.pattern).collect()
    } else {
        args.patterns.iter().map(|typed| track::pattern(typed, &dir)).collect::<std::result::Result<Vec<_>, _>>()?
    };
    let mut is_added = false;
    for pattern in patterns {
        let outcome = track::track(&dir, &pattern)?;
        let pattern = String::from_utf8_lossy(&pattern).into_owned();
        match outcome {
            Outcome::Added => {
                is_added = true;
                ui.note(&format!("`{pattern}` is tracked"));
            }
            Outcome::Overruled => ui.warn(&format!(
                "`{pattern}` has its line in `.gitattributes`, but another one overrules it: see \
                 `git check-attr -a PATH` for one of its files, and `.git/info/attributes`"
            )),
            _ => ui.note(&format!("`{pattern}` is tracked already")),
        }
    }
    let raw = models::raw(&context)?;
    if !raw.is_empty() {
        tell_raw(&raw, dir.join(FILE_NAME).exists(), ui)?;
    } else if is_added {
        ui.note("commit `.gitattributes`");
    }
    if Git::new(["config", "--get", "filter.model.process"]).answer()?.is_none() {
        ui.warn("git does not call git-model yet; run `git model install`");
    }
    Ok(())
}

/// Data on stdout: pattern, files, bytes, formats.
fn show(proposals: &[Proposal], ui: &Ui) -> Result {
    let mut table = Table::default();
    for proposal in proposals {
        let pattern = quote(OsStr::from_bytes(&proposal.pattern));
        table.row([pattern, ui::count(proposal.files, "file"), ui.bytes(proposal.bytes), proposal.formats.join(", ")]);
    }
    ui.print(&table.text())?;
    ui.note("track them all with `git model track --yes`, or some with `git model track PATTERN`");
    Ok(())
}

/// Files that were committed before they were tracked. Attributes and files must not be committed one without the other:
/// in between, git would show every one of the files as modified.
fn tell_raw(raw: &[Vec<u8>], has_attributes: bool, ui: &Ui) -> Result {
    let mut command = if has_attributes { format!("git add {FILE_NAME} && ") } else { String::new() };
    command += "git add --renormalize --";
    for path in raw {
        let path = path_for_user(path)?;
        ui.note(&format!("`{}` is in git as it is, not tensor by tensor", path.to_string_lossy()));
        command += &format!(" {}", quote(&path));
    }
    ui.note("convert them first, so that they and `.gitattributes` go into one commit");
    ui.note(&format!("convert with: {command}"));
    Ok(())
}

impl From<TrackError> for Error {
    fn from(error: TrackError) -> Self {
        let usage = Self::new(Kind::Usage, error.to_string());
        match error {
            TrackError::Negative(_) => {
                usage.hint("for a name that starts with `!`, write `\\!`; to leave files out, run `git model untrack`")
            }
            TrackError::Macro(_) => usage.hint("write the letters in the brackets in another order: `[rat]`"),
            TrackError::Empty => usage.hint("run `git model track` without a pattern for proposals"),
            TrackError::Outside(_) => usage.hint("run it in the folder that the files are in, or above"),
            TrackError::TooWide(_) => usage.hint("name the files' endings: `git model track '*.safetensors'`"),
            TrackError::Io(_) => Self::failed(error.to_string()),
            TrackError::Git(error) => error.into(),
        }
    }
}
