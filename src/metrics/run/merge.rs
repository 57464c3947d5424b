//! The branch of a run, and its merge into another one if the model is better than there.

use super::better::{Answer, Pair, compare};
use super::steps::{self, Head, Steps};
use super::{Request, RunError};
use crate::git::history::CommitId;
use crate::git::{Git, GitError, Repo, merging};
use crate::metrics::check::{self, version::Version};
use crate::metrics::gate::Metrics;
use crate::metrics::policy::{Model, Policy};
use crate::params::load::Tree;

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was made, because of these metrics.
    Merged {
        /// The merge.
        commit: CommitId,
        /// What is better.
        better: String,
    },
    /// The metrics do not ask for it.
    NotBetter(String),
    /// Git, a gate or another hook did not let it through; why. Nothing of it is left.
    Refused(&'static str),
}

/// Whether branch and merge can be made, before anything is run.
///
/// # Errors
/// What stands against it.
pub fn allowed(repo: &Repo, request: &Request, head: &Head) -> Result<(), RunError> {
    if !request.no_commit
        && let Some(what) = steps::unfinished(repo)?
    {
        return Err(RunError::Unfinished(what));
    }
    if let Some(branch) = &request.branch {
        if head.commit.is_none() {
            return Err(RunError::Unborn);
        }
        if !steps::is_branch_name(branch)? {
            return Err(RunError::BranchName(branch.clone()));
        }
        if steps::branch(branch)?.is_some() {
            return Err(RunError::BranchExists(branch.clone()));
        }
        if steps::is_dirty()? {
            return Err(RunError::Dirty);
        }
    }
    if let Some(target) = &request.merge_into {
        if target.starts_with('-') || steps::branch(target)?.is_none() {
            return Err(RunError::NoTarget(target.clone()));
        }
        let from = request.branch.as_ref().or(head.branch.as_ref());
        if from.is_none_or(|from| from == target) {
            return Err(RunError::NothingToMerge(target.clone()));
        }
    }
    Ok(())
}

/// Merges the branch of a run that has committed, if that is asked for and the model is better; then goes back to where `HEAD`
/// was, or stays on the branch.
///
/// # Errors
/// Git cannot do it; what it could not is said.
pub fn merge(
    repo: &Repo,
    steps: &Steps,
    policy: &Policy,
    models: &[&Model],
    request: &Request,
    start: &Head,
) -> Result<Option<Outcome>, RunError> {
    let here = Head::now(repo)?;
    let outcome = match (&request.merge_into, &here.branch) {
        (Some(target), Some(branch)) => Some(merge_into(repo, steps, policy, models, target, branch)?),
        _ => None,
    };
    let end = if request.stay { &here } else { start };
    if Head::now(repo)?.branch != end.branch && !steps.back_to(end)? {
        return Err(RunError::Step("switch".into()));
    }
    Ok(outcome)
}

fn merge_into(
    repo: &Repo,
    steps: &Steps,
    policy: &Policy,
    models: &[&Model],
    target: &str,
    branch: &str,
) -> Result<Outcome, RunError> {
    let (Some(now), Some(base)) = (steps::branch(branch)?, steps::branch(target)?) else {
        return Err(RunError::NoTarget(target.to_owned()));
    };
    let better = match compare(&pairs(repo, policy, models, (branch, now), (target, base))?) {
        Answer::NotBetter(why) => return Ok(Outcome::NotBetter(why)),
        Answer::Better(better) => better,
    };
    if !steps.git(&["switch", "--quiet", target])? {
        return Ok(Outcome::Refused("git did not switch to the branch to merge into"));
    }
    if steps.git(&["merge", "--quiet", "--no-ff", "--no-edit", branch])? {
        return match steps::branch(target)?.filter(|&commit| commit != base) {
            Some(commit) => Ok(Outcome::Merged { commit, better }),
            None => Ok(Outcome::Refused("there was nothing to merge")),
        };
    }
    let is_conflict = !Git::new(["ls-files", "--unmerged", "-z"]).output()?.is_empty();
    let is_begun = !merging::merged(repo).is_empty();
    if is_begun && !steps.git(&["merge", "--abort"])? {
        return Err(RunError::Step("merge --abort".into()));
    }
    Ok(Outcome::Refused(match (is_conflict, is_begun) {
        (true, _) => "the two branches are in conflict",
        (false, true) => "a gate or another hook refused it",
        (false, false) => "git did not begin it",
    }))
}

/// The metrics that gates name, on both sides.
fn pairs(
    repo: &Repo,
    policy: &Policy,
    models: &[&Model],
    now: (&str, CommitId),
    base: (&str, CommitId),
) -> Result<Vec<Pair>, GitError> {
    let mut pairs: Vec<Pair> = Vec::new();
    for model in models {
        let Some(path) = &model.metrics else { continue };
        let read =
            |(name, id): (&str, CommitId)| check::metrics(repo, &Version::Commit { name: name.to_owned(), id }, path);
        let (now, base) = (read(now)?, read(base)?);
        for rule in policy.metric_rules(&model.name) {
            let pair = Pair {
                name: format!("{} {}", model.name, rule.metric),
                goal: rule.goal,
                now: number(&now, &rule.metric),
                base: number(&base, &rule.metric),
            };
            if !pairs.iter().any(|there| there.name == pair.name) {
                pairs.push(pair);
            }
        }
    }
    Ok(pairs)
}

fn number(metrics: &Metrics, metric: &str) -> Option<f64> {
    match metrics {
        Metrics::Read(tree) => match tree.get(metric) {
            Some(Tree::Number(number)) => Some(*number),
            _ => None,
        },
        Metrics::Absent(_) | Metrics::Unreadable(_) => None,
    }
}
