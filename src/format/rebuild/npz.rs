//! .npz: a zip archive of .npy files.
//!
//! Each member is taken as it stands, with its headers, from the side its array is from, so that the array and what its
//! .npy header says of it stay together, and the checksum is right. Members that are not arrays (compressed ones, others)
//! are merged three-way by what is in them.
//!
//! **Limitations.** A computed array must have the type, the shape and the order of elements of ours.

use super::three_way::{Which, take, weave};
use super::zip::{self, Archive, Piece, Unit};
use super::{CannotRebuild, Merge, Origin, Rebuilt, cannot};
use crate::format::npy;

const SUFFIX: &str = ".npy";

pub(super) fn rebuild(merge: &Merge) -> Result<Rebuilt, CannotRebuild> {
    let archives = Archives {
        base: merge.base.as_ref().map(Archive::read).transpose()?,
        ours: Archive::read(&merge.ours)?,
        theirs: Archive::read(&merge.theirs)?,
    };
    let Archives { base, ours, theirs } = &archives;
    let mut units = Vec::new();
    for name in weave(&ours.names(), &theirs.names()) {
        let part = name.strip_suffix(SUFFIX).and_then(|array| merge.by_name.get(array));
        units.extend(match part {
            Some(&part) => Some(archives.array(merge, name, part)?),
            None => archives.other(name)?,
        });
    }
    let mut conflicts = Vec::new();
    let comment = |archive: &Archive| archive.end.comment().to_vec();
    let end = match take(base.as_ref().map(comment).as_ref(), &comment(ours), &comment(theirs)) {
        Some(Which::Ours) => &ours.end,
        Some(Which::Theirs) => &theirs.end,
        None => {
            conflicts.push("the archive's comment".to_owned());
            &ours.end
        }
    };
    zip::write(merge, &units, end, conflicts)
}

struct Archives {
    base: Option<Archive>,
    ours: Archive,
    theirs: Archive,
}

impl Archives {
    /// The member `name` with the array that is `part`.
    fn array(&self, merge: &Merge, name: &str, part: usize) -> Result<Unit, CannotRebuild> {
        let (archive, other, index) = match merge.parts[part].origin {
            Origin::Ours(index) | Origin::New { ours: index, .. } => (&self.ours, &self.theirs, index),
            Origin::Theirs(index) => (&self.theirs, &self.ours, index),
        };
        let unit = archive.get(name).filter(|unit| unit.tensor() == Some(index));
        let mut unit = unit.cloned().ok_or_else(|| cannot(format!("`{name}` is not where its array is")))?;
        self.check_other(merge, part, &unit, other.get(name))?;
        if let Origin::New { crc32, .. } = merge.parts[part].origin {
            let spec = merge.parts[part].spec();
            if merge.ours.tensors[index] != spec {
                return Err(cannot(format!("array `{}` would get another type or shape", spec.name)));
            }
            let len = spec.byte_len().ok_or_else(|| cannot(format!("array `{}` has no size", spec.name)))?;
            unit.set_crc32(unit.crc32_around(crc32, len));
        }
        unit.place(part);
        Ok(unit)
    }

    /// Taking `unit` must not undo what the other side has done to the member besides changing its elements.
    fn check_other(&self, merge: &Merge, part: usize, unit: &Unit, other: Option<&Unit>) -> Result<(), CannotRebuild> {
        let Some(other) = other else { return Ok(()) };
        let base = self.base.as_ref().and_then(|base| base.get(&unit.name));
        let is_unchanged = base.is_some_and(|base| base.pieces == other.pieces && base.method() == other.method());
        if other.is_plain() && !is_unchanged {
            return Err(cannot(format!("`{}` is an array of another kind on one side", unit.name)));
        }
        let is_new = matches!(merge.parts[part].origin, Origin::New { .. });
        let (order, other_order) = (fortran_order(unit), fortran_order(other));
        let by_other = is_new || base.is_none_or(|base| fortran_order(base) != other_order);
        if !other.is_plain() && order != other_order && by_other {
            return Err(cannot(format!("one side has turned `{}` from row by row to column by column", unit.name)));
        }
        Ok(())
    }

    /// The member `name` that is not an array, if the merged file has it.
    fn other(&self, name: &str) -> Result<Option<Unit>, CannotRebuild> {
        let plain = |archive: &Archive| archive.get(name).filter(|unit| unit.is_plain()).cloned();
        let (ours, theirs) = (plain(&self.ours), plain(&self.theirs));
        let base = self.base.as_ref().and_then(plain);
        let contents = |unit: &Option<Unit>| unit.as_ref().map(|unit| (unit.method(), unit.pieces.clone()));
        match take(Some(&contents(&base)), &contents(&ours), &contents(&theirs)) {
            Some(Which::Ours) => Ok(ours),
            Some(Which::Theirs) => Ok(theirs),
            None => Err(cannot(format!("both sides changed `{name}`, which can not be merged"))),
        }
    }
}

/// What the .npy header says of the order of elements, where it says so as numpy does.
fn fortran_order(unit: &Unit) -> Option<bool> {
    match unit.pieces.first() {
        Some(Piece::Bytes(header)) => Some(npy::has_fortran_order(header)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rebuild::testing::{Cut, all, data, members, merge};

    fn member_names(bytes: &[u8]) -> Vec<String> {
        members(bytes).into_iter().map(|member| member.name).collect()
    }

    /// The file with the first byte of a compressed member changed.
    fn with_other_member(file: &Cut, byte: u8) -> Cut {
        let packed = members(&file.bytes).into_iter().find(|member| !member.stored).expect("a compressed member");
        file.edited(|bytes| bytes[packed.offset as usize] = byte)
    }

    #[test]
    fn archives_without_a_base_are_united() {
        let (ours, theirs) = (data!("models/npz-mixed.npz"), data!("models/npz-stored.npz"));
        let mut origins = all(&theirs, Origin::Theirs);
        origins.push(Origin::Ours(0));
        let merged = merge(None, &ours, &theirs, &origins, &[]).expect("merges");
        assert_eq!(member_names(&merged.bytes), [member_names(&theirs.bytes), member_names(&ours.bytes)].concat());
    }

    #[test]
    fn other_members_are_taken_from_the_side_that_changed_them() {
        let base = data!("models/npz-mixed.npz");
        let (ours, theirs) = (base.flipped(0), with_other_member(&base, 7));
        let merged = merge(Some(&base), &ours, &theirs, &[Origin::Ours(0)], &[]).expect("merges");
        assert!(merged.bytes == theirs.flipped(0).bytes);
        let ours = with_other_member(&base, 8);
        let why = merge(Some(&base), &ours, &theirs, &[Origin::Ours(0)], &[]).expect_err("refused").0;
        assert!(why.contains("both sides changed"), "{why}");
    }

    #[test]
    fn the_order_of_elements_stays_with_them() {
        let base = data!("models/npz-one.npz");
        let theirs = base.flipped(0).with("'fortran_order': False", "'fortran_order': True ");
        let merged = merge(Some(&base), &base, &theirs, &[Origin::Theirs(0)], &[]).expect("merges");
        assert!(merged.bytes == theirs.bytes);
        for origin in [Origin::Ours(0), Origin::New { ours: 0, crc32: 0 }] {
            let why = merge(Some(&base), &base.flipped(0), &theirs, &[origin], base.tensor(0)).expect_err("refused").0;
            assert!(why.contains("column by column"), "{why}");
        }
    }
}
