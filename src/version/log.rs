//! The versions of models' weights: when each came, what it changed, how good it is.
//!
//! A version is a commit that changed a weight file against its first parent. Its metrics are those that stood beside it last,
//! before the next version came: they may have been committed later than the weights.

use std::collections::HashMap;
use std::ffi::OsString;

use super::models::Model;
use super::notes::Notes;
use super::tags::{Names, Point, Tags};
use super::values::{self, Reader};
use crate::git::history::History;
use crate::git::history::walk::{self, Step};
use crate::git::{BlobId, GitError};
use crate::progress::Progress;
use crate::worktree::Context;

mod tensors;

pub use tensors::{Stored, Tensors};

/// A version of a model.
#[derive(Debug, Clone)]
pub struct Version {
    /// The model's name.
    pub model: String,
    /// The commit that made it.
    pub step: Step,
    /// What it is called.
    pub names: Names,
    /// What it changed.
    pub tensors: Tensors,
    /// The model's headline metrics; `None` where there is no such number.
    pub metrics: Vec<(String, Option<f64>)>,
}

/// What the log says.
#[derive(Debug, Default)]
pub struct Log {
    /// The newest first; of one commit, in the order of the models.
    pub versions: Vec<Version>,
    /// What is to be said beside.
    pub warnings: Vec<String>,
}

/// A version, before its tensors are counted.
struct Draft {
    /// The number of its commit among the steps.
    at: usize,
    /// Its weight files: before and now.
    changes: Vec<(Option<BlobId>, Option<BlobId>)>,
    state: Vec<Option<BlobId>>,
    metrics: Option<BlobId>,
}

/// The versions of `models` along the first parents of `revisions`, at most `limit`.
///
/// # Errors
/// What git cannot say.
pub fn log(
    context: &Context,
    models: &[Model],
    revisions: &[OsString],
    limit: usize,
    progress: &dyn Progress,
) -> Result<Log, GitError> {
    let mut paths: Vec<String> =
        models.iter().flat_map(|model| model.weights.iter().chain(&model.metrics)).cloned().collect();
    paths.sort();
    paths.dedup();
    let names: Vec<Vec<u8>> = paths.iter().map(|path| path.clone().into_bytes()).collect();
    let steps = walk::steps(revisions, &names)?;
    let history = History::new(&context.repo)?;
    let mut drafts: Vec<(usize, Draft, Names)> = Vec::new();
    for (number, model) in models.iter().enumerate() {
        let own = drafted(&history, model, &paths, &steps)?;
        let points: Vec<Point<'_>> =
            own.iter().map(|draft| Point { step: &steps[draft.at], state: draft.state.clone() }).collect();
        let names = Tags::read(&model.name, models.len() == 1)?.of(&history, &points, &model.weights)?;
        drop(points);
        drafts.extend(own.into_iter().zip(names).map(|(draft, names)| (number, draft, names)));
    }
    drafts.sort_by_key(|(number, draft, _)| (draft.at, *number));
    drafts.truncate(limit);
    let mut reader = Reader::new(&context.repo, Notes::read(&context.store));
    let mut broken: HashMap<&str, (usize, String)> = HashMap::new();
    let mut log = Log::default();
    let mut metrics = Vec::new();
    for (number, draft, _) in &drafts {
        let model = &models[*number];
        let values = match (draft.metrics, model.syntax()) {
            (Some(blob), Some(syntax)) => match reader.values(blob, syntax)? {
                Ok(values) => values.clone(),
                Err(why) => {
                    let path = model.metrics.as_deref().unwrap_or_default();
                    broken.entry(path).or_insert_with(|| (0, format!("{}: {why}", steps[draft.at].short))).0 += 1;
                    Vec::new()
                }
            },
            _ => Vec::new(),
        };
        metrics.push(values);
    }
    for (path, (count, first)) in broken {
        log.warnings.push(broken_metrics(path, count, &first));
    }
    let mut notes = reader.into_notes();
    let changes: Vec<_> = drafts.iter().map(|(_, draft, _)| draft.changes.clone()).collect();
    let counted = tensors::count(context, &mut notes, &changes, progress)?;
    notes.save();
    // The same columns in all versions of a model: those of its newest metrics.
    let mut headlines: HashMap<usize, Vec<String>> = HashMap::new();
    for ((number, draft, names), (tensors, values)) in drafts.into_iter().zip(counted.into_iter().zip(metrics)) {
        let model = &models[number];
        if headlines.get(&number).is_none_or(Vec::is_empty) {
            headlines.insert(number, model.headlines(&values));
        }
        let metrics = headlines[&number].iter().map(|name| (name.clone(), values::get(&values, name))).collect();
        let step = steps[draft.at].clone();
        log.versions.push(Version { model: model.name.clone(), step, names, tensors, metrics });
    }
    Ok(log)
}

/// That metrics could not be read.
pub(super) fn broken_metrics(path: &str, count: usize, first: &str) -> String {
    let more = match count {
        1 => String::new(),
        count => format!(" (and in {} more)", count - 1),
    };
    format!("`{path}` is passed over in commit {first}{more}")
}

/// The versions of a model, the newest first.
fn drafted(history: &History<'_>, model: &Model, paths: &[String], steps: &[Step]) -> Result<Vec<Draft>, GitError> {
    let number = |path: &String| paths.binary_search(path).ok();
    let weights: Vec<Option<usize>> = model.weights.iter().map(number).collect();
    let metrics_file = model.metrics.as_ref().and_then(number);
    let Some(oldest) = steps.last() else { return Ok(Vec::new()) };
    let at_first = |path: &String| history.blob_at(oldest.id, path.as_bytes());
    let mut state: Vec<Option<BlobId>> = model.weights.iter().map(at_first).collect::<Result<_, _>>()?;
    let mut metrics = model.metrics.as_ref().map(at_first).transpose()?.flatten();
    let mut drafts: Vec<Draft> = Vec::new();
    for (at, step) in steps.iter().enumerate().rev() {
        let mut changes = Vec::new();
        for change in &step.changes {
            if metrics_file == Some(change.file) {
                metrics = change.new;
            }
            if let Some(weights) = weights.iter().position(|file| *file == Some(change.file)) {
                state[weights] = change.new;
                changes.push((change.old, change.new));
            }
        }
        if !changes.is_empty() {
            drafts.push(Draft { at, changes, state: state.clone(), metrics });
        } else if let Some(last) = drafts.last_mut() {
            last.metrics = metrics;
        }
    }
    drafts.reverse();
    Ok(drafts)
}
