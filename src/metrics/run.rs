//! Runs of commands that train or evaluate, written down: what ran, from which version, with which parameters, and what came
//! of it.
//!
//! A run that succeeds is a commit, with trailers for people and the whole [`Record`] as a note beside it
//! (`refs/notes/model-runs`). One that fails, is stopped or is refused by a gate commits nothing; its record is a note of the
//! commit that it started from. With a branch, the commit is made there, and merged if it is better.
//!
//! **Limitations.** Files that git does not know are no part of the digest of what was not committed. Before the first commit
//! there is nothing to which the record of a failing run could be added. What the command itself prints is not kept.

mod better;
mod commit;
mod dirty;
pub mod environment;
pub mod evaluate;
mod files;
pub mod list;
pub mod merge;
pub mod process;
pub mod record;
mod steps;
mod trailers;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use environment::Environment;
use files::{Files, Stamp};
use process::{Ended, ProcessError, Signals};
use record::{Record, Status, VERSION, Weights};
use steps::{Head, Steps};

use super::fresh::FreshError;
use super::policy::{FILE, Model, Policy};
use crate::git::history::CommitId;
use crate::git::notes::Notes;
use crate::git::{GitError, Repo, time};
use crate::params::load::LoadError;
use crate::progress::Progress;
use crate::worktree::Context;

/// The notes of runs.
pub const NOTES: Notes = Notes::new("model-runs");

/// What is to be run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The run's name; the branch's or the time if there is none.
    pub name: Option<String>,
    /// The command, word by word.
    pub command: Vec<OsString>,
    /// The model it is about; all of them if there is none.
    pub model: Option<String>,
    /// A new branch to commit on.
    pub branch: Option<String>,
    /// Whether to stay on it.
    pub stay: bool,
    /// A branch to merge into if the model is better than there.
    pub merge_into: Option<String>,
    /// The commit's message; made from name and command if there is none.
    pub message: Option<String>,
    /// Whether to commit nothing.
    pub no_commit: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// What was written down.
    pub record: Record,
    /// The commit that was made.
    pub commit: Option<CommitId>,
    /// What became of the merge, if one was asked for and there was something to merge.
    pub merge: Option<merge::Outcome>,
    /// The exit code that says how the command ended.
    pub code: u8,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The policy of the work tree.
    #[error("`{FILE}`: {0}")]
    Policy(#[from] LoadError),
    /// The policy knows no such model.
    #[error("there is no model `{0}` in `{FILE}`")]
    NoModel(String),
    /// The name of a run.
    #[error("`{}` is no name of a run: one line with something in it, of 200 characters at most", .0.escape_debug())]
    Name(String),
    /// The name of a branch.
    #[error("`{0}` is no name of a branch")]
    BranchName(String),
    /// There is a branch of this name already.
    #[error("there already is a branch `{0}`")]
    BranchExists(String),
    /// There is no branch to merge into.
    #[error("there is no branch `{0}` to merge into")]
    NoTarget(String),
    /// There is nothing that could be merged.
    #[error("there is no branch to merge into `{0}`")]
    NothingToMerge(String),
    /// A branch needs a commit to start from.
    #[error("there is no commit yet from which a branch could start")]
    Unborn,
    /// Changes that would end up on the branch.
    #[error("tracked files have changes that are not committed")]
    Dirty,
    /// The command has switched to something else, or committed by itself: nothing would come where it should.
    #[error("the command has moved `HEAD` from {from} to {to}, so the run commits nothing; it is noted")]
    Moved {
        /// Where it was.
        from: String,
        /// Where it is.
        to: String,
    },
    /// Git is in the middle of something.
    #[error("{0}, and a run commits")]
    Unfinished(&'static str),
    /// The command.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Git did not do what was needed, and has said why.
    #[error("`git {0}` did not succeed")]
    Step(String),
    /// A file or the system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A weight file that has no digest.
    #[error(transparent)]
    Fresh(#[from] FreshError),
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// The policy in the work tree; one without models if there is none.
///
/// # Errors
/// One that cannot be read.
pub fn policy(top: &Path) -> Result<Policy, RunError> {
    match std::fs::read_to_string(top.join(FILE)) {
        Ok(text) => Ok(Policy::parse(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Policy::default()),
        Err(error) => Err(LoadError { line: None, why: error.to_string() }.into()),
    }
}

/// The models that are meant: one by its name, or all.
///
/// # Errors
/// No model of this name.
pub fn models<'p>(policy: &'p Policy, name: Option<&str>) -> Result<Vec<&'p Model>, RunError> {
    match name {
        Some(name) => Ok(vec![policy.model(name).ok_or_else(|| RunError::NoModel(name.to_owned()))?]),
        None => Ok(policy.models.iter().collect()),
    }
}

/// Runs a command and writes down what came of it. `top` is the top of the work tree, `folder` the one to run it in.
///
/// # Errors
/// What keeps it from being run at all, and git where it cannot do what a run needs. That the command fails is no error.
pub fn run(
    context: &Context,
    top: &Path,
    folder: &Path,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Done, RunError> {
    let repo = &context.repo;
    let policy = policy(top)?;
    let models = models(&policy, request.model.as_deref())?;
    let files = Files { context, top: top.to_owned(), models };
    let head = Head::now(repo)?;
    let name = name(request)?;
    merge::allowed(repo, request, &head)?;
    if !policy.models.is_empty() && repo.index_blob(FILE.as_bytes()).is_none() {
        progress.warn(&format!("git does not know `{FILE}`, so its gates do not count; `git add {FILE}`"));
    }
    if files.models.is_empty() {
        progress.warn(&format!("no `{FILE}` names weights and metrics: only changes of tracked files are committed"));
    }
    // From here on Ctrl-C is for the command.
    let mut signals = Signals::watch()?;
    let steps = Steps { folder, progress };
    if let Some(branch) = &request.branch
        && !steps.git(&["switch", "--quiet", "--create", branch])?
    {
        return Err(RunError::Step(format!("switch --create {branch}")));
    }
    let run = Run { repo, request, policy: &policy, files, steps, head, folder: folder.to_owned() };
    let ended = run.before(name).and_then(|before| {
        let ended = process::run(&request.command, folder, &mut signals, progress)?;
        Ok((before, ended))
    });
    match ended {
        Ok((before, ended)) => run.after(before, ended, &signals),
        Err(error) => {
            run.leave_empty_branch()?;
            Err(error)
        }
    }
}

/// What was so before the command ran.
struct Before<'r> {
    record: Record,
    stamps: BTreeMap<&'r str, Stamp>,
}

struct Run<'r> {
    repo: &'r Repo,
    request: &'r Request,
    policy: &'r Policy,
    files: Files<'r>,
    steps: Steps<'r>,
    /// Where `HEAD` was.
    head: Head,
    folder: PathBuf,
}

impl<'r> Run<'r> {
    fn before(&self, name: String) -> Result<Before<'r>, RunError> {
        let program = self.request.command.first().map(OsString::as_os_str).unwrap_or_default();
        // Either may have been reached by another way.
        let (top, folder) = (self.files.top.canonicalize()?, self.folder.canonicalize()?);
        let inside = folder.strip_prefix(&top).unwrap_or(Path::new(""));
        let record = Record {
            version: VERSION,
            name,
            status: Status::Failed,
            command: self.request.command.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            folder: inside.to_string_lossy().into_owned(),
            exit: None,
            signal: None,
            started: String::new(),
            seconds: 0.0,
            revision: self.head.commit.map(|commit| commit.to_string()),
            branch: self.request.branch.clone().or_else(|| self.head.branch.clone()),
            dirty: dirty::digest(&self.head, &self.files.top)?,
            models: self.files.models.iter().map(|model| model.name.clone()).collect(),
            params: self.files.values(&self.files.params(), self.steps.progress),
            metrics: BTreeMap::new(),
            weights: Weights { before: self.files.weights(self.steps.progress)?, after: BTreeMap::new() },
            environment: Environment::of(program),
        };
        Ok(Before { record, stamps: self.files.stamps() })
    }

    fn after(&self, before: Before<'r>, ended: Ended, signals: &Signals) -> Result<Done, RunError> {
        const MILLIS: f64 = 1000.0;
        let mut record = before.record;
        (record.exit, record.signal) = (ended.code, ended.signal);
        record.started = time::rfc3339(ended.started);
        record.seconds = (ended.duration.as_secs_f64() * MILLIS).round() / MILLIS;
        let written = self.files.written(&before.stamps);
        record.metrics = self.files.values(&written, self.steps.progress);
        let aborted = ended.aborted.or_else(|| signals.take());
        let expected = Head { branch: record.branch.clone(), commit: self.head.commit };
        let now = Head::now(self.repo)?;
        if now != expected && aborted.is_none() && ended.code == Some(0) && !self.request.no_commit {
            record.weights.after = self.files.weights(self.steps.progress)?;
            record.status = Status::Refused;
            self.note(now.commit, &record)?;
            return Err(RunError::Moved { from: expected.to_string(), to: now.to_string() });
        }
        if aborted.is_some() || ended.code != Some(0) {
            record.status = if aborted.is_some() { Status::Aborted } else { Status::Failed };
            let code = Ended { aborted, ..ended }.exit_code();
            self.note(self.head.commit, &record)?;
            if now.branch == expected.branch {
                self.leave_empty_branch()?;
            }
            return Ok(Done { record, commit: None, merge: None, code });
        }
        for path in self.files.metrics().difference(&written) {
            self.steps
                .progress
                .warn(&format!("the run has not written `{path}`: what it says is of an earlier version"));
        }
        if self.request.no_commit {
            record.weights.after = self.files.weights(self.steps.progress)?;
            commit::record_freshness(&self.files, &written, &record.weights.after, self.steps.progress);
            record.status = Status::Succeeded;
            self.note(self.head.commit, &record)?;
            return Ok(Done { record, commit: None, merge: None, code: 0 });
        }
        self.commit(record, &written, signals)
    }

    fn commit(&self, mut record: Record, written: &BTreeSet<&str>, signals: &Signals) -> Result<Done, RunError> {
        let is_staged = commit::stage(&self.files, &self.steps)?;
        if is_staged {
            record.weights.after = self.files.weights(self.steps.progress)?;
            let changed = commit::record_freshness(&self.files, written, &record.weights.after, self.steps.progress);
            commit::add(&self.files, &self.steps, &changed)?;
            let missing = self.files.missing(&record.weights.after, written)?;
            missing.iter().for_each(|warning| self.steps.progress.warn(warning));
            if !commit::is_anything_staged()? {
                record.status = Status::Succeeded;
                self.note(self.head.commit, &record)?;
                self.leave_empty_branch()?;
                return Ok(Done { record, commit: None, merge: None, code: 0 });
            }
        }
        if !is_staged || !self.steps.run(&commit::command(&self.files, self.policy, self.request, &record, written)?)? {
            // Ctrl-C has ended git, too.
            let aborted = signals.take();
            record.status = if aborted.is_some() { Status::Aborted } else { Status::Refused };
            self.note(self.head.commit, &record)?;
            let code = aborted.and_then(process::exit_code).unwrap_or(1);
            return Ok(Done { record, commit: None, merge: None, code });
        }
        let commit = Head::now(self.repo)?.commit;
        record.status = Status::Succeeded;
        self.note(commit, &record)?;
        let merge = merge::merge(self.repo, &self.steps, self.policy, &self.files.models, self.request, &self.head)?;
        Ok(Done { record, commit, merge, code: 0 })
    }

    fn note(&self, commit: Option<CommitId>, record: &Record) -> Result<(), RunError> {
        match commit {
            Some(commit) => Ok(NOTES.add_line(self.repo, commit, &record.line())?),
            None => {
                self.steps.progress.warn("the run is not written down: there is no commit yet to which it belongs");
                Ok(())
            }
        }
    }

    /// Goes back from a branch that was made for a run on which nothing was committed, and takes it away again.
    fn leave_empty_branch(&self) -> Result<(), RunError> {
        let Some(branch) = &self.request.branch else { return Ok(()) };
        if self.steps.back_to(&self.head)? {
            // Commits that the command itself has made there keep it.
            self.steps.git(&["branch", "--quiet", "-d", branch])?;
        }
        Ok(())
    }
}

/// The name that is asked for, or else the branch's, or the time.
fn name(request: &Request) -> Result<String, RunError> {
    const CHARS_MAX: usize = 200;
    let name = request.name.as_ref().or(request.branch.as_ref()).cloned().unwrap_or_else(|| {
        let now = time::rfc3339(std::time::SystemTime::now());
        now.replace(['-', ':', 'Z'], "").replace('T', "-")
    });
    let is_good = name.trim() == name && !name.is_empty() && !name.contains(char::is_control);
    if is_good && name.chars().count() <= CHARS_MAX { Ok(name) } else { Err(RunError::Name(name)) }
}
