//! A repository for a model, from nothing to its first deployment, or one that is there already and gets what it lacks.
//!
//! Nothing that exists is ever written over: a file is made whole under its name, or what has the name stays. So it can be
//! done again at any time, and in any repository.
//!
//! **Limitations.** A file that is kept is not completed: what could be added to it is told ([`advice`]).

pub mod advice;
pub mod ci;
pub mod files;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::deploy::record::share;
use crate::git::hooks::{EVENTS, HookError, Hooks, State};
use crate::git::install::{self, Program, Scope, quote};
use crate::git::{Git, GitError, Repo};
use crate::metrics::policy::{FILE, Policy};
use crate::worktree::track::{self, TrackError};

pub use files::{Done, Template};

/// Why there is no repository.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A name that settings, tags or images cannot have.
    #[error("`{0}` is no name for a model: letters, digits, `-` and `_` only, a letter or a digit first")]
    Name(String),
    /// The folder lies in another repository.
    #[error("`{}` lies in the repository `{}`", dir.display(), top.display())]
    Nested {
        /// The folder.
        dir: PathBuf,
        /// The other one's top.
        top: PathBuf,
    },
    /// A repository without files.
    #[error("`{}` is a repository without a work tree", .0.display())]
    Bare(PathBuf),
    /// A file or a folder that cannot be made.
    #[error("cannot make `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pattern of the weights could not be tracked.
    #[error(transparent)]
    Track(#[from] TrackError),
    /// A hook could not be written.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What somebody wants.
#[derive(Debug, Clone)]
pub struct Request {
    /// The model's name; by default the folder's.
    pub name: Option<String>,
    /// The folder; by default one of the model's name, without a name the repository around the current folder, or that.
    pub dir: Option<PathBuf>,
    /// What is served, and how.
    pub template: Template,
}

/// What there is now.
#[derive(Debug)]
pub struct Report {
    /// The top of the repository, as one gets there from where one is; none if one is there.
    pub way: Option<PathBuf>,
    /// Whether it is a new repository.
    pub is_new: bool,
    /// What became of each file.
    pub files: Vec<(PathBuf, Done)>,
    /// The pattern of the weights, and what became of it.
    pub tracked: (String, track::Outcome),
    /// The settings that were missing, and stand in the repository's own configuration now.
    pub settings: Vec<&'static str>,
    /// How it is with the hooks.
    pub hooks: Vec<(&'static str, State)>,
    /// What could be added to files that were kept.
    pub advice: Vec<advice::Advice>,
    /// What to do next, one command a line.
    pub commands: Vec<String>,
}

/// Makes a repository for a model, or equips one. The current folder of this process is its top afterwards.
///
/// # Errors
/// A name or folder that will not do, what cannot be written, what git refuses.
pub fn init(request: &Request) -> Result<Report, ScaffoldError> {
    if let Some(name) = &request.name {
        check_name(name)?;
    }
    let asked = request.dir.clone().or_else(|| request.name.as_ref().map(PathBuf::from));
    let Place { top, way, is_new } = repository(asked.as_deref())?;
    let name = match &request.name {
        Some(name) => name.clone(),
        None => sanitized(top.file_name().unwrap_or_default()),
    };
    let branch = Git::new(["symbolic-ref", "--quiet", "--short", "HEAD"]).answer()?;
    let branch = branch.map_or_else(|| "main".into(), |name| String::from_utf8_lossy(&name).trim().to_owned());
    let wanted = files::wanted(request.template, &name, &branch, &top);
    let mut files = Vec::new();
    let mut advice = Vec::new();
    for file in wanted {
        let done = files::make(&top, &file)?;
        if done == Done::Kept {
            advice.extend(advice::on(&top, &file));
        }
        files.push((file.path, done));
    }
    let pattern = request.template.pattern();
    let tracked = (pattern.to_owned(), track::track(&top, pattern.as_bytes())?);
    let (settings, hooks) = install(&top)?;
    let commands = commands(request.template, way.as_deref(), &policy(&top));
    Ok(Report { way, is_new, files, tracked, settings, hooks, advice, commands })
}

fn check_name(name: &str) -> Result<(), ScaffoldError> {
    if name == sanitized(OsStr::new(name)) { Ok(()) } else { Err(ScaffoldError::Name(name.to_owned())) }
}

/// The name of a folder as that of a model.
fn sanitized(folder: &OsStr) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let folder = folder.to_string_lossy();
    let name: String = folder.chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    // An image's name neither begins nor ends with a dash.
    let name = name.trim_matches(['-', '_']);
    if name.is_empty() { "model".into() } else { name.to_owned() }
}

/// Where the repository is.
struct Place {
    top: PathBuf,
    /// As one gets there from where one was; none if one was there.
    way: Option<PathBuf>,
    is_new: bool,
}

/// Goes to the top of the repository that is meant, which is made if it is not there.
fn repository(asked: Option<&Path>) -> Result<Place, ScaffoldError> {
    let before = here()?;
    if let Some(dir) = asked {
        let was_there = dir.is_dir();
        std::fs::create_dir_all(dir).map_err(|source| ScaffoldError::Io { path: dir.into(), source })?;
        go(dir)?;
        if let Some(top) = work_tree_around()? {
            let dir = here()?;
            go(&top)?;
            let top = here()?;
            if dir != top {
                if !was_there {
                    // It is empty, and of no use.
                    let _ = std::fs::remove_dir(&dir);
                }
                return Err(ScaffoldError::Nested { dir, top });
            }
        }
    }
    let around = work_tree_around()?;
    match &around {
        Some(top) => go(top)?,
        None => drop(Git::new(["init", "--quiet"]).output()?),
    }
    let top = here()?;
    let is_new = around.is_none();
    let way = (top != before).then(|| asked.map_or_else(|| top.clone(), Path::to_owned));
    Ok(Place { top, way, is_new })
}

fn go(dir: &Path) -> Result<(), ScaffoldError> {
    std::env::set_current_dir(dir).map_err(|source| ScaffoldError::Io { path: dir.into(), source })
}

fn here() -> Result<PathBuf, ScaffoldError> {
    std::env::current_dir().map_err(|source| ScaffoldError::Io { path: ".".into(), source })
}

/// The top of the work tree around the current folder, if there is a repository.
fn work_tree_around() -> Result<Option<PathBuf>, ScaffoldError> {
    match Repo::discover() {
        Ok(repo) => repo.work_dir().map(Some).ok_or_else(|| ScaffoldError::Bare(repo.git_dir())),
        Err(GitError::NoRepository(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What became of settings and hooks.
type Installed = (Vec<&'static str>, Vec<(&'static str, State)>);

/// Makes git call this program here, where it does not do so yet.
fn install(top: &Path) -> Result<Installed, ScaffoldError> {
    let program = Program::current().map_err(|source| ScaffoldError::Io { path: "git-model".into(), source })?;
    let mut missing = Vec::new();
    for (key, value) in install::settings(&program) {
        if Git::new(["config", "--get", key]).answer()?.is_none() {
            missing.push((key, value));
        }
    }
    let settings = install::write(Scope::Local, &missing)?;
    let hooks = Hooks::find(program, Some(top.to_owned()), &EVENTS)?.install(Scope::Local)?;
    share::configure()?;
    Ok((settings, hooks))
}

/// What the repository says now; a file that cannot be read says nothing.
fn policy(top: &Path) -> Policy {
    let text = std::fs::read_to_string(top.join(FILE)).unwrap_or_default();
    Policy::parse(&text).unwrap_or_default()
}

/// From here to a prediction.
fn commands(template: Template, way: Option<&Path>, policy: &Policy) -> Vec<String> {
    let cd = way.map(|way| format!("cd {} && ", quote(way.as_os_str()))).unwrap_or_default();
    let environment = policy.environments.first();
    let port = environment.map_or(8080, |environment| environment.port);
    let model = environment.map_or("model", |environment| &*environment.model);
    let first = match template {
        Template::Linear | Template::Python => "git model train --params params.json",
        Template::Onnx => "cp path/to/your.onnx model.onnx",
    };
    let ask = match template {
        Template::Linear => format!(
            "curl -s localhost:{port}/v2/models/{model}/infer -d '{{\"inputs\": [{{\"name\": \"input\", \"shape\": [1, 3], \
             \"datatype\": \"FP64\", \"data\": [3, 70, 20]}}]}}'"
        ),
        Template::Python => format!("curl -s localhost:{port}/predict -d '{{\"rows\": [[3, 70, 20]]}}'"),
        Template::Onnx => format!("curl -s localhost:{port}/v2/models/{model}"),
    };
    vec![
        format!("{cd}{first}"),
        "git add -A && git commit -qm 'First model'".into(),
        "git model trust --yes && git model deploy".into(),
        ask,
    ]
}

/// Whether a path is there, even as a link to nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn folders_become_names() {
        for (folder, name) in [
            ("house", "house"),
            ("House 2.0", "House-2-0"),
            ("_priv-", "priv"),
            ("Häuser", "H-user"),
            ("...", "model"),
            ("", "model"),
        ] {
            assert_eq!(sanitized(OsStr::new(folder)), name);
        }
        assert_eq!(sanitized(OsStr::from_bytes(b"a\xffb")), "a-b");
        for wrong in ["a/b", "", "-a", "a b", "..", "a.b"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
