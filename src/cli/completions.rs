//! `git model completions`: for shells that complete `git-model`.

use crate::error::Result;
use crate::ui::Ui;

/// Print a shell's completions for `git-model`.
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let mut script = Vec::new();
    let mut command = super::command().bin_name("git-model");
    clap_complete::generate(args.shell, &mut command, "git-model", &mut script);
    ui.print(&String::from_utf8_lossy(&script))
}
