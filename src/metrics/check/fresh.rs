//! Whether metrics were computed from the weights that are committed with them.
//!
//! Who evaluates a model can write down which files it was: under `git-model` in the metrics file, each path with the SHA-256
//! of the text that git keeps for it.

use super::version::{Version, paths};
use crate::git::changes::Changed;
use crate::git::{GitError, Repo};
use crate::metrics::fresh::{KEY, WEIGHTS, digest_of};
use crate::metrics::gate::Freshness;
use crate::metrics::policy::Model;
use crate::params::load::Tree;

pub fn freshness(
    repo: &Repo,
    version: &Version,
    model: &Model,
    metrics: &Tree,
    changed: &[Changed],
) -> Result<Freshness, GitError> {
    let mut recorded = Vec::new();
    if let Some(Tree::Map(members)) = metrics.get(KEY).and_then(|record| record.get(WEIGHTS)) {
        for (path, digest) in members.iter().filter(|(path, _)| model.has_weights(path)) {
            let Tree::Text(digest) = digest else { continue };
            let is_same = match version.blob(repo, path)? {
                Some(blob) => *digest == digest_of(&repo.blob(blob)?),
                None => false,
            };
            if !is_same {
                return Ok(Freshness::Stale(format!("the metrics are of another version of `{path}`")));
            }
            recorded.push(path.as_str());
        }
    }
    let touched: Vec<_> = paths(changed).filter(|path| model.has_weights(path)).collect();
    let Some(path) = touched.iter().find(|path| !recorded.contains(&&***path)) else { return Ok(Freshness::Fresh) };
    let has_new_metrics = paths(changed).any(|path| model.metrics.as_deref() == Some(&*path));
    Ok(if has_new_metrics {
        Freshness::Unknown
    } else {
        Freshness::Stale(format!("`{path}` has changed and the metrics have not"))
    })
}
