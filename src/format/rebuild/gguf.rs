//! GGUF: a header of metadata and tensor infos, then the tensors, each at a multiple of the file's alignment.
//!
//! Source: as for the parser. Values and infos are carried over as they stand; only offsets are computed. As llama.cpp
//! demands, infos stand in the order of their tensors, and each tensor, the last one too, is followed by zeros up to the
//! alignment.
//!
//! **Limitations.** Keys are merged one by one, also where one belongs to another (a vocabulary and its scores).

use std::collections::{HashMap, HashSet};

use super::builder::Builder;
use super::sparse::Sparse;
use super::three_way::{Pairs, Which, merge_pairs, take, weave};
use super::{CannotRebuild, Merge, Origin, Rebuilt, TensorSpec, cannot};
use crate::format::cursor::Cursor;
use crate::format::gguf::{
    ALIGNMENT_DEFAULT, ALIGNMENT_KEY, ARRAY_DEPTH_MAX, BUFFER_BYTES, MAGIC, VALUE_U32, skip_value, type_code,
};
use crate::format::{Bytes, HEADER_BYTES_MAX, ParseError};

pub(super) fn rebuild(merge: &Merge) -> Result<Rebuilt, CannotRebuild> {
    let base = merge.base.as_ref().map(Header::read).transpose()?;
    let (ours, theirs) = (Header::read(&merge.ours)?, Header::read(&merge.theirs)?);
    let base_pairs = base.as_ref().map_or(&[][..], |base| &base.pairs[..]);
    let Pairs { pairs, conflicts } = merge_pairs(base_pairs, &ours.pairs, &theirs.pairs);
    let conflicts = conflicts.into_iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    let version = match take(base.as_ref().map(|base| &base.version), &ours.version, &theirs.version) {
        Some(Which::Theirs) => theirs.version,
        Some(Which::Ours) | None => ours.version,
    };
    let order = merge.named(weave(&merge.ours.names(), &merge.theirs.names()));
    for (header, side) in [(&ours, &merge.ours), (&theirs, &merge.theirs)] {
        if header.version == version && header.pairs == pairs && merge.is_list_of(&order, side) {
            return Ok(merge.whole(side, conflicts));
        }
    }
    let infos = order.iter().map(|&part| info(merge, part, &ours, &theirs)).collect::<Result<Vec<_>, _>>()?;
    write(merge, version, &pairs, &order, &infos, conflicts)
}

/// A text begins with its length.
const LEN_BYTES: usize = 8;

/// The start of a file. Keys and values are bytes: nothing is known of them but where they end.
struct Header<'a> {
    version: u32,
    /// Keys, and values with their types.
    pairs: Vec<(&'a [u8], &'a [u8])>,
    /// By the tensor's name, its info up to the offset.
    infos: HashMap<&'a [u8], &'a [u8]>,
}

impl<'a> Header<'a> {
    fn read(file: &Sparse<'a>) -> Result<Self, CannotRebuild> {
        let (header, end) =
            Self::parse(file.gaps[0]).map_err(|_| cannot(format!("the header of {} can not be read", file.who)))?;
        let mut keys = HashSet::new();
        if let Some((key, _)) = header.pairs.iter().find(|(key, _)| !keys.insert(key)) {
            let key = String::from_utf8_lossy(key);
            return Err(cannot(format!("{} has two values for `{}`", file.who, key.escape_debug())));
        }
        let is_padding = |gap: &[u8]| gap.iter().all(|&byte| byte == 0);
        if !is_padding(&file.gaps[0][end..]) || !file.gaps[1..].iter().all(|gap| is_padding(gap)) {
            return Err(cannot(format!("{} has bytes between its tensors", file.who)));
        }
        Ok(header)
    }

    /// The header that `bytes` begin with, and where it ends.
    fn parse(bytes: &'a [u8]) -> Result<(Self, usize), ParseError> {
        let source = Bytes(bytes);
        let mut cursor = Cursor::new(&source, MAGIC.len() as u64, HEADER_BYTES_MAX, BUFFER_BYTES);
        let span = |cursor: &mut Cursor, skip: &dyn Fn(&mut Cursor) -> Result<(), ParseError>| {
            let start = cursor.position() as usize;
            skip(cursor)?;
            Ok::<_, ParseError>(&bytes[start..cursor.position() as usize])
        };
        let text = |cursor: &mut Cursor| {
            let len = cursor.u64()?;
            cursor.skip(len)
        };
        let value = |cursor: &mut Cursor| {
            let value_type = cursor.u32()?;
            skip_value(cursor, value_type, ARRAY_DEPTH_MAX)
        };
        let dimensions_and_type = |cursor: &mut Cursor| {
            let dims = cursor.u32()?;
            cursor.skip(u64::from(dims) * 8 + 4)
        };
        let (version, tensors, pairs) = (cursor.u32()?, cursor.u64()?, cursor.u64()?);
        let mut header = Self { version, pairs: Vec::new(), infos: HashMap::new() };
        for _ in 0..pairs {
            header.pairs.push((&span(&mut cursor, &text)?[LEN_BYTES..], span(&mut cursor, &value)?));
        }
        for _ in 0..tensors {
            let start = cursor.position() as usize;
            let name = &span(&mut cursor, &text)?[LEN_BYTES..];
            dimensions_and_type(&mut cursor)?;
            header.infos.insert(name, &bytes[start..cursor.position() as usize]);
            cursor.u64()?;
        }
        Ok((header, cursor.position() as usize))
    }
}

/// The info of a part up to its offset.
fn info(merge: &Merge, part: usize, ours: &Header, theirs: &Header) -> Result<Vec<u8>, CannotRebuild> {
    let part = &merge.parts[part];
    let (header, spec) = match part.origin {
        Origin::Ours(index) | Origin::New { ours: index, .. } => (ours, merge.ours.tensors[index]),
        Origin::Theirs(index) => (theirs, merge.theirs.tensors[index]),
    };
    if spec != part.spec() {
        return new_info(&part.spec());
    }
    let info = header.infos.get(part.name.as_bytes());
    info.map(|info| info.to_vec()).ok_or_else(|| cannot(format!("tensor `{}` is not listed in its file", part.name)))
}

fn new_info(spec: &TensorSpec) -> Result<Vec<u8>, CannotRebuild> {
    let code = type_code(spec.dtype)
        .ok_or_else(|| cannot(format!("tensor `{}` is {}, which GGUF does not have", spec.name, spec.dtype)))?;
    let mut info = (spec.name.len() as u64).to_le_bytes().to_vec();
    info.extend_from_slice(spec.name.as_bytes());
    info.extend((spec.shape.len() as u32).to_le_bytes());
    info.extend(spec.shape.iter().rev().flat_map(|dim| dim.to_le_bytes()));
    info.extend(code.to_le_bytes());
    Ok(info)
}

/// The alignment that the metadata set.
fn alignment(pairs: &[(&[u8], &[u8])]) -> Option<u64> {
    let Some((_, value)) = pairs.iter().find(|(key, _)| *key == ALIGNMENT_KEY) else {
        return Some(ALIGNMENT_DEFAULT);
    };
    let (value_type, value) = value.split_first_chunk()?;
    let alignment = u32::from_le_bytes(value.try_into().ok()?);
    (u32::from_le_bytes(*value_type) == VALUE_U32 && alignment.is_power_of_two()).then_some(u64::from(alignment))
}

fn write(
    merge: &Merge,
    version: u32,
    pairs: &[(&[u8], &[u8])],
    order: &[usize],
    infos: &[Vec<u8>],
    conflicts: Vec<String>,
) -> Result<Rebuilt, CannotRebuild> {
    let count = order.len() as u64;
    // Padding is written out: a file may not ask for more of it than a header may have.
    let alignment = alignment(pairs)
        .filter(|alignment| alignment.checked_mul(count + 1).is_some_and(|padding| padding <= HEADER_BYTES_MAX))
        .ok_or_else(|| cannot("`general.alignment` is not one that tensors can have"))?;
    let mut file = Builder::new(merge.parts);
    file.bytes(MAGIC);
    file.bytes(&version.to_le_bytes());
    file.bytes(&count.to_le_bytes());
    file.bytes(&(pairs.len() as u64).to_le_bytes());
    for (key, value) in pairs {
        file.bytes(&(key.len() as u64).to_le_bytes());
        file.bytes(key);
        file.bytes(value);
    }
    let mut offset = 0_u64;
    for (&part, info) in order.iter().zip(infos) {
        let spec = merge.parts[part].spec();
        file.bytes(info);
        file.bytes(&offset.to_le_bytes());
        offset = spec
            .byte_len()
            .and_then(|len| offset.checked_add(len)?.checked_next_multiple_of(alignment))
            .ok_or_else(|| cannot(format!("tensor `{}` is larger than any file", spec.name)))?;
    }
    file.pad(alignment);
    for &part in order {
        file.part(part)?;
        file.pad(alignment);
    }
    Ok(file.finish(conflicts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rebuild::testing::{Cut, all, data, merge};
    use crate::tensor::{Dtype, Plain, Quantized};

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn number(key: &str, value: u32) -> Vec<u8> {
        [&text(key)[..], &VALUE_U32.to_le_bytes(), &value.to_le_bytes()].concat()
    }

    /// A file with these numbers as metadata, and with tensors of one float.
    fn file(pairs: &[(&str, u32)], names: &[&str]) -> Cut {
        let alignment =
            pairs.iter().find(|(key, _)| key.as_bytes() == ALIGNMENT_KEY).map_or(32, |pair| pair.1 as usize);
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend((names.len() as u64).to_le_bytes());
        bytes.extend((pairs.len() as u64).to_le_bytes());
        bytes.extend(pairs.iter().flat_map(|(key, value)| number(key, *value)));
        for (index, name) in names.iter().enumerate() {
            bytes.extend(text(name));
            bytes.extend([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(((index * alignment) as u64).to_le_bytes());
        }
        for name in names {
            bytes.resize(bytes.len().next_multiple_of(alignment), 0);
            bytes.extend(name.bytes().chain([0; 4]).take(4));
        }
        bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        Cut::new(&bytes)
    }

    #[test]
    fn metadata_are_merged_key_by_key() {
        let base = file(&[("a", 1), ("b", 1), ("c", 1)], &["x"]);
        let ours = file(&[("a", 2), ("b", 1), ("c", 2)], &["x"]);
        let theirs = file(&[("d", 3), ("b", 3), ("a", 1), ("c", 3)], &["x"]);
        let merged = merge(Some(&base), &ours, &theirs, &[Origin::Theirs(0)], &[]).expect("merges");
        assert!(merged.bytes == file(&[("a", 2), ("b", 3), ("c", 2), ("d", 3)], &["x"]).bytes);
        assert_eq!(merged.rebuilt.conflicts, ["c"]);
    }

    #[test]
    fn tensors_that_were_added_follow_what_they_followed() {
        let base = file(&[], &["a", "b", "c"]);
        let ours = file(&[], &["a", "our", "b", "c"]);
        let theirs = file(&[], &["their first", "a", "c", "their", "last"]);
        // `b` was dropped by them.
        let origins = [
            Origin::Ours(0),
            Origin::Ours(1),
            Origin::Ours(3),
            Origin::Theirs(4),
            Origin::Theirs(3),
            Origin::Theirs(0),
        ];
        let merged = merge(Some(&base), &ours, &theirs, &origins, &[]).expect("merges");
        assert!(merged.bytes == file(&[], &["their first", "a", "our", "c", "their", "last"]).bytes);
        assert_eq!(merged.rebuilt.order, [5, 0, 1, 2, 4, 3]);
    }

    #[test]
    fn another_alignment_moves_the_tensors() {
        let key = "general.alignment";
        let (base, ours) = (file(&[(key, 64)], &["x", "y"]), file(&[(key, 64), ("a", 1)], &["x", "y"]));
        let theirs = file(&[(key, 128)], &["x", "y"]);
        let merged = merge(Some(&base), &ours, &theirs, &all(&ours, Origin::Ours), &[]).expect("merges");
        assert!(merged.bytes == file(&[(key, 128), ("a", 1)], &["x", "y"]).bytes);
    }

    #[test]
    fn endless_padding_is_refused() {
        let key = "general.alignment";
        let at = 24 + 8 + key.len() + 4;
        let header = file(&[(key, 8)], &[]);
        let header = header.edited(|bytes| bytes[at..at + 4].copy_from_slice(&(1_u32 << 30).to_le_bytes()));
        let why = merge(None, &header, &file(&[], &["x"]), &[Origin::Theirs(0)], &[]).expect_err("refused").0;
        assert!(why.contains("general.alignment"), "{why}");
    }

    #[test]
    fn new_tensors_may_have_another_type() {
        let file = data!("models/gguf-plain.gguf");
        let index = file.index("token_embd.weight");
        let part = TensorSpec { dtype: &Dtype::Gguf(Quantized::Q4_0), ..file.specs()[index] };
        let info = new_info(&part).expect("a type of GGUF");
        let expected = [&text("token_embd.weight")[..], &[2, 0, 0, 0], &24_u64.to_le_bytes(), &32_u64.to_le_bytes()];
        assert_eq!(info, [&expected.concat()[..], &[2, 0, 0, 0]].concat());
        assert!(new_info(&TensorSpec { dtype: &Plain::U8.into(), ..part }).is_err());
    }

    #[test]
    fn bytes_in_the_padding_are_not_lost() {
        let odd = file(&[], &["x", "y"]).edited(|bytes| *bytes.last_mut().expect("padding") = 7);
        let why = merge(None, &odd, &odd, &[Origin::Ours(0)], &[]).expect_err("refused").0;
        assert!(why.contains("between its tensors"), "{why}");
    }
}
