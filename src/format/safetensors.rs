//! safetensors: an 8-byte header length, a JSON header, then the tensors one behind the other.
//!
//! Source: the format description in the safetensors repository (version 0.5), including its rules for hostile input:
//! header at most 100 MB, offsets contiguous from 0 to the end of the file.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::{HEADER_BYTES_MAX, Layout, ParseError, Record, Source, malformed, read_vec};
use crate::tensor::Dtype;

/// A header must at least be `{}`.
const HEADER_BYTES_MIN: u64 = 2;

#[derive(serde::Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    if source.len() < 8 + HEADER_BYTES_MIN {
        return Ok(None);
    }
    let mut start = [0; 9];
    source.read_at(0, &mut start)?;
    let header_len =
        u64::from_le_bytes([start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7]]);
    if start[8] != b'{' || header_len < HEADER_BYTES_MIN || header_len > source.len() {
        return Ok(None);
    }
    let header = read_vec(source, 8, header_len, HEADER_BYTES_MAX)?;
    let data_start = 8 + header_len;

    let infos = read_infos(&header).map_err(|error| malformed(format!("safetensors header: {error}")))?;
    let mut records = Vec::with_capacity(infos.len());
    for (name, info) in infos {
        let dtype = Dtype::parse(&info.dtype)
            .ok_or_else(|| malformed(format!("tensor `{name}` has the unknown dtype `{}`", info.dtype)))?;
        let (begin, end) = info.data_offsets;
        let len = end.checked_sub(begin).ok_or_else(|| malformed(format!("tensor `{name}` ends before it starts")))?;
        let offset = data_start.checked_add(begin).ok_or_else(|| malformed(format!("tensor `{name}` lies nowhere")))?;
        records.push(Record { name, dtype, shape: info.shape, offset, len });
    }
    Layout::new("safetensors", records, source.len()).map(Some)
}

/// The tensors of the header in its order; a map would lose names that stand twice.
fn read_infos(header: &[u8]) -> Result<Vec<(String, Info)>, serde_json::Error> {
    struct Infos;

    impl<'de> Visitor<'de> for Infos {
        type Value = Vec<(String, Info)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of tensors")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut infos = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                if name == "__metadata__" {
                    map.next_value::<IgnoredAny>()?;
                } else {
                    infos.push((name, map.next_value()?));
                }
            }
            Ok(infos)
        }
    }

    impl<'de> DeserializeSeed<'de> for Infos {
        type Value = Vec<(String, Info)>;

        fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_map(self)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(header);
    let infos = Infos.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(infos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Bytes, Detected, detect};

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn tensors_come_in_file_order() {
        let header = r#"{"__metadata__":{"a":"b"},"y":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]},"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
        let bytes = file(header, &[0; 8]);
        let layout = parse(&Bytes(&bytes)).expect("well-formed").expect("safetensors");
        let names: Vec<_> = layout.records.iter().map(|record| (record.name.as_str(), record.len)).collect();
        assert_eq!(names, [("x", 4), ("y", 4)]);
        assert_eq!(layout.records[0].offset, 8 + header.len() as u64);
    }

    #[test]
    fn broken_headers_are_malformed() {
        let cases = [
            (r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, "another size"),
            (r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, "ends before"),
            (r#"{"x":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}"#, "unknown dtype"),
            (r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#, "past the end"),
            (r#"{"x":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}"#, "another size"),
            (
                r#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
                "overlaps",
            ),
            (
                r#"{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"x":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#,
                "two tensors",
            ),
            (r#"{"x":{"dtype":"F32"}}"#, "header"),
            (r#"{"x":"#, "header"),
        ];
        for (header, expected) in cases {
            match detect(&Bytes(&file(header, &[0; 8]))).expect("readable") {
                Detected::Malformed { why, .. } => assert!(why.0.contains(expected), "{header}: {why}"),
                other => panic!("{header}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_files_are_unknown() {
        for bytes in [&b""[..], b"12345678", b"\x7fELF and so on, for a while"] {
            assert_eq!(detect(&Bytes(bytes)).expect("readable"), Detected::Unknown);
        }
    }
}
