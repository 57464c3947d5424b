//! Changes summed up by module: one layer, one embedding, one head.

use std::collections::BTreeMap;

use super::{Entry, FileDiff};

/// What changed within a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Module {
    /// The start of its tensors' names.
    pub name: String,
    /// How many of its tensors differ.
    pub changed: usize,
    /// How many tensors it has in the new version.
    pub tensors: usize,
    /// ‖Δ‖ / ‖W‖ over all its tensors that were compared: the root of the sums of squares. `None` if none were.
    pub relative: Option<f64>,
    /// The tensor that changed most, relative to its size.
    pub most: Option<String>,
}

/// The module that a tensor belongs to: its name up to the first number, which counts layers; without one, its first two
/// parts, but never the last part, which is the parameter's own.
pub fn module_of(tensor: &str) -> &str {
    let mut end = 0;
    for (at, (start, part)) in parts(tensor).enumerate() {
        let part_end = start + part.len();
        if part_end == tensor.len() {
            break;
        }
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            return &tensor[..part_end];
        }
        if at < 2 {
            end = part_end;
        }
    }
    if end == 0 { tensor } else { &tensor[..end] }
}

/// The parts of a name between `.` or `/`, and where they start.
fn parts(name: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    name.split(['.', '/']).map(move |part| {
        let at = start;
        start += part.len() + 1;
        (at, part)
    })
}

/// The modules in which something differs, those that changed most first.
pub fn modules(file: &FileDiff) -> Vec<Module> {
    let mut groups: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in &file.entries {
        groups.entry(module_of(entry.change.name())).or_default().push(entry);
    }
    let mut all: Vec<Module> = groups
        .into_iter()
        .map(|(name, entries)| {
            let stats = || entries.iter().filter_map(|entry| Some((*entry, &entry.known()?.stats)));
            let square = |value: f64| value * value;
            let delta: f64 = stats().map(|(_, stats)| square(stats.norm_delta())).sum();
            let old: f64 = stats().map(|(_, stats)| square(stats.norm_a())).sum();
            let relative = |entry: &Entry| entry.known().and_then(|numbers| numbers.stats.relative());
            let most =
                stats().max_by(|(a, _), (b, _)| relative(a).unwrap_or(0.0).total_cmp(&relative(b).unwrap_or(0.0)));
            Module {
                name: name.to_owned(),
                changed: entries.len(),
                tensors: file.module_sizes.get(name).copied().unwrap_or(0),
                relative: (old > 0.0).then(|| (delta / old).sqrt()),
                most: most.map(|(entry, _)| entry.change.name().to_owned()),
            }
        })
        .collect();
    all.sort_by(|a, b| b.relative.unwrap_or(0.0).total_cmp(&a.relative.unwrap_or(0.0)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_end_with_the_layer() {
        let cases = [
            ("model.layers.12.self_attn.q_proj.weight", "model.layers.12"),
            ("encoder/layer/3/bias", "encoder/layer/3"),
            ("embeddings.word_embeddings.weight", "embeddings.word_embeddings"),
            ("blk.0.attn_q.weight", "blk.0"),
            ("lm_head.weight", "lm_head"),
            ("weight", "weight"),
            ("a.b.c.d", "a.b"),
            ("net.7", "net"),
            (".x", ".x"),
        ];
        for (tensor, module) in cases {
            assert_eq!(module_of(tensor), module, "{tensor}");
        }
    }
}
