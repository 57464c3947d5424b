//! Versions and stages of models, as annotated tags in the form that GTO has: whoever uses GTO sees what we have tagged, and
//! the other way round.
//!
//! - [`name`]: names of tags. Pure.
//! - [`lineage`]: what the tags of one model say together. Pure.
//! - [`spec`]: how users name a version. Pure.
//!
//! **Limitations.** A tag of a tag is not looked into. The stages that `.gto` allows are not looked at.

pub mod lineage;
pub mod name;
pub mod spec;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lineage::{Event, Lineage};
use name::TagName;

use crate::git::history::CommitId;
use crate::git::{GitError, tags};

/// The tags of all models, by their names.
#[derive(Debug, Clone, Default)]
pub struct Registry(BTreeMap<String, Lineage>);

impl Registry {
    /// Reads them; with `tip`, those in its history only.
    ///
    /// # Errors
    /// Git cannot say.
    pub fn read(tip: Option<CommitId>) -> Result<Self, GitError> {
        let tags = tags::annotated(tip)?;
        Ok(Self::of(tags.into_iter().filter_map(|tag| {
            Some(Event { name: TagName::parse(&tag.name)?, commit: tag.commit, seconds: tag.seconds })
        })))
    }

    /// Of these tags.
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut models: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for event in events {
            models.entry(event.name.model.clone()).or_default().push(event);
        }
        Self(models.into_iter().map(|(model, events)| (model.clone(), Lineage::new(&model, events))).collect())
    }

    /// All models that have tags.
    pub fn models(&self) -> impl Iterator<Item = &Lineage> {
        self.0.values()
    }

    /// The tags of a model; none of one that nobody has tagged.
    pub fn lineage(&self, model: &str) -> Lineage {
        self.0.get(model).cloned().unwrap_or_else(|| Lineage::new(model, Vec::new()))
    }
}

/// Waits until a new tag is younger than the last one of its model: git keeps the time in seconds, and the time says which
/// tag counts.
pub fn wait_for_later(lineage: &Lineage) {
    let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return };
    if lineage.last_seconds().and_then(|last| u64::try_from(last).ok()) == Some(now.as_secs()) {
        std::thread::sleep(Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.subsec_nanos().into())));
    }
}
