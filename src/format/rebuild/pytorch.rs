//! PyTorch checkpoints: a zip archive of a pickle and of the storages it refers to.
//!
//! Source: `torch/serialization.py` and `caffe2/serialize/inline_container.cc`. The archive is that of one side, whose
//! pickle fits the storages; only their checksums are put in. Torch adds a fingerprint of all members, of which nobody
//! makes use, but which changes whenever a storage does: it is computed again, and not taken for a change.
//!
//! **Limitations.** Pickles are not merged: where both sides changed theirs (another step number is enough), or where
//! storages of both were added or dropped, there is no archive for the result.

use std::collections::HashMap;

use super::sparse::Sparse;
use super::three_way::{Which, take};
use super::zip::{self, Archive, Piece, Unit};
use super::{CannotRebuild, Merge, Origin, Rebuilt, TensorSpec, cannot};

/// 20 digits for the members' names, 20 for their checksums.
const FINGERPRINT: &str = "/.data/serialization_id";
const FINGERPRINT_DIGITS: usize = 20;

pub(super) fn rebuild(merge: &Merge) -> Result<Rebuilt, CannotRebuild> {
    let base = merge.base.as_ref().map(Archive::read).transpose()?;
    let (ours, theirs) = (Archive::read(&merge.ours)?, Archive::read(&merge.theirs)?);
    let base_outline = match (&base, &merge.base) {
        (Some(archive), Some(file)) => Some(outline(archive, file)?),
        _ => None,
    };
    let (our_outline, their_outline) = (outline(&ours, &merge.ours)?, outline(&theirs, &merge.theirs)?);
    let which = take(base_outline.as_ref(), &our_outline, &their_outline)
        .ok_or_else(|| both_changed(&our_outline, &their_outline))?;
    let frame = if which == Which::Ours { &ours } else { &theirs };

    let (our_sums, their_sums) = (checksums(&ours), checksums(&theirs));
    let mut units = frame.units.clone();
    let tensors = merge.side(which).tensors;
    if tensors.len() != merge.parts.len() {
        return Err(other_tensors());
    }
    for unit in &mut units {
        let Some(tensor) = unit.tensor() else { continue };
        let part = merge.by_name.get(tensors[tensor].name).filter(|&&part| merge.parts[part].spec() == tensors[tensor]);
        let &part = part.ok_or_else(other_tensors)?;
        let crc32 = match merge.parts[part].origin {
            Origin::Ours(index) => our_sums.get(&index).copied(),
            Origin::Theirs(index) => their_sums.get(&index).copied(),
            Origin::New { crc32, .. } => Some(crc32),
        };
        unit.set_crc32(crc32.ok_or_else(other_tensors)?);
        unit.place(part);
    }
    renew_fingerprint(&mut units, fingerprint(&frame.units));
    zip::write(merge, &units, &frame.end, Vec::new())
}

/// What is in a member, but for the bytes of tensors.
#[derive(Debug, PartialEq, Eq)]
enum Content<'a> {
    Storage(TensorSpec<'a>),
    Other(u16, &'a [Piece]),
    Fingerprint,
}

/// The members with what is in them, in file order.
type Outline<'a> = Vec<(&'a str, Content<'a>)>;

fn outline<'a>(archive: &'a Archive, file: &Sparse<'a>) -> Result<Outline<'a>, CannotRebuild> {
    let content = |unit: &'a Unit| match unit.pieces[..] {
        [Piece::Tensor(tensor)] => Ok((unit.name.as_str(), Content::Storage(file.tensors[tensor]))),
        _ if !unit.is_plain() => Err(cannot(format!("`{}` in {} is more than a storage", unit.name, file.who))),
        _ if unit.name.ends_with(FINGERPRINT) => Ok((unit.name.as_str(), Content::Fingerprint)),
        _ => Ok((unit.name.as_str(), Content::Other(unit.method(), &unit.pieces))),
    };
    archive.units.iter().map(content).collect()
}

fn both_changed(ours: &Outline, theirs: &Outline) -> CannotRebuild {
    let theirs: HashMap<_, _> = theirs.iter().map(|(name, content)| (name, content)).collect();
    match ours.iter().find(|(name, content)| theirs.get(name) != Some(&content)) {
        Some((name, _)) => {
            cannot(format!("both sides changed more than weights (`{name}` differs), which can not be merged"))
        }
        None => cannot("both sides changed which storages there are, or their order"),
    }
}

fn other_tensors() -> CannotRebuild {
    cannot("the merged checkpoint would have other storages than either side's pickle refers to")
}

/// The checksums of tensors, by index.
fn checksums(archive: &Archive) -> HashMap<usize, u32> {
    archive.units.iter().filter_map(|unit| Some((unit.tensor()?, unit.crc32))).collect()
}

/// What torch makes of the checksums of all members that have bytes, in the order in which it wrote them.
fn fingerprint(units: &[Unit]) -> u64 {
    let hashed = units.iter().filter(|unit| !unit.is_empty() && !unit.name.ends_with(FINGERPRINT));
    hashed.fold(0, |seed: u64, unit| {
        let mixed = 0x9e37_79b9_u64.wrapping_add(seed << 6).wrapping_add(seed >> 2);
        seed ^ mixed.wrapping_add(u64::from(unit.crc32))
    })
}

/// Writes the fingerprint of the members as they are now, if it was `before`; others are computed in ways unknown here.
fn renew_fingerprint(units: &mut [Unit], before: u64) {
    let after = fingerprint(units);
    let Some(unit) = units.iter_mut().find(|unit| unit.name.ends_with(FINGERPRINT)) else { return };
    let [Piece::Bytes(digits)] = &mut unit.pieces[..] else { return };
    if digits.len() != 2 * FINGERPRINT_DIGITS || digits[FINGERPRINT_DIGITS..] != *format!("{before:020}").as_bytes() {
        return;
    }
    digits[FINGERPRINT_DIGITS..].copy_from_slice(format!("{after:020}").as_bytes());
    let crc32 = crc32fast::hash(digits);
    unit.set_crc32(crc32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rebuild::Side;
    use crate::format::rebuild::testing::{Cut, all, data, merge};

    /// The fingerprint that stands in the file, and the one that its members make.
    fn fingerprints(file: &Cut) -> (String, String) {
        let specs = file.specs();
        let sparse = Sparse::new("a file", &Side { skeleton: &file.skeleton, tensors: &specs }).expect("a file");
        let units = Archive::read(&sparse).expect("an archive").units;
        let unit = units.iter().find(|unit| unit.name.ends_with(FINGERPRINT)).expect("a fingerprint");
        let [Piece::Bytes(digits)] = &unit.pieces[..] else { panic!("a small member") };
        (String::from_utf8_lossy(&digits[FINGERPRINT_DIGITS..]).into_owned(), format!("{:020}", fingerprint(&units)))
    }

    #[test]
    fn the_fingerprint_is_that_of_torch() {
        let files = [
            data!("models/pytorch-state-dict.pt"),
            data!("models/pytorch-checkpoint.pt"),
            data!("models/pytorch-empty.pt"),
            data!("models/pytorch-no-tensors.pt"),
        ];
        for file in files {
            let (written, computed) = fingerprints(&file);
            assert_eq!(written, computed);
        }
    }

    #[test]
    fn a_merge_has_its_own_fingerprint() {
        let base = data!("models/pytorch-list.pt");
        let mut origins = all(&base, Origin::Ours);
        origins[2] = Origin::Theirs(2);
        let merged = merge(Some(&base), &base, &base.flipped(2), &origins, &[]).expect("merges");
        let (written, computed) = fingerprints(&Cut::new(&merged.bytes));
        assert_eq!(written, computed);
        assert_ne!(written, fingerprints(&base).0);
    }

    #[test]
    fn the_pickle_is_taken_from_the_side_that_changed_it() {
        let base = data!("models/pytorch-list.pt");
        let (ours, theirs) = (base.flipped(0), base.with("cpu", "gpu"));
        let merged = merge(Some(&base), &ours, &theirs, &all(&base, Origin::Ours), &[]).expect("merges");
        assert_eq!(merged.bytes.len(), theirs.bytes.len());
        assert!(merged.bytes.windows(3).any(|window| window == b"gpu"));
        let ours = base.with("cpu", "npu");
        let why = merge(Some(&base), &ours, &theirs, &all(&base, Origin::Ours), &[]).expect_err("refused").0;
        assert!(why.contains("data.pkl"), "{why}");
    }

    #[test]
    fn other_storages_come_with_their_pickle_or_not_at_all() {
        let (base, theirs) = (data!("models/pytorch-list.pt"), data!("models/pytorch-dtypes.pt"));
        let merged = merge(Some(&base), &base, &theirs, &all(&theirs, Origin::Theirs), &[]).expect("merges");
        assert!(merged.bytes == theirs.bytes);
        let mut origins = all(&theirs, Origin::Theirs);
        origins.push(Origin::Ours(0));
        let why = merge(Some(&base), &base, &theirs, &origins, &[]).expect_err("refused").0;
        assert!(why.contains("other storages"), "{why}");
        let why = merge(None, &base, &theirs, &origins, &[]).expect_err("refused").0;
        assert!(why.contains("both sides"), "{why}");
    }
}
