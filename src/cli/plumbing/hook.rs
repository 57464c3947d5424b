//! `git-model hook NAME`: what our hooks run before they hand on to the user's own.

use std::ffi::OsString;

use crate::error::Result;
use crate::ui::Ui;
use crate::worktree::recover::{self, Scope};

#[derive(clap::Args)]
pub struct Args {
    /// The hook's name.
    name: String,
    /// What git passed to it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// A hook of ours never stops git: whatever cannot be done now is done when the filter ends.
pub fn run(args: Args, ui: &Ui) -> Result {
    if matches!(args.name.as_str(), "post-checkout" | "post-merge")
        && let Ok(context) = crate::cli::context()
    {
        let report = recover::recover(&context, Scope::All, ui);
        crate::cli::checkout::tell(&report, ui);
    }
    Ok(())
}
