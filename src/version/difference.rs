//! The metrics of two versions side by side, each version a commit or the work tree.

use std::ffi::{OsStr, OsString};
use std::io::Read;

use super::models::Model;
use super::values::{self, Values};
use crate::git::history::{CommitId, History};
use crate::git::{GitError, revision};
use crate::metrics::check::METRICS_BYTES_MAX;
use crate::metrics::policy::Goal;
use crate::params::Syntax;
use crate::worktree::Context;

/// A version of all files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// The files as they are now.
    WorkTree,
    /// A commit, and how it is called.
    Commit(String, CommitId),
}

impl Side {
    /// A commit.
    ///
    /// # Errors
    /// No such revision.
    pub fn commit(name: &OsStr) -> Result<Self, GitError> {
        let text = name.to_string_lossy().into_owned();
        match revision::commit(name)? {
            Some(id) => Ok(Self::Commit(text, id)),
            None => Err(GitError::NoRevision(text)),
        }
    }

    /// The two sides that a user means by `names`: none is `HEAD` and the work tree, one (that is no range) is that commit and
    /// the work tree.
    ///
    /// # Errors
    /// No such revision.
    pub fn pair(names: &[OsString]) -> Result<(Self, Self), GitError> {
        match names {
            [] => Ok((Self::commit(OsStr::new("HEAD"))?, Self::WorkTree)),
            [one] => match revision::range(one)? {
                Some((from, to)) => Ok((Self::commit(&from)?, Self::commit(&to)?)),
                None => Ok((Self::commit(one)?, Self::WorkTree)),
            },
            [one, other, ..] => Ok((Self::commit(one)?, Self::commit(other)?)),
        }
    }

    /// How it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::WorkTree => "work tree",
            Self::Commit(name, _) => name,
        }
    }

    /// The commit, if it is one.
    pub const fn id(&self) -> Option<CommitId> {
        match self {
            Self::WorkTree => None,
            Self::Commit(_, id) => Some(*id),
        }
    }

    /// What the file of metrics at `path`, from the top, says in it; `None` if there is no such file.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn metrics(&self, context: &Context, path: &str) -> Result<Option<Values>, GitError> {
        let Some(syntax) = Syntax::of(path) else {
            return Ok(Some(Err("it is neither JSON nor YAML nor TOML".into())));
        };
        match self {
            Self::WorkTree => Ok(file(context, path, syntax)),
            Self::Commit(_, id) => {
                let Some(blob) = History::new(&context.repo)?.blob_at(*id, path.as_bytes())? else { return Ok(None) };
                let bytes = context.repo.blob_up_to(blob, METRICS_BYTES_MAX)?;
                Ok(Some(match bytes {
                    Some(bytes) => values::numbers(&bytes, syntax),
                    None => Err(values::too_long(context.repo.blob_len(blob)?)),
                }))
            }
        }
    }
}

fn file(context: &Context, path: &str, syntax: Syntax) -> Option<Values> {
    let path = context.file_path(path.as_bytes())?;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
    };
    let whole = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    Some(match file.take(METRICS_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Err(error) => Err(error.to_string()),
        Ok(len) if len as u64 > METRICS_BYTES_MAX => Err(values::too_long(whole.max(len as u64))),
        Ok(_) => values::numbers(&bytes, syntax),
    })
}

/// A metric in two versions.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The model.
    pub model: String,
    /// The metric's dotted path.
    pub metric: String,
    /// In the old version.
    pub old: Option<f64>,
    /// In the new one.
    pub new: Option<f64>,
    /// Whether the new one is better, if a gate tells what that is and they differ.
    pub is_better: Option<bool>,
}

impl Row {
    /// The new value less the old one.
    pub fn change(&self) -> Option<f64> {
        Some(self.new? - self.old?).filter(|change| change.is_finite())
    }

    /// The change in percent of the old value.
    pub fn percent(&self) -> Option<f64> {
        let (change, old) = (self.change()?, self.old?);
        Some(100.0 * (change / old.abs())).filter(|percent| percent.is_finite())
    }

    /// Whether both have the same value; NaN is the same as NaN.
    pub fn is_same(&self) -> bool {
        match (self.old, self.new) {
            (Some(old), Some(new)) => old == new || (old.is_nan() && new.is_nan()),
            (None, None) => true,
            _ => false,
        }
    }
}

/// The metrics of a model in two versions: in the order of the new one, those that are gone at the end.
pub fn rows(model: &Model, old: &[(String, f64)], new: &[(String, f64)]) -> Vec<Row> {
    let gone = old.iter().filter(|(name, _)| values::get(new, name).is_none());
    let row = |(name, _): &(String, f64)| {
        let (old, new) = (values::get(old, name), values::get(new, name));
        let mut row = Row { model: model.name.clone(), metric: name.clone(), old, new, is_better: None };
        if let (Some(old), Some(new), Some(rule), false) = (old, new, model.rule(name), row.is_same()) {
            row.is_better = Some(is_better(rule.goal, new, old));
        }
        row
    };
    new.iter().chain(gone).map(row).collect()
}

fn is_better(goal: Goal, new: f64, old: f64) -> bool {
    goal.is_better(new, old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_numbers_and_percent() {
        let model = Model::default();
        let values =
            |pairs: &[(&str, f64)]| pairs.iter().map(|&(name, value)| (name.to_owned(), value)).collect::<Vec<_>>();
        let old = values(&[("a", 2.0), ("gone", 1.0), ("zero", 0.0), ("nan", f64::NAN), ("negative", -4.0)]);
        let new = values(&[("b", 1.0), ("a", 3.0), ("zero", 1.0), ("nan", f64::NAN), ("negative", -5.0)]);
        let rows = rows(&model, &old, &new);
        let told: Vec<_> =
            rows.iter().map(|row| (row.metric.as_str(), row.change(), row.percent(), row.is_same())).collect();
        assert_eq!(
            told,
            [
                ("b", None, None, false),
                ("a", Some(1.0), Some(50.0), false),
                ("zero", Some(1.0), None, false),
                ("nan", None, None, true),
                ("negative", Some(-1.0), Some(-25.0), false),
                ("gone", None, None, false),
            ]
        );
    }
}
