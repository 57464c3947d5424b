//! Metrics along history as a figure: a point for each commit that changed a file of metrics.
//!
//! Branches are lines of their own from where they leave the first one; those whose commits it has all are left out.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use super::log::broken_metrics;
use super::models::Model;
use super::notes::Notes;
use super::tags::{Names, Point, Tags};
use super::values::{self, Reader};
use crate::git::history::walk::{self, Step};
use crate::git::history::{CommitId, History};
use crate::git::{BlobId, GitError};
use crate::metrics::gate;
use crate::metrics::plot::{self, Figure, Limit, Series, Version};
use crate::metrics::policy::{self, Goal};
use crate::worktree::Context;

/// Names of metrics that are told when one is not known.
const KNOWN_MAX: usize = 8;

/// A line of history.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is called.
    pub name: String,
    /// What git is to follow: a revision, a range.
    pub revisions: Vec<OsString>,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// Git cannot say.
    #[error(transparent)]
    Git(#[from] GitError),
    /// No version has it.
    #[error("there is no metric `{name}`")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// One that is called nearly so.
        nearest: Option<String>,
        /// Some of those there are.
        known: Vec<String>,
    },
    /// There is nothing to follow.
    #[error("there is no commit yet")]
    Unborn,
    /// There are no versions.
    #[error("no commit has metrics of {0} yet")]
    Empty(String),
}

/// A point of a line: the commit, and the metrics it has.
struct Seen {
    step: Step,
    blob: Option<BlobId>,
}

/// One line of one model.
struct Track<'m> {
    model: &'m Model,
    line: &'m str,
    /// The oldest first.
    seen: Vec<Seen>,
}

/// Draws `metrics` of `models` along `lines`; returns what is to be said beside, too.
///
/// # Errors
/// A metric that no version has, no version at all, and what git cannot say.
pub fn figure(
    context: &Context,
    metrics: &[String],
    models: &[Model],
    lines: &[Line],
) -> Result<(Figure, Vec<String>), SeriesError> {
    let mut tracks: Vec<Track<'_>> = Vec::new();
    for model in models {
        let Some(path) = &model.metrics else { continue };
        let mut first: Vec<Seen> = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let mut seen = follow(line, path)?;
            if number > 0 {
                let Some(fork) = fork(&first, seen.first()) else { continue };
                seen.splice(0..0, fork);
            }
            if number == 0 {
                first = seen.iter().map(|seen| Seen { step: seen.step.clone(), blob: seen.blob }).collect();
            }
            tracks.push(Track { model, line: &line.name, seen });
        }
    }
    let mut reader = Reader::new(&context.repo, Notes::read(&context.store));
    let (values, warnings) = read(&mut reader, &tracks)?;
    reader.into_notes().save();
    check_names(metrics, models, &tracks, &values)?;
    let order = order(&tracks);
    let mut figure = Figure { versions: versions(context, models, &tracks, &order)?, ..Figure::default() };
    figure.series = series(metrics, models, lines, &tracks, &values, &order);
    trim(&mut figure);
    title(&mut figure, metrics, models, lines);
    Ok((figure, warnings))
}

/// The commits of a line that changed a file, the oldest first.
fn follow(line: &Line, path: &str) -> Result<Vec<Seen>, GitError> {
    let steps = walk::steps(&line.revisions, &[path.as_bytes().to_vec()])?;
    let seen =
        steps.into_iter().rev().map(|step| Seen { blob: step.changes.last().and_then(|change| change.new), step });
    Ok(seen.collect())
}

/// Where a branch leaves the first line: the newest version there that its oldest one was made of. `None` for a branch that
/// has nothing of its own.
fn fork(first: &[Seen], oldest: Option<&Seen>) -> Option<Option<Seen>> {
    let oldest = oldest?;
    let before = oldest.step.changes.last().and_then(|change| change.old);
    let found = first.iter().rev().find(|seen| seen.blob == before && seen.step.seconds <= oldest.step.seconds);
    Some(found.filter(|_| before.is_some()).map(|seen| Seen { step: seen.step.clone(), blob: seen.blob }))
}

type Read = HashMap<(BlobId, u8), Vec<(String, f64)>>;

/// The values of all points; of those that cannot be read, one warning for each file.
fn read(reader: &mut Reader<'_>, tracks: &[Track<'_>]) -> Result<(Read, Vec<String>), GitError> {
    let mut all = Read::new();
    let mut broken: Vec<(&str, usize, String)> = Vec::new();
    for track in tracks {
        let (Some(path), Some(syntax)) = (track.model.metrics.as_deref(), track.model.syntax()) else { continue };
        // The newest first: its commit is the one that is told.
        for seen in track.seen.iter().rev() {
            let Some(blob) = seen.blob.filter(|blob| !all.contains_key(&(*blob, syntax as u8))) else { continue };
            match reader.values(blob, syntax)? {
                Ok(values) => drop(all.insert((blob, syntax as u8), values.clone())),
                Err(why) => match broken.iter_mut().find(|(other, ..)| *other == path) {
                    Some((_, count, _)) => *count += 1,
                    None => broken.push((path, 1, format!("{}: {why}", seen.step.short))),
                },
            }
        }
    }
    Ok((all, broken.into_iter().map(|(path, count, first)| broken_metrics(path, count, &first)).collect()))
}

fn values_of<'v>(track: &Track<'_>, seen: &Seen, values: &'v Read) -> Option<&'v Vec<(String, f64)>> {
    values.get(&(seen.blob?, track.model.syntax()? as u8))
}

fn check_names(metrics: &[String], models: &[Model], tracks: &[Track<'_>], values: &Read) -> Result<(), SeriesError> {
    let mut known: Vec<&str> = Vec::new();
    for (track, seen) in tracks.iter().flat_map(|track| track.seen.iter().rev().map(move |seen| (track, seen))) {
        for (name, _) in values_of(track, seen, values).into_iter().flatten() {
            if !known.contains(&name.as_str()) {
                known.push(name);
            }
        }
    }
    if known.is_empty() {
        let names: Vec<String> = models.iter().map(|model| format!("`{}`", model.name)).collect();
        return Err(SeriesError::Empty(names.join(", ")));
    }
    match metrics.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let nearest = policy::nearest(name, &known).map(str::to_owned);
            let known = known.into_iter().take(KNOWN_MAX).map(str::to_owned).collect();
            Err(SeriesError::Unknown { name: name.clone(), nearest, known })
        }
    }
}

/// The place of each commit on the x axis: in the order of time, but never against the order of a line.
fn order(tracks: &[Track<'_>]) -> HashMap<CommitId, usize> {
    let mut keyed: HashMap<CommitId, (i64, usize, usize)> = HashMap::new();
    for (number, track) in tracks.iter().enumerate() {
        let mut latest = i64::MIN;
        for (at, seen) in track.seen.iter().enumerate() {
            let key = keyed.entry(seen.step.id).or_insert((latest.max(seen.step.seconds), number, at));
            latest = latest.max(key.0);
        }
    }
    let mut all: Vec<_> = keyed.into_iter().collect();
    all.sort_by_key(|&(_, key)| key);
    all.into_iter().enumerate().map(|(at, (id, _))| (id, at)).collect()
}

/// What stands below the x axis: tags, else commits.
fn versions(
    context: &Context,
    models: &[Model],
    tracks: &[Track<'_>],
    order: &HashMap<CommitId, usize>,
) -> Result<Vec<Version>, GitError> {
    let history = History::new(&context.repo)?;
    let mut versions = vec![Version::default(); order.len()];
    for seen in tracks.iter().flat_map(|track| &track.seen) {
        let version = &mut versions[order[&seen.step.id]];
        version.name.clone_from(&seen.step.short);
        version.detail = format!("{} {}", seen.step.date, seen.step.summary);
    }
    for model in models {
        let Some(path) = &model.metrics else { continue };
        let tags = Tags::read(&model.name, models.len() == 1)?;
        for track in tracks.iter().filter(|track| track.model.name == model.name) {
            let newest_first = track.seen.iter().rev();
            let points: Vec<Point<'_>> =
                newest_first.map(|seen| Point { step: &seen.step, state: vec![seen.blob] }).collect();
            let names = tags.of(&history, &points, std::slice::from_ref(path))?;
            for (point, Names { tags, .. }) in points.iter().zip(names) {
                let Some(tag) = tags.last() else { continue };
                let version = &mut versions[order[&point.step.id]];
                let own = tag.strip_prefix(&format!("{}@", model.name)).filter(|_| models.len() == 1);
                version.name = own.unwrap_or(tag).to_owned();
                version.detail = format!("{} {}", point.step.short, version.detail);
                version.is_tag = true;
            }
        }
    }
    Ok(versions)
}

/// Each metric of each track that has it.
fn series(
    metrics: &[String],
    models: &[Model],
    lines: &[Line],
    tracks: &[Track<'_>],
    values: &Read,
    order: &HashMap<CommitId, usize>,
) -> Vec<Series> {
    let mut all = Vec::new();
    for track in tracks {
        for metric in metrics {
            let mut points = Vec::new();
            for seen in &track.seen {
                let at = order[&seen.step.id];
                match values_of(track, seen, values) {
                    Some(values) => points.push((at, values::get(values, metric))),
                    // A broken file is passed over; where there is none, the line ends.
                    None if seen.blob.is_none() => points.push((at, None)),
                    None => {}
                }
            }
            points.sort_by_key(|point| point.0);
            if points.iter().all(|point| point.1.is_none()) {
                continue;
            }
            // What is not the same in all lines.
            let mut name: Vec<&str> = Vec::new();
            name.extend((lines.len() > 1).then_some(track.line));
            name.extend((models.len() > 1).then_some(track.model.name.as_str()));
            name.extend((metrics.len() > 1).then_some(metric.as_str()));
            let name = if name.is_empty() { metric.clone() } else { name.join(" ") };
            all.push(Series { name, points });
        }
    }
    all
}

/// Leaves out the versions before the first value.
fn trim(figure: &mut Figure) {
    let firsts = figure.series.iter().filter_map(|series| series.points.iter().find(|point| point.1.is_some()));
    let first = firsts.map(|point| point.0).min().unwrap_or(0);
    figure.versions.drain(..first);
    for series in &mut figure.series {
        series.points.retain(|point| point.0 >= first);
        series.points.iter_mut().for_each(|point| point.0 -= first);
    }
}

fn title(figure: &mut Figure, metrics: &[String], models: &[Model], lines: &[Line]) {
    let names = metrics.join(", ");
    figure.title = match models {
        [model] => format!("{}: {names}", model.name),
        _ => names.clone(),
    };
    figure.x_name = match lines {
        [line] => format!("versions of {}, the oldest first", line.name),
        _ => "versions of all branches, the oldest first".into(),
    };
    figure.y_name = names;
    let rules: Vec<_> = models.iter().flat_map(|model| metrics.iter().filter_map(|name| model.rule(name))).collect();
    let goals: Vec<Goal> = rules.iter().map(|rule| rule.goal).collect();
    let all_have_one = goals.len() == models.len() * metrics.len();
    figure.goal =
        goals.first().filter(|first| all_have_one && goals.iter().all(|goal| goal == *first)).map(|goal| match goal {
            Goal::Minimize => plot::Goal::Lower,
            Goal::Maximize => plot::Goal::Higher,
        });
    for rule in rules {
        for (word, value) in [("min", rule.min), ("max", rule.max)] {
            let Some(value) = value else { continue };
            let of = if metrics.len() > 1 { format!("{} ", rule.metric) } else { String::new() };
            let limit = Limit { name: format!("{of}{word} {}", gate::short(value)), value };
            if !figure.limits.contains(&limit) {
                figure.limits.push(limit);
            }
        }
    }
}

/// Metrics, and the revision or range that stands behind them, if git knows one by that name and none was given.
///
/// # Errors
/// What git cannot say.
pub fn split(
    mut metrics: Vec<String>,
    revision: Option<OsString>,
) -> Result<(Vec<String>, Option<OsString>), GitError> {
    if revision.is_some() || metrics.len() < 2 {
        return Ok((metrics, revision));
    }
    let last = metrics.pop_if(|last| walk::checked(OsStr::new(last)).is_ok());
    Ok((metrics, last.map(OsString::from)))
}

/// The commits that lines begin with.
///
/// # Errors
/// What git cannot say.
pub fn tips(lines: &[Line]) -> Result<Vec<CommitId>, GitError> {
    let names = lines.iter().flat_map(|line| &line.revisions).map(|name| name.to_string_lossy());
    names.filter(|name| !name.starts_with('^')).map(|name| name.parse()).collect()
}

/// The lines that a user means: the current branch or `revision`, and with `is_all` every branch with commits of its own.
///
/// # Errors
/// No such revision, or no commit at all.
pub fn lines(revision: Option<&OsStr>, is_all: bool) -> Result<Vec<Line>, SeriesError> {
    let name = match revision {
        Some(revision) => revision.to_string_lossy().into_owned(),
        None => walk::current_branch().unwrap_or_else(|| "HEAD".into()),
    };
    let head = OsStr::new("HEAD");
    if revision.is_none() && crate::git::revision::commit(head)?.is_none() {
        return Err(SeriesError::Unborn);
    }
    let revisions = walk::checked(revision.unwrap_or(head))?;
    let mut lines = vec![Line { name, revisions }];
    if is_all {
        let starts = lines[0].revisions.iter().filter(|name| !name.as_encoded_bytes().starts_with(b"^"));
        let not: Vec<OsString> = starts.map(|name| [OsStr::new("^"), name].into_iter().collect()).collect();
        for branch in walk::branches()? {
            if branch.name != lines[0].name {
                let revisions = std::iter::once(branch.commit.to_string().into()).chain(not.clone()).collect();
                lines.push(Line { name: branch.name, revisions });
            }
        }
    }
    Ok(lines)
}
