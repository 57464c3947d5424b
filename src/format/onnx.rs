//! ONNX: a protobuf `ModelProto` whose graph holds the weights as initializers.
//!
//! Source: `onnx.proto` of ONNX 1.23 (IR version 14). Only `initializer.raw_data` of the main graph is cut out, and only
//! where it is large: small constants are worth less than their line in a manifest.
//!
//! There is no magic number. A file is taken for ONNX if it starts with a plausible `ir_version`, has only fields of
//! `ModelProto`, each of its wire type, and among them one graph; most other files fail at their first byte.
//!
//! **Limitations.** Left in the gaps: weights in typed fields (`float_data`, …), in sparse initializers, in attributes
//! of nodes and in nested graphs; strings, 2-bit and 6-bit types; odd counts of 4-bit elements; initializers without a
//! name, and all but the first of those with the same one. Weights in external data files are in files of their own.
//! A writer that does not put `ir_version` first (all known ones do) is not recognized, nor is a model with top-level
//! fields of a later version.

use std::collections::HashSet;

use super::cursor::Cursor;
use super::protobuf::{Field, Span, Value, next_field, varint};
use super::{Layout, ParseError, Record, Source};
use crate::tensor::{self, Dtype, Plain};

const IR_VERSION_MAX: u8 = 64;
/// Functions and metadata are top-level fields: there may be thousands.
const MODEL_FIELDS_MAX: u32 = 100_000;
/// Raw data shorter than this stays in the gaps.
const RAW_BYTES_MIN: u64 = 1 << 10;
const NAME_BYTES_MAX: u64 = 64 << 10;
const DIMS_MAX: usize = 64;
/// Nodes are some hundred bytes each.
const GRAPH_BUFFER_BYTES: usize = 4 << 10;
/// What a tensor has beside its data.
const TENSOR_BUFFER_BYTES: usize = 256;

/// `TensorProto.DataLocation.EXTERNAL`.
const LOCATION_EXTERNAL: u64 = 1;

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let graph = match find_graph(source) {
        // Without a magic number, bytes that break the rules are no ONNX at all.
        Err(ParseError::Malformed(_)) | Ok(None) => return Ok(None),
        Err(error) => return Err(error),
        Ok(Some(graph)) => graph,
    };
    let mut records = Vec::new();
    let mut names = HashSet::new();
    let mut cursor = Cursor::new(source, graph.start, graph.start + graph.len, GRAPH_BUFFER_BYTES);
    while let Some(field) = next_field(&mut cursor)? {
        let Field { number: 5, value: Value::Bytes(initializer) } = field else { continue };
        if let Some(record) = read_tensor(source, initializer)?
            && names.insert(record.name.clone())
        {
            records.push(record);
        }
    }
    if records.is_empty() {
        return Ok(None);
    }
    Layout::new("onnx", records, source.len()).map(Some)
}

/// The main graph of a file that has the fields of a `ModelProto` and no others.
fn find_graph(source: &dyn Source) -> Result<Option<Span>, ParseError> {
    let mut start = [0; 2];
    if source.len() < start.len() as u64 {
        return Ok(None);
    }
    source.read_at(0, &mut start)?;
    if start[0] != 0x08 || !(1..=IR_VERSION_MAX).contains(&start[1]) {
        return Ok(None);
    }
    let mut graph = None;
    let mut seen = 0_u32;
    let mut cursor = Cursor::new(source, 0, u64::MAX, TENSOR_BUFFER_BYTES);
    for _ in 0..MODEL_FIELDS_MAX {
        let Some(field) = next_field(&mut cursor)? else { return Ok(graph) };
        let once = match (field.number, field.value) {
            // Versions; producer, domain, doc_string.
            (1 | 5, Value::Varint(_)) | (2 | 3 | 4 | 6, Value::Bytes(_)) => true,
            (7, Value::Bytes(span)) => {
                graph = Some(span);
                true
            }
            // opset_import, metadata_props, training_info, functions, configuration.
            (8 | 14 | 20 | 25 | 26, Value::Bytes(_)) => false,
            _ => return Ok(None),
        };
        let bit = 1 << field.number;
        if once && seen & bit != 0 {
            return Ok(None);
        }
        seen |= bit;
    }
    Ok(None)
}

/// The record of a `TensorProto`, unless its data stay in the gaps.
fn read_tensor(source: &dyn Source, message: Span) -> Result<Option<Record>, ParseError> {
    if message.len < RAW_BYTES_MIN {
        return Ok(None);
    }
    let end = message.start + message.len;
    let mut cursor = Cursor::new(source, message.start, end, TENSOR_BUFFER_BYTES);
    let mut shape = Vec::new();
    let (mut data_type, mut name, mut raw) = (0, None, None);
    while let Some(field) = next_field(&mut cursor)? {
        match (field.number, field.value) {
            (1, Value::Varint(dim)) => shape.push(dim),
            (1, Value::Bytes(dims)) => read_packed_dims(source, dims, &mut shape)?,
            (2, Value::Varint(code)) => data_type = code,
            (8, Value::Bytes(text)) => name = read_name(source, text)?,
            (9, Value::Bytes(data)) => raw = Some(data),
            // A segment is a part of a tensor; external data are elsewhere.
            (3, _) | (14, Value::Varint(LOCATION_EXTERNAL)) => return Ok(None),
            _ => {}
        }
        if shape.len() > DIMS_MAX {
            return Ok(None);
        }
    }
    let (Some(dtype), Some(name), Some(raw)) = (dtype(data_type), name, raw) else { return Ok(None) };
    let len = tensor::element_count(&shape).and_then(|elements| dtype.byte_len(elements));
    if raw.len < RAW_BYTES_MIN || len != Some(raw.len) {
        return Ok(None);
    }
    Ok(Some(Record { name, dtype, shape, offset: raw.start, len: raw.len }))
}

/// Appends a packed list of dimensions, of which no more are read than show that they are too many.
fn read_packed_dims(source: &dyn Source, packed: Span, shape: &mut Vec<u64>) -> Result<(), ParseError> {
    let mut cursor = Cursor::new(source, packed.start, packed.start + packed.len, TENSOR_BUFFER_BYTES);
    while cursor.remaining() > 0 && shape.len() <= DIMS_MAX {
        shape.push(varint(&mut cursor)?);
    }
    Ok(())
}

/// A usable name: not empty, UTF-8, not excessively long.
fn read_name(source: &dyn Source, text: Span) -> Result<Option<String>, ParseError> {
    if text.len == 0 || text.len > NAME_BYTES_MAX {
        return Ok(None);
    }
    let bytes = super::read_vec(source, text.start, text.len, NAME_BYTES_MAX)?;
    Ok(String::from_utf8(bytes).ok())
}

/// The element type behind a `TensorProto.DataType`.
fn dtype(data_type: u64) -> Option<Dtype> {
    let plain = match data_type {
        1 => Plain::F32,
        2 => Plain::U8,
        3 => Plain::I8,
        4 => Plain::U16,
        5 => Plain::I16,
        6 => Plain::I32,
        7 => Plain::I64,
        9 => Plain::BOOL,
        10 => Plain::F16,
        11 => Plain::F64,
        12 => Plain::U32,
        13 => Plain::U64,
        14 => Plain::C64,
        15 => Plain::C128,
        16 => Plain::BF16,
        17 => Plain::F8E4M3,
        18 => Plain::F8E4M3Fnuz,
        19 => Plain::F8E5M2,
        20 => Plain::F8E5M2Fnuz,
        21 => Plain::U4,
        22 => Plain::I4,
        23 => Plain::F4,
        24 => Plain::F8E8M0,
        _ => return None,
    };
    Some(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Bytes;
    use crate::format::hostile::{self, reason};

    fn varint_of(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn int(number: u64, value: u64) -> Vec<u8> {
        [varint_of(number << 3), varint_of(value)].concat()
    }

    fn bytes(number: u64, payload: &[u8]) -> Vec<u8> {
        [&varint_of(number << 3 | 2)[..], &varint_of(payload.len() as u64), payload].concat()
    }

    fn tensor(name: &str, dims: &[u64], data_type: u64, raw_len: usize) -> Vec<u8> {
        let dims = dims.iter().flat_map(|&dim| int(1, dim)).collect();
        [dims, int(2, data_type), bytes(8, name.as_bytes()), bytes(9, &vec![7; raw_len])].concat()
    }

    fn model(initializers: &[Vec<u8>]) -> Vec<u8> {
        let node = bytes(1, &bytes(4, b"MatMul"));
        let initializers: Vec<u8> = initializers.iter().flat_map(|tensor| bytes(5, tensor)).collect();
        let graph = [node, bytes(2, b"main"), initializers, bytes(11, b"")].concat();
        [int(1, 10), bytes(2, b"tests"), bytes(7, &graph), bytes(8, &int(2, 21))].concat()
    }

    fn sample() -> Vec<u8> {
        let packed = [
            bytes(1, &[varint_of(2), varint_of(300)].concat()),
            int(2, 16),
            bytes(9, &[0xee; 1200]),
            bytes(8, b"packed"),
        ];
        model(&[tensor("w", &[16, 16], 1, 1024), tensor("bias", &[4], 1, 16), packed.concat()])
    }

    fn layout(file: &[u8]) -> Option<Layout> {
        parse(&Bytes(file)).expect("well-formed")
    }

    fn names(file: &[u8]) -> Vec<String> {
        layout(file).map_or_else(Vec::new, |layout| layout.records.into_iter().map(|record| record.name).collect())
    }

    #[test]
    fn large_initializers_are_records() {
        let file = sample();
        let place =
            |byte, len| file.windows(len).position(|window| window.iter().all(|&b| b == byte)).map(|at| at as u64);
        let layout = layout(&file).expect("ONNX");
        let expected = [
            Record {
                name: "w".into(),
                dtype: Plain::F32.into(),
                shape: vec![16, 16],
                offset: place(7, 1024).expect("in the file"),
                len: 1024,
            },
            Record {
                name: "packed".into(),
                dtype: Plain::BF16.into(),
                shape: vec![2, 300],
                offset: place(0xee, 1200).expect("in the file"),
                len: 1200,
            },
        ];
        assert_eq!(layout, Layout { format: "onnx", records: expected.into() });
    }

    #[test]
    fn what_cannot_be_cut_stays_in_the_gaps() {
        let external = [tensor("x", &[1024], 2, 1024), int(14, LOCATION_EXTERNAL)].concat();
        let segment = [tensor("x", &[1024], 2, 1024), bytes(3, b"")].concat();
        let cases = [
            tensor("small", &[1023], 2, 1023),
            tensor("", &[1024], 2, 1024),
            tensor("string", &[1024], 8, 1024),
            tensor("negative", &[u64::MAX], 2, 1024),
            tensor("another size", &[1025], 2, 1024),
            tensor("odd nibbles", &[2049], 21, 1025),
            tensor("many dimensions", &[1; 65], 2, 1024),
            tensor(&"long".repeat(20_000), &[1024], 2, 1024),
            external,
            segment,
        ];
        for case in cases {
            assert_eq!(layout(&model(std::slice::from_ref(&case))), None, "not alone");
            assert_eq!(names(&model(&[case, tensor("w", &[2048], 22, 1024)])), ["w"], "not beside another");
        }
        let twice = [tensor("w", &[1024], 2, 1024), tensor("w", &[512], 4, 1024)];
        assert_eq!(names(&model(&twice)), ["w"]);
    }

    #[test]
    fn other_files_are_not_onnx() {
        let good = sample();
        let graph = bytes(7, &bytes(5, &tensor("w", &[1024], 2, 1024)));
        let cases = [
            vec![],
            vec![8],
            good[..good.len() - 1].to_vec(),
            [int(1, 0), graph.clone()].concat(),
            [int(1, 8), graph.clone(), graph.clone()].concat(),
            [int(1, 8), int(7, 1)].concat(),
            [int(1, 8), bytes(2, b"a saved model")].concat(),
            [int(1, 8), graph.clone(), bytes(500, b"Core ML")].concat(),
            [int(1, 8).repeat(2), graph.clone()].concat(),
            [bytes(2, b"no version"), graph].concat(),
        ];
        for case in cases {
            assert_eq!(layout(&case), None, "{case:?}");
        }
        assert!(!names(&good).is_empty());
    }

    #[test]
    fn a_broken_graph_is_malformed() {
        let file = [int(1, 8), bytes(7, &[0x2a, 0x7f])].concat();
        assert!(reason(parse(&Bytes(&file))).contains("past byte"));
    }

    #[test]
    fn damage_is_survived() {
        hostile::check(parse, &sample());
    }
}
