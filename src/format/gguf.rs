//! GGUF: a header, metadata, tensor infos, then the tensors, each at a multiple of the file's alignment.
//!
//! Source: the GGUF specification of ggml (`docs/gguf.md`), versions 2 and 3, which read alike; limits as in ggml's
//! own reader (`gguf.cpp`). A file stores dimensions innermost first; a record has them outermost first, as numpy does.
//!
//! **Limitations.** Version 1 (32-bit counts, of 2023) and big-endian files are malformed here, and so are tensors of
//! a type that [`Quantized`] does not list: their size is unknown.

use super::cursor::Cursor;
use super::{HEADER_BYTES_MAX, Layout, ParseError, Record, Source, malformed};
use crate::tensor::{self, Dtype, Plain, Quantized};

pub(super) const MAGIC: &[u8; 4] = b"GGUF";
pub(super) const ALIGNMENT_KEY: &[u8] = b"general.alignment";
pub(super) const ALIGNMENT_DEFAULT: u64 = 32;

pub(super) const VALUE_U32: u32 = 4;
const VALUE_STRING: u32 = 8;
const VALUE_ARRAY: u32 = 9;

/// ggml knows 4 dimensions; the format allows more.
const DIMS_MAX: u32 = 8;
const NAME_BYTES_MAX: u64 = 64 << 10;
const TENSORS_MAX: u64 = 1 << 20;
/// Arrays of arrays of arrays: deeper ones occur in no known file.
pub(super) const ARRAY_DEPTH_MAX: u32 = 4;
/// A tokenizer's vocabulary is some megabytes of short strings.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let mut magic = [0; MAGIC.len()];
    if source.len() < MAGIC.len() as u64 {
        return Ok(None);
    }
    source.read_at(0, &mut magic)?;
    if &magic != MAGIC {
        return Ok(None);
    }
    let mut header = Cursor::new(source, MAGIC.len() as u64, HEADER_BYTES_MAX, BUFFER_BYTES);
    check_version(header.u32()?)?;
    let tensors = header.u64()?;
    let pairs = header.u64()?;
    if tensors > TENSORS_MAX {
        return Err(malformed(format!("GGUF header: {tensors} tensors are over the limit of {TENSORS_MAX}")));
    }
    let alignment = read_metadata(&mut header, pairs)?;
    let mut records = Vec::new();
    for _ in 0..tensors {
        records.push(read_tensor_info(&mut header)?);
    }
    let data_start = header.position().checked_next_multiple_of(alignment);
    for record in &mut records {
        if !record.offset.is_multiple_of(alignment) {
            return Err(malformed(format!("tensor `{}` is not aligned to {alignment} bytes", record.name)));
        }
        record.offset = data_start
            .and_then(|start| start.checked_add(record.offset))
            .ok_or_else(|| malformed(format!("tensor `{}` lies nowhere", record.name)))?;
    }
    Layout::new("gguf", records, source.len()).map(Some)
}

fn check_version(version: u32) -> Result<(), ParseError> {
    match version {
        2 | 3 => Ok(()),
        // A small number read in the wrong byte order.
        _ if version & 0xffff == 0 && version != 0 => Err(malformed("big-endian GGUF files are not cut")),
        _ => Err(malformed(format!("GGUF version {version} is unknown"))),
    }
}

/// Steps over the key-value pairs; returns the alignment they set.
fn read_metadata(header: &mut Cursor, pairs: u64) -> Result<u64, ParseError> {
    let mut alignment = ALIGNMENT_DEFAULT;
    for _ in 0..pairs {
        let key_len = header.u64()?;
        let is_alignment = if key_len == ALIGNMENT_KEY.len() as u64 {
            header.bytes(key_len, key_len)? == ALIGNMENT_KEY
        } else {
            header.skip(key_len)?;
            false
        };
        let value_type = header.u32()?;
        if is_alignment {
            if value_type != VALUE_U32 {
                return Err(malformed("`general.alignment` is not a 32-bit number"));
            }
            alignment = u64::from(header.u32()?);
            if !alignment.is_power_of_two() {
                return Err(malformed(format!("`general.alignment` of {alignment} is not a power of two")));
            }
        } else {
            skip_value(header, value_type, ARRAY_DEPTH_MAX)?;
        }
    }
    Ok(alignment)
}

/// Steps over a value of this type, with arrays nested at most so deep.
pub(super) fn skip_value(header: &mut Cursor, value_type: u32, depth_left: u32) -> Result<(), ParseError> {
    if let Some(width) = value_bytes(value_type) {
        return header.skip(width);
    }
    match value_type {
        VALUE_STRING => {
            let len = header.u64()?;
            header.skip(len)
        }
        VALUE_ARRAY => {
            let element_type = header.u32()?;
            let elements = header.u64()?;
            if let Some(width) = value_bytes(element_type) {
                return header.skip(elements.saturating_mul(width));
            }
            let depth_left = depth_left.checked_sub(1).ok_or_else(|| malformed("metadata arrays nest too deep"))?;
            // Strings and arrays take at least 8 bytes each, so that the header's end also ends a false count.
            (0..elements).try_for_each(|_| skip_value(header, element_type, depth_left))
        }
        _ => Err(malformed(format!("metadata value type {value_type} is unknown"))),
    }
}

/// Bytes of a value of a type that has a fixed size.
fn value_bytes(value_type: u32) -> Option<u64> {
    match value_type {
        0 | 1 | 7 => Some(1),         // u8, i8, bool
        2 | 3 => Some(2),             // u16, i16
        VALUE_U32 | 5 | 6 => Some(4), // u32, i32, f32
        10..=12 => Some(8),           // u64, i64, f64
        _ => None,
    }
}

/// A record whose offset still counts from the start of the tensor data.
fn read_tensor_info(header: &mut Cursor) -> Result<Record, ParseError> {
    let name_len = header.u64()?;
    let name = String::from_utf8(header.bytes(name_len, NAME_BYTES_MAX)?)
        .map_err(|_| malformed("the name of a tensor is not UTF-8"))?;
    let dims = header.u32()?;
    if dims > DIMS_MAX {
        return Err(malformed(format!("tensor `{name}` has {dims} dimensions")));
    }
    let mut shape = (0..dims).map(|_| header.u64()).collect::<Result<Vec<_>, _>>()?;
    shape.reverse();
    let code = header.u32()?;
    let dtype = dtype(code).ok_or_else(|| malformed(format!("tensor `{name}` has the unknown type {code}")))?;
    let offset = header.u64()?;
    let len = tensor::element_count(&shape)
        .and_then(|elements| dtype.byte_len(elements))
        .ok_or_else(|| malformed(format!("tensor `{name}` does not fill whole {dtype} blocks")))?;
    Ok(Record { name, dtype, shape, offset, len })
}

/// The `ggml_type` of each element type that is not quantized.
const PLAIN_TYPES: [(u32, Plain); 8] = [
    (0, Plain::F32),
    (1, Plain::F16),
    (24, Plain::I8),
    (25, Plain::I16),
    (26, Plain::I32),
    (27, Plain::I64),
    (28, Plain::F64),
    (30, Plain::BF16),
];

/// The element type behind a `ggml_type`.
fn dtype(code: u32) -> Option<Dtype> {
    let quantized = || Quantized::ALL.iter().find(|quantized| quantized.code() == code).map(|&q| Dtype::Gguf(q));
    let plain = PLAIN_TYPES.iter().find(|(plain, _)| *plain == code);
    plain.map_or_else(quantized, |&(_, plain)| Some(plain.into()))
}

/// The `ggml_type` of an element type.
pub(super) fn type_code(dtype: &Dtype) -> Option<u32> {
    match dtype {
        Dtype::Gguf(quantized) => Some(quantized.code()),
        Dtype::Plain(plain) => PLAIN_TYPES.iter().find(|(_, other)| other == plain).map(|&(code, _)| code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Bytes;
    use crate::format::hostile::{self, reason};

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn pair(key: &str, value_type: u32, value: &[u8]) -> Vec<u8> {
        [&string(key)[..], &value_type.to_le_bytes(), value].concat()
    }

    fn info(name: &str, dims: &[u64], code: u32, offset: u64) -> Vec<u8> {
        let mut bytes = string(name);
        bytes.extend((dims.len() as u32).to_le_bytes());
        bytes.extend(dims.iter().flat_map(|dim| dim.to_le_bytes()));
        bytes.extend(code.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes
    }

    fn file(version: u32, pairs: &[Vec<u8>], infos: &[Vec<u8>], alignment: usize, data: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend((infos.len() as u64).to_le_bytes());
        bytes.extend((pairs.len() as u64).to_le_bytes());
        bytes.extend(pairs.concat());
        bytes.extend(infos.concat());
        bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        bytes.extend_from_slice(data);
        bytes
    }

    fn array(element_type: u32, count: u64, elements: &[u8]) -> Vec<u8> {
        [&element_type.to_le_bytes()[..], &count.to_le_bytes(), elements].concat()
    }

    fn sample() -> Vec<u8> {
        let pairs = [
            pair("general.alignment", VALUE_U32, &64_u32.to_le_bytes()),
            pair("general.name", VALUE_STRING, &string("a model")),
            pair("tokens", VALUE_ARRAY, &array(VALUE_STRING, 2, &[string("a"), string("bc")].concat())),
            pair("nested", VALUE_ARRAY, &array(VALUE_ARRAY, 2, &[array(0, 3, &[1, 2, 3]), array(10, 0, &[])].concat())),
            pair("eps", 12, &1e-6_f64.to_le_bytes()),
        ];
        let infos = [info("token_embd.weight", &[256, 2], 12, 128), info("norm.weight", &[20], 0, 0)];
        file(3, &pairs, &infos, 64, &[7; 128 + 288])
    }

    #[test]
    fn tensors_lie_where_the_infos_say() {
        for version in [2, 3] {
            let mut bytes = sample();
            bytes[4] = version;
            let layout = parse(&Bytes(&bytes)).expect("well-formed").expect("GGUF");
            let data_start = bytes.len() as u64 - 128 - 288;
            let expected = [
                Record {
                    name: "norm.weight".into(),
                    dtype: Plain::F32.into(),
                    shape: vec![20],
                    offset: data_start,
                    len: 80,
                },
                Record {
                    name: "token_embd.weight".into(),
                    dtype: Dtype::Gguf(Quantized::Q4_K),
                    shape: vec![2, 256],
                    offset: data_start + 128,
                    len: 288,
                },
            ];
            assert_eq!(layout, Layout { format: "gguf", records: expected.into() });
        }
    }

    #[test]
    fn a_vocabulary_alone_has_no_records() {
        let bytes = file(3, &[pair("general.name", VALUE_STRING, &string("v"))], &[], 1, &[]);
        assert!(parse(&Bytes(&bytes)).expect("well-formed").expect("GGUF").records.is_empty());
    }

    #[test]
    fn broken_headers_are_malformed() {
        let one = |info| file(3, &[], &[info], 32, &[0; 64]);
        let with = |pair| file(3, &[pair], &[], 32, &[]);
        let deep = (0..6).fold(array(0, 0, &[]), |inner, _| array(VALUE_ARRAY, 1, &inner));
        let mut false_count = sample();
        false_count[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        let cases = [
            (file(0x0300_0000, &[], &[], 1, &[]), "big-endian"),
            (file(1, &[], &[], 1, &[]), "version 1"),
            (MAGIC.to_vec(), "past byte"),
            (one(info("x", &[4], 4, 0)), "unknown type 4"),
            (one(info("x", &[31], 2, 0)), "whole GGUF:Q4_0 blocks"),
            (one(info("x", &[u64::MAX, 2], 0, 0)), "whole"),
            (one(info("x", &[4], 0, 16)), "aligned"),
            (one(info("x", &[4], 0, u64::MAX - 31)), "nowhere"),
            (one(info("x", &[4], 0, 64)), "past the end"),
            (one(info("x", &[1; 9], 0, 0)), "9 dimensions"),
            (with(pair("general.alignment", VALUE_U32, &12_u32.to_le_bytes())), "power of two"),
            (with(pair("general.alignment", VALUE_STRING, &string("64"))), "32-bit"),
            (with(pair("k", 13, &[])), "value type 13"),
            (with(pair("k", VALUE_STRING, &u64::MAX.to_le_bytes())), "past byte"),
            (with(pair("k", VALUE_ARRAY, &array(12, u64::MAX, &[]))), "past byte"),
            (with(pair("k", VALUE_ARRAY, &deep)), "too deep"),
            (false_count, "over the limit"),
        ];
        for (bytes, expected) in cases {
            let why = reason(parse(&Bytes(&bytes)));
            assert!(why.contains(expected), "{expected}: {why}");
        }
    }

    #[test]
    fn damage_is_survived() {
        hostile::check(parse, &sample());
    }
}
