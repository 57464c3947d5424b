//! Which versions have names: tags `model@v1.2.0`, and stages `model#prod#3`, as GTO has them (Git Tag Ops, iterative.ai).

use crate::git::history::walk::{self, Step, Tag};
use crate::git::history::{CommitId, History};
use crate::git::{BlobId, GitError};
use crate::registry::Registry;
use crate::registry::lineage::{Lineage, Registered};

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
        let others = if is_only { walk::tags()? } else { Vec::new() };
        Ok(Self::choose(&Registry::read(None)?.lineage(name), others))
    }

    fn choose(lineage: &Lineage, others: Vec<Tag>) -> Self {
        let versions = lineage.versions().into_iter().rev().filter(|version| !version.is_deprecated);
        let name = |version: &Registered| format!("{}@v{}", lineage.model, version.version);
        let mut tags: Vec<Tag> = versions.map(|version| Tag { name: name(&version), commit: version.commit }).collect();
        tags.extend(others.into_iter().filter(|tag| !tag.name.contains(['@', '#'])));
        Self { tags, stages: lineage.stages().into_iter().collect() }
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
    use crate::registry::lineage::Event;
    use crate::registry::name::TagName;

    #[test]
    fn versions_that_count_and_tags_of_no_model() {
        let id = |digit: &str| digit.repeat(40).parse::<CommitId>().expect("an id");
        let event = |(at, (name, digit)): (usize, (&str, &str))| Event {
            name: TagName::parse(name).expect("a name"),
            commit: id(digit),
            seconds: at as i64,
        };
        let named = [("a@v1.10.0", "1"), ("a@v1.9.0", "2"), ("a@v1.8.0", "4"), ("a@v1.8.0!", "4"), ("a#prod#1", "2")];
        let events = named.into_iter().enumerate().map(event).collect();
        let tag = |name: &str, digit: &str| Tag { name: name.into(), commit: id(digit) };
        let chosen = Tags::choose(&Lineage::new("a", events), vec![tag("v9", "3"), tag("b@v1.0.0", "3")]);
        assert_eq!(chosen.stages, [("prod".to_owned(), id("2"))]);
        let names: Vec<&str> = chosen.tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["a@v1.9.0", "a@v1.10.0", "v9"]);
    }
}
