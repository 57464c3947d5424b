//! `git model trust`.

use std::io::{self, IsTerminal};

use crate::deploy::reconcile;
use crate::error::{Error, Result};
use crate::git::Repo;
use crate::metrics::policy::FILE;
use crate::metrics::run;
use crate::metrics::trust::{self, Item};
use crate::progress::Progress;
use crate::ui::Ui;

/// Allow what `.gitmodel.toml` names to run in this clone.
///
/// What a repository contains runs nothing by itself: `git model eval` starts the command `evaluate` of a model, and
/// `git model deploy` follows a `[deploy.NAME]` with its Dockerfile, only after it was trusted here. Shows what would run and
/// asks. What has changed since must be trusted again; the script that a command starts may change without that.
#[derive(clap::Args)]
pub struct Args {
    /// Only show what would run, and whether it is trusted.
    #[arg(long)]
    show: bool,

    /// Trust nothing any more.
    #[arg(long, conflicts_with = "show")]
    remove: bool,

    /// Do not ask.
    #[arg(short, long, conflicts_with_all = ["show", "remove"])]
    yes: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    if args.remove {
        let said = if trust::forget()? { "nothing is trusted any more" } else { "nothing was trusted" };
        ui.note(said);
        return Ok(());
    }
    let items = items(&context.repo)?;
    if items.is_empty() {
        ui.note(&format!(
            "`{FILE}` names nothing that would run; `evaluate = [\"python\", \"evaluate.py\"]` in `[model.NAME]` would, \
             or a `[deploy.NAME]`"
        ));
        return Ok(());
    }
    if args.show {
        return ui.print(&items.iter().map(lines).collect::<String>());
    }
    if items.iter().all(|item| item.is_trusted) {
        ui.note(&format!("already trusted:\n{}", items.iter().map(lines).collect::<String>().trim_end()));
        return Ok(());
    }
    let new: Vec<&Item> = items.iter().filter(|item| !item.is_trusted).collect();
    ui.talk(&format!("`{FILE}` names what is not trusted yet:"));
    for item in new {
        ui.talk(&format!("  {}: {}", item.place, item.lines.join("\n    ")));
    }
    if !args.yes && !is_agreed(ui)? {
        return Err(Error::failed("nothing is trusted"));
    }
    trust::trust(&items)?;
    ui.note("trusted in this clone; `git model trust --remove` takes it back");
    Ok(())
}

/// Those of the work tree; in a bare repository, those of `HEAD`.
fn items(repo: &Repo) -> Result<Vec<Item>> {
    match repo.work_dir() {
        Some(top) => {
            let policy = run::policy(&top)?;
            Ok(trust::items(&policy, |path| std::fs::read(top.join(path)).ok())?)
        }
        None => {
            let policy = reconcile::policy(repo)?;
            let file = |path: &str| repo.blob(repo.head_blob(path.as_bytes())?).ok();
            Ok(trust::items(&policy, file)?)
        }
    }
}

fn lines(item: &Item) -> String {
    let word = if item.is_trusted { "trusted" } else { "not trusted" };
    let line = |line: &String| format!("{word}\t{}\t{line}\n", item.place);
    item.lines.iter().map(line).collect()
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
