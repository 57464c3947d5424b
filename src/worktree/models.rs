//! Which files of a work tree are models: those that git's attributes send through our filter.
//!
//! Links and submodules are none, whatever their names: git does not ask a filter about them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;

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
        let mut pathspec = OsString::from(":(attr:filter=model)");
        pathspec.push(path);
        git = git.arg(pathspec);
    }
    let listing = git.output()?;
    listing.split(|&byte| byte == 0).filter(|line| line.starts_with(FILE_MODE)).map(parse).collect()
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
    Ok(pending)
}

/// The manifest that stands in the work tree in place of the file, if one does.
pub fn manifest_in_place(context: &Context, path: &[u8]) -> Option<Vec<u8>> {
    let file_path = context.file_path(path)?;
    let metadata = std::fs::symlink_metadata(&file_path).ok()?;
    if !metadata.is_file() || metadata.len() > BYTES_MAX {
        return None;
    }
    let mut file = File::open(&file_path).ok()?;
    let mut text = vec![0; PREFIX.len()];
    file.read_exact(&mut text).ok()?;
    if !Manifest::looks_like(&text) {
        return None;
    }
    file.take(BYTES_MAX).read_to_end(&mut text).ok()?;
    Manifest::parse(&text).is_ok().then_some(text)
}
