//! `git model resolve`.

use std::ffi::OsString;

use crate::error::{Error, Kind, Result};
use crate::git::{Git, revision, shown};
use crate::merge::conflict_table;
use crate::merge::resolve::{self, Opened, ResolveError, Resolved};
use crate::merge::rules::{Decision, RulesError};
use crate::merge::state::{self, State};
use crate::progress::Progress;
use crate::ui::{Ui, count};
use crate::worktree::Context;
use crate::worktree::put::{self, PutError};

/// Decide about tensors that a merge has left in conflict.
///
/// Takes one side, or computes them by a method, and writes the file. When nothing is left to decide, the file is staged.
#[derive(clap::Args)]
pub struct Args {
    /// The model in conflict.
    #[arg(required_unless_present = "list")]
    path: Option<OsString>,

    /// Only tensors whose names match this pattern.
    #[arg(long, value_name = "PATTERN")]
    tensors: Option<String>,

    /// `ours`, `theirs`, `base`, or a merge method with its parameters: `ties density=0.5`.
    #[arg(long, value_name = "STRATEGY", required_unless_present_any = ["list", "abort"])]
    take: Option<String>,

    /// List what is in conflict.
    #[arg(long, conflicts_with_all = ["take", "abort", "tensors"])]
    list: bool,

    /// Forget all decisions about the file.
    #[arg(long, conflicts_with_all = ["take", "tensors"])]
    abort: bool,

    /// Write over a file that was edited since the merge.
    #[arg(short, long, conflicts_with = "list")]
    force: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::work_tree_context()?;
    if args.list {
        return list(&context, args.path.as_deref(), ui);
    }
    let Some(path) = &args.path else { return Ok(()) };
    let git_path = revision::path_from_top(&context.repo, path)?;
    let _lock = state::lock(&context.repo).map_err(ResolveError::Io)?;
    let Some(state) = state::open_at(&context.repo, &git_path)? else {
        return Err(nothing_open(&context, &git_path)?);
    };
    let left = state.results.iter().map(|result| State::blob(result)).collect::<std::result::Result<Vec<_>, _>>()?;
    if !args.force && !put::is_known(&context, &git_path, &left, ui)? {
        return Err(edited(&git_path));
    }
    if args.abort {
        return abort(&context, state, ui);
    }
    let strategy = args.take.as_deref().unwrap_or_default();
    let mut decided = state.clone();
    let store = (&context.store, context.settings.workers);
    let resolved = resolve::resolve(&context.repo, store, &mut decided, args.tensors.as_deref(), strategy, ui)?;
    write(&context, &decided, &resolved, ui)?;
    let name = shown(&git_path);
    if decided.open.is_empty() {
        ui.note(&format!("`{name}`: all decided, and staged"));
        return Ok(());
    }
    let versions = Opened::read(&context.repo, &decided)?;
    let table = conflict_table(&context.store, &versions.versions(), &resolved.conflicts, &ui.style())
        .map_err(|error| Error::failed(error.to_string()))?;
    ui.note(&format!("{} decided, {} left in `{name}`:", count(resolved.decided, "tensor"), decided.open.len()));
    ui.talk(table.trim_end());
    Ok(())
}

fn edited(path: &[u8]) -> Error {
    let name = shown(path);
    Error::from(ResolveError::Edited)
        .hint(format!("`git add {name}` if the file is what you want to have"))
        .hint("`--force` writes over it")
}

/// Writes down what is open, puts the file in place, and stages it if nothing is.
fn write(context: &Context, state: &State, resolved: &Resolved, ui: &Ui) -> Result {
    let path = state.path.as_bytes();
    let text = resolved.manifest.print();
    let is_decided = state.open.is_empty();
    if !is_decided {
        // First, so that whatever happens then, what is open is known.
        let mut state = state.clone();
        state.results.push(context.repo.hash_blob(&text)?.to_string());
        state.save(&context.repo).map_err(ResolveError::Io)?;
    }
    put::put(context, path, &text, is_decided, ui)?;
    if is_decided {
        state.remove(&context.repo);
    }
    Ok(())
}

fn abort(context: &Context, state: State, ui: &Ui) -> Result {
    let mut fresh = State { decisions: Vec::new(), ..state };
    let resolved = resolve::again(&context.repo, (&context.store, context.settings.workers), &mut fresh, ui)?;
    write(context, &fresh, &resolved, ui)?;
    ui.note(&format!("`{}`: {} in conflict again", shown(fresh.path.as_bytes()), count(fresh.open.len(), "tensor")));
    Ok(())
}

fn list(context: &Context, path: Option<&std::ffi::OsStr>, ui: &Ui) -> Result {
    let wanted = path.map(|path| revision::path_from_top(&context.repo, path)).transpose()?;
    let open = state::open(&context.repo)?;
    let mut text = String::new();
    for state in open.iter().filter(|state| wanted.as_ref().is_none_or(|path| path == state.path.as_bytes())) {
        for open in &state.open {
            let tensor = open.tensor.as_deref().unwrap_or("(the whole file)");
            text.push_str(&format!("{}\t{tensor}\t{}\n", shown(state.path.as_bytes()), open.why));
        }
    }
    ui.page(&text)
}

/// There is nothing to decide about this file; says what there is.
fn nothing_open(context: &Context, path: &[u8]) -> Result<Error> {
    let name = shown(path);
    let unmerged = Git::new(["ls-files", "--unmerged", "-z"]).output()?;
    let is_unmerged = unmerged.split(|&byte| byte == 0).any(|entry| entry.ends_with(&[b"\t", path].concat()));
    let error = Error::failed(format!("nothing in `{name}` is left to decide"));
    let has_both = context.repo.index_blob(path).is_some() && context.repo.their_index_blob(path).is_some();
    Ok(if is_unmerged && has_both {
        error.hint(format!(
            "git has it in conflict, but not tensor by tensor: `git checkout --ours {name}` or `--theirs`"
        ))
    } else if is_unmerged {
        error.hint(format!("only one side has the file: `git add {name}` keeps it, `git rm {name}` deletes it"))
    } else if state::open(&context.repo)?.is_empty() {
        error.hint("`git model resolve --list` lists what is in conflict: nothing now")
    } else {
        error.hint("`git model resolve --list` lists what is in conflict")
    })
}

impl From<PutError> for Error {
    fn from(error: PutError) -> Self {
        let message = error.to_string();
        match error {
            PutError::Git(error) => error.into(),
            PutError::Io { .. } | PutError::Read { .. } => Self::failed(message),
            PutError::Materialize { .. } => Self::failed(message).hint("mend that and run `git model checkout`"),
        }
    }
}

impl From<ResolveError> for Error {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::NoMatch { open, .. } => {
                Self::failed(message).hint(format!("in conflict are: {}", open.join(", ")))
            }
            ResolveError::Rules(RulesError::Method(_)) => {
                Self::new(Kind::Usage, message).hint(format!("strategies are: {}", Decision::names().join(", ")))
            }
            ResolveError::Rules(_) => Self::new(Kind::Usage, message),
            ResolveError::Undecided { why, .. } => why.into_iter().fold(Self::failed(message), Self::hint),
            ResolveError::WholeOnly => Self::failed(message).hint("`--take ours` or `--take theirs`"),
            ResolveError::Git(error) => error.into(),
            ResolveError::Merge(error) if error.is_missing() => {
                Self::failed(message).hint("fetch the missing objects; `git model fsck` lists what is missing")
            }
            ResolveError::Settings(_)
            | ResolveError::Merge(_)
            | ResolveError::Manifest(_)
            | ResolveError::Edited
            | ResolveError::Io(_) => Self::failed(message),
        }
    }
}
