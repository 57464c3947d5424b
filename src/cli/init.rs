//! `git model init`.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};
use crate::git::hooks::State;
use crate::progress::Progress;
use crate::scaffold::{self, Done, Report, Request, ScaffoldError, Template};
use crate::ui::Ui;
use crate::worktree::models;
use crate::worktree::track::Outcome;

/// Make a repository for a model, or equip one: settings, data to start with, all that a deployment needs.
///
/// Writes `.gitmodel.toml` and what the template has, tracks its weights and puts git-model's hooks in place. What exists is
/// kept as it is, so it can be run again at any time. Prints the commands from there to a prediction by the deployed model.
#[derive(clap::Args)]
pub struct Args {
    /// The model's name; by default the folder's.
    name: Option<String>,

    /// What is served, and how.
    #[arg(long, value_name = "TEMPLATE", default_value = "linear")]
    template: Template,

    /// The folder. Without it, one of the model's name; without that, the repository around the current folder, or the current
    /// folder.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let request = Request { name: args.name, dir: args.dir, template: args.template };
    let report = scaffold::init(&request)?;
    tell(&report, ui);
    tell_of_hooks(&report, ui);
    for advice in &report.advice {
        if advice.lines.is_empty() {
            ui.note(&format!("`{}` {}", advice.path, advice.lacks));
        } else {
            ui.note(&format!("`{}` {}; one may add:\n\n{}", advice.path, advice.lacks, advice.lines));
        }
    }
    let raw = models::raw(&super::work_tree_context()?)?;
    if !raw.is_empty() {
        let pattern = &report.tracked.0;
        ui.note(&format!(
            "some weights are in git as they are; `git model track '{pattern}'` says how to convert them"
        ));
    }
    ui.note("next:");
    ui.print(&report.commands.iter().map(|command| format!("{command}\n")).collect::<String>())
}

fn tell(report: &Report, ui: &Ui) {
    let listed = |wanted: Done| {
        let files = report.files.iter().filter(|(_, done)| *done == wanted);
        files.map(|(path, _)| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ")
    };
    let place = report.way.as_ref().map_or_else(|| "here".into(), |way| format!("in `{}`", way.display()));
    if report.is_new {
        ui.note(&format!("made a repository {place}"));
    }
    for (word, done) in [("made", Done::Made), ("kept", Done::Kept)] {
        let files = listed(done);
        if !files.is_empty() {
            ui.note(&format!("{word} {files}"));
        }
    }
    let (pattern, outcome) = &report.tracked;
    if *outcome == Outcome::Overruled {
        ui.warn(&format!(
            "other attributes keep `{pattern}` from being tracked; `git model track '{pattern}'` says more"
        ));
    } else {
        ui.note(&format!("`{pattern}` is tracked"));
    }
    if !report.settings.is_empty() {
        ui.note("git now calls git-model for weight files (--local: in this repository)");
    }
}

fn tell_of_hooks(report: &Report, ui: &Ui) {
    let (installed, others): (Vec<_>, Vec<_>) = report.hooks.iter().partition(|(_, state)| *state == State::Installed);
    if !installed.is_empty() {
        ui.note("git-model's hooks are in place");
    }
    if !others.is_empty() {
        let names = others.iter().map(|(event, _)| *event).collect::<Vec<_>>().join(", ");
        ui.warn(&format!("other hooks stand in the way of {names}; `git model install` says what to do"));
    }
}

impl From<ScaffoldError> for Error {
    fn from(error: ScaffoldError) -> Self {
        let message = error.to_string();
        let usage = |hint: String| Self::new(Kind::Usage, message.clone()).hint(hint);
        match error {
            ScaffoldError::Name(_) => {
                usage("name the folder apart from the model: `git model init house --dir path/to/folder`".into())
            }
            ScaffoldError::Nested { top, .. } => usage(format!(
                "to equip that one, run `git model init` in `{}`; else choose a folder elsewhere with `--dir`",
                top.display()
            )),
            ScaffoldError::Bare(_) => usage("run it where people work, in a clone".into()),
            ScaffoldError::Io { .. } => Self::failed(message),
            ScaffoldError::Track(error) => error.into(),
            ScaffoldError::Hook(error) => error.into(),
            ScaffoldError::Git(error) => error.into(),
        }
    }
}
