//! What must be kept: the objects named by every manifest that git can still bring back.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::gc::Roots;
use super::lineage::{self, Step};
use crate::git::{BlobId, GitError, reachable};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Manifest, PREFIX, ParseError, VERSION};

/// Why it cannot be told what must be kept.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Git's history cannot be walked to its end.
    #[error("git's history cannot be read as a whole, so nothing may be deleted: {0}")]
    Git(#[from] GitError),
    /// A manifest of a newer git-model names objects in a way this one does not know.
    #[error("blob {blob} is {source}, so nothing may be deleted; update git-model (`git show {blob}` prints it)")]
    Unreadable {
        /// The manifest.
        blob: BlobId,
        /// What is the matter with it.
        source: ParseError,
    },
}

/// A manifest in git's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Its blob.
    pub blob: BlobId,
    /// What it says; or why it is not whole, which happens where people edit or merge by hand.
    pub manifest: Result<Manifest, ParseError>,
    /// Every object it names; `None` if it is of a kind that this program cannot tell them from.
    pub objects: Option<HashSet<ObjectId>>,
}

/// What git's history needs: every object of every manifest in it.
pub struct History {
    common_dir: PathBuf,
}

impl History {
    /// The history of the repository with this folder, which all its work trees share.
    pub const fn new(common_dir: PathBuf) -> Self {
        Self { common_dir }
    }
}

impl Roots for History {
    fn for_each(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<(), RootsError> {
        for_each_manifest(&self.common_dir, &mut |kept| match (kept.objects, kept.manifest) {
            (Some(objects), _) => {
                objects.into_iter().for_each(&mut *visit);
                Ok(())
            }
            (None, Err(source)) => Err(RootsError::Unreadable { blob: kept.blob, source }),
            (None, Ok(_)) => Ok(()),
        })
    }

    fn steps(&self, visit: &mut dyn FnMut(Step)) -> Result<(), RootsError> {
        lineage::steps(&self.common_dir, visit)
    }

    fn commands_at_work(&self) -> Vec<PathBuf> {
        reachable::index_locks(&self.common_dir)
    }
}

/// Calls `visit` with every manifest that git can still bring back.
///
/// A broken text of this version counts with everything in it that looks like an object's name.
///
/// # Errors
/// A history that cannot be walked completely, and those of `visit`.
pub fn for_each_manifest(
    common_dir: &Path,
    visit: &mut dyn FnMut(Kept) -> Result<(), RootsError>,
) -> Result<(), RootsError> {
    reachable::blobs_starting_with(common_dir, PREFIX, BYTES_MAX, |blob, text| visit(read(blob, text)))
}

/// The blobs of all manifests that git can still bring back and that can be read.
///
/// # Errors
/// A history that cannot be walked completely.
pub fn readable_manifests(common_dir: &Path) -> Result<HashSet<BlobId>, RootsError> {
    let mut manifests = HashSet::new();
    for_each_manifest(common_dir, &mut |kept| {
        if kept.manifest.is_ok() {
            manifests.insert(kept.blob);
        }
        Ok(())
    })?;
    Ok(manifests)
}

fn read(blob: BlobId, text: &[u8]) -> Kept {
    let manifest = Manifest::parse(text);
    let objects = match &manifest {
        Ok(manifest) => Some(manifest.objects().collect()),
        Err(_) if is_of_another_kind(text) => None,
        Err(_) => Some(names_in(text)),
    };
    Kept { blob, manifest, objects }
}

/// Whether the first line is a whole header, but not one whose objects' names stand in the text as we know them.
fn is_of_another_kind(text: &[u8]) -> bool {
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Value>(first)
        .is_ok_and(|header| header["git-model"].as_u64() != Some(VERSION) || header.get("key").is_some())
}

fn names_in(text: &[u8]) -> HashSet<ObjectId> {
    text.split(|byte| !byte.is_ascii_alphanumeric())
        .filter(|word| word.len() == 64)
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob() -> BlobId {
        "1234567890123456789012345678901234567890".parse().expect("a name")
    }

    #[test]
    fn a_text_broken_by_a_merge_keeps_both_sides() {
        let (a, b) = (ObjectId::of(b"a"), ObjectId::of(b"b"));
        let text = format!(
            "{{\"git-model\":1,\"format\":\"opaque\",\"size\":1}}\n<<<<<<<\n{{\"sha256\":\"{a}\"}}\n=======\n{{\"sha256\":\"{b}\"}}\n"
        );
        let kept = read(blob(), text.as_bytes());
        assert!(kept.manifest.is_err());
        assert_eq!(kept.objects, Some(HashSet::from([a, b])));
        assert_eq!(read(blob(), &text.as_bytes()[..20]).objects, Some(HashSet::new()));
    }

    #[test]
    fn of_other_versions_no_object_can_be_told() {
        for text in
            ["{\"git-model\":2}\n", "{\"git-model\":\"x\"}", "{\"git-model\":1,\"format\":\"x\",\"key\":\"k\"}\n"]
        {
            assert_eq!(read(blob(), text.as_bytes()).objects, None, "{text}");
        }
    }
}
