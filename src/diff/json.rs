//! Differences as JSON for programs. Keys are stable: new ones may come, none go.

use serde_json::{Value, json};

use super::compare::{Numbers, position};
use super::modules::modules;
use super::plan::Change;
use super::{Entry, FileDiff, Report, Version};
use crate::git::shown;
use crate::manifest::Tensor;
use crate::tensor::Rank;

/// The whole report.
pub fn json(report: &Report) -> Value {
    json!({
        "files": report.files.iter().map(file).collect::<Vec<_>>(),
        "read": { "tensors": report.read.tensors, "bytes": report.read.bytes },
    })
}

fn file(file: &FileDiff) -> Value {
    let [changed, added, removed, renamed] = file.counts();
    let modules: Vec<Value> = modules(file)
        .into_iter()
        .map(|module| {
            json!({
                "name": module.name, "changed": module.changed, "tensors": module.tensors,
                "relative": module.relative, "most": module.most,
            })
        })
        .collect();
    json!({
        "path": shown(&file.path),
        "from": file.from.as_deref().map(shown),
        "old": version(&file.old),
        "new": version(&file.new),
        "metadata_changed": file.is_metadata_changed,
        "changed": changed, "added": added, "removed": removed, "renamed": renamed, "unchanged": file.unchanged,
        "tensors": file.entries.iter().map(entry).collect::<Vec<_>>(),
        "modules": modules,
    })
}

fn version(version: &Version) -> Value {
    match version {
        Version::Absent => Value::Null,
        Version::Model { format, tensors, bytes } => json!({ "format": format, "tensors": tensors, "bytes": bytes }),
        Version::Raw(bytes) => json!({ "format": "raw", "tensors": 0, "bytes": bytes }),
        Version::Other => json!({ "format": "link", "tensors": 0, "bytes": 0 }),
    }
}

fn entry(entry: &Entry) -> Value {
    let (kind, old, new) = match &entry.change {
        Change::Added(new) => ("added", None, Some(new)),
        Change::Removed(old) => ("removed", Some(old), None),
        Change::Renamed { new, .. } => ("renamed", None, Some(new)),
        Change::Values(pair) => ("values", Some(&pair.old), Some(&pair.new)),
        Change::Cast(pair) => ("cast", Some(&pair.old), Some(&pair.new)),
        Change::Rows(pair) => ("rows", Some(&pair.old), Some(&pair.new)),
        Change::Reshaped(pair) => ("reshaped", Some(&pair.old), Some(&pair.new)),
        Change::Replaced(pair) => ("replaced", Some(&pair.old), Some(&pair.new)),
    };
    let mut value =
        json!({ "name": entry.change.name(), "change": kind, "old": old.map(tensor), "new": new.map(tensor) });
    if let Change::Renamed { from, .. } = &entry.change {
        value["from"] = from.as_str().into();
    }
    match &entry.numbers {
        None => {}
        Some(Err(error)) => value["error"] = error.to_string().into(),
        Some(Ok(known)) => value["numbers"] = numbers(known, &entry.change),
    }
    value
}

fn tensor(tensor: &Tensor) -> Value {
    json!({ "dtype": tensor.dtype.to_string(), "shape": tensor.shape, "sha256": tensor.sha256.to_string() })
}

fn numbers(numbers: &Numbers, change: &Change) -> Value {
    let stats = &numbers.stats;
    let mut value = json!({ "elements": stats.elements(), "changed": stats.changed(), "as_blocks": stats.as_blocks() });
    if stats.as_blocks() {
        return value;
    }
    let more = json!({
        "relative": stats.relative(), "cosine": stats.cosine(),
        "norm_old": stats.norm_a(), "norm_new": stats.norm_b(), "norm_delta": stats.norm_delta(),
        "max_abs": stats.max_abs(),
        "max_at": stats.max_at().map(|at| position(&change.newest().shape, at)),
        "nan": [stats.nan_a(), stats.nan_b()], "inf": [stats.inf_a(), stats.inf_b()],
        "zero_sign": stats.zero_sign(), "nan_payload": stats.nan_payload(),
        "rank": match numbers.rank {
            Some(Rank::Low(rank)) => rank.into(),
            Some(Rank::Full) => "full".into(),
            Some(Rank::Zero) => 0.into(),
            Some(Rank::Unknown) | None => Value::Null,
        },
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}
