//! Differences made for tests.

use std::collections::BTreeMap;

use serde_json::Map;

use crate::diff::compare::Numbers;
use crate::diff::plan::{Change, Pair};
use crate::diff::{Entry, FileDiff, Version};
use crate::id::ObjectId;
use crate::manifest::Tensor;
use crate::tensor::{ChangeStats, Dtype, Plain, Rank};

fn tensor(name: &str, content: &str) -> Tensor {
    let sha256 = ObjectId::of(content.as_bytes());
    Tensor { name: name.into(), dtype: Dtype::from(Plain::F32), shape: vec![2, 2], sha256, extra: Map::new() }
}

/// A tensor that only the new version has.
pub(super) fn added(name: &str) -> Entry {
    Entry { change: Change::Added(tensor(name, name)), numbers: None }
}

/// A tensor that has moved by `delta` in each of four elements of size 1.
pub(super) fn moved(name: &str, delta: f32) -> Entry {
    let dtype = Dtype::from(Plain::F32);
    let mut stats = ChangeStats::new(&dtype, &dtype).with_histogram();
    let bytes = |value: f32| value.to_le_bytes().repeat(4);
    stats.push(0, &bytes(1.0), &bytes(1.0 + delta));
    let pair = Pair { old: tensor(name, "old"), new: tensor(name, "new") };
    Entry { change: Change::Values(pair), numbers: Some(Ok(Numbers { stats, rank: Some(Rank::Low(1)) })) }
}

/// A file with these differences.
pub(super) fn file(entries: impl Iterator<Item = Entry>) -> FileDiff {
    let model = || Version::Model { format: "safetensors".into(), tensors: 0, bytes: 0 };
    FileDiff {
        path: b"m.safetensors".to_vec(),
        from: None,
        old: model(),
        new: model(),
        is_metadata_changed: false,
        entries: entries.collect(),
        unchanged: 0,
        same: Vec::new(),
        module_sizes: BTreeMap::new(),
    }
}
