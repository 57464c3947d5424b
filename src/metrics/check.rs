//! The gates of what is about to be committed, or of a commit that is there.
//!
//! The policy is read from the same version as the metrics, unless the caller brings one: a server takes that of the branch
//! as it was before.

mod fresh;
mod together;
pub mod version;

use std::ffi::{OsStr, OsString};

use version::Version;

use super::gate::{self, Baseline, Freshness, Metrics, Outcome, Verdict};
use super::policy::{Base, FILE, MetricRule, Model, Policy, Rule};
use crate::git::changes::Changed;
use crate::git::history::CommitId;
use crate::git::{GitError, Repo, revision};
use crate::params::Syntax;
use crate::params::load::{LoadError, load};
use crate::text::Units;

/// A longer metrics file is not read.
pub const METRICS_BYTES_MAX: u64 = 16 << 20;
/// A longer policy is not read.
const POLICY_BYTES_MAX: u64 = 1 << 20;

/// Why gates cannot be judged at all.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The policy cannot be followed.
    #[error("`{FILE}`{}: {source}", if place.is_empty() { String::new() } else { format!(" in {place}") })]
    Policy {
        /// The version it stands in; empty for the index.
        place: String,
        /// What is wrong with it.
        source: LoadError,
    },
    /// A gate names a base that is not there.
    #[error("there is no revision `{revision}` to compare with{}", line.map_or_else(String::new, |line| format!(" (`{FILE}`, line {line})")))]
    NoBase {
        /// As it is written.
        revision: String,
        /// The line of the gate that names it; none if the user did.
        line: Option<usize>,
    },
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Which gates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those of models that have changed since the commit before; all if the policy has.
    Changed,
}

/// What is asked.
pub struct Question<'q> {
    /// The version that is judged.
    pub version: &'q Version,
    /// The policy, if it is not that of the version.
    pub policy: Option<&'q Policy>,
    /// What to compare with, if it is not what each gate says.
    pub base: Option<&'q OsStr>,
    /// Which gates.
    pub scope: Scope,
    /// Tags that are about to be made, and the commits they name: `retriever@v1.2.0`.
    pub tags: &'q [(String, CommitId)],
}

/// What the gates say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// One for each gate and model.
    pub verdicts: Vec<Verdict>,
    /// What is to be said beside.
    pub warnings: Vec<String>,
}

impl Report {
    /// The worst that came out.
    pub fn outcome(&self) -> Outcome {
        self.verdicts.iter().map(|verdict| verdict.outcome).max().unwrap_or(Outcome::Passed)
    }
}

/// The policy of a version; `None` if it has none.
///
/// # Errors
/// One that cannot be read.
pub fn policy(repo: &Repo, version: &Version) -> Result<Option<Policy>, CheckError> {
    let Some(blob) = version.blob(repo, FILE)? else { return Ok(None) };
    let failed = |source| CheckError::Policy { place: version.name().to_owned(), source };
    let Some(bytes) = repo.blob_up_to(blob, POLICY_BYTES_MAX)? else {
        return Err(failed(LoadError { line: None, why: "it is longer than 1 MB".into() }));
    };
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| failed(LoadError { line: None, why: "it is not UTF-8".into() }))?;
    Policy::parse(text).map(Some).map_err(failed)
}

/// Judges the gates of a version. `changed` are the files in which it differs from the commit before.
///
/// # Errors
/// A policy that cannot be read, a base that is not there, what git cannot say. Metrics that cannot be read are no error but
/// a verdict.
pub fn check(repo: &Repo, question: &Question, changed: &[Changed]) -> Result<Report, CheckError> {
    let own = if question.policy.is_none() { policy(repo, question.version)? } else { None };
    let Some(policy) = question.policy.or(own.as_ref()) else { return Ok(Report::default()) };
    let judge = Judge { repo, question, changed, parents: question.version.parents(repo)? };
    let mut report = Report::default();
    for gate in &policy.gates {
        let models: Vec<&Model> = gate.models.iter().filter_map(|name| policy.model(name)).collect();
        let mut asked: Vec<&Model> = models.iter().copied().filter(|model| judge.is_asked(model)).collect();
        if let Rule::Metric(MetricRule { base: Base::Better, .. }) = &gate.rule
            && judge.parents.len() > 1
        {
            // What is as it was on this side may be worse than on the other.
            asked.clone_from(&models);
        }
        match &gate.rule {
            Rule::Metric(rule) => {
                for model in asked {
                    report.verdicts.push(judge.metric(model, rule, gate.line)?);
                }
            }
            Rule::Requires { model, versions } => {
                for asked in asked {
                    report.verdicts.push(together::requires(repo, question, &asked.name, model, versions)?);
                }
            }
            Rule::Together if asked.is_empty() => {}
            Rule::Together => report.verdicts.push(together::together(&models, changed)),
        }
    }
    for model in policy.models.iter().filter(|model| judge.is_asked(model)) {
        if let Freshness::Stale(why) = judge.freshness(model)? {
            let command = if model.evaluate.is_empty() { "evaluate it again" } else { "run `git model eval` again" };
            report.warnings.push(format!("model `{}`: {why}; {command}", model.name));
        }
    }
    Ok(report)
}

struct Judge<'j> {
    repo: &'j Repo,
    question: &'j Question<'j>,
    changed: &'j [Changed],
    /// The commit before; in a merge the one that is merged into, then the others.
    parents: Vec<(String, CommitId)>,
}

impl Judge<'_> {
    fn is_asked(&self, model: &Model) -> bool {
        self.question.scope == Scope::All
            || self.has_changed(|path| path == FILE)
            || self.has_changed(|path| model.has_file(path))
    }

    fn has_changed(&self, is_meant: impl Fn(&str) -> bool) -> bool {
        version::paths(self.changed).any(|path| is_meant(&path))
    }

    fn metric(&self, model: &Model, rule: &MetricRule, line: usize) -> Result<Verdict, CheckError> {
        let now = self.metrics(model, self.question.version)?;
        let mut bases = Vec::new();
        for (name, commit) in self.bases(rule, line)? {
            bases.push(Baseline {
                metrics: self.metrics(model, &Version::Commit { name: name.clone(), id: commit })?,
                name,
            });
        }
        if !self.has_changed(|path| model.has_file(path))
            && [&now]
                .into_iter()
                .chain(bases.iter().map(|base| &base.metrics))
                .all(|metrics| matches!(metrics, Metrics::Absent(_)))
            && !self.question.version.has_file(|path| model.has_weights(path))?
        {
            return Ok(Verdict::unborn(&model.name, rule));
        }
        let freshness = if rule.fresh { self.freshness(model)? } else { Freshness::Fresh };
        Ok(gate::judge(&model.name, rule, &now, &freshness, &bases))
    }

    /// The commits that a gate compares with.
    fn bases(&self, rule: &MetricRule, line: usize) -> Result<Vec<(String, CommitId)>, CheckError> {
        if let Some(asked) = self.question.base {
            return Ok(vec![named(asked, None)?]);
        }
        Ok(match &rule.base {
            Base::Head => self.parents.iter().take(1).cloned().collect(),
            Base::Better => self.parents.clone(),
            Base::Revision(name) => {
                // To git a tag of that name would come first, and whoever may push one could choose what is compared with.
                let branch = OsString::from(format!("refs/heads/{name}"));
                match revision::commit(&branch)? {
                    Some(id) => vec![(name.clone(), id)],
                    None => vec![named(&OsString::from(name), Some(line))?],
                }
            }
        })
    }

    fn metrics(&self, model: &Model, version: &Version) -> Result<Metrics, CheckError> {
        match &model.metrics {
            Some(path) => Ok(metrics(self.repo, version, path)?),
            None => Ok(Metrics::Absent("the model has no metrics file".into())),
        }
    }

    fn freshness(&self, model: &Model) -> Result<Freshness, CheckError> {
        let Metrics::Read(tree) = self.metrics(model, self.question.version)? else { return Ok(Freshness::Unknown) };
        Ok(fresh::freshness(self.repo, self.question.version, model, &tree, self.changed)?)
    }
}

fn named(revision: &OsStr, line: Option<usize>) -> Result<(String, CommitId), CheckError> {
    let name = revision.to_string_lossy().into_owned();
    match revision::commit(revision)? {
        Some(id) => Ok((name, id)),
        None => Err(CheckError::NoBase { revision: name, line }),
    }
}

/// What a version's metrics file at `path` says.
///
/// # Errors
/// What git cannot say.
pub fn metrics(repo: &Repo, version: &Version, path: &str) -> Result<Metrics, GitError> {
    let Some(blob) = version.blob(repo, path)? else { return Ok(Metrics::Absent(version.lacks(path))) };
    let unreadable = |why: String| Metrics::Unreadable(format!("`{path}` cannot be read: {why}"));
    let Some(syntax) = Syntax::of(path) else { return Ok(unreadable("it is neither JSON nor YAML nor TOML".into())) };
    let len = repo.blob_len(blob)?;
    if len > METRICS_BYTES_MAX {
        let (len, max) = (Units::Si.bytes(len), Units::Si.bytes(METRICS_BYTES_MAX));
        return Ok(unreadable(format!("it has {len}, and at most {max} are read")));
    }
    Ok(match load(syntax, &repo.blob(blob)?) {
        Ok(tree) => Metrics::Read(tree),
        Err(error) => unreadable(error.to_string()),
    })
}
