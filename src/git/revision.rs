//! Revisions and paths as users write them: `HEAD~2`, `v1.0`, `main..topic`, `v1.0:model.safetensors`, `../model.safetensors`.
//!
//! Source: `gitrevisions(7)`. Git itself resolves each name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::history::CommitId;
use super::{BlobId, Git, GitError, Repo};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// A commit, a tag of one, or a tree.
    Tree,
    /// A file's content.
    Blob(BlobId),
}

/// What `name` stands for; `None` if git knows nothing by that name.
pub fn look_up(name: &OsStr) -> Result<Option<Named>, GitError> {
    if name.is_empty() || name.as_bytes().starts_with(b"-") {
        return Ok(None);
    }
    let mut input = name.as_bytes().to_vec();
    if input.contains(&b'\n') {
        // A question is one line; its object's name has no more.
        let Some(id) = Git::new(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(name).answer()? else {
            return Ok(None);
        };
        input = id.trim_ascii().to_vec();
    }
    input.push(b'\n');
    let answer = Git::new(["cat-file", "--batch-check=%(objecttype) %(objectname)"]).output_with_input(&input)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(match answer.trim_end().split_once(' ') {
        Some(("commit" | "tag" | "tree", _)) => Some(Named::Tree),
        Some(("blob", id)) => Some(Named::Blob(id.parse()?)),
        _ => None,
    })
}

/// The commit that a revision names; `None` if it names none.
pub fn commit(revision: &OsStr) -> Result<Option<CommitId>, GitError> {
    let mut asked = revision.to_owned();
    asked.push("^{commit}");
    // An option it is not, whatever it looks like; a range is no revision.
    let git = Git::new(["rev-parse", "--verify", "--quiet", "--end-of-options"]).arg(asked);
    match git.output() {
        Ok(name) => String::from_utf8_lossy(&name).trim().parse().map(Some),
        Err(_) => Ok(None),
    }
}

/// `REV:PATH` or `PATH`, taken apart. A file that is there wins over a revision of that name, as a colon is rare in
/// file names but may stand in one.
pub fn split(spec: &OsStr) -> (Option<OsString>, OsString) {
    let bytes = spec.as_bytes();
    match bytes.iter().position(|&byte| byte == b':') {
        Some(at) if !std::path::Path::new(spec).exists() => {
            (Some(OsString::from_vec(bytes[..at].to_vec())), OsString::from_vec(bytes[at + 1..].to_vec()))
        }
        _ => (None, spec.to_owned()),
    }
}

/// The blob that `REV:PATH` names. A relative path is one from the current folder if it starts with `./` or `../`, as
/// git has it, and else from the top, or from the current folder if there is none at the top.
///
/// # Errors
/// No such revision, or no such file in it.
pub fn blob(revision: &OsStr, path: &OsStr) -> Result<BlobId, GitError> {
    let name = |path: &[u8]| OsString::from_vec([revision.as_bytes(), b":", path].concat());
    for path in [path.as_bytes().to_vec(), [b"./", path.as_bytes()].concat()] {
        if let Some(Named::Blob(id)) = look_up(&name(&path))? {
            return Ok(id);
        }
    }
    let revision = revision.to_string_lossy().into_owned();
    if !revision.is_empty() && look_up(OsStr::new(&revision))? != Some(Named::Tree) {
        return Err(GitError::NoRevision(revision));
    }
    Err(GitError::NoSuchFile { path: path.to_string_lossy().into_owned(), revision })
}

/// The two ends of `A..B` (or `A...B`, which starts where both have their last common commit).
pub fn range(text: &OsStr) -> Result<Option<(OsString, OsString)>, GitError> {
    let Some(text) = text.to_str() else { return Ok(None) };
    let end = |name: &str| OsString::from(if name.is_empty() { "HEAD" } else { name });
    if let Some((from, to)) = text.split_once("...") {
        let (from, to) = (end(from), end(to));
        if look_up(&from)?.is_none() || look_up(&to)?.is_none() {
            return Ok(None);
        }
        let base = merge_base(&from, &to)?;
        return Ok(Some((base.ok_or_else(|| GitError::read(text, "the two have no commit in common"))?, to)));
    }
    match text.split_once("..") {
        Some((from, to)) => {
            let (from, to) = (end(from), end(to));
            Ok((look_up(&from)?.is_some() && look_up(&to)?.is_some()).then_some((from, to)))
        }
        None => Ok(None),
    }
}

/// The last commit that both have in common, if there is one.
pub fn merge_base(one: &OsStr, other: &OsStr) -> Result<Option<OsString>, GitError> {
    let base = Git::new(["merge-base"]).arg(one).arg(other).answer()?;
    Ok(base.map(|base| OsString::from_vec(base.trim_ascii().to_vec())))
}

/// Whether `one` is `other` or in its history.
///
/// # Errors
/// Git cannot say.
pub fn is_ancestor(one: CommitId, other: CommitId) -> Result<bool, GitError> {
    let git = Git::new(["merge-base", "--is-ancestor"]).args([one.to_string(), other.to_string()]);
    Ok(git.answer()?.is_some())
}

/// What the user typed in the current folder as git's name for a path: from the top of the work tree.
pub fn path_from_top(repo: &Repo, typed: &OsStr) -> Result<Vec<u8>, GitError> {
    let typed = typed.as_bytes();
    let top = repo.work_dir();
    let below_top = top.as_ref().and_then(|top| typed.strip_prefix(top.as_os_str().as_bytes())?.strip_prefix(b"/"));
    let path = match below_top {
        Some(path) => path.to_vec(),
        None => {
            let mut prefix = Git::new(["rev-parse", "--show-prefix"]).output()?;
            prefix.pop_if(|last| *last == b'\n');
            [prefix.as_slice(), typed].concat()
        }
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Ok(parts.join(&b'/'))
}

/// Whether `typed` stands in the work tree or in the index: then it is a path to git, not a revision.
pub fn is_path(repo: &Repo, typed: &OsStr) -> Result<bool, GitError> {
    let path = path_from_top(repo, typed)?;
    let exists =
        || repo.work_dir().is_some_and(|top| top.join(OsString::from_vec(path.clone())).symlink_metadata().is_ok());
    Ok(!path.is_empty() && (repo.index_blob(&path).is_some() || exists()))
}
