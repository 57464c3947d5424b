//! `git model blame`.

use std::ffi::{OsStr, OsString};

use crate::error::{Error, Kind, Result};
use crate::git::Repo;
use crate::git::history::History;
use crate::git::revision;
use crate::ui::Ui;
use crate::version::blame::{self, BlameError, Start};
use globset::{Glob, GlobSet, GlobSetBuilder};

mod show;

/// Show which commit last changed each tensor of a model.
///
/// A line for each tensor: commit, author, date, name, type, shape. `^` before a commit: history ends there, because the
/// clone is shallow or because the file was no tracked model before. Without REV, what is staged counts as a commit on
/// top of HEAD; what is not staged is not looked at.
#[derive(clap::Args)]
#[command(override_usage = "git model blame [OPTIONS] [REV] [--] PATH [TENSOR-GLOB]...")]
pub struct Args {
    /// A line for each commit, newest first, with the tensors it has changed.
    #[arg(long)]
    by_commit: bool,

    /// A line for each tensor as soon as its commit is known: commit, tab, name.
    #[arg(long, conflicts_with_all = ["by_commit", "json"])]
    incremental: bool,

    /// Print JSON, with full names and digests.
    #[arg(long)]
    json: bool,

    /// The revision to begin with, the model's path, and patterns of tensors' names: `*` stands for any characters.
    #[arg(value_name = "REV] [--] PATH [TENSOR-GLOB", hide = false)]
    words: Vec<OsString>,

    #[arg(last = true, hide = true)]
    rest: Vec<OsString>,
}

/// What is asked.
struct Question {
    revision: Option<OsString>,
    start: Start,
    typed: OsString,
    path: Vec<u8>,
    tensors: Option<GlobSet>,
}

impl Question {
    fn new(args: &Args, repo: &Repo) -> Result<Self> {
        let (revision, paths) = revision_and_paths(args, repo)?;
        let (typed, globs) = paths
            .split_first()
            .ok_or_else(|| Error::new(Kind::Usage, "no path is given").hint("run `git model blame PATH`"))?;
        let start = match &revision {
            None => Start::Index,
            Some(revision) => Start::Commit(revision::commit(revision)?.ok_or_else(|| no_such_revision(revision))?),
        };
        let path = revision::path_from_top(repo, typed)?;
        Ok(Self { revision, start, typed: typed.clone(), path, tensors: glob_set(globs)? })
    }

    fn shown_path(&self) -> String {
        self.typed.to_string_lossy().into_owned()
    }

    fn shown_revision(&self) -> String {
        self.revision.as_ref().map_or_else(|| "HEAD".into(), |revision| revision.to_string_lossy().into_owned())
    }

    fn failure(&self, error: BlameError, history: &History<'_>) -> Error {
        let (path, revision) = (self.shown_path(), self.shown_revision());
        let told = |what: &str| Error::failed(format!("`{path}` at `{revision}`: {what}"));
        match error {
            BlameError::Git(error) => error.into(),
            BlameError::NoFile if self.start == Start::Index && matches!(history.head(), Ok(None)) => {
                Error::failed("there are no commits yet").hint("run `git commit` first")
            }
            BlameError::NoFile => Error::failed(format!("`{path}` is not in `{revision}`"))
                .hint("run `git model ls-files` to see which models there are"),
            BlameError::NotAModel => told(&BlameError::NotAModel.to_string())
                .hint("run `git blame` if it is text; `git model track` makes models of weight files"),
            BlameError::Opaque => told(&BlameError::Opaque.to_string())
                .hint(format!("run `git log -- {path}` to see which commits have changed it")),
            BlameError::Broken(_) => told(&error.to_string()),
        }
    }
}

/// As git does: a word before `--` is a revision, a first word that is no file too.
fn revision_and_paths(args: &Args, repo: &Repo) -> Result<(Option<OsString>, Vec<OsString>)> {
    let (words, rest) = (&args.words, &args.rest);
    match (words.as_slice(), rest.as_slice()) {
        ([], rest) => Ok((None, rest.to_vec())),
        ([path], []) => Ok((None, vec![path.clone()])),
        ([revision], rest) => Ok((Some(revision.clone()), rest.to_vec())),
        ([first, others @ ..], []) => {
            let is_path = revision::is_path(repo, first)?;
            let is_revision = !is_path || revision::commit(first)?.is_some();
            match (is_revision, is_path) {
                (true, true) => {
                    let first = first.to_string_lossy();
                    let hint = format!("put `--` before `{first}` if it is the path, behind it if it is the revision");
                    Err(Error::new(Kind::Usage, format!("`{first}` is a revision and a path")).hint(hint))
                }
                (true, false) => Ok((Some(first.clone()), others.to_vec())),
                (false, _) => Ok((None, words.clone())),
            }
        }
        (_, _) => Err(Error::new(Kind::Usage, "more than one revision stands before `--`")),
    }
}

fn no_such_revision(revision: &OsStr) -> Error {
    Error::failed(format!("no such revision `{}`", revision.to_string_lossy()))
        .hint("run `git log --oneline --all` to see which there are; put `--` before a path")
}

/// The patterns; `None` for all tensors.
fn glob_set(globs: &[OsString]) -> Result<Option<GlobSet>> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let glob = glob.to_string_lossy();
        let bad = |error: globset::Error| Error::new(Kind::Usage, format!("`{glob}` is no pattern: {}", error.kind()));
        set.add(Glob::new(&glob).map_err(bad)?);
    }
    set.build().map(Some).map_err(|error| Error::new(Kind::Usage, error.to_string()))
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = Repo::discover()?;
    let question = Question::new(&args, &repo)?;
    let history = History::new(&repo)?;
    let is_wanted = |name: &str| question.tensors.as_ref().is_none_or(|tensors| tensors.is_match(name));
    let zeros = "0".repeat(2 * repo.hash_kind().byte_len());
    let mut order = Vec::new();
    let lines = blame::blame::<Failure>(&history, question.start, &question.path, &is_wanted, ui, &mut |found| {
        order.extend(found.first().map(|(_, origin)| origin.commit));
        if args.incremental {
            let lines = found
                .iter()
                .map(|(tensor, origin)| show::incremental_line(&tensor.name, origin.commit, origin.boundary, &zeros));
            ui.print(&lines.collect::<String>()).map_err(Failure::Told)?;
        }
        Ok(())
    });
    let lines = lines.map_err(|failure| match failure {
        Failure::Blame(error) => question.failure(error, &history),
        Failure::Told(error) => error,
    })?;
    if lines.is_empty() && question.tensors.is_some() {
        let path = question.shown_path();
        return Err(Error::failed(format!("no tensor of `{path}` has a name like that"))
            .hint("quote patterns, so that the shell leaves them alone; `*` stands for any characters"));
    }
    if args.incremental {
        return Ok(());
    }
    let commits = show::Commits::new(history.describe(order.iter().copied().flatten())?, zeros);
    let text = match (args.by_commit, args.json) {
        (false, false) => show::lines_text(&lines, &commits, &ui.style()),
        (false, true) => show::lines_json(&question.path, &lines, &order, &commits),
        (true, false) => show::groups_text(&lines, &order, &commits, &ui.style()),
        (true, true) => show::groups_json(&question.path, &lines, &order, &commits),
    };
    if args.json { ui.print(&text) } else { ui.page(&text) }
}

/// What may go wrong between the first and the last answer.
enum Failure {
    Blame(BlameError),
    Told(Error),
}

impl From<BlameError> for Failure {
    fn from(error: BlameError) -> Self {
        Self::Blame(error)
    }
}
