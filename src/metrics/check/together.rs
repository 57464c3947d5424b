//! Rules across models: which versions must be there, and what must move together.

use semver::VersionReq;

use super::version::{Version, paths};
use super::{CheckError, Question};
use crate::git::changes::Changed;
use crate::git::history::{CommitId, History};
use crate::git::{Repo, revision, tags};
use crate::metrics::gate::{Outcome, Verdict};
use crate::metrics::policy::Model;
use crate::registry::Registry;
use crate::registry::lineage::Event;
use crate::registry::name::TagName;

/// Whether a version of `needed` that will do is in the history of what is judged.
pub fn requires(
    repo: &Repo,
    question: &Question,
    model: &str,
    needed: &str,
    versions: &VersionReq,
) -> Result<Verdict, CheckError> {
    let tip = match question.version {
        Version::Index => History::new(repo)?.head()?,
        Version::Commit { id, .. } => Some(*id),
    };
    let latest = match tip {
        Some(tip) => latest(question, tip, needed)?,
        None => None,
    };
    let (outcome, why) = match &latest {
        Some(latest) if versions.matches(latest) => (Outcome::Passed, format!("the latest is {needed}@v{latest}")),
        Some(latest) => (Outcome::Failed, format!("the latest in this history is {needed}@v{latest}")),
        None => (Outcome::Failed, format!("this history has no version of {needed}; `git model tag {needed} v1.0.0`")),
    };
    Ok(verdict(model.to_owned(), format!("requires {needed}"), versions.to_string(), outcome, Some(why)))
}

/// The latest version of a model among the tags in the history of `tip`, those that are about to be made counted last.
fn latest(question: &Question, tip: CommitId, model: &str) -> Result<Option<semver::Version>, CheckError> {
    let event = |name: &str, commit, seconds| Some(Event { name: TagName::parse(name)?, commit, seconds });
    let mut events = Vec::new();
    for tag in tags::annotated(Some(tip))? {
        events.extend(event(&tag.name, tag.commit, tag.seconds));
    }
    for (name, commit) in question.tags {
        if revision::is_ancestor(*commit, tip)? {
            events.extend(event(name, *commit, i64::MAX));
        }
    }
    Ok(Registry::of(events).lineage(model).latest().map(|latest| latest.version))
}

/// Whether the weights of all these models have changed.
pub fn together(models: &[&Model], changed: &[Changed]) -> Verdict {
    let has_moved = |model: &&&Model| paths(changed).any(|path| model.has_weights(&path));
    let (moved, still): (Vec<&&Model>, Vec<&&Model>) = models.iter().partition(has_moved);
    let names = |models: &[&&Model]| models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(", ");
    let all = models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(" + ");
    let (outcome, why) = if moved.is_empty() || still.is_empty() {
        (Outcome::Passed, None)
    } else {
        (Outcome::Failed, Some(format!("{} changed and {} did not", names(&moved), names(&still))))
    };
    verdict(all, "weights".into(), "together".into(), outcome, why)
}

fn verdict(model: String, metric: String, limit: String, outcome: Outcome, why: Option<String>) -> Verdict {
    Verdict { model, metric, base: None, now: None, limit, outcome, why }
}
