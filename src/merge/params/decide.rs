//! What becomes of each key, told from the three values alone.

use super::pieces::Side;
use crate::params::value::{Members, Value};

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// What we have, which may be nothing.
    Ours,
    /// What they have, which may be nothing.
    Theirs,
    /// Both have a map, whose keys are decided one by one.
    Descend,
    /// Both changed it, and differently.
    Conflict,
}

/// Decides on one key.
pub fn decide(base: Option<&Value>, ours: Option<&Value>, theirs: Option<&Value>) -> Decision {
    let map = |value: Option<&Value>| matches!(value, Some(Value::Map(_)));
    if ours == theirs || base == theirs {
        Decision::Ours
    } else if map(ours) && map(theirs) && (base.is_none() || map(base)) {
        Decision::Descend
    } else if base == ours {
        Decision::Theirs
    } else {
        Decision::Conflict
    }
}

/// The merged map, with `side` where there are conflicts. This is what the merged text must say.
pub fn merged(base: Option<&Members>, ours: &Members, theirs: &Members, side: Side) -> Members {
    let added = theirs.keys().filter(|key| !ours.contains_key(*key));
    let mut members = Members::new();
    for key in ours.keys().chain(added) {
        let (old, our, their) = (base.and_then(|base| base.get(key)), ours.get(key), theirs.get(key));
        let value = match (decide(old, our, their), side) {
            (Decision::Ours, _) | (Decision::Conflict, Side::Ours) => our.cloned(),
            (Decision::Theirs, _) | (Decision::Conflict, Side::Theirs) => their.cloned(),
            (Decision::Descend, _) => our
                .and_then(Value::members)
                .zip(their.and_then(Value::members))
                .map(|(our, their)| Value::Map(merged(old.and_then(Value::members), our, their, side))),
        };
        if let Some(value) = value {
            members.insert(key.clone(), value);
        }
    }
    members
}
