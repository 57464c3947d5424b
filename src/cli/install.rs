//! `git model install`.

use crate::deploy::record::share;
use crate::error::{Error, Result};
use crate::git::hooks::{EVENTS, HookError, Hooks, SERVER_EVENTS, State};
use crate::git::install::{self, Program, Scope};
use crate::git::{GitError, Repo};
use crate::metrics::policy::FILE;
use crate::progress::Progress;
use crate::ui::Ui;

/// Tell git to call git-model for weight files.
///
/// Writes `filter.model.*`, `merge.model.*` and `merge.model-params.*` to git's configuration: yours, unless another one
/// is named. Within a repository it also installs its hooks there, beside those that exist. Doing it twice changes
/// nothing; `git model uninstall` with the same options takes it back.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Leave the repository's hooks alone.
    #[arg(long)]
    no_hooks: bool,

    /// In a bare repository: judge what is pushed to protected branches, by the gates of `.gitmodel.toml`.
    #[arg(long, conflicts_with_all = ["global", "local", "system", "worktree", "no_hooks"])]
    server: bool,
}

#[derive(clap::Args)]
#[group(multiple = false)]
// A doc comment here would become the help text of the commands.
pub struct ScopeArgs {
    /// Your configuration, for all your repositories (the default).
    #[arg(long)]
    global: bool,
    /// This repository's configuration.
    #[arg(long)]
    local: bool,
    /// This machine's configuration, for all users.
    #[arg(long)]
    system: bool,
    /// This work tree's configuration.
    #[arg(long)]
    worktree: bool,
}

impl ScopeArgs {
    const fn scope(&self) -> Scope {
        match self {
            Self { local: true, .. } => Scope::Local,
            Self { system: true, .. } => Scope::System,
            Self { worktree: true, .. } => Scope::Worktree,
            _ => Scope::Global,
        }
    }
}

/// Where settings and hooks go.
pub struct Place {
    pub scope: Scope,
    pub program: Program,
    /// The hooks, where there is a repository and they are wanted.
    pub hooks: Option<Hooks>,
}

impl Place {
    pub fn find(scope: &ScopeArgs, no_hooks: bool) -> Result<Self> {
        let scope = scope.scope();
        let program = Program::current().map_err(|error| Error::failed(format!("cannot find myself: {error}")))?;
        let repo = match Repo::discover() {
            Err(error) if scope.is_in_repository() => return Err(error.into()),
            other => other.ok(),
        };
        let hooks = repo.filter(|_| !no_hooks);
        let hooks = hooks.map(|repo| Hooks::find(program.clone(), repo.work_dir(), &EVENTS)).transpose()?;
        Ok(Self { scope, program, hooks })
    }

    /// Settings of hooks belong to a repository, whatever the scope of the filter.
    pub const fn hook_scope(&self) -> Scope {
        if self.scope.is_in_repository() { self.scope } else { Scope::Local }
    }

    /// What git said, and what helps.
    pub fn cannot_configure(&self, error: GitError) -> Error {
        let failure = Error::from(error);
        match self.scope {
            Scope::System => failure.hint("run it as root, or for yourself with `--global`"),
            Scope::Worktree => {
                failure.hint("with several work trees, first run `git config extensions.worktreeConfig true`")
            }
            Scope::Global | Scope::Local => {
                failure.hint("see which files git reads: `git config --list --show-origin`")
            }
        }
    }
}

impl From<HookError> for Error {
    fn from(error: HookError) -> Self {
        match error {
            HookError::Git(error) => error.into(),
            HookError::Io { .. } => {
                Self::failed(error.to_string()).hint("run it with `--no-hooks` to leave hooks alone")
            }
        }
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    if args.server {
        return install_server(ui);
    }
    let place = Place::find(&args.scope, args.no_hooks)?;
    let settings = install::settings(&place.program);
    let changed = install::write(place.scope, &settings).map_err(|error| place.cannot_configure(error))?;
    let flag = place.scope.flag();
    ui.note(&match changed.len() {
        0 => format!("git already calls `{}` for weight files ({flag})", place.program.as_str()),
        _ => format!("git now calls `{}` for weight files ({flag})", place.program.as_str()),
    });
    let Some(hooks) = &place.hooks else { return Ok(()) };
    install_hooks(hooks, place.hook_scope(), ui)?;
    for remote in share::configure()? {
        ui.note(&format!("`git fetch {remote}` gets the record of deployments, too"));
    }
    Ok(())
}

fn install_server(ui: &Ui) -> Result {
    let repo = Repo::discover()?;
    if let Some(top) = repo.work_dir() {
        return Err(Error::failed(format!(
            "`{}` is no bare repository: people work there, nobody pushes to it",
            top.display()
        ))
        .hint("run it in the repository on the server; where people work: `git model install`"));
    }
    let program = Program::current().map_err(|error| Error::failed(format!("cannot find myself: {error}")))?;
    let hooks = Hooks::find(program, None, &SERVER_EVENTS)?;
    install_hooks(&hooks, Scope::Local, ui)?;
    ui.note(&format!("which branches and tags are protected stands under `[protect]` in `{FILE}`"));
    Ok(())
}

fn install_hooks(hooks: &Hooks, scope: Scope, ui: &Ui) -> Result {
    for (event, state) in hooks.install(scope)? {
        match state {
            State::Installed => ui.note(&format!("hook {event} is in place")),
            other => tell(event, &other, ui)?,
        }
    }
    Ok(())
}

/// What the user can do about a hook that could not be installed.
fn tell(event: &str, state: &State, ui: &Ui) -> Result {
    match state {
        State::Ruled { file, snippet } => {
            ui.note(&format!("hook {event} is ruled by another tool; add this to `{}`:", file.display()));
            ui.print(snippet)
        }
        State::Blocked { previous } => {
            ui.warn(&format!(
                "hook {event} was left alone: another one stands there, and `{}` is kept from an earlier installation; \
                 remove one of the two and run `git model install` again",
                previous.display()
            ));
            Ok(())
        }
        State::Installed | State::Absent => Ok(()),
    }
}
