//! Hyper-parameters that belong together, and a warning where a merge mixes them.
//!
//! A learning rate is tuned for a batch size (Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.1), a vocabulary
//! size belongs to a tokenizer, and the shapes of a network's tensors follow from its sizes together. A merge that takes one
//! from each side is clean as a text and wrong as an experiment.

use std::collections::BTreeSet;

use super::Labels;
use crate::params::value::{Members, Value, dotted};

/// Names that belong together, and why.
struct Group {
    names: &'static [&'static str],
    why: &'static str,
}

/// Sizes that the shapes of weights follow from.
const SIZES: [&str; 20] = [
    "vocab_size",
    "n_vocab",
    "hidden_size",
    "hidden_dim",
    "num_hidden_layers",
    "num_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "num_heads",
    "head_dim",
    "intermediate_size",
    "d_model",
    "d_ff",
    "dim",
    "n_layer",
    "n_layers",
    "n_head",
    "n_heads",
    "n_embd",
    "max_position_embeddings",
];

const GROUPS: [Group; 3] = [
    Group {
        names: &[
            "lr",
            "learning_rate",
            "base_lr",
            "max_lr",
            "peak_lr",
            "base_learning_rate",
            "batch_size",
            "train_batch_size",
            "global_batch_size",
            "micro_batch_size",
            "per_device_batch_size",
            "per_device_train_batch_size",
            "gradient_accumulation_steps",
            "accumulate_grad_batches",
        ],
        why: "a learning rate is tuned for a batch size",
    },
    Group {
        names: &["vocab_size", "n_vocab", "tokenizer", "tokenizer_name", "tokenizer_path", "tokenizer_class"],
        why: "a vocabulary size belongs to a tokenizer",
    },
    Group { names: &SIZES, why: "the shapes of the weights follow from all of them" },
];

/// A warning for each group of which a merge takes some keys from one side and some from the other.
pub fn warnings(base: &Members, ours: &Members, theirs: &Members, labels: &Labels) -> Vec<String> {
    let (our_changes, their_changes) = (changes(base, ours), changes(base, theirs));
    let warn = |group: &Group| {
        let from = |changes: &BTreeSet<Vec<String>>, others: &BTreeSet<Vec<String>>| {
            let alone: Vec<_> = of_group(changes.difference(others), group.names);
            (!alone.is_empty()).then(|| alone.join(", "))
        };
        let (from_ours, from_theirs) = (from(&our_changes, &their_changes)?, from(&their_changes, &our_changes)?);
        let (ours, theirs, why) = (labels.ours, labels.theirs, group.why);
        Some(format!("{from_ours} of `{ours}` now stands with {from_theirs} of `{theirs}`: {why}"))
    };
    GROUPS.iter().filter_map(warn).collect()
}

/// The dotted paths, in backquotes, of the sizes that `ours` has changed and `theirs` has not, from `base`.
pub fn sizes_changed(base: &Members, ours: &Members, theirs: &Members) -> Vec<String> {
    of_group(changes(base, ours).difference(&changes(base, theirs)), &SIZES)
}

fn of_group<'p>(paths: impl Iterator<Item = &'p Vec<String>>, names: &[&str]) -> Vec<String> {
    let is_one = |path: &&Vec<String>| {
        path.last().is_some_and(|name| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    };
    paths.filter(is_one).map(|path| format!("`{}`", dotted(path.iter().map(String::as_str)))).collect()
}

/// The paths of all values in which `new` differs from `old`.
fn changes(old: &Members, new: &Members) -> BTreeSet<Vec<String>> {
    let mut changes = BTreeSet::new();
    collect(old, new, &mut Vec::new(), &mut changes);
    changes
}

fn collect(old: &Members, new: &Members, path: &mut Vec<String>, changes: &mut BTreeSet<Vec<String>>) {
    let nothing = Members::new();
    for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
        let (before, after) = (old.get(key), new.get(key));
        if before == after {
            continue;
        }
        path.push(key.clone());
        let (inner_before, inner_after) = (before.and_then(Value::members), after.and_then(Value::members));
        if inner_before.is_some() || inner_after.is_some() {
            collect(inner_before.unwrap_or(&nothing), inner_after.unwrap_or(&nothing), path, changes);
        } else {
            changes.insert(path.clone());
        }
        path.pop();
    }
}
