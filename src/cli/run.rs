//! `git model run`.

use std::ffi::OsString;

use super::{current_dir, json, work_tree_context};
use crate::error::{Error, Kind, Result};
use crate::metrics::check::version::short;
use crate::metrics::policy::FILE;
use crate::metrics::run::list::{self, Past};
use crate::metrics::run::merge::Outcome;
use crate::metrics::run::process::ProcessError;
use crate::metrics::run::record::Status;
use crate::metrics::run::{self, Done, Request, RunError};
use crate::progress::Progress;
use crate::ui::Ui;
use crate::worktree::Context;

/// Run a command that trains a model, commit what it makes and write down how it was made.
///
/// Everything behind `--` is the command, which no shell reads. If it succeeds, all changes of tracked files and the files of
/// the models in `.gitmodel.toml` are committed, hooks and gates included, with the trailers `Model-Run` and `Model-Metric`. A
/// note under `refs/notes/model-runs` has the rest: command, duration, parameters before, metrics after, revision, digests of
/// weights, the machine. No variable of the environment is written down; the command's arguments are.
///
/// If the command fails or is stopped (Ctrl-C; twice kills it), nothing is committed and the run is noted. Its exit code is
/// that of this command. 1: git or a gate has refused the commit. 3: the commit was made and not merged.
#[derive(clap::Args)]
pub struct Args {
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// The run's name; by default the branch's, or the time.
    #[arg(long)]
    name: Option<String>,

    /// The model it is about; by default all in `.gitmodel.toml`.
    #[arg(long)]
    model: Option<String>,

    /// Make this branch, commit there, and come back.
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,

    /// Stay on the branch.
    #[arg(long, requires = "branch")]
    stay: bool,

    /// Merge into this branch if the gates pass, one of their metrics is better than there and none is worse.
    #[arg(long, value_name = "BRANCH")]
    merge_if_better: Option<String>,

    /// The commit's message.
    #[arg(short, long)]
    message: Option<String>,

    /// Only note the run.
    #[arg(long, conflicts_with_all = ["branch", "merge_if_better", "message"])]
    no_commit: bool,

    /// List past runs.
    #[arg(long, conflicts_with_all = ["command", "show"])]
    list: bool,

    /// Show the last run of this name.
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    show: Option<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    if args.list || args.show.is_some() {
        return past(&args, &super::context()?, ui);
    }
    if args.json {
        return Err(Error::new(Kind::Usage, "`--json` goes with `--list` or `--show`"));
    }
    if args.command.is_empty() {
        return Err(Error::new(Kind::Usage, "there is no command to run")
            .hint("`git model run -- python train.py`; `git model run --list` lists past runs"));
    }
    let context = work_tree_context()?;
    let request = Request {
        name: args.name,
        command: args.command,
        model: args.model,
        branch: args.branch,
        stay: args.stay,
        merge_into: args.merge_if_better,
        message: args.message,
        no_commit: args.no_commit,
    };
    let top = context.repo.work_dir().unwrap_or_default();
    let done = run::run(&context, &top, &current_dir()?, &request, ui)?;
    tell(&done, &request, ui)
}

/// What came of a run, and the exit code.
fn tell(done: &Done, request: &Request, ui: &Ui) -> Result {
    let name = crate::git::shown(done.record.name.as_bytes());
    match done.record.status {
        Status::Succeeded => match done.commit {
            Some(commit) => ui.note(&format!("run `{name}` is commit {}", short(commit))),
            // That it is not written down either was said.
            None if done.record.revision.is_none() => ui.note(&format!("run `{name}`: nothing was committed")),
            None if request.no_commit => ui.note(&format!("run `{name}` is noted; nothing was committed")),
            None => ui.note(&format!("run `{name}` has changed nothing that could be committed; it is noted")),
        },
        Status::Failed | Status::Aborted => {
            let end = match (done.record.status, done.record.exit, done.record.signal) {
                (Status::Aborted, ..) => "was stopped".to_owned(),
                (_, Some(code), _) => format!("failed with exit code {code}"),
                (_, None, Some(signal)) => format!("was ended by signal {signal}"),
                _ => "failed".to_owned(),
            };
            return Err(Error::failed(format!("run `{name}` {end}; nothing was committed")).with_code(done.code));
        }
        Status::Refused => {
            let refused = Error::failed(format!(
                "run `{name}`: git has not taken the commit; what was to be committed is staged"
            ))
            .hint("`git model check` shows the gates; `git commit` tries again");
            return Err(match &request.branch {
                Some(branch) => refused.hint(format!(
                    "this is branch `{branch}`; `git restore --staged --worktree :/` and `git switch -` leave it"
                )),
                None => refused.hint("`git restore --staged --worktree :/` drops the changes of tracked files"),
            });
        }
    }
    let Some(target) = &request.merge_into else { return Ok(()) };
    let from = done.record.branch.as_deref().unwrap_or_default();
    let why = match &done.merge {
        Some(Outcome::Merged { commit, better }) => {
            ui.note(&format!("merged into `{target}` as {}: {better}", short(*commit)));
            return Ok(());
        }
        Some(Outcome::NotBetter(why)) => why.as_str(),
        Some(Outcome::Refused(why)) => why,
        None => "the run has committed nothing",
    };
    let error = Error::new(Kind::Found, format!("not merged into `{target}`: {why}"));
    Err(if done.commit.is_some() {
        error.hint(format!("the commit is on `{from}`; `git switch {target}` and `git merge {from}` merge it"))
    } else {
        error
    })
}

fn past(args: &Args, context: &Context, ui: &Ui) -> Result {
    let (runs, warnings) = list::past(&context.repo)?;
    warnings.iter().for_each(|warning| ui.warn(warning));
    let Some(name) = &args.show else {
        return if args.json {
            ui.print(&json(&runs))
        } else if runs.is_empty() {
            ui.note("no runs; `git model run -- COMMAND` makes one");
            Ok(())
        } else {
            ui.page(&list::table(&runs, &ui.style()))
        };
    };
    let run: &Past = list::find(&runs, name).map_err(|near| {
        let error = Error::failed(format!("there is no run `{name}`"));
        let list = "`git model run --list` lists them";
        error.hint(near.map_or_else(|| list.to_owned(), |near| format!("did you mean `{near}`? {list}")))
    })?;
    if args.json { ui.print(&json(run)) } else { ui.page(&list::text(run, &ui.style())) }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Self {
        let failure = Self::new(Kind::Usage, error.to_string());
        match error {
            RunError::Policy(_) => failure.hint("`git model check` tells whether it is mended, once it is added"),
            RunError::NoModel(_) => failure.hint(format!("describe it in `{FILE}`: `[model.NAME]`")),
            RunError::Name(_) => failure.hint("name it with `--name`"),
            RunError::BranchName(_) => failure.hint("`git help check-ref-format` tells which names git takes"),
            RunError::BranchExists(branch) => failure.hint(format!(
                "take another name, go on there with `git switch {branch}`, or drop it with `git branch -D {branch}`"
            )),
            RunError::NoTarget(_) => failure.hint("`git branch` lists the branches"),
            RunError::NothingToMerge(_) => failure.hint("make one for the run with `--branch exp/NAME`"),
            RunError::Unborn => failure.hint("commit something first: `git commit --allow-empty -m start`"),
            RunError::Dirty => failure.hint("`git commit -a` or `git stash` puts them away"),
            RunError::Moved { .. } => failure.with_kind(Kind::Failed).hint(
                "`git status` and `git log` tell what it has left; leave switching and committing to `git model run`",
            ),
            RunError::Unfinished(_) => {
                failure.hint("`git status` tells how to end it; `--no-commit` only notes the run")
            }
            RunError::Process(ProcessError::Start { source, .. }) => {
                // As shells have it.
                let code = if source.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                failure.with_code(code).hint("the command is not read by a shell; `-- sh -c '…'` runs one")
            }
            RunError::Step(_) => failure.with_kind(Kind::Failed).hint("`git status` tells how it is now"),
            RunError::Process(ProcessError::Wait(_)) | RunError::Io(_) => failure.with_kind(Kind::Failed),
            RunError::Fresh(error) => error.into(),
            RunError::Git(error) => error.into(),
        }
    }
}
