//! `git model trust`.

use std::io::{self, IsTerminal};

use super::work_tree_context;
use crate::error::{Error, Result};
use crate::metrics::policy::FILE;
use crate::metrics::run;
use crate::metrics::trust::{self, Command};
use crate::progress::Progress;
use crate::ui::{Ui, count};

/// Allow the commands that `.gitmodel.toml` names to run in this clone.
///
/// What a repository contains runs nothing by itself: `git model eval` starts the command `evaluate` of a model only after it
/// was trusted here. Shows the commands and asks. A command that has changed since must be trusted again; the script that it
/// starts may change without that.
#[derive(clap::Args)]
pub struct Args {
    /// Only show the commands, and whether they are trusted.
    #[arg(long)]
    show: bool,

    /// Trust no command any more.
    #[arg(long, conflicts_with = "show")]
    remove: bool,

    /// Do not ask.
    #[arg(short, long, conflicts_with_all = ["show", "remove"])]
    yes: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = work_tree_context()?;
    if args.remove {
        let said = if trust::forget()? { "no command is trusted any more" } else { "no command was trusted" };
        ui.note(said);
        return Ok(());
    }
    let policy = run::policy(&context.repo.work_dir().unwrap_or_default())?;
    let models: Vec<_> = policy.models.iter().collect();
    let commands = trust::commands(&models)?;
    if commands.is_empty() {
        ui.note(&format!(
            "`{FILE}` names no command; `evaluate = [\"python\", \"evaluate.py\"]` in `[model.NAME]` would be one"
        ));
        return Ok(());
    }
    if args.show {
        return ui.print(&commands.iter().map(line).collect::<String>());
    }
    if commands.iter().all(|command| command.is_trusted) {
        ui.note(&format!("already trusted:\n{}", commands.iter().map(line).collect::<String>().trim_end()));
        return Ok(());
    }
    let new: Vec<&Command> = commands.iter().filter(|command| !command.is_trusted).collect();
    ui.talk(&format!("`{FILE}` names {}:", count(new.len(), "command")));
    new.iter().for_each(|command| ui.talk(&format!("  {}: {}", command.model, command.shown())));
    if !args.yes && !is_agreed(ui)? {
        return Err(Error::failed("nothing is trusted"));
    }
    trust::trust(&commands)?;
    ui.note("trusted in this clone; `git model trust --remove` takes it back");
    Ok(())
}

fn line(command: &Command) -> String {
    let word = if command.is_trusted { "trusted" } else { "not trusted" };
    format!("{word}\t{}\t{}\n", command.model, command.shown())
}

fn is_agreed(ui: &Ui) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Error::failed("there is no terminal to ask on").hint("run it with `--yes` if you trust them"));
    }
    ui.talk("may they run on this machine, with your rights? [y/N]");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
