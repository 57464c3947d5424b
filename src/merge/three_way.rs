//! The plan of a three-way merge: by hash, reading no tensor. Pure.
//!
//! What changed on one side only, or equally on both, is taken. What changed on both sides and differs is a conflict and
//! stays as it is on our side, so the result always is a manifest of a whole file.
//!
//! **Limitations.** Both sides must have the same tensors in the same order, and at most one side may have changed what
//! lies between them; otherwise the whole file is a conflict.

use crate::manifest::{Content, Manifest, Tensor};

/// What came of a merge.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The result, with our side where there are conflicts.
    pub manifest: Manifest,
    /// What could not be merged.
    pub conflicts: Vec<Conflict>,
}

/// Something that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// This tensor.
    Tensor(String),
    /// The file as a whole: its format, its tensors or what lies between them.
    Structure,
}

/// The side to take, or `None` if both changed in different ways. Without a base every difference is a change of both.
fn take<'a, T: PartialEq>(base: Option<&T>, ours: &'a T, theirs: &'a T) -> Option<&'a T> {
    if ours == theirs || base == Some(theirs) {
        Some(ours)
    } else if base == Some(ours) {
        Some(theirs)
    } else {
        None
    }
}

/// Merges `ours` and `theirs`, both made from `base`.
pub fn merge(base: Option<&Manifest>, ours: &Manifest, theirs: &Manifest) -> Merged {
    if let Some(manifest) = take(base, ours, theirs) {
        return Merged { manifest: manifest.clone(), conflicts: Vec::new() };
    }
    merge_tensors(base, ours, theirs)
        .unwrap_or_else(|| Merged { manifest: ours.clone(), conflicts: vec![Conflict::Structure] })
}

fn merge_tensors(base: Option<&Manifest>, ours: &Manifest, theirs: &Manifest) -> Option<Merged> {
    let base = base?;
    let parts = |manifest: &'_ Manifest| match &manifest.content {
        Content::Model { format, skeleton, .. } => Some((format.clone(), (*skeleton, manifest.size))),
        Content::Opaque { .. } => None,
    };
    let (base_parts, our_parts, their_parts) = (parts(base)?, parts(ours)?, parts(theirs)?);
    if our_parts.0 != their_parts.0 {
        return None;
    }
    let &(skeleton, size) = take(Some(&base_parts.1), &our_parts.1, &their_parts.1)?;
    let same = |a: &[Tensor], b: &[Tensor]| {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| (&a.name, &a.dtype, &a.shape) == (&b.name, &b.dtype, &b.shape))
    };
    let (before, our_tensors, their_tensors) = (base.tensors(), ours.tensors(), theirs.tensors());
    if !same(before, our_tensors) || !same(our_tensors, their_tensors) {
        return None;
    }
    let mut conflicts = Vec::new();
    let tensors = before.iter().zip(our_tensors).zip(their_tensors).map(|((base, ours), theirs)| {
        match take(Some(&base.sha256), &ours.sha256, &theirs.sha256) {
            Some(taken) if *taken == ours.sha256 => ours.clone(),
            Some(_) => theirs.clone(),
            None => {
                conflicts.push(Conflict::Tensor(ours.name.clone()));
                ours.clone()
            }
        }
    });
    let content = Content::Model { format: our_parts.0, skeleton, tensors: tensors.collect() };
    Some(Merged { manifest: Manifest { size, content, extra: ours.extra.clone() }, conflicts })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;
    use crate::id::ObjectId;
    use crate::tensor::{Dtype, Plain};

    /// A model of one-element tensors whose contents are told apart by a number.
    fn model(contents: &[u8], skeleton: u8) -> Manifest {
        let tensor = |(at, content): (usize, &u8)| Tensor {
            name: format!("layer.{at}"),
            dtype: Dtype::Plain(Plain::F32),
            shape: vec![1],
            sha256: ObjectId::of(&[*content]),
            extra: Map::new(),
        };
        let tensors = contents.iter().enumerate().map(tensor).collect();
        let content = Content::Model { format: "safetensors".into(), skeleton: ObjectId::of(&[skeleton, 0]), tensors };
        Manifest { size: 1000, content, extra: Map::new() }
    }

    #[test]
    fn disjoint_changes_are_united() {
        let merged = merge(Some(&model(&[0, 0, 0], 0)), &model(&[1, 0, 0], 0), &model(&[0, 0, 2], 9));
        assert_eq!(merged, Merged { manifest: model(&[1, 0, 2], 9), conflicts: Vec::new() });
    }

    #[test]
    fn changes_of_the_same_tensor_conflict_and_stay_ours() {
        let merged = merge(Some(&model(&[0, 0], 0)), &model(&[1, 0], 0), &model(&[2, 2], 0));
        assert_eq!(merged.manifest, model(&[1, 2], 0));
        assert_eq!(merged.conflicts, [Conflict::Tensor("layer.0".into())]);
    }

    #[test]
    fn without_a_base_or_with_another_structure_the_file_conflicts() {
        let (ours, theirs) = (model(&[1], 0), model(&[2], 0));
        for base in [None, Some(&model(&[0, 0], 0))] {
            let merged = merge(base, &ours, &theirs);
            assert_eq!(merged, Merged { manifest: ours.clone(), conflicts: vec![Conflict::Structure] });
        }
    }

    proptest! {
        #[test]
        fn laws(base in prop::collection::vec(0_u8..3, 4), a in prop::collection::vec(0_u8..3, 4), b in prop::collection::vec(0_u8..3, 4)) {
            let (base, a, b) = (model(&base, 0), model(&a, 0), model(&b, 0));
            prop_assert_eq!(merge(Some(&base), &a, &base).manifest, a.clone());
            prop_assert_eq!(merge(Some(&base), &base, &a).manifest, a.clone());
            prop_assert_eq!(merge(Some(&base), &a, &a).manifest, a.clone());
            let (one, other) = (merge(Some(&base), &a, &b), merge(Some(&base), &b, &a));
            prop_assert_eq!(&one.conflicts, &other.conflicts);
            if one.conflicts.is_empty() {
                prop_assert_eq!(one.manifest, other.manifest);
            }
        }
    }
}
