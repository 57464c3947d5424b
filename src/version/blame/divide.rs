//! Which of some tensors an older manifest has, as they are in a newer one. Pure.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::Pending;
use crate::git::history::rope::Rope;
use crate::version::compare;

/// What a parent has of the tensors, and what it has not.
#[derive(Default)]
pub struct Divided {
    /// Those it has, at their places there.
    pub same: Vec<Pending>,
    /// Those it has not.
    pub left: Vec<Pending>,
    /// The names that some of `left` have there, by the tensors' numbers.
    pub renamed: Vec<(usize, String)>,
}

/// A record as far as it counts; keys that make claims about a tensor do not change it.
#[derive(PartialEq, Deserialize)]
struct Record {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    sha256: String,
}

fn record(text: &Rope, at: usize) -> Option<Record> {
    serde_json::from_slice(&text.line(at)).ok()
}

/// Divides `pending`, in the order of their places in `text`, by whether `before` has the same records.
pub fn divide(text: &Rope, before: &Rope, pending: &[Pending]) -> Divided {
    let difference = compare::compare(text, before);
    let mut divided = Divided::default();
    let mut runs = difference.same.iter().peekable();
    let mut changed = Vec::new();
    for &Pending { at, tensor } in pending {
        while runs.next_if(|run| run.new + run.len <= at).is_some() {}
        match runs.peek() {
            Some(run) if run.new <= at => divided.same.push(Pending { at: at - run.new + run.old, tensor }),
            _ => changed.push(Pending { at, tensor }),
        }
    }
    if changed.is_empty() {
        return divided;
    }
    let in_place: HashMap<usize, usize> = difference.changed.into_iter().collect();
    let old: Vec<(usize, Record)> =
        difference.only_old.iter().filter_map(|&at| Some((at, record(before, at)?))).collect();
    let by_name: HashMap<&str, usize> = old.iter().map(|(at, record)| (record.name.as_str(), *at)).collect();
    let names: HashSet<String> = difference.only_new.iter().filter_map(|&at| Some(record(text, at)?.name)).collect();
    let gone = old.iter().filter(|(_, record)| !names.contains(&record.name));
    let gone: HashMap<&str, &Record> = gone.rev().map(|(_, record)| (record.sha256.as_str(), record)).collect();
    for pending in changed {
        let record_now = record(text, pending.at);
        let place = in_place.get(&pending.at).or_else(|| by_name.get(record_now.as_ref()?.name.as_str()));
        match place {
            Some(&at) if record_now == record(before, at) => divided.same.push(Pending { at, ..pending }),
            Some(_) => divided.left.push(pending),
            None => {
                let before = record_now.and_then(|record| gone.get(record.sha256.as_str()));
                divided.renamed.extend(before.map(|before| (pending.tensor, before.name.clone())));
                divided.left.push(pending);
            }
        }
    }
    divided
}
