//! One file per weight format: bytes to a [`Layout`], the places of the tensors in the file.
//!
//! Parsers are pure and read through a [`Source`]; they never see a path. They treat their input as hostile: header
//! sizes are capped, arithmetic is checked, nothing is allocated from a declared count, and whatever looks wrong is an
//! [`Malformed`], upon which the file is stored as an opaque one. A layout says only where a file is cut; the bytes
//! between tensors are kept verbatim, so a wrong layout costs space, never a bit.
//!
//! The format is decided by content, not by extension.
//!
//! **Limitations.** Tensors inside compressed members of an archive stay where they are.

use std::io;

use crate::tensor::{self, Dtype};

mod cursor;
mod gguf;
mod hdf5;
#[cfg(test)]
mod hostile;
mod keras;
mod npy;
mod npz;
mod onnx;
mod pickle;
mod protobuf;
mod pytorch;
pub mod rebuild;
mod safetensors;
mod skeleton;
mod zip;

pub use npy::{Array, read_array};
pub use npz::arrays;
pub use skeleton::Skeleton;
pub use zip::Member;

/// Headers larger than this are malformed (the limit of the safetensors format).
pub const HEADER_BYTES_MAX: u64 = 100 << 20;
/// Longer names are not used for records.
pub const NAME_BYTES_MAX: usize = 1024;

/// Random access to the bytes of a file.
pub trait Source {
    /// Bytes in the file.
    fn len(&self) -> u64;

    /// Fills `buf` with the bytes at `offset`. Fails with `UnexpectedEof` past the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file whose bytes are all in memory.
pub struct Bytes<'a>(pub &'a [u8]);

impl Source for Bytes<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = self.0.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }
}

/// A part of another source, `len` bytes from `start` on: for formats within formats.
pub struct Window<'a> {
    source: &'a dyn Source,
    start: u64,
    len: u64,
}

impl<'a> Window<'a> {
    /// The window, or `None` if it does not lie within `source`.
    pub fn new(source: &'a dyn Source, start: u64, len: u64) -> Option<Self> {
        (start.checked_add(len)? <= source.len()).then_some(Self { source, start, len })
    }
}

impl Source for Window<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.source.read_at(self.start + offset, buf)
    }
}

/// Reads `len` bytes at `offset`; malformed if they are not there or are more than `max`.
pub(crate) fn read_vec(source: &dyn Source, offset: u64, len: u64, max: u64) -> Result<Vec<u8>, ParseError> {
    if len > max {
        return Err(malformed(format!("a part of {len} bytes is over the limit of {max}")));
    }
    if offset.checked_add(len).is_none_or(|end| end > source.len()) {
        return Err(malformed("a part reaches past the end of the file"));
    }
    let mut bytes = vec![0; len as usize];
    source.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// One tensor (or storage, array, dataset) in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name, unique within the file.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: Vec<u64>,
    /// Where its bytes start in the file.
    pub offset: u64,
    /// How many bytes there are: what `dtype` and `shape` call for.
    pub len: u64,
}

/// Where the tensors of a file lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The format's name in manifests: `safetensors`, `pytorch`, `npz`, `npy`, `gguf`, `onnx`, `hdf5`, `keras`.
    pub format: &'static str,
    /// The records in file order; they do not overlap and lie within the file.
    pub records: Vec<Record>,
}

impl Layout {
    /// Checks and sorts `records`: in the file (of `file_len` bytes), sized as dtype and shape say, not overlapping, no
    /// name twice. Records of no bytes may stand anywhere in the file.
    pub fn new(format: &'static str, mut records: Vec<Record>, file_len: u64) -> Result<Self, ParseError> {
        records.sort_by_key(|record| (record.offset, record.len));
        let mut end = 0;
        for record in &records {
            let elements = tensor::element_count(&record.shape);
            if elements.and_then(|elements| record.dtype.byte_len(elements)) != Some(record.len) {
                return Err(malformed(format!("tensor `{}` has another size than its shape says", record.name)));
            }
            if record.offset < end {
                return Err(malformed(format!("tensor `{}` overlaps the one before", record.name)));
            }
            end = record
                .offset
                .checked_add(record.len)
                .filter(|&end| end <= file_len)
                .ok_or_else(|| malformed(format!("tensor `{}` reaches past the end of the file", record.name)))?;
        }
        let mut names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(malformed(format!("two tensors are named `{}`", pair[0])));
        }
        Ok(Self { format, records })
    }
}

/// Why a file has no layout.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The bytes break the rules of their format. The file is stored as an opaque one.
    #[error("{0}")]
    Malformed(Malformed),
    /// The source could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is wrong with a file's bytes, in words for its owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

pub(crate) fn malformed(what: impl Into<String>) -> ParseError {
    ParseError::Malformed(Malformed(what.into()))
}

/// Whether a manifest can bear `name` on a line of its own: not empty, not endless, no control characters.
pub(crate) fn usable_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

/// What [`detect`] found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detected {
    /// A weight file in a known format.
    Model(Layout),
    /// Looks like `format` but breaks its rules.
    Malformed {
        /// The format's name in manifests.
        format: &'static str,
        /// What is wrong.
        why: Malformed,
    },
    /// None of the known formats.
    Unknown,
}

/// A parser: `Ok(None)` if the file is not of its format at all, told from a few bytes.
type Parser = fn(&dyn Source) -> Result<Option<Layout>, ParseError>;

/// Those that know their files by the first bytes stand before those that must read an archive's directory.
const PARSERS: &[(&str, Parser)] = &[
    ("gguf", gguf::parse),
    ("safetensors", safetensors::parse),
    ("npy", npy::parse),
    ("pytorch", pytorch::parse),
    ("npz", npz::parse),
    ("keras", keras::parse),
    // After the archives: HDF5's signature may stand further in, as in an archive's member.
    ("hdf5", hdf5::parse),
    // Last: it has no signature.
    ("onnx", onnx::parse),
];

/// Tells the format of a file by its content and where its tensors are.
///
/// # Errors
/// Only those of reading; bytes that break a format's rules are [`Detected::Malformed`].
pub fn detect(source: &dyn Source) -> io::Result<Detected> {
    for &(format, parse) in PARSERS {
        match outcome(format, parse(source))? {
            Detected::Unknown => {}
            detected => return Ok(detected),
        }
    }
    Ok(Detected::Unknown)
}

/// Reads a file as this format alone, whatever the others would make of it: for tests that aim at one parser.
///
/// # Errors
/// Those of [`detect`], and `InvalidInput` if no format has this name.
pub fn parse_as(format: &str, source: &dyn Source) -> io::Result<Detected> {
    let &(format, parse) = PARSERS.iter().find(|(name, _)| *name == format).ok_or(io::ErrorKind::InvalidInput)?;
    outcome(format, parse(source))
}

fn outcome(format: &'static str, parsed: Result<Option<Layout>, ParseError>) -> io::Result<Detected> {
    match parsed {
        Ok(Some(layout)) => Ok(Detected::Model(layout)),
        Ok(None) => Ok(Detected::Unknown),
        Err(ParseError::Malformed(why)) => Ok(Detected::Malformed { format, why }),
        Err(ParseError::Io(error)) => Err(error),
    }
}

/// Whether files of this format may have tensors whose elements stand column by column.
pub fn has_orders(format: &str) -> bool {
    ["npy", "npz"].contains(&format)
}

/// For each tensor of a file, whether its elements stand column by column instead of row by row.
pub fn fortran_orders(format: &str, skeleton: &Skeleton) -> Vec<bool> {
    let has_orders = has_orders(format);
    skeleton
        .gaps()
        .take(skeleton.gap_count().saturating_sub(1))
        .map(|gap| has_orders && npy::has_fortran_order(gap))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::test_runner::TestCaseError;

    use super::*;

    /// What holds for any bytes whatever: they are read without a panic, and a layout is one that `Layout::new` allows.
    pub(super) fn check_survives(bytes: &[u8]) -> Result<(), TestCaseError> {
        if let Detected::Model(layout) =
            detect(&Bytes(bytes)).map_err(|error| TestCaseError::fail(error.to_string()))?
        {
            let again = Layout::new(layout.format, layout.records.clone(), bytes.len() as u64);
            proptest::prop_assert_eq!(again.ok(), Some(layout));
        }
        Ok(())
    }
}
