//! A merge that takes the sizes of a network from one side and the shapes of its weights from the other.
//!
//! Both files are merged without a conflict then, each by itself, and do not fit each other: `vocab_size` has grown on one
//! side, the embeddings have on the other.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;

use super::params;
use crate::git::changes::{self, Content, Versions};
use crate::git::{BlobId, Git, GitError, Repo, merging, revision, shown};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::params::Syntax;

/// The files that a side has changed: what the common ancestor has, and what the side has.
type Changes = HashMap<Vec<u8>, (BlobId, BlobId)>;

/// A warning for each pair of a parameter file and a model, changed on different sides, of which the one tells sizes and
/// the other has new shapes. None where no two branches are being merged.
///
/// # Errors
/// What git cannot say.
pub fn warnings(repo: &Repo) -> Result<Vec<String>, GitError> {
    let [theirs] = &merging::commits(repo)[..] else { return Ok(Vec::new()) };
    let (ours, theirs) = (OsStr::new("HEAD"), OsStr::new(theirs));
    let Some(base) = revision::merge_base(ours, theirs)? else { return Ok(Vec::new()) };
    let (ours, theirs) = (changed(&base, ours)?, changed(&base, theirs)?);
    let mut warnings = Vec::new();
    for (names, mine, others) in [("our", &ours, &theirs), ("their", &theirs, &ours)] {
        let grown = reshaped(repo, others, mine)?;
        if grown.is_empty() {
            continue;
        }
        for (path, sizes) in sized(repo, mine, others)? {
            let files: Vec<String> = grown.iter().map(|path| format!("`{}`", shown(path))).collect();
            let other = if names == "our" { "their" } else { "our" };
            warnings.push(format!(
                "{sizes} in `{}` is of {names} side, the shapes in {} of {other} side: see that they fit together",
                shown(&path),
                files.join(", ")
            ));
        }
    }
    Ok(warnings)
}

fn changed(base: &OsStr, side: &OsStr) -> Result<Changes, GitError> {
    let files = changes::changed_files(&Versions::Commits(base.to_owned(), side.to_owned()), &[])?;
    Ok(files
        .into_iter()
        .filter_map(|changed| match (changed.old, changed.new) {
            (Content::Blob(old), Content::Blob(new)) => Some((changed.path, (old, new))),
            _ => None,
        })
        .collect())
}

/// The parameter files in which `mine` has changed sizes that `others` have not, with those.
fn sized(repo: &Repo, mine: &Changes, others: &Changes) -> Result<Vec<(Vec<u8>, String)>, GitError> {
    let listed = Git::new(["ls-files", "-z", "--full-name", "--", ":(top,attr:merge=model-params)"]).output()?;
    let listed: HashSet<&[u8]> = listed.split(|&byte| byte == 0).collect();
    let mut sized = Vec::new();
    for (path, &(old, new)) in mine.iter().filter(|(path, _)| listed.contains(&path[..])) {
        let Some(syntax) = Syntax::of(&shown(path)) else { continue };
        let (base, mine) = (repo.blob(old)?, repo.blob(new)?);
        let others = others.get(path).map_or_else(|| Ok(base.clone()), |&(_, other)| repo.blob(other))?;
        let sizes = params::sizes_changed(syntax, &base, &mine, &others);
        if !sizes.is_empty() {
            sized.push((path.clone(), sizes.join(", ")));
        }
    }
    sized.sort_unstable();
    Ok(sized)
}

/// The models in which `mine` has other shapes and `others` have those there were.
fn reshaped(repo: &Repo, mine: &Changes, others: &Changes) -> Result<Vec<Vec<u8>>, GitError> {
    let mut reshaped = Vec::new();
    for (path, &(old, new)) in mine {
        let (Some(base), Some(new)) = (manifest(repo, old)?, manifest(repo, new)?) else { continue };
        let other = others.get(path).map_or(Ok(None), |&(_, other)| manifest(repo, other))?;
        if has_other_shapes(&base, &new) && !other.is_some_and(|other| has_other_shapes(&base, &other)) {
            reshaped.push(path.clone());
        }
    }
    reshaped.sort_unstable();
    Ok(reshaped)
}

/// Whether a tensor that both have has another shape, or tensors have come or gone.
fn has_other_shapes(base: &Manifest, new: &Manifest) -> bool {
    let shapes = |manifest: &Manifest| -> HashMap<String, Vec<u64>> {
        manifest.tensors().iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect()
    };
    shapes(base) != shapes(new)
}

fn manifest(repo: &Repo, blob: BlobId) -> Result<Option<Manifest>, GitError> {
    Ok(repo.blob_up_to(blob, BYTES_MAX)?.and_then(|text| Manifest::parse(&text).ok()))
}
