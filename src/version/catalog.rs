//! The models of a repository: their latest versions, what is in which stage, how large and how good they are.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;

use super::named::{self, NameError, Named};
use super::release::called;
use crate::git::history::CommitId;
use crate::git::{GitError, Repo, revision};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::metrics::check;
use crate::metrics::gate::Metrics;
use crate::metrics::policy::Policy;
use crate::params::load::Tree;
use crate::registry::Registry;
use crate::registry::lineage::{Lineage, Registered};
use crate::tensor::element_count;

/// A model.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its latest version.
    pub latest: Option<Registered>,
    /// What holds each stage: a version, or a commit that is none.
    pub stages: BTreeMap<String, String>,
    /// Whether the model as a whole is deprecated.
    pub is_deprecated: bool,
    /// How large and how good it is in its latest version, or at `HEAD`; none where neither has it.
    pub facts: Option<Facts>,
}

/// What a commit says of a model.
#[derive(Debug, Default, PartialEq)]
pub struct Facts {
    /// The paths of its weights.
    pub weights: Vec<String>,
    /// Elements of all tensors; none if a file is not divided into tensors.
    pub parameters: Option<u64>,
    /// Bytes of all files.
    pub bytes: u64,
    /// The metric that matters most: that of the first gate, or else the first number there is.
    pub metric: Option<(String, f64)>,
}

/// All models, by their names.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn list(repo: &Repo) -> Result<Vec<Entry>, NameError> {
    let registry = Registry::read(None)?;
    let head = revision::commit(OsStr::new("HEAD"))?;
    let mut names = named::all(repo, &registry)?;
    names.sort();
    let mut catalog = Catalog { repo, head, known: HashMap::new() };
    names.into_iter().map(|name| catalog.entry(&registry.lineage(&name))).collect()
}

struct Catalog<'r> {
    repo: &'r Repo,
    head: Option<CommitId>,
    /// The models of commits that were looked into.
    known: HashMap<CommitId, Vec<Named>>,
}

impl Catalog<'_> {
    fn entry(&mut self, lineage: &Lineage) -> Result<Entry, NameError> {
        let latest = lineage.latest();
        let commit = latest.as_ref().map(|latest| latest.commit).or(self.head);
        let facts = match commit {
            Some(commit) => {
                let models = self.models(commit)?;
                let model = models.iter().find(|model| model.name == lineage.model).cloned();
                model.map(|model| facts(self.repo, &model, commit)).transpose()?
            }
            None => None,
        };
        let stages = lineage.stages().into_iter().map(|(stage, commit)| (stage, held_by(lineage, commit))).collect();
        Ok(Entry { name: lineage.model.clone(), latest, stages, is_deprecated: lineage.is_deprecated(), facts })
    }

    fn models(&mut self, commit: CommitId) -> Result<&[Named], NameError> {
        Ok(match self.known.entry(commit) {
            Occupied(known) => known.into_mut(),
            Vacant(place) => place.insert(named::models(self.repo, commit)?),
        })
    }
}

/// A version without the model's name.
fn held_by(lineage: &Lineage, commit: CommitId) -> String {
    match lineage.version_at(commit) {
        Some(version) => format!("v{}", version.version),
        None => called(lineage, commit),
    }
}

/// What a commit says of a model.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn facts(repo: &Repo, model: &Named, commit: CommitId) -> Result<Facts, NameError> {
    let mut facts = Facts { weights: model.paths(), parameters: Some(0), ..Facts::default() };
    for file in &model.weights {
        let (parameters, bytes) = size(repo, file.blob)?;
        facts.bytes += bytes;
        facts.parameters = facts.parameters.zip(parameters).map(|(sum, more)| sum + more);
    }
    let version = named::version_of(commit);
    if let Some(path) = model.policy.as_ref().and_then(|policy| policy.metrics.as_ref())
        && let Metrics::Read(tree) = check::metrics(repo, &version, path)?
    {
        let policy = check::policy(repo, &version)?.unwrap_or_default();
        facts.metric = headline(&tree, &policy, &model.name);
    }
    Ok(facts)
}

/// The elements and the bytes that a file of weights has.
fn size(repo: &Repo, blob: crate::git::BlobId) -> Result<(Option<u64>, u64), GitError> {
    let len = repo.blob_len(blob)?;
    let manifest = match repo.blob_up_to(blob, BYTES_MAX)? {
        Some(text) => Manifest::parse(&text).ok(),
        None => None,
    };
    let Some(manifest) = manifest else { return Ok((None, len)) };
    let elements = manifest.tensors().iter().map(|tensor| element_count(&tensor.shape).unwrap_or(0)).sum();
    Ok(((!manifest.tensors().is_empty()).then_some(elements), manifest.size))
}

/// The metric of the first gate that asks for one, or else the first number.
fn headline(tree: &Tree, policy: &Policy, model: &str) -> Option<(String, f64)> {
    let number = |path: &str| match tree.get(path) {
        Some(&Tree::Number(number)) => Some((path.to_owned(), number)),
        _ => None,
    };
    let asked = policy.metric_rules(model).find_map(|rule| number(&rule.metric));
    asked.or_else(|| tree.leaves().into_iter().find_map(|(path, _)| number(&path)))
}
