//! safetensors: a header that lists metadata and tensors.
//!
//! Source: as for the parser. A new header is that of the reference writer (`prepare` in `safetensors/src/tensor.rs`):
//! metadata, then the tensors in the order of their dtypes, widest first, and of their names, as JSON without spaces,
//! filled up with spaces to a multiple of 8 bytes. If the tensors are those of one side, its order and header are kept,
//! and only the metadata in it is changed.
//!
//! **Limitations.** Files with bytes between the tensors or with keys unknown to the format, which the reference reader
//! refuses or overlooks, are not laid out anew.

use std::cmp::Reverse;

use serde_json::{Map, Value, json};

use super::builder::Builder;
use super::sparse::Sparse;
use super::three_way::{Pairs, Which, merge_pairs, take};
use super::{CannotRebuild, Merge, Rebuilt, cannot};
use crate::tensor::{Dtype, Plain};

const METADATA: &str = "__metadata__";
const INFO_KEYS: [&str; 3] = ["dtype", "shape", "data_offsets"];
const HEADER_ALIGNMENT: usize = 8;

/// The reference writer's order of dtypes from the end of a file to its start; others of ours by their width.
const LAST_TO_FIRST: &[Plain] = &[
    Plain::BOOL,
    Plain::U4,
    Plain::I4,
    Plain::F4,
    Plain::F6E2M3,
    Plain::F6E3M2,
    Plain::U8,
    Plain::I8,
    Plain::F8E5M2,
    Plain::F8E4M3,
    Plain::F8E8M0,
    Plain::F8E4M3Fnuz,
    Plain::F8E5M2Fnuz,
    Plain::I16,
    Plain::U16,
    Plain::F16,
    Plain::BF16,
    Plain::I32,
    Plain::U32,
    Plain::F32,
    Plain::C64,
    Plain::F64,
    Plain::I64,
    Plain::U64,
    Plain::C128,
];

pub(super) fn rebuild(merge: &Merge) -> Result<Rebuilt, CannotRebuild> {
    let base = merge.base.as_ref().map(Header::read).transpose()?;
    let (ours, theirs) = (Header::read(&merge.ours)?, Header::read(&merge.theirs)?);
    let (metadata, conflicts) = merge_metadata(base.as_ref(), &ours, &theirs)?;
    match frame(merge, metadata.as_ref(), &ours, &theirs) {
        Some(which) => {
            let header = if which == Which::Ours { ours } else { theirs };
            in_frame(merge, merge.side(which), header, metadata, conflicts)
        }
        None => {
            ours.check_replaceable(&merge.ours)?;
            theirs.check_replaceable(&merge.theirs)?;
            anew(merge, metadata, conflicts)
        }
    }
}

/// The start of a file.
struct Header<'a> {
    /// All of the JSON.
    entries: Map<String, Value>,
    /// What stands between the header and the first tensor.
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(file: &Sparse<'a>) -> Result<Self, CannotRebuild> {
        let split = |gap: &'a [u8]| {
            let (len, rest) = gap.split_first_chunk()?;
            rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
        };
        let (json, rest) =
            split(file.gaps[0]).ok_or_else(|| cannot(format!("the header of {} is cut short", file.who)))?;
        let entries = serde_json::from_slice(json)
            .map_err(|error| cannot(format!("the header of {} can not be read: {error}", file.who)))?;
        Ok(Self { entries, rest })
    }

    /// What the file says about itself; malformed if that is not text.
    fn metadata(&self) -> Result<Vec<(&str, &str)>, CannotRebuild> {
        let texts = match self.entries.get(METADATA) {
            None => Some(Vec::new()),
            Some(Value::Object(map)) => map.iter().map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect(),
            Some(_) => None,
        };
        texts.ok_or_else(|| cannot(format!("`{METADATA}` has values that are not text")))
    }

    /// Whether a new header would say all that this one says, and a new file have all bytes of this one.
    fn check_replaceable(&self, file: &Sparse) -> Result<(), CannotRebuild> {
        if !self.rest.is_empty() || file.gaps[1..].iter().any(|gap| !gap.is_empty()) {
            return Err(cannot(format!("{} has bytes between its tensors", file.who)));
        }
        let known = |info: &Value| {
            info.as_object().is_some_and(|info| info.keys().all(|key| INFO_KEYS.contains(&key.as_str())))
        };
        match self.entries.iter().find(|(name, info)| *name != METADATA && !known(info)) {
            Some((name, _)) => {
                Err(cannot(format!("{} says something of tensor `{name}` that the format does not know", file.who)))
            }
            None => Ok(()),
        }
    }
}

/// The merged metadata, `None` where the file is to have none, and the keys in conflict.
fn merge_metadata(
    base: Option<&Header>,
    ours: &Header,
    theirs: &Header,
) -> Result<(Option<Value>, Vec<String>), CannotRebuild> {
    let in_base = base.map_or_else(|| Ok(Vec::new()), Header::metadata)?;
    let Pairs { pairs, conflicts } = merge_pairs(&in_base, &ours.metadata()?, &theirs.metadata()?);
    let has = |header: &Header| header.entries.contains_key(METADATA);
    // Metadata without keys is not the same as none.
    let stays = match take(base.map(has).as_ref(), &has(ours), &has(theirs)) {
        Some(Which::Theirs) => has(theirs),
        Some(Which::Ours) | None => has(ours),
    };
    let map: Map<String, Value> = pairs.iter().map(|&(key, value)| (key.to_owned(), value.into())).collect();
    let metadata = (stays || !map.is_empty()).then_some(Value::Object(map));
    Ok((metadata, conflicts.into_iter().map(str::to_owned).collect()))
}

/// The side that has exactly these tensors, if any does; of both the one that changed their order, or whose metadata
/// are right already.
fn frame(merge: &Merge, metadata: Option<&Value>, ours: &Header, theirs: &Header) -> Option<Which> {
    let has_parts = |which| {
        let specs = merge.side(which).tensors;
        let is_part = |name: &str| merge.by_name.get(name).map(|&part| merge.parts[part].spec());
        specs.len() == merge.parts.len() && specs.iter().all(|spec| is_part(spec.name) == Some(*spec))
    };
    match (has_parts(Which::Ours), has_parts(Which::Theirs)) {
        (true, true) if merge.ours.tensors == merge.theirs.tensors => {
            let is_right = |header: &Header| header.entries.get(METADATA) == metadata;
            Some(if is_right(theirs) && !is_right(ours) { Which::Theirs } else { Which::Ours })
        }
        (true, true) => merge.take(|version| version.tensors).or(Some(Which::Ours)),
        (true, false) => Some(Which::Ours),
        (false, true) => Some(Which::Theirs),
        (false, false) => None,
    }
}

/// The file `side` with other metadata.
fn in_frame(
    merge: &Merge,
    side: &Sparse,
    header: Header,
    metadata: Option<Value>,
    conflicts: Vec<String>,
) -> Result<Rebuilt, CannotRebuild> {
    let Header { mut entries, rest } = header;
    if entries.get(METADATA) == metadata.as_ref() {
        return Ok(merge.whole(side, conflicts));
    }
    match metadata {
        Some(metadata) if entries.contains_key(METADATA) => drop(entries.insert(METADATA.to_owned(), metadata)),
        Some(metadata) => drop(entries.shift_insert(0, METADATA.to_owned(), metadata)),
        None => drop(entries.shift_remove(METADATA)),
    }
    let mut file = Builder::new(merge.parts);
    write_header(&mut file, &entries);
    file.bytes(rest);
    for (part, gap) in merge.named(side.tensors.iter().map(|spec| spec.name)).into_iter().zip(&side.gaps[1..]) {
        file.part(part)?;
        file.bytes(gap);
    }
    Ok(file.finish(conflicts))
}

/// The file that the reference writer would write.
fn anew(merge: &Merge, metadata: Option<Value>, conflicts: Vec<String>) -> Result<Rebuilt, CannotRebuild> {
    let mut order: Vec<usize> = (0..merge.parts.len()).collect();
    order.sort_by_key(|&part| (Reverse(rank(merge.parts[part].dtype)), merge.parts[part].name));

    let mut entries = Map::new();
    entries.extend(metadata.map(|metadata| (METADATA.to_owned(), metadata)));
    let mut end = 0_u64;
    for &part in &order {
        let spec = merge.parts[part].spec();
        let start = end;
        end = spec
            .byte_len()
            .and_then(|len| start.checked_add(len))
            .ok_or_else(|| cannot(format!("tensor `{}` has no size", spec.name)))?;
        let info = json!({ "dtype": spec.dtype.to_string(), "shape": spec.shape, "data_offsets": [start, end] });
        entries.insert(spec.name.to_owned(), info);
    }
    let mut file = Builder::new(merge.parts);
    write_header(&mut file, &entries);
    order.into_iter().try_for_each(|part| file.part(part))?;
    Ok(file.finish(conflicts))
}

/// Where the reference writer puts tensors of this type: those of a higher rank stand further in front.
fn rank(dtype: &Dtype) -> usize {
    match dtype {
        Dtype::Plain(plain) => LAST_TO_FIRST.iter().position(|other| other == plain).unwrap_or_default(),
        Dtype::Gguf(_) => 0,
    }
}

fn write_header(file: &mut Builder, entries: &Map<String, Value>) {
    // Serializing JSON values into memory cannot fail.
    let mut header = serde_json::to_vec(entries).expect("JSON of plain values");
    header.resize(header.len().next_multiple_of(HEADER_ALIGNMENT), b' ');
    file.bytes(&(header.len() as u64).to_le_bytes());
    file.bytes(&header);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::rebuild::testing::{Cut, all, data, merge};
    use crate::format::rebuild::{Origin, Part, Side, TensorSpec};

    fn file(header: &str, data: &[u8]) -> Cut {
        Cut::new(&[&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat())
    }

    /// What is between the length and the first tensor.
    fn header(bytes: &[u8]) -> &str {
        let len = u64::from_le_bytes(*bytes.first_chunk().expect("a length"));
        str::from_utf8(&bytes[8..8 + len as usize]).expect("text")
    }

    #[test]
    fn a_new_header_is_that_of_the_reference_writer() {
        let files = [
            data!("models/safetensors-f32.safetensors"),
            data!("models/safetensors-dtypes.safetensors"),
            data!("models/safetensors-shapes.safetensors"),
            data!("models/safetensors-metadata.safetensors"),
            data!("models/safetensors-unicode.safetensors"),
            data!("models/safetensors-no-tensors.safetensors"),
            data!("models/sharded/model-00002-of-00002.safetensors"),
        ];
        for file in files {
            let specs = file.specs();
            let side = Side { skeleton: &file.skeleton, tensors: &specs };
            let parts = specs.iter().enumerate().map(|(index, &TensorSpec { name, dtype, shape })| Part {
                name,
                dtype,
                shape,
                origin: Origin::Ours(index),
            });
            // In another order than that of the file.
            let parts: Vec<_> = parts.rev().collect();
            let merge = Merge::new(None, &side, &side, &parts).expect("fits");
            let metadata = Header::read(&merge.ours).expect("a header").entries.get(METADATA).cloned();
            let rebuilt = anew(&merge, metadata, Vec::new()).expect("a skeleton");
            assert_eq!(rebuilt.skeleton, file.skeleton);
            assert!(rebuilt.order.into_iter().eq((0..parts.len()).rev()));
        }
    }

    #[test]
    fn metadata_are_merged_key_by_key() {
        let base = data!("pairs/metadata-only.a.safetensors");
        let (ours, theirs) = (base.with("\"pt\"", "\"tf\""), data!("pairs/metadata-only.b.safetensors"));
        let merged = merge(Some(&base), &ours, &theirs, &all(&base, Origin::Ours), &[]).expect("merges");
        let expected = theirs.with("\"pt\"", "\"tf\"");
        assert!(merged.bytes == expected.bytes);
        assert!(merged.rebuilt.conflicts.is_empty());
    }

    #[test]
    fn a_key_that_both_changed_is_a_conflict_and_stays_ours() {
        let base = data!("pairs/metadata-only.a.safetensors");
        let (ours, theirs) = (base.with("\"100\"", "\"300\""), data!("pairs/metadata-only.b.safetensors"));
        let origins = all(&base, Origin::Theirs);
        let merged = merge(Some(&base), &ours, &theirs, &origins, &[]).expect("merges");
        assert!(merged.bytes == ours.bytes);
        assert_eq!(merged.rebuilt.conflicts, ["step"]);
        // Without a base, what is equal is no conflict.
        let merged = merge(None, &ours, &theirs, &origins, &[]).expect("merges");
        assert_eq!(merged.rebuilt.conflicts, ["step"]);
    }

    #[test]
    fn the_order_that_one_side_changed_is_kept() {
        let base = data!("pairs/order-only.a.safetensors");
        let (ours, theirs) = (base.with("\"100\"", "\"300\""), data!("pairs/order-only.b.safetensors"));
        let merged = merge(Some(&base), &ours, &theirs, &all(&base, Origin::Ours), &[]).expect("merges");
        assert!(merged.bytes == theirs.with("\"100\"", "\"300\"").bytes);
    }

    #[test]
    fn files_without_a_base_are_united() {
        let ours = data!("models/sharded/model-00001-of-00002.safetensors");
        let theirs = data!("models/sharded/model-00002-of-00002.safetensors");
        let origins = [Origin::Theirs(1), Origin::Ours(0), Origin::Theirs(0)];
        let merged = merge(None, &ours, &theirs, &origins, &[]).expect("merges");
        assert_eq!(merged.names(), ["model.embed.weight", "model.head.weight", "model.norm.weight"]);
        assert_eq!(merged.rebuilt.order, [1, 2, 0]);
        assert_eq!(header(&merged.bytes).len() % 8, 0);
    }

    #[test]
    fn metadata_come_and_go() {
        let x = r#""x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;
        let (bare, with) = (format!("{{{x}"), format!(r#"{{"__metadata__":{{"a":"b"}},{x}"#));
        let (without, with) = (file(&bare, b"12"), file(&with, b"12"));
        let other = file(r#"{"x":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#, b"34");
        let ours = [Origin::Ours(0)];
        let added = merge(Some(&other), &other, &with, &ours, &[]).expect("merges");
        assert_eq!(
            header(&added.bytes).trim_end(),
            r#"{"__metadata__":{"a":"b"},"x":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#
        );
        let dropped = merge(Some(&with), &with, &without, &ours, &[]).expect("merges");
        assert!(dropped.bytes == without.bytes);
    }

    #[test]
    fn what_a_new_header_would_lose_is_refused() {
        let tensors =
            r#""x":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"y":{"dtype":"U8","shape":[2],"data_offsets":"#;
        let gap = file(&format!("{{{tensors}[4,6]}}}}"), b"120034");
        let key = file(&format!(r#"{{{tensors}[2,4],"scale":1}}}}"#), b"1234");
        let number = file(&format!(r#"{{"__metadata__":{{"step":1}},{tensors}[2,4]}}}}"#), b"1234");
        for (file, expected) in [(gap, "between its tensors"), (key, "does not know"), (number, "not text")] {
            let why = merge(None, &file, &file, &[Origin::Ours(1)], &[]).expect_err(expected).0;
            assert!(why.contains(expected), "{why}");
        }
    }
}
