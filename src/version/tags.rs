//! Which versions have names: tags `model@v1.2.0`, and stages `model#prod#3`, as GTO has them (Git Tag Ops, iterative.ai).

use std::collections::BTreeMap;

use crate::git::history::walk::{self, Step, Tag};
use crate::git::history::{CommitId, History};
use crate::git::{BlobId, GitError};

/// Names of versions of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Tags, as they are called.
    pub tags: Vec<String>,
    /// Stages that the version is in now.
    pub stages: Vec<String>,
}

/// Tags of a model, and the commits that its stages are at.
pub struct Tags {
    tags: Vec<Tag>,
    stages: Vec<(String, CommitId)>,
}

impl Tags {
    /// Those of the model `name`. Tags that belong to no model count if it `is_only` one.
    ///
    /// # Errors
    /// A git that fails.
    pub fn read(name: &str, is_only: bool) -> Result<Self, GitError> {
        Ok(Self::choose(walk::tags()?, name, is_only))
    }

    fn choose(all: Vec<Tag>, name: &str, is_only: bool) -> Self {
        let mut tags = Vec::new();
        // The newest move of each stage, by its number.
        let mut moves: BTreeMap<String, (u64, bool, CommitId)> = BTreeMap::new();
        for tag in all {
            let own = |sign: char| tag.name.strip_prefix(name).and_then(|rest| rest.strip_prefix(sign));
            if own('@').is_some() || (is_only && !tag.name.contains(['@', '#'])) {
                tags.push(tag);
            } else if let Some(rest) = own('#') {
                let (stage, number) = rest.split_once('#').unwrap_or((rest, "0"));
                let number = number.parse().unwrap_or_default();
                let (stage, is_left) = stage.strip_suffix('!').map_or((stage, false), |stage| (stage, true));
                let newest = moves.entry(stage.to_owned()).or_insert((number, is_left, tag.commit));
                if number >= newest.0 {
                    *newest = (number, is_left, tag.commit);
                }
            }
        }
        let stages = moves.into_iter().filter(|(_, (_, is_left, _))| !is_left);
        Self { tags, stages: stages.map(|(stage, (.., commit))| (stage, commit)).collect() }
    }

    /// The names of each of `points`, which are the versions of `paths`, the newest first. A name of a commit that changed
    /// none of them is that of the version it has.
    ///
    /// # Errors
    /// What git cannot say.
    pub fn of(&self, history: &History<'_>, points: &[Point<'_>], paths: &[String]) -> Result<Vec<Names>, GitError> {
        let mut names = vec![Names::default(); points.len()];
        for tag in &self.tags {
            if let Some(at) = place(history, tag.commit, points, paths)? {
                names[at].tags.push(tag.name.clone());
            }
        }
        for (stage, commit) in &self.stages {
            if let Some(at) = place(history, *commit, points, paths)? {
                names[at].stages.push(stage.clone());
            }
        }
        Ok(names)
    }
}

/// A version: the commit that made it, and what it has at each path.
pub struct Point<'s> {
    /// The commit.
    pub step: &'s Step,
    /// Its files.
    pub state: Vec<Option<BlobId>>,
}

fn place(
    history: &History<'_>,
    commit: CommitId,
    points: &[Point<'_>],
    paths: &[String],
) -> Result<Option<usize>, GitError> {
    if let Some(at) = points.iter().position(|point| point.step.id == commit) {
        return Ok(Some(at));
    }
    let seconds = history.commit(commit)?.seconds;
    let state: Vec<_> = paths.iter().map(|path| history.blob_at(commit, path.as_bytes())).collect::<Result<_, _>>()?;
    if state.iter().all(Option::is_none) {
        return Ok(None);
    }
    Ok(points.iter().position(|point| point.step.seconds <= seconds && point.state == state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_where_it_moved_last() {
        let id = |digit: &str| digit.repeat(40).parse::<CommitId>().expect("an id");
        let tag = |name: &str, digit: &str| Tag { name: name.into(), commit: id(digit) };
        let all = vec![
            tag("a@v1.0.0", "1"),
            tag("ab@v1.0.0", "2"),
            tag("v9", "3"),
            tag("a#prod#1", "1"),
            tag("a#prod#10", "2"),
            tag("a#prod#9", "3"),
            tag("a#dev#1", "1"),
            tag("a#dev!#2", "1"),
        ];
        let chosen = Tags::choose(all.clone(), "a", false);
        assert_eq!(chosen.stages, [("prod".to_owned(), id("2"))]);
        assert_eq!(chosen.tags.len(), 1);
        assert_eq!(Tags::choose(all, "a", true).tags.len(), 2);
    }
}
