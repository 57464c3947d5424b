//! What holds for all formats, by the test data's files.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::testing::{Cut, all, data, merge};
use super::*;

/// Files in which there is something to merge.
fn models() -> Vec<(&'static str, Cut)> {
    macro_rules! models {
        ($($name:literal)*) => { vec![$(($name, data!($name))),*] };
    }
    models![
        "models/safetensors-f32.safetensors" "models/safetensors-dtypes.safetensors"
        "models/safetensors-shapes.safetensors" "models/safetensors-metadata.safetensors"
        "models/safetensors-order.safetensors" "models/safetensors-no-tensors.safetensors"
        "pairs/metadata-only.a.safetensors" "pairs/order-only.b.safetensors"
        "models/pytorch-state-dict.pt" "models/pytorch-checkpoint.pt" "models/pytorch-tied.pt"
        "models/pytorch-views.pt" "models/pytorch-transposed.pt" "models/pytorch-bare.pt" "models/pytorch-list.pt"
        "models/pytorch-dtypes.pt" "models/pytorch-empty.pt" "models/pytorch-no-tensors.pt"
        "models/npy-f32.npy" "models/npy-f64-fortran.npy" "models/npy-scalar.npy"
        "models/npz-mixed.npz" "models/npz-stored.npz" "models/npz-one.npz"
        "models/gguf-plain.gguf" "models/gguf-quantized.gguf" "models/gguf-k-quants.gguf"
        "models/gguf-align64.gguf" "models/gguf-version2.gguf"
        "models/onnx-initializers.onnx" "models/onnx-dtypes.onnx"
        "models/hdf5-earliest.h5" "models/hdf5-latest.h5" "models/hdf5-user-block.h5"
        "models/keras-model.keras"
    ]
}

/// The first and the last tensor that have bytes.
fn ends(file: &Cut) -> Option<(usize, usize)> {
    let is_full = |&index: &usize| !file.tensor(index).is_empty();
    Some(((0..file.len()).find(is_full)?, (0..file.len()).rfind(is_full)?))
}

#[test]
fn what_did_not_change_stays_byte_for_byte() {
    for (name, file) in models() {
        for base in [Some(&file), None] {
            for origin in [Origin::Ours, Origin::Theirs] {
                let merged = merge(base, &file, &file, &all(&file, origin), &[]).expect(name);
                assert!(merged.bytes == file.bytes, "{name}");
                assert!(merged.rebuilt.order.iter().copied().eq(0..file.len()), "{name}");
                assert!(merged.rebuilt.conflicts.is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn tensors_of_both_sides_are_put_together() {
    for (name, base) in models() {
        let Some((first, last)) = ends(&base).filter(|(first, last)| first != last) else { continue };
        let (ours, theirs, both) = (base.flipped(first), base.flipped(last), base.flipped(first).flipped(last));
        let mut origins = all(&base, Origin::Ours);
        origins[last] = Origin::Theirs(last);
        let merged = merge(Some(&base), &ours, &theirs, &origins, &[]);
        match base.layout.format {
            "keras" => assert!(merged.expect_err(name).0.contains("both sides changed"), "{name}"),
            // The fingerprint of a flipped file is that of the original.
            "pytorch" => assert_eq!(merged.expect(name).bytes.len(), both.bytes.len()),
            _ => assert!(merged.expect(name).bytes == both.bytes, "{name}"),
        }
    }
}

#[test]
fn new_bytes_have_their_checksum() {
    for (name, file) in models() {
        let Some((_, last)) = ends(&file) else { continue };
        let expected = file.flipped(last);
        let new = expected.tensor(last);
        let mut origins = all(&file, Origin::Theirs);
        origins[last] = Origin::New { ours: last, crc32: crc32fast::hash(new) };
        let merged = merge(Some(&file), &file, &file, &origins, new);
        match file.layout.format {
            "keras" => assert!(merged.expect_err(name).0.contains("checksums"), "{name}"),
            "pytorch" => assert_ne!(merged.expect(name).bytes, expected.bytes, "{name}: another fingerprint"),
            _ => assert!(merged.expect(name).bytes == expected.bytes, "{name}"),
        }
    }
}

/// Drops a tensor, then takes it from the other side again.
#[test]
fn tensors_are_dropped_and_added() {
    for (name, file) in models() {
        for dropped in 0..file.len() {
            let mut origins = all(&file, Origin::Theirs);
            origins.remove(dropped);
            let without = merge(Some(&file), &file, &file, &origins, &[]);
            match (file.layout.format, file.len()) {
                // Its only array: an archive without any is cut nowhere.
                ("npz", 1) => assert!(without.is_err()),
                ("safetensors" | "gguf" | "npz", _) => {
                    let without = Cut::new(&without.expect(name).bytes);
                    let mut origins: Vec<_> = (0..without.len()).map(Origin::Ours).collect();
                    origins.insert(0, Origin::Theirs(dropped));
                    let again = merge(Some(&without), &without, &file, &origins, &[]).expect(name);
                    assert!(again.bytes == file.bytes, "{name}");
                }
                _ => drop(without.expect_err(name)),
            }
        }
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let file = data!("models/npz-stored.npz");
    let specs = file.specs();
    let side = Side { skeleton: &file.skeleton, tensors: &specs };
    let part = |index: usize, origin| {
        let TensorSpec { name, dtype, shape } = specs[index];
        Part { name, dtype, shape, origin }
    };
    let refuse = |side: &Side, parts: &[Part], expected: &str| {
        let why = rebuild("npz", None, side, side, parts).expect_err(expected).0;
        assert!(why.contains(expected), "{why}");
    };
    refuse(&side, &[part(0, Origin::Ours(0)), part(0, Origin::Theirs(0))], "two tensors");
    refuse(&side, &[part(0, Origin::Ours(1))], "not what it is taken from");
    refuse(&side, &[part(0, Origin::New { ours: 99, crc32: 0 })], "not what it is taken from");
    refuse(&Side { tensors: &specs[1..], ..side }, &[], "another file");
    let empty = Skeleton::new();
    refuse(&Side { skeleton: &empty, tensors: &[] }, &[], "another file");
}

/// Gaps with bytes changed: nothing may panic, and what comes of them is checked by `merge`.
fn mutated(file: &Cut, flips: &[(Index, u8)]) -> Skeleton {
    let mut gaps: Vec<Vec<u8>> = file.skeleton.gaps().map(<[u8]>::to_vec).collect();
    let total: usize = gaps.iter().map(Vec::len).sum();
    for &(index, byte) in flips {
        let mut at = index.index(total);
        for gap in &mut gaps {
            match gap.get_mut(at) {
                Some(there) => {
                    *there = byte;
                    break;
                }
                None => at -= gap.len(),
            }
        }
    }
    let mut skeleton = Skeleton::new();
    gaps.iter().for_each(|gap| skeleton.push(gap));
    skeleton
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn hostile_skeletons_are_survived(
        file: Index,
        flips in vec(vec((any::<Index>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(b'K')]), 0..4), 3),
        has_base: bool,
        which in vec(0..4_u8, 40),
    ) {
        thread_local! {
            static MODELS: Vec<(&'static str, Cut)> = models();
        }
        MODELS.with(|models| {
            let (_, file) = &models[file.index(models.len())];
            let skeletons: Vec<_> = flips.iter().map(|flips| mutated(file, flips)).collect();
            let specs = file.specs();
            let side = |index: usize| Side { skeleton: &skeletons[index], tensors: &specs };
            let parts: Vec<_> = specs
                .iter()
                .zip(&which)
                .enumerate()
                .filter_map(|(index, (&TensorSpec { name, dtype, shape }, which))| {
                    let origin = match which {
                        0 => Origin::Ours(index),
                        1 => Origin::Theirs(index),
                        2 => Origin::New { ours: index, crc32: 7 },
                        _ => return None,
                    };
                    Some(Part { name, dtype, shape, origin })
                })
                .collect();
            let base = has_base.then(|| side(2));
            if let Ok(rebuilt) = rebuild(file.layout.format, base.as_ref(), &side(0), &side(1), &parts) {
                prop_assert_eq!(check(file.layout.format, &rebuilt, &parts), Ok(()));
                let mut order = rebuilt.order;
                order.sort_unstable();
                prop_assert!(order.into_iter().eq(0..parts.len()));
            }
            Ok(())
        })?;
    }
}
