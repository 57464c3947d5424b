//! Which files of a work tree are models: those that git's attributes send through our filter.
//!
//! Links and submodules are none, whatever their names: git does not ask a filter about them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::Context;
use super::pending::Pending;
use crate::git::status::FILE_MODE;
use crate::git::{BlobId, Git, GitError};
use crate::manifest::{BYTES_MAX, Manifest, PREFIX};

/// A file of the index with the attribute `filter=model`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The path from the top of the work tree.
    pub path: Vec<u8>,
    /// What the index has for it.
    pub blob: BlobId,
}

/// The tracked models, those within `paths` if there are any. Paths are relative to the current folder.
pub fn tracked(paths: &[OsString]) -> Result<Vec<Tracked>, GitError> {
    let mut git = Git::new(["ls-files", "-z", "--stage", "--full-name", "--"]);
    if paths.is_empty() {
        git = git.arg(":(top,attr:filter=model)");
    }
    for path in paths {
        git = git.arg(pathspec(path));
    }
    let listing = git.output()?;
    listing.split(|&byte| byte == 0).filter(|line| line.starts_with(FILE_MODE)).map(parse).collect()
}

/// What the user typed as git's name for the models in it; with magic of the user's own, such as `:/` for the top.
fn pathspec(typed: &OsStr) -> OsString {
    const MAGIC: &[u8] = b"attr:filter=model";
    let bytes = typed.as_bytes();
    let (magic, rest): (&[u8], _) = match (bytes.strip_prefix(b":("), bytes.strip_prefix(b":/")) {
        (Some(rest), _) => (b",", rest),
        (None, Some(rest)) => (b",top)", rest),
        (None, None) => (b")", bytes),
    };
    OsString::from_vec([b":(", MAGIC, magic, rest].concat())
}

/// The first of `paths` that no tracked model is meant by.
pub fn first_unmatched(paths: &[OsString]) -> Result<Option<&OsString>, GitError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let all = Git::new(["ls-files", "--error-unmatch", "--"]).args(paths.iter().map(|path| pathspec(path)));
    if all.answer()?.is_some() {
        return Ok(None);
    }
    for path in paths {
        if tracked(std::slice::from_ref(path))?.is_empty() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The current folder, from the top of the work tree: empty there, else with a slash at its end.
pub fn current_folder() -> Result<Vec<u8>, GitError> {
    let mut prefix = Git::new(["rev-parse", "--show-prefix"]).output()?;
    prefix.pop_if(|last| *last == b'\n');
    Ok(prefix)
}

/// A path from the top of the work tree as one from `folder`, see [`current_folder`].
pub fn relative(path: &[u8], folder: &[u8]) -> Vec<u8> {
    let same = path.iter().zip(folder).take_while(|(here, there)| here == there).count();
    let shared = folder[..same].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let up = folder[shared..].iter().filter(|&&byte| byte == b'/').count();
    [&b"../".repeat(up), &path[shared..]].concat()
}

/// `<mode> <blob> <stage>\t<path>`
fn parse(line: &[u8]) -> Result<Tracked, GitError> {
    let broken = || GitError::Read {
        what: "the list of files".into(),
        why: format!("unexpected line `{}`", String::from_utf8_lossy(line)),
    };
    let tab = line.iter().position(|&byte| byte == b'\t').ok_or_else(broken)?;
    let head = std::str::from_utf8(&line[..tab]).map_err(|_| broken())?;
    let blob = head.split(' ').nth(1).ok_or_else(broken)?.parse()?;
    Ok(Tracked { path: line[tab + 1..].to_vec(), blob })
}

/// The tracked models that git has as they are, not as manifests.
pub fn raw(context: &Context) -> Result<Vec<Vec<u8>>, GitError> {
    let mut raw = Vec::new();
    for model in tracked(&[])? {
        let len = context.repo.blob_len(model.blob)?;
        if len > BYTES_MAX || (len > 0 && !Manifest::looks_like(&context.repo.blob(model.blob)?)) {
            raw.push(model.path);
        }
    }
    raw.dedup();
    Ok(raw)
}

/// The tracked models whose files hold a manifest.
pub fn unmaterialized(context: &Context, paths: &[OsString]) -> Result<Vec<Pending>, GitError> {
    let mut pending = Vec::new();
    for model in tracked(paths)? {
        if let Some(text) = manifest_in_place(context, &model.path) {
            pending.push(Pending { manifest: context.repo.hash_blob(&text)?, path: model.path });
        }
    }
    // A file in conflict is listed once for each side.
    pending.dedup();
    Ok(pending)
}

/// The manifest that stands in the work tree in place of the file, if one does.
pub fn manifest_in_place(context: &Context, path: &[u8]) -> Option<Vec<u8>> {
    manifest_at(&context.file_path(path)?)
}

/// The manifest in this file, if it holds one.
pub fn manifest_at(file_path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::symlink_metadata(file_path).ok()?;
    if !metadata.is_file() || metadata.len() > BYTES_MAX {
        return None;
    }
    let mut file = File::open(file_path).ok()?;
    let mut text = vec![0; PREFIX.len()];
    file.read_exact(&mut text).ok()?;
    if !Manifest::looks_like(&text) {
        return None;
    }
    file.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    Manifest::parse(&text).is_ok().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_the_current_folder() {
        let cases = [
            ("a/b", "", "a/b"),
            ("a/b", "a/", "b"),
            ("ab/c", "a/", "../ab/c"),
            ("c", "a/b/", "../../c"),
            ("a/bc/d", "a/b/", "../bc/d"),
        ];
        for (path, folder, expected) in cases {
            assert_eq!(relative(path.as_bytes(), folder.as_bytes()), expected.as_bytes(), "{path} from {folder}");
        }
    }
}
