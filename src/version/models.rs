//! The models of a repository, with the files that belong to them: those that the policy names, or, without a policy, the
//! weight files that are tracked.
//!
//! Without a policy a model is called as its file, without folders and ending, and its metrics are in the file `metrics.json`
//! (or `.yaml`, `.yml`, `.toml`) beside the weights, else at the top.

use std::collections::{HashMap, HashSet};

use crate::git::history::{CommitId, History};
use crate::git::{GitError, Repo, tree};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, CheckError};
use crate::metrics::policy::{self, MetricRule, Policy};
use crate::params::Syntax;
use crate::worktree::{Context, models};

/// Where metrics are looked for without a policy.
const METRICS: [&str; 4] = ["metrics.json", "metrics.yaml", "metrics.yml", "metrics.toml"];
/// Metrics that are shown of a model without gates.
const HEADLINES: usize = 3;

/// A model.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its weight files, from the top.
    pub weights: Vec<String>,
    /// Its file of metrics, from the top.
    pub metrics: Option<String>,
    /// What gates ask of its metrics.
    pub rules: Vec<MetricRule>,
}

/// Why there are no models to speak of.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The policy cannot be read.
    #[error(transparent)]
    Policy(#[from] CheckError),
    /// There is none of this name.
    #[error("there is no model `{name}`")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// One that is called nearly so.
        nearest: Option<String>,
        /// All there are.
        known: Vec<String>,
    },
    /// There is none at all.
    #[error("there are no models")]
    None,
}

impl Model {
    /// The names of the metrics that matter most: those that gates name, else the first ones of a file.
    pub fn headlines(&self, values: &[(String, f64)]) -> Vec<String> {
        let mut named: Vec<String> = Vec::new();
        for rule in &self.rules {
            if !named.contains(&rule.metric) {
                named.push(rule.metric.clone());
            }
        }
        if named.is_empty() {
            named.extend(values.iter().take(HEADLINES).map(|(name, _)| name.clone()));
        }
        named
    }

    /// What a gate asks of a metric.
    pub fn rule(&self, metric: &str) -> Option<&MetricRule> {
        self.rules.iter().find(|rule| rule.metric == metric)
    }

    /// How its metrics are written.
    pub fn syntax(&self) -> Option<Syntax> {
        Syntax::of(self.metrics.as_deref()?)
    }
}

/// The models, as the policy that is staged (in a bare repository: that of `HEAD`) names them; only the one called `wanted`,
/// if one is wanted. `at` are commits whose files count beside those of the work tree.
///
/// # Errors
/// A policy that cannot be read, no such model, no model at all.
pub fn find(context: &Context, at: &[CommitId], wanted: Option<&str>) -> Result<Vec<Model>, ModelsError> {
    let head = History::new(&context.repo)?.head()?;
    let commits: Vec<CommitId> = at.iter().copied().chain(head).collect();
    let mut policy = check::policy(&context.repo, &Version::Index)?;
    if let (None, Some(id)) = (&policy, commits.first()) {
        policy = check::policy(&context.repo, &Version::Commit { name: id.to_string(), id: *id })?;
    }
    let files = Files::list(context, &commits)?;
    let all = match policy {
        Some(policy) if !policy.models.is_empty() => named(&policy, &files),
        _ => files.by_default(),
    };
    match wanted {
        _ if all.is_empty() => Err(ModelsError::None),
        None => Ok(all),
        Some(name) => {
            let known: Vec<String> = all.iter().map(|model| model.name.clone()).collect();
            let nearest = policy::nearest(name, &known).map(str::to_owned);
            let found: Vec<Model> = all.into_iter().filter(|model| model.name == name).collect();
            let name = name.to_owned();
            if found.is_empty() { Err(ModelsError::Unknown { name, nearest, known }) } else { Ok(found) }
        }
    }
}

fn named(policy: &Policy, files: &Files) -> Vec<Model> {
    let model = |model: &policy::Model| {
        let mut weights: Vec<String> = files.all.iter().filter(|path| model.has_weights(path)).cloned().collect();
        // What is a path and no pattern may be of other commits only.
        let is_path = |text: &&str| !text.contains(['*', '?', '[', '{']);
        let paths = model.weights.iter().map(policy::Pattern::as_str).filter(is_path);
        weights.extend(paths.map(str::to_owned));
        weights.sort();
        weights.dedup();
        Model {
            name: model.name.clone(),
            weights,
            metrics: model.metrics.clone(),
            rules: policy.metric_rules(&model.name).cloned().collect(),
        }
    };
    policy.models.iter().map(model).collect()
}

/// The files that models may consist of.
struct Files {
    all: Vec<String>,
    weights: Vec<String>,
}

impl Files {
    fn list(context: &Context, commits: &[CommitId]) -> Result<Self, GitError> {
        let mut all = Vec::new();
        let mut weights = Vec::new();
        let text = |path: Vec<u8>| String::from_utf8(path).ok();
        let has_work_tree = context.repo.work_dir().is_some();
        if has_work_tree {
            let tracked = models::tracked(&[])?;
            weights.extend(tracked.into_iter().filter_map(|file| text(file.path)));
            all.extend(tree::staged()?.into_iter().filter_map(text));
        }
        for commit in commits.iter().collect::<HashSet<_>>() {
            for file in tree::files(&commit.to_string())? {
                if !has_work_tree && is_manifest(&context.repo, &file)? {
                    weights.extend(text(file.path.clone()));
                }
                all.extend(text(file.path));
            }
        }
        for list in [&mut all, &mut weights] {
            list.sort();
            list.dedup();
        }
        Ok(Self { all, weights })
    }

    fn by_default(&self) -> Vec<Model> {
        let mut count: HashMap<&str, usize> = HashMap::new();
        self.weights.iter().for_each(|path| *count.entry(stem(path)).or_default() += 1);
        let model = |path: &String| {
            let name = stem(path);
            Model {
                name: if count.get(name) == Some(&1) { name.to_owned() } else { path.clone() },
                weights: vec![path.clone()],
                metrics: self.metrics_of(path),
                rules: Vec::new(),
            }
        };
        self.weights.iter().map(model).collect()
    }

    fn metrics_of(&self, weights: &str) -> Option<String> {
        let folder = weights.rfind('/').map_or("", |at| &weights[..=at]);
        let mut places = [folder, ""].into_iter().flat_map(|folder| METRICS.map(|name| format!("{folder}{name}")));
        places.find(|path| self.all.binary_search(path).is_ok())
    }
}

/// A file's name without folders and ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem })
}

fn is_manifest(repo: &Repo, file: &tree::File) -> Result<bool, GitError> {
    Ok(repo.blob_up_to(file.blob, BYTES_MAX)?.is_some_and(|text| Manifest::looks_like(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_found_beside_the_weights_or_at_the_top() {
        let list = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        let files = Files {
            all: list(&["a/metrics.toml", "a/x.bin", "b/x.bin", "b/y.v2.bin", "metrics.yaml"]),
            weights: list(&["a/x.bin", "b/x.bin", "b/y.v2.bin"]),
        };
        let told: Vec<_> = files.by_default().into_iter().map(|model| (model.name, model.metrics)).collect();
        let metrics = |path: &str| Some(path.to_owned());
        assert_eq!(
            told,
            [
                ("a/x.bin".to_owned(), metrics("a/metrics.toml")),
                ("b/x.bin".to_owned(), metrics("metrics.yaml")),
                ("y".to_owned(), metrics("metrics.yaml")),
            ]
        );
    }
}
