//! `git model untrack`.

use std::ffi::OsString;

use crate::error::Result;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::worktree::track::{self, Outcome};

/// Take back what `git model track` did for a pattern.
///
/// Removes the pattern's line from `.gitattributes` in the current folder. What is committed stays as it is; files that
/// are added from now on go into git whole.
#[derive(clap::Args)]
pub struct Args {
    /// Patterns, as they were tracked.
    #[arg(required = true, value_name = "PATTERN")]
    patterns: Vec<OsString>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    super::work_tree_context()?;
    let dir = super::current_dir()?;
    for typed in &args.patterns {
        let pattern = track::pattern(typed, &dir)?;
        let shown = String::from_utf8_lossy(&pattern);
        match track::untrack(&dir, &pattern)? {
            Outcome::Removed => ui.note(&format!(
                "`{shown}` is not tracked any more; to put its files into git whole, run `git add --renormalize .`"
            )),
            Outcome::StillTracked => ui.warn(&format!(
                "`{shown}` is still tracked, by another line or in another folder: see `git grep -n model -- \
                 '*.gitattributes'`"
            )),
            _ => ui.warn(&format!("`{shown}` is not tracked by `.gitattributes` of this folder")),
        }
    }
    Ok(())
}
