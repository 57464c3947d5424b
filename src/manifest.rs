//! The manifest: the text that git keeps in place of a weight file.
//!
//! One JSON object per line, keys in a fixed order, a blank line between records, so that edits of neighbouring tensors
//! merge as text. The first line is the header; see `docs/FORMAT.md`. Keys that this version does not know are kept
//! when a manifest is rewritten.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::ObjectId;
use crate::tensor::{self, Dtype};

/// The version this program writes and the only one it reads.
pub const VERSION: u64 = 1;
/// A larger text is no manifest.
pub const BYTES_MAX: u64 = 64 << 20;
/// Every manifest starts with this.
pub const PREFIX: &[u8] = b"{\"git-model\":";

/// What a weight file consists of.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The file's length in bytes.
    pub size: u64,
    /// How the bytes are divided.
    pub content: Content,
    /// Header keys of later versions, kept as they are.
    pub extra: Map<String, Value>,
}

/// How a file's bytes are divided into objects.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Tensors, and a skeleton of what lies between them.
    Model {
        /// The format's name, such as `safetensors`.
        format: String,
        /// The object that holds the bytes between the tensors.
        skeleton: ObjectId,
        /// The tensors in file order.
        tensors: Vec<Tensor>,
    },
    /// One object: the whole file.
    Opaque {
        /// The file's SHA-256.
        sha256: ObjectId,
        /// Record keys of later versions, kept as they are.
        extra: Map<String, Value>,
    },
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name, unique within the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<u64>,
    /// SHA-256 of its bytes.
    pub sha256: ObjectId,
    /// Optional keys (`health`, `tied`, those of later versions), kept as they are.
    pub extra: Map<String, Value>,
}

impl Tensor {
    /// The length of its bytes. A manifest that parsed has no tensor without one.
    pub fn byte_len(&self) -> Option<u64> {
        self.dtype.byte_len(tensor::element_count(&self.shape)?)
    }
}

/// Why a text is not a manifest this program can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It does not start like one.
    #[error("not a git-model manifest")]
    NotAManifest,
    /// Another program version wrote it.
    #[error("a manifest of version {0}; this git-model reads version {VERSION}")]
    Version(u64),
    /// It starts like one but is not.
    #[error("line {line}: {what}")]
    Broken {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

#[derive(Serialize, Deserialize)]
struct HeaderLine {
    #[serde(rename = "git-model")]
    version: u64,
    format: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    skeleton: Option<String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct VersionLine {
    #[serde(rename = "git-model")]
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct TensorLine {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    sha256: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct OpaqueLine {
    sha256: String,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Manifest {
    /// Whether `text` starts like a manifest of any version; [`Manifest::parse`] says the rest.
    pub fn looks_like(text: &[u8]) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// An unknown version, duplicate names, a record that cannot be sized, sizes that do not add up to no more than
    /// `size`, or anything else that a manifest never holds.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        if !Self::looks_like(text) || text.len() as u64 > BYTES_MAX {
            return Err(ParseError::NotAManifest);
        }
        let broken = |line: usize, what: String| ParseError::Broken { line, what };
        let mut lines = text.split(|&byte| byte == b'\n').enumerate().map(|(at, line)| (at + 1, line));
        let (_, first) = lines.next().ok_or(ParseError::NotAManifest)?;
        let version: VersionLine = serde_json::from_slice(first).map_err(|error| broken(1, error.to_string()))?;
        if version.version != VERSION {
            return Err(ParseError::Version(version.version));
        }
        if text.last() != Some(&b'\n') {
            return Err(broken(text.split(|&byte| byte == b'\n').count(), "the text ends early".into()));
        }
        let header: HeaderLine = serde_json::from_slice(first).map_err(|error| broken(1, error.to_string()))?;
        if header.extra.contains_key("key") {
            return Err(broken(1, "the manifest is keyed, which this git-model cannot read".into()));
        }
        let records = lines.filter(|(_, line)| !line.is_empty());
        let content = match (header.format.as_str(), header.skeleton) {
            ("opaque", None) => parse_opaque(records)?,
            ("opaque", Some(_)) => return Err(broken(1, "an opaque file has no skeleton".into())),
            (_, None) => return Err(broken(1, "the skeleton is missing".into())),
            (_, Some(skeleton)) => {
                let skeleton = skeleton.parse().map_err(|error| broken(1, format!("skeleton: {error}")))?;
                let tensors = parse_tensors(records, header.size)?;
                Content::Model { format: header.format, skeleton, tensors }
            }
        };
        Ok(Self { size: header.size, content, extra: header.extra })
    }

    /// The text, as git keeps it.
    pub fn print(&self) -> Vec<u8> {
        let (format, skeleton) = match &self.content {
            Content::Model { format, skeleton, .. } => (format.clone(), Some(skeleton.to_string())),
            Content::Opaque { .. } => ("opaque".to_owned(), None),
        };
        let mut text = Vec::new();
        let header = HeaderLine { version: VERSION, format, size: self.size, skeleton, extra: self.extra.clone() };
        push_line(&mut text, &header);
        match &self.content {
            Content::Opaque { sha256, extra } => {
                text.push(b'\n');
                push_line(&mut text, &OpaqueLine { sha256: sha256.to_string(), extra: extra.clone() });
            }
            Content::Model { tensors, .. } => {
                for tensor in tensors {
                    text.push(b'\n');
                    let line = TensorLine {
                        name: tensor.name.clone(),
                        dtype: tensor.dtype.to_string(),
                        shape: tensor.shape.clone(),
                        sha256: tensor.sha256.to_string(),
                        extra: tensor.extra.clone(),
                    };
                    push_line(&mut text, &line);
                }
            }
        }
        text
    }

    /// The format's name: `opaque` for a file that was not divided.
    pub fn format(&self) -> &str {
        match &self.content {
            Content::Model { format, .. } => format,
            Content::Opaque { .. } => "opaque",
        }
    }

    /// The tensors in file order; none for an opaque file.
    pub fn tensors(&self) -> &[Tensor] {
        match &self.content {
            Content::Model { tensors, .. } => tensors,
            Content::Opaque { .. } => &[],
        }
    }

    /// Every object the manifest names: the skeleton and the tensors, or the whole file.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        let first = match &self.content {
            Content::Model { skeleton, .. } => *skeleton,
            Content::Opaque { sha256, .. } => *sha256,
        };
        std::iter::once(first).chain(self.tensors().iter().map(|tensor| tensor.sha256))
    }
}

fn push_line(text: &mut Vec<u8>, line: &impl Serialize) {
    // Serializing strings, numbers and JSON values into memory cannot fail.
    serde_json::to_writer(&mut *text, line).expect("JSON of plain values");
    text.push(b'\n');
}

fn parse_opaque<'a>(mut records: impl Iterator<Item = (usize, &'a [u8])>) -> Result<Content, ParseError> {
    let broken = |line: usize, what: String| ParseError::Broken { line, what };
    let (at, line) = records.next().ok_or_else(|| broken(1, "the record is missing".into()))?;
    let record: OpaqueLine = serde_json::from_slice(line).map_err(|error| broken(at, error.to_string()))?;
    let sha256 = record.sha256.parse().map_err(|error| broken(at, format!("sha256: {error}")))?;
    match records.next() {
        Some((at, _)) => Err(broken(at, "an opaque file has one record".into())),
        None => Ok(Content::Opaque { sha256, extra: record.extra }),
    }
}

fn parse_tensors<'a>(records: impl Iterator<Item = (usize, &'a [u8])>, size: u64) -> Result<Vec<Tensor>, ParseError> {
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    let mut total = 0_u64;
    for (at, line) in records {
        let broken = |what: String| ParseError::Broken { line: at, what };
        let record: TensorLine = serde_json::from_slice(line).map_err(|error| broken(error.to_string()))?;
        let dtype = Dtype::parse(&record.dtype).ok_or_else(|| broken(format!("unknown dtype `{}`", record.dtype)))?;
        let sha256 = record.sha256.parse().map_err(|error| broken(format!("sha256: {error}")))?;
        let tensor = Tensor { name: record.name, dtype, shape: record.shape, sha256, extra: record.extra };
        let len = tensor.byte_len().ok_or_else(|| broken(format!("tensor `{}` has no size", tensor.name)))?;
        total = total
            .checked_add(len)
            .filter(|&total| total <= size)
            .ok_or_else(|| broken(format!("the tensors up to `{}` are larger than the file", tensor.name)))?;
        if !names.insert(tensor.name.clone()) {
            return Err(broken(format!("a second tensor is named `{}`", tensor.name)));
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tensor::Plain;

    fn sample() -> Manifest {
        let tensor = |name: &str, shape: &[u64]| Tensor {
            name: name.into(),
            dtype: Dtype::Plain(Plain::F32),
            shape: shape.to_vec(),
            sha256: ObjectId::of(name.as_bytes()),
            extra: Map::new(),
        };
        Manifest {
            size: 90_868_376,
            content: Content::Model {
                format: "safetensors".into(),
                skeleton: ObjectId::of(b"skeleton"),
                tensors: vec![tensor("embeddings.LayerNorm.bias", &[384]), tensor("scale", &[])],
            },
            extra: Map::new(),
        }
    }

    #[test]
    fn prints_as_documented() {
        let text = String::from_utf8(sample().print()).expect("text");
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with(r#"{"git-model":1,"format":"safetensors","size":90868376,"skeleton":""#));
        assert_eq!(lines[1], "");
        assert!(lines[2].starts_with(r#"{"name":"embeddings.LayerNorm.bias","dtype":"F32","shape":[384],"sha256":""#));
        assert_eq!(lines.len(), 5);
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn unknown_keys_are_kept() {
        let text = String::from_utf8(sample().print()).expect("text");
        let text = text.replace("\"}\n", "\",\"health\":{\"nan\":0,\"inf\":0}}\n");
        let manifest = Manifest::parse(text.as_bytes()).expect("parses");
        assert_eq!(String::from_utf8(manifest.print()).expect("text"), text);
    }

    #[test]
    fn refuses_what_it_cannot_use() {
        let text = String::from_utf8(sample().print()).expect("text");
        let broken = [
            text.replace("\"git-model\":1", "\"git-model\":2"),
            text.replace("\"scale\"", "\"embeddings.LayerNorm.bias\""),
            text.replace("F32", "F33"),
            text.replace("[384]", "[38400000000]"),
            text.replace("[384]", "[-1]"),
            text.replace("90868376", "1539"),
            text.replace("\"size\":90868376", "\"size\":90868376,\"key\":\"x\""),
            text.replace('\n', "\r\n").replace("\"}\r", "\"\r"),
            text.trim_end().to_owned(),
            text[..text.len() - 20].to_owned(),
            format!("{text}<<<<<<< ours\n"),
        ];
        for text in broken {
            assert!(Manifest::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Manifest::parse(b"version https://git-lfs"), Err(ParseError::NotAManifest));
    }

    proptest! {
        #[test]
        fn parses_what_it_printed(names in prop::collection::hash_set(".*", 0..8), opaque: bool) {
            let mut manifest = sample();
            if opaque {
                manifest.content = Content::Opaque { sha256: ObjectId::of(b"x"), extra: Map::new() };
            } else if let Content::Model { tensors, .. } = &mut manifest.content {
                let template = tensors[0].clone();
                *tensors = names.into_iter().map(|name| Tensor { name, ..template.clone() }).collect();
            }
            prop_assert_eq!(Manifest::parse(&manifest.print()), Ok(manifest));
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>) {
            let _ = Manifest::parse(&bytes);
            let _ = Manifest::parse(&[PREFIX, &bytes].concat());
        }
    }
}
