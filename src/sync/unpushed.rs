//! How many bytes a push of the current branch would move.
//!
//! **Limitations.** An estimate: what the remote's other branches have counts as new, as does what another remote has.
//! Paths that are no models any more by today's attributes are left out.

use std::collections::BTreeMap;

use crate::git::{BlobId, GitError, Repo, attributes, unpushed};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::store::{Measure, Store};

/// What there is to move.
#[derive(Debug, Default)]
pub struct Unpushed {
    /// Stored bytes, by the path that needs them first.
    pub bytes_by_path: BTreeMap<Vec<u8>, u64>,
    /// No remote is known to have anything.
    pub is_everything: bool,
}

impl Unpushed {
    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.bytes_by_path.values().sum()
    }
}

/// Adds up the objects of manifests that no remote-tracking ref reaches, without those of the commits they stand on.
pub fn measure(repo: &Repo, store: &Store) -> Result<Unpushed, GitError> {
    let unpushed = unpushed::unpushed()?;
    let mut measure = Measure::new(store);
    for (_, manifest) in manifests(repo, &unpushed.known)? {
        manifest.objects().for_each(|object| {
            measure.add(&object);
        });
    }
    let mut bytes_by_path = BTreeMap::new();
    for (path, manifest) in manifests(repo, &unpushed.new)? {
        let bytes: u64 = manifest.objects().map(|object| measure.add(&object)).sum();
        *bytes_by_path.entry(path).or_default() += bytes;
    }
    Ok(Unpushed { bytes_by_path, is_everything: unpushed.is_everything })
}

/// Those blobs that are manifests, of paths that are models.
fn manifests(repo: &Repo, blobs: &[(BlobId, Vec<u8>)]) -> Result<Vec<(Vec<u8>, Manifest)>, GitError> {
    let Some(top) = repo.work_dir() else { return Ok(Vec::new()) };
    let paths: Vec<&[u8]> = blobs.iter().map(|(_, path)| &path[..]).collect();
    let mut manifests = Vec::new();
    for ((blob, path), attributes) in blobs.iter().zip(attributes::check_in(&top, &paths)?) {
        if attributes.is_filtered()
            && repo.is_blob(*blob)?
            && repo.blob_len(*blob)? <= BYTES_MAX
            && let Ok(manifest) = Manifest::parse(&repo.blob(*blob)?)
        {
            manifests.push((path.clone(), manifest));
        }
    }
    Ok(manifests)
}
