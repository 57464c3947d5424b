//! Which lines of history a user means.

use std::ffi::{OsStr, OsString};

use super::SeriesError;
use crate::git::history::CommitId;
use crate::git::history::walk;
use crate::git::{GitError, revision};

/// A line of history.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// What git is to follow: a revision, a range.
    pub revisions: Vec<OsString>,
}

/// Metrics, and the revision or range that stands behind them, if git knows one by that name and none was given.
///
/// # Errors
/// What git cannot say.
pub fn split(mut metrics: Vec<String>, given: Option<OsString>) -> Result<(Vec<String>, Option<OsString>), GitError> {
    if given.is_some() || metrics.len() < 2 {
        return Ok((metrics, given));
    }
    let last = metrics.pop_if(|last| walk::checked(OsStr::new(last)).is_ok());
    Ok((metrics, last.map(OsString::from)))
}

/// The commits that lines begin with.
///
/// # Errors
/// What git cannot say.
pub fn tips(lines: &[Line]) -> Result<Vec<CommitId>, GitError> {
    let names = lines.iter().flat_map(|line| &line.revisions).map(|name| name.to_string_lossy());
    names.filter(|name| !name.starts_with('^')).map(|name| name.parse()).collect()
}

/// The lines that a user means: the current branch or `given`, and with `is_all` every branch with commits of its own.
///
/// # Errors
/// No such revision, or no commit at all.
pub fn lines(given: Option<&OsStr>, is_all: bool) -> Result<Vec<Line>, SeriesError> {
    let name = match given {
        Some(given) => given.to_string_lossy().into_owned(),
        None => walk::current_branch().unwrap_or_else(|| "HEAD".into()),
    };
    let head = OsStr::new("HEAD");
    if given.is_none() && revision::commit(head)?.is_none() {
        return Err(SeriesError::Unborn);
    }
    let revisions = walk::checked(given.unwrap_or(head))?;
    let mut lines = vec![Line { name, revisions }];
    if is_all {
        let starts = lines[0].revisions.iter().filter(|name| !name.as_encoded_bytes().starts_with(b"^"));
        let not: Vec<OsString> = starts.map(|name| [OsStr::new("^"), name].into_iter().collect()).collect();
        for branch in walk::branches()? {
            if branch.name != lines[0].name {
                let revisions = std::iter::once(branch.commit.to_string().into()).chain(not.clone()).collect();
                lines.push(Line { name: branch.name, revisions });
            }
        }
    }
    Ok(lines)
}
