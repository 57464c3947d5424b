//! HDF5, as Keras writes it (`.h5`, `.weights.h5`): a tree of groups whose leaves are datasets.
//!
//! Source: the HDF5 File Format Specification 3.0 (superblocks 0 to 3, object headers 1 and 2). A record is a dataset
//! whose values stand in one piece (contiguous layout), named by its path: `model_weights/dense/kernel:0`.
//!
//! This is a walker of its own because the crates that read HDF5 either bind the C library or want to own a `'static`
//! source; all that is needed here is where the contiguous datasets are.
//!
//! **Limitations.** Left in the gaps: chunked (so all compressed), compact and virtual datasets, datasets under 1 KiB,
//! big-endian, compound, enumerated and string types, committed datatypes, links in huge fractal heap objects.
//! So are the bfloat16 weights of Keras' older whole-model `.h5`, which are opaque bytes without a word on their type.
//! A dataset with several hard links goes by its shortest path. Checksums are not verified.

mod datatype;
mod dense;
mod file;
mod group;
mod object_header;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use self::datatype::Element;
use self::file::File;
use self::object_header::Object;
use super::{Layout, ParseError, Record, Source, Window, malformed};
use crate::tensor::{self, Dtype, Plain};

const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// The signature stands at 0, 512, 1024, 2048, … after a block for the user; larger ones are not looked for.
const USER_BLOCK_BYTES_MAX: u64 = 1 << 20;
const USER_BLOCK_BYTES_MIN: u64 = 512;
/// Datasets shorter than this stay in the gaps.
const DATASET_BYTES_MIN: u64 = 1 << 10;
/// Objects with longer paths stay in the gaps.
const PATH_BYTES_MAX: usize = 4 << 10;

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let Some(base) = find_signature(source)? else { return Ok(None) };
    // Addresses count from the superblock, as in the HDF5 library, whatever base address it states.
    let window = Window::new(source, base, source.len() - base).ok_or_else(|| malformed("the file is cut off"))?;
    let (file, root) = File::open(&window, SIGNATURE.len() as u64)?;
    let mut records = datasets(&file, root)?;
    if records.is_empty() {
        return Ok(None);
    }
    for record in &mut records {
        record.offset = record.offset.saturating_add(base);
    }
    Layout::new("hdf5", records, source.len()).map(Some)
}

fn find_signature(source: &dyn Source) -> Result<Option<u64>, ParseError> {
    let mut base = 0;
    let mut start = [0; SIGNATURE.len()];
    while base <= USER_BLOCK_BYTES_MAX && source.len().saturating_sub(base) >= start.len() as u64 {
        source.read_at(base, &mut start)?;
        if &start == SIGNATURE {
            return Ok(Some(base));
        }
        base = (base * 2).max(USER_BLOCK_BYTES_MIN);
    }
    Ok(None)
}

/// The contiguous datasets below the group at `root`, breadth first, so that the shortest path names an object.
fn datasets(file: &File, root: u64) -> Result<Vec<Record>, ParseError> {
    let mut records = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut queue = VecDeque::from([(root, String::new())]);
    while let Some((address, path)) = queue.pop_front() {
        let object = object_header::read(file, address)?;
        for link in group::children(file, &object)? {
            let child = if path.is_empty() { link.name } else { format!("{path}/{}", link.name) };
            if child.len() <= PATH_BYTES_MAX && seen.insert(link.address) {
                file.spend(child.len())?;
                queue.push_back((link.address, child));
            }
        }
        records.extend(record(&object, path));
    }
    Ok(records)
}

/// The record of an object, if it is a dataset that can be cut out. Its offset still counts from the superblock.
fn record(object: &Object, name: String) -> Option<Record> {
    let dtype = match object.element? {
        Element::Plain(plain) => plain,
        // Keras writes bfloat16 as opaque 2-byte values with an attribute `dtype`, and nothing else that way.
        Element::Opaque16 if object.has_dtype_attribute => Plain::BF16,
        Element::Opaque16 => return None,
    };
    let dtype = Dtype::from(dtype);
    let shape = object.shape.clone()?;
    let data = object.data?;
    let len = tensor::element_count(&shape).and_then(|elements| dtype.byte_len(elements))?;
    if name.is_empty() || len < DATASET_BYTES_MIN || data.len.is_some_and(|stored| stored != len) {
        return None;
    }
    Some(Record { name, dtype, shape, offset: data.address, len })
}
