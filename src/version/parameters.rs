//! A model's file of parameters: which it is, what it says in a version, and setting values in it.

mod error;
mod said;

pub use error::ParametersError;
pub use said::{Difference, Parameter, Said, differences};

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::named::{NameError, choose};
use crate::atomic_file::write_whole;
use crate::git::history::{CommitId, History};
use crate::git::{Repo, revision, shown};
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, METRICS_BYTES_MAX};
use crate::metrics::policy::{FILE, Policy};
use crate::params::Syntax;
use crate::params::edit::{self, As};

/// What such a file is called where nobody says, at the top of the work tree.
const NAMES: [&str; 4] = ["params.json", "params.yaml", "params.yml", "params.toml"];

/// A file of parameters.
#[derive(Debug, Clone)]
pub struct File {
    /// From the top of the work tree.
    pub path: Vec<u8>,
    /// In the work tree; none in a bare repository.
    pub here: Option<PathBuf>,
    /// How it is written.
    pub syntax: Syntax,
}

/// A version that a file is read from.
#[derive(Debug, Clone)]
pub enum At {
    /// The work tree.
    WorkTree,
    /// A commit, and how it is called.
    Commit(CommitId, String),
}

/// The file of parameters: the one that is named, that of the model, or `params.json` and the like at the top.
///
/// # Errors
/// There is none, or more than one model has one.
pub fn file(repo: &Repo, model: Option<&str>, named: Option<&OsStr>) -> Result<File, ParametersError> {
    if let Some(named) = named {
        return known(revision::path_from_top(repo, named)?, Some(PathBuf::from(named)));
    }
    let here = |path: &str| repo.work_dir().map(|top| top.join(path));
    let policy = policy(repo)?;
    let with: Vec<String> =
        policy.models.iter().filter(|model| model.params.is_some()).map(|model| model.name.clone()).collect();
    if let Some(model) = model {
        let all: Vec<String> = policy.models.iter().map(|model| model.name.clone()).collect();
        choose(&all, Some(model), &format!("`{FILE}`"))?;
        let params = policy.model(model).and_then(|model| model.params.clone());
        let params = params.ok_or_else(|| ParametersError::None(model.to_owned()))?;
        return known(params.clone().into_bytes(), here(&params));
    }
    let mut files: Vec<&String> = policy.models.iter().filter_map(|model| model.params.as_ref()).collect();
    files.sort();
    files.dedup();
    match files[..] {
        [only] => known(only.clone().into_bytes(), here(only)),
        [] => {
            let is_there = |name: &&str| here(name).is_some_and(|path| path.exists());
            let head = |name: &&str| repo.head_blob(name.as_bytes()).is_some();
            let found = NAMES.iter().copied().find(is_there).or_else(|| NAMES.iter().copied().find(head));
            let name = found.ok_or(ParametersError::Nowhere)?;
            known(name.into(), here(name))
        }
        _ => Err(NameError::Several { names: with }.into()),
    }
}

fn known(path: Vec<u8>, here: Option<PathBuf>) -> Result<File, ParametersError> {
    let shown = shown(&path);
    let syntax = Syntax::of(&shown).ok_or(ParametersError::Syntax(shown))?;
    Ok(File { path, here, syntax })
}

/// The policy as it stands in the work tree, or else in the index or at `HEAD`.
fn policy(repo: &Repo) -> Result<Policy, ParametersError> {
    let here = repo.work_dir().map(|top| top.join(FILE)).and_then(|path| std::fs::read_to_string(path).ok());
    if let Some(text) = here {
        let broken = |source| ParametersError::Load { path: FILE.to_owned(), place: String::new(), source };
        return Policy::parse(&text).map_err(broken);
    }
    let version = match History::new(repo)?.head()? {
        Some(id) if repo.work_dir().is_none() => Version::Commit { id, name: "HEAD".to_owned() },
        _ => Version::Index,
    };
    Ok(check::policy(repo, &version).map_err(NameError::from)?.unwrap_or_default())
}

impl File {
    /// Its path, to be shown.
    pub fn shown(&self) -> String {
        shown(&self.path)
    }

    /// What a version of it has; `None` if it has no such file.
    ///
    /// # Errors
    /// It is too long, or cannot be read.
    pub fn bytes(&self, repo: &Repo, at: &At) -> Result<Option<Vec<u8>>, ParametersError> {
        let long = |len| ParametersError::Long { path: self.shown(), len };
        match (at, &self.here) {
            (At::Commit(commit, _), _) => {
                let Some(blob) = History::new(repo)?.blob_at(*commit, &self.path)? else { return Ok(None) };
                let bytes = repo.blob_up_to(blob, METRICS_BYTES_MAX)?;
                bytes.map(Some).ok_or(long(repo.blob_len(blob)?))
            }
            (At::WorkTree, Some(path)) => {
                let failed = |source| ParametersError::Io { what: "read", path: self.shown(), source };
                match std::fs::metadata(path) {
                    Ok(metadata) if metadata.len() > METRICS_BYTES_MAX => Err(long(metadata.len())),
                    Ok(metadata) if !metadata.is_file() => Err(failed(io::Error::other("it is no file"))),
                    Ok(_) => std::fs::read(path).map(Some).map_err(failed),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(failed(error)),
                }
            }
            (At::WorkTree, None) => Ok(None),
        }
    }

    /// What a version of it says; `None` if it has no such file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn said(&self, repo: &Repo, at: &At) -> Result<Option<Said>, ParametersError> {
        let Some(bytes) = self.bytes(repo, at)? else { return Ok(None) };
        let broken = |source| ParametersError::Load { path: self.shown(), place: at.place(), source };
        Said::of(self.syntax, &bytes).map(Some).map_err(broken)
    }

    /// The value at a dotted path.
    ///
    /// # Errors
    /// It cannot be read, or has no such key.
    pub fn get(&self, repo: &Repo, at: &At, key: &str) -> Result<Parameter, ParametersError> {
        let absent = || ParametersError::Absent { path: self.shown(), place: at.place() };
        let said = self.said(repo, at)?.ok_or_else(absent)?;
        match said.tree.get(key) {
            Some(found) => Ok(said.parameter(key, found)),
            None => {
                let known = said.tree.leaves().into_iter().map(|(path, _)| path).collect();
                Err(ParametersError::NoKey { path: self.shown(), key: key.to_owned(), known })
            }
        }
    }

    /// Sets values in the work tree, all or none. Returns what has changed.
    ///
    /// # Errors
    /// It cannot be read, edited or written; then it is as it was.
    pub fn set(&self, repo: &Repo, values: &[(String, String)], how: As) -> Result<Vec<Difference>, ParametersError> {
        let absent = || ParametersError::Absent { path: self.shown(), place: String::new() };
        let (Some(old), Some(here)) = (self.bytes(repo, &At::WorkTree)?, &self.here) else { return Err(absent()) };
        let failed = |source| ParametersError::Edit { path: self.shown(), source };
        let mut new = old.clone();
        for (path, value) in values {
            new = edit::set(self.syntax, &new, path, value, how).map_err(failed)?;
        }
        let [before, after] =
            [&old, &new].map(|bytes| Said::of(self.syntax, bytes).map_err(|error| failed(error.into())));
        if new != old {
            write(here, &new).map_err(|source| ParametersError::Io { what: "write", path: self.shown(), source })?;
        }
        Ok(differences(&before?, &after?))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_whole::<io::Error>(path, |mut file| file.write_all(bytes))
}

impl At {
    fn place(&self) -> String {
        match self {
            Self::WorkTree => String::new(),
            Self::Commit(_, name) => name.clone(),
        }
    }
}

/// `PATH=VALUE`, taken apart.
pub fn assignment(word: &OsStr) -> Option<(String, String)> {
    let (path, value) = std::str::from_utf8(word.as_bytes()).ok()?.split_once('=')?;
    (!path.is_empty()).then(|| (path.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        assert_eq!(assignment(OsStr::new("a.b=c=d")), Some(("a.b".into(), "c=d".into())));
        assert_eq!([assignment(OsStr::new("a")), assignment(OsStr::new("=1"))], [None, None]);
    }
}
