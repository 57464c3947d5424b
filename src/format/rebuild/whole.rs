//! Formats whose skeletons are taken as they are or not at all: ONNX, HDF5, Keras, npy.
//!
//! Their bytes between tensors say more than a list of tensors (a graph, a B-tree), so there is nothing to rebuild. A
//! side's skeleton fits if all versions have the same tensors in the same order.

use super::three_way::Which;
use super::{CannotRebuild, Merge, Origin, Rebuilt, cannot};

pub(super) fn rebuild(format: &str, merge: &Merge) -> Result<Rebuilt, CannotRebuild> {
    let order: Vec<usize> = (0..merge.parts.len()).collect();
    let mut versions = merge.base.iter().chain([&merge.ours, &merge.theirs]);
    if let Some(other) = versions.find(|version| !merge.is_list_of(&order, version)) {
        let why = "only where all versions have the same tensors, in the same order, of the same types and shapes";
        return Err(cannot(format!("`{format}` files are merged {why}; {} has others", other.who)));
    }
    let which = merge
        .take(|version| version.skeleton)
        .ok_or_else(|| cannot(format!("both sides changed what the `{format}` file says besides its tensors")))?;
    if belongs_to_contents(format) {
        check_contents(format, merge, which)?;
    }
    Ok(merge.whole(merge.side(which), Vec::new()))
}

/// Whether the gaps say something about the tensors' bytes: a .keras archive has checksums of them, a .npy header says
/// whether they stand row by row or column by column.
fn belongs_to_contents(format: &str) -> bool {
    matches!(format, "keras" | "npy")
}

/// Gaps that belong to the tensors' bytes must not be put around those of the other side.
fn check_contents(format: &str, merge: &Merge, which: Which) -> Result<(), CannotRebuild> {
    let same_gaps = merge.ours.skeleton == merge.theirs.skeleton;
    let fits = |origin: Origin| match origin {
        Origin::Ours(_) => same_gaps || which == Which::Ours,
        Origin::Theirs(_) => same_gaps || which == Which::Theirs,
        Origin::New { .. } => same_gaps && format != "keras",
    };
    match merge.parts.iter().find(|part| !fits(part.origin)) {
        Some(part) => {
            Err(cannot(format!("the `{format}` file's checksums or headers would be wrong for tensor `{}`", part.name)))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rebuild::testing::{all, data, merge};

    #[test]
    fn the_gaps_are_those_of_the_side_that_changed_them() {
        let base = data!("models/onnx-dtypes.onnx");
        let theirs = base.with("float64", "float46");
        let why = merge(Some(&base), &base, &theirs, &all(&base, Origin::Ours), &[]).expect_err("refused").0;
        assert!(why.contains("same tensors"), "{why}");

        let base = data!("models/hdf5-user-block.h5");
        let (ours, theirs) = (base.flipped(0), base.edited(|bytes| bytes[0] ^= 1));
        let merged = merge(Some(&base), &ours, &theirs, &[Origin::Ours(0)], &[]).expect("merges");
        assert!(merged.bytes == theirs.flipped(0).bytes);
        for base in [Some(&base), None] {
            let ours = theirs.edited(|bytes| bytes[0] ^= 2);
            let why = merge(base, &ours, &theirs, &[Origin::Ours(0)], &[]).expect_err("refused").0;
            assert!(why.contains("both sides changed"), "{why}");
        }
    }

    #[test]
    fn headers_that_belong_to_the_bytes_stay_with_them() {
        let base = data!("models/npy-f32.npy");
        let theirs = base.flipped(0).with("'fortran_order': False", "'fortran_order': True ");
        let merged = merge(Some(&base), &base, &theirs, &[Origin::Theirs(0)], &[]).expect("merges");
        assert!(merged.bytes == theirs.bytes);
        for origin in [Origin::Ours(0), Origin::New { ours: 0, crc32: 0 }] {
            let why = merge(Some(&base), &base.flipped(0), &theirs, &[origin], base.tensor(0)).expect_err("refused").0;
            assert!(why.contains("would be wrong"), "{why}");
        }
    }
}
