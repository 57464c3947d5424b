//! Checks manifests: every object they name is there, and as long as they say.

use std::collections::HashMap;

use super::finding::Finding;
use crate::format::Skeleton;
use crate::git::BlobId;
use crate::id::ObjectId;
use crate::manifest::{Content, Manifest};
use crate::store::pack::Kind;
use crate::store::roots::Kept;
use crate::store::{BlockReader, Store};

/// Checks one manifest after another, and remembers what it knows of their objects.
pub struct ManifestChecker {
    store: Store,
    reader: BlockReader,
    /// The length of each object; `None` if it is not there as a whole.
    lens: HashMap<ObjectId, Option<u64>>,
    /// Gaps and gap bytes of each skeleton; `None` if it is none.
    skeletons: HashMap<ObjectId, Option<(usize, u64)>>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl ManifestChecker {
    /// A checker for manifests whose objects are in `store`.
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            reader: BlockReader::new(store),
            lens: HashMap::new(),
            skeletons: HashMap::new(),
            findings: Vec::new(),
        }
    }

    /// Checks a manifest.
    pub fn check(&mut self, kept: Kept) {
        let manifest = match kept.manifest {
            Ok(manifest) => manifest,
            Err(error) => {
                self.findings.push(Finding::NoManifest { blob: kept.blob, why: error.to_string() });
                return;
            }
        };
        let mut is_complete = true;
        for object in manifest.objects() {
            is_complete &= self.len_of(object, kept.blob).is_some();
        }
        if is_complete && let Some(what) = self.mismatch(&manifest, kept.blob) {
            self.findings.push(Finding::Manifest { blob: kept.blob, what });
        }
    }

    /// The object's length; tells once if it is missing.
    fn len_of(&mut self, object: ObjectId, manifest: BlobId) -> Option<u64> {
        if let Some(len) = self.lens.get(&object) {
            return *len;
        }
        let packs = self.store.packs();
        let is_there = |id: &crate::id::BlockId| packs.find(id.as_bytes(), Kind::Block).is_some();
        let recipe = self.store.recipe(&object).ok();
        let len = recipe.filter(|recipe| recipe.blocks.iter().all(|(id, _)| is_there(id))).map(|recipe| recipe.len);
        if len.is_none() {
            self.findings.push(Finding::Missing { object, manifest });
        }
        self.lens.insert(object, len);
        len
    }

    fn mismatch(&mut self, manifest: &Manifest, blob: BlobId) -> Option<String> {
        let (skeleton, tensors) = match &manifest.content {
            Content::Opaque { sha256, .. } => {
                let len = self.len_of(*sha256, blob)?;
                return (len != manifest.size)
                    .then(|| format!("the file has {len} bytes, not the {} it says", manifest.size));
            }
            Content::Model { skeleton, tensors, .. } => (skeleton, tensors),
        };
        let mut total = 0;
        for tensor in tensors {
            let len = self.len_of(tensor.sha256, blob)?;
            if tensor.byte_len() != Some(len) {
                return Some(format!("tensor `{}` has {len} bytes, which is not what its shape needs", tensor.name));
            }
            total += len;
        }
        let Some((gaps, gap_bytes)) = self.skeleton(*skeleton) else {
            return Some(format!("its skeleton {skeleton} cannot be read"));
        };
        if gaps != tensors.len() + 1 {
            return Some(format!("its skeleton has {gaps} gaps for {} tensors", tensors.len()));
        }
        (total + gap_bytes != manifest.size)
            .then(|| format!("the file has {} bytes, not the {} it says", total + gap_bytes, manifest.size))
    }

    fn skeleton(&mut self, id: ObjectId) -> Option<(usize, u64)> {
        if let Some(known) = self.skeletons.get(&id) {
            return *known;
        }
        let object = self.reader.read_object_by_id(&id).ok();
        let skeleton = object.and_then(|object| Skeleton::decode(&object));
        let known = skeleton.map(|skeleton| (skeleton.gap_count(), skeleton.gap_bytes()));
        self.skeletons.insert(id, known);
        known
    }
}
