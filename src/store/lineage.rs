//! The order in which versions follow each other: from the tips of branches back, each with the version that came after.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::roots::{self, RootsError};
use crate::git::{BlobId, Repo, log};
use crate::manifest::Manifest;

/// Manifests held at a time: neighbours are asked for again soon.
const HELD_MAX: usize = 3;

/// A version of a model.
pub struct Step {
    /// What it consists of.
    pub version: Arc<Manifest>,
    /// A version that was a step before and is likely to be much like it.
    pub like: Option<Arc<Manifest>>,
    /// A branch's tip has it.
    pub is_tip: bool,
}

/// Calls `visit` with every version that commits have: first the tips of branches, then what came before them, newest
/// first. A version may come more than once, with other neighbours.
///
/// # Errors
/// A history that cannot be walked.
pub fn steps(common_dir: &Path, visit: &mut dyn FnMut(Step)) -> Result<(), RootsError> {
    let manifests = roots::readable_manifests(common_dir)?;
    let mut walk =
        Walk { repo: Repo::open(common_dir)?, held: Vec::new(), seen: HashSet::new(), first: HashMap::new() };
    for (path, blob) in log::tips(common_dir)? {
        if manifests.contains(&blob) {
            walk.begin(&path, blob, true, visit);
        }
    }
    let mut changes = Vec::new();
    log::walk(common_dir, |commit| {
        let of_models = commit.changes.into_iter().filter_map(|change| Some((change.path, change.new?, change.old)));
        changes.extend(of_models.filter(|(_, new, _)| manifests.contains(new)));
    })?;
    for (path, new, old) in changes {
        walk.begin(&path, new, false, visit);
        if let Some(old) = old.filter(|old| manifests.contains(old)) {
            walk.visit(old, Some(new), false, visit);
        }
    }
    Ok(())
}

struct Walk {
    repo: Repo,
    held: Vec<(BlobId, Arc<Manifest>)>,
    seen: HashSet<BlobId>,
    /// The first version seen at each path.
    first: HashMap<Vec<u8>, BlobId>,
}

impl Walk {
    /// A version with no newer one, unless it was seen.
    fn begin(&mut self, path: &[u8], blob: BlobId, is_tip: bool, visit: &mut dyn FnMut(Step)) {
        if !self.seen.contains(&blob) {
            self.visit(blob, self.first.get(path).copied(), is_tip, visit);
        }
        self.first.entry(path.to_owned()).or_insert(blob);
    }

    fn visit(&mut self, blob: BlobId, like: Option<BlobId>, is_tip: bool, visit: &mut dyn FnMut(Step)) {
        self.seen.insert(blob);
        let like = like.filter(|like| *like != blob).and_then(|like| self.manifest(like));
        if let Some(version) = self.manifest(blob) {
            visit(Step { version, like, is_tip });
        }
    }

    /// One that cannot be read has no part in this; its objects are dealt with as those that no version names.
    fn manifest(&mut self, blob: BlobId) -> Option<Arc<Manifest>> {
        if let Some(at) = self.held.iter().position(|(held, _)| *held == blob) {
            let found = self.held.remove(at);
            self.held.push(found);
        } else {
            let manifest = Manifest::parse(&self.repo.blob(blob).ok()?).ok()?;
            if self.held.len() == HELD_MAX {
                self.held.remove(0);
            }
            self.held.push((blob, Arc::new(manifest)));
        }
        self.held.last().map(|(_, manifest)| Arc::clone(manifest))
    }
}
