//! What the tags of one model say together: its versions, and what is in which stage. Pure.
//!
//! Tags count in the order in which they were made. Git keeps that in seconds; within one second the counter decides, and
//! what takes something back comes last.
//!
//! As in GTO: a version is deprecated if the last word about it says so, and is in no stage then. A commit is in a stage if
//! the last word about both says so. Of several commits in one stage, that which was put there last holds it; when it is
//! taken out, the one before holds it again.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::name::{Action, TagName};
use crate::git::history::CommitId;

/// A tag of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it says.
    pub name: TagName,
    /// The commit it names.
    pub commit: CommitId,
    /// When it was made, in seconds since 1970.
    pub seconds: i64,
}

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The version.
    pub version: Version,
    /// The commit it is.
    pub commit: CommitId,
    /// When it was first registered, in seconds since 1970.
    pub seconds: i64,
    /// Whether nobody should take it any more.
    pub is_deprecated: bool,
}

/// The tags of one model.
#[derive(Debug, Clone)]
pub struct Lineage {
    /// The model.
    pub model: String,
    events: Vec<Event>,
}

impl Lineage {
    /// Of these tags, in any order.
    pub fn new(model: &str, mut events: Vec<Event>) -> Self {
        let is_last = |action: &Action| !matches!(action, Action::Register(_) | Action::Assign(_));
        events.sort_by_key(|event| (event.seconds, event.name.counter.unwrap_or(0), is_last(&event.name.action)));
        Self { model: model.to_owned(), events }
    }

    /// All versions, the highest first.
    pub fn versions(&self) -> Vec<Registered> {
        let mut versions: BTreeMap<&Version, Registered> = BTreeMap::new();
        for event in &self.events {
            let (version, is_deprecated) = match &event.name.action {
                Action::Register(version) => (version, false),
                Action::Deregister(version) => (version, true),
                _ => continue,
            };
            let known = versions.entry(version).or_insert_with(|| Registered {
                version: version.clone(),
                commit: event.commit,
                seconds: event.seconds,
                is_deprecated,
            });
            known.is_deprecated = is_deprecated;
        }
        versions.into_values().rev().collect()
    }

    /// The highest version that is not deprecated.
    pub fn latest(&self) -> Option<Registered> {
        self.versions().into_iter().find(|version| !version.is_deprecated)
    }

    /// This version.
    pub fn version(&self, version: &Version) -> Option<Registered> {
        self.versions().into_iter().find(|known| known.version == *version)
    }

    /// The version that a commit is; a deprecated one if it is no other.
    pub fn version_at(&self, commit: CommitId) -> Option<Registered> {
        let here = self.versions().into_iter().filter(|known| known.commit == commit);
        here.min_by_key(|known| known.is_deprecated)
    }

    /// The stages that are held, by their names, and the commits that hold them.
    pub fn stages(&self) -> BTreeMap<String, CommitId> {
        let stages = self.events.iter().filter_map(|event| match &event.name.action {
            Action::Assign(stage) => Some(stage),
            _ => None,
        });
        let stages: BTreeSet<&String> = stages.collect();
        stages.into_iter().filter_map(|stage| Some((stage.clone(), self.in_stage(stage).pop()?))).collect()
    }

    /// The commits in a stage; the last one holds it.
    pub fn in_stage(&self, stage: &str) -> Vec<CommitId> {
        let mut here: Vec<CommitId> = Vec::new();
        for event in &self.events {
            match &event.name.action {
                Action::Assign(name) if name == stage => {
                    here.retain(|commit| *commit != event.commit);
                    here.push(event.commit);
                }
                Action::Unassign(name) if name == stage => here.retain(|commit| *commit != event.commit),
                _ => {}
            }
        }
        here.retain(|commit| self.version_at(*commit).is_none_or(|version| !version.is_deprecated));
        here
    }

    /// Whether the last word is that the model is deprecated.
    pub fn is_deprecated(&self) -> bool {
        self.events.last().is_some_and(|event| event.name.action == Action::Deprecate)
    }

    /// A counter that no tag of this model has, larger than all.
    pub fn next_counter(&self) -> u64 {
        let largest = self.events.iter().filter_map(|event| event.name.counter).max().unwrap_or(0);
        largest.saturating_add(1)
    }

    /// Whether there is a tag of this name.
    pub fn has(&self, name: &TagName) -> bool {
        self.events.iter().any(|event| event.name == *name)
    }

    /// When the last tag was made, in seconds since 1970.
    pub fn last_seconds(&self) -> Option<i64> {
        self.events.last().map(|event| event.seconds)
    }

    /// The commit that the last tag names.
    pub fn last_commit(&self) -> Option<CommitId> {
        self.events.last().map(|event| event.commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> CommitId {
        digit.to_string().repeat(40).parse().expect("an id")
    }

    fn lineage(events: &[(&str, char, i64)]) -> Lineage {
        let event = |&(name, at, seconds): &(&str, char, i64)| Event {
            name: TagName::parse(name).unwrap_or_else(|| panic!("{name}")),
            commit: commit(at),
            seconds,
        };
        Lineage::new("m", events.iter().map(event).collect())
    }

    fn latest(lineage: &Lineage) -> Option<String> {
        lineage.latest().map(|latest| latest.version.to_string())
    }

    #[test]
    fn the_highest_version_is_the_latest() {
        let tags = lineage(&[("m@v1.10.0", 'a', 1), ("m@v1.9.0", 'b', 2), ("m@v2.0.0-rc.1", 'c', 3)]);
        assert_eq!(latest(&tags).as_deref(), Some("2.0.0-rc.1"));
        assert_eq!(
            tags.versions().iter().map(|known| known.commit).collect::<Vec<_>>(),
            [commit('c'), commit('a'), commit('b')]
        );
        assert_eq!(tags.version_at(commit('b')).expect("a version").version, Version::new(1, 9, 0));
        assert_eq!(latest(&lineage(&[])), None);
    }

    #[test]
    fn a_deprecated_version_is_neither_the_latest_nor_in_a_stage() {
        let mut events = vec![("m@v1.0.0", 'a', 1), ("m@v1.1.0", 'b', 2), ("m#prod#1", 'b', 3), ("m@v1.1.0!", 'b', 4)];
        let tags = lineage(&events);
        assert_eq!(latest(&tags).as_deref(), Some("1.0.0"));
        assert!(tags.version(&Version::new(1, 1, 0)).expect("still known").is_deprecated);
        assert!(tags.stages().is_empty());
        events.push(("m@v1.1.0#2", 'b', 5));
        let again = lineage(&events);
        assert_eq!(latest(&again).as_deref(), Some("1.1.0"));
        assert_eq!(again.stages(), BTreeMap::from([("prod".to_owned(), commit('b'))]));
    }

    #[test]
    fn the_last_one_holds_a_stage_and_gives_it_back() {
        let mut events = vec![("m#prod#1", 'a', 1), ("m#dev#2", 'b', 2), ("m#prod#3", 'b', 3)];
        assert_eq!(
            lineage(&events).stages(),
            BTreeMap::from([("dev".into(), commit('b')), ("prod".into(), commit('b'))])
        );
        events.push(("m#prod!#4", 'b', 4));
        assert_eq!(lineage(&events).in_stage("prod"), [commit('a')]);
        events.push(("m#prod!#5", 'a', 5));
        assert_eq!(lineage(&events).stages(), BTreeMap::from([("dev".to_owned(), commit('b'))]));
        events.push(("m#prod#6", 'a', 6));
        assert_eq!(lineage(&events).in_stage("prod"), [commit('a')]);
        assert_eq!(lineage(&events).next_counter(), 7);
    }

    #[test]
    fn time_comes_before_the_counter_and_the_counter_within_a_second() {
        let stage = |events| lineage(events).in_stage("prod").pop();
        assert_eq!(stage(&[("m#prod#2", 'a', 1), ("m#prod#1", 'b', 2)]), Some(commit('b')));
        assert_eq!(stage(&[("m#prod#2", 'a', 1), ("m#prod#1", 'b', 1)]), Some(commit('a')));
        assert_eq!(stage(&[("m#prod!#2", 'a', 1), ("m#prod#1", 'a', 1)]), None);
        assert_eq!(stage(&[("m#prod!", 'a', 1), ("m#prod", 'a', 1)]), None);
    }

    #[test]
    fn a_model_is_deprecated_until_something_else_is_said() {
        assert!(lineage(&[("m@v1.0.0", 'a', 1), ("m@deprecated", 'a', 1)]).is_deprecated());
        assert!(!lineage(&[("m@deprecated", 'a', 1), ("m@v1.0.0", 'a', 2)]).is_deprecated());
    }
}
