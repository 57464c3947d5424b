//! Where in a file an array lies.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{DataError, array};
use crate::format::{self, Array, Detected, Member, ParseError, Source, Window};
use crate::tensor::Dtype;

/// The header of a compressed array is looked for in so many bytes; numpy's take 128.
const HEAD_BYTES: u64 = 1 << 16;

/// An array in a file.
pub struct Place {
    pub dtype: Dtype,
    pub shape: Vec<u64>,
    /// Where its elements start: in the file, or in the member after it is unpacked.
    pub offset: u64,
    pub is_by_column: bool,
    pub packing: Packing,
}

/// How an array's bytes stand in the file.
#[derive(Clone, Copy)]
pub enum Packing {
    /// As they are.
    Stored,
    /// Compressed, in these bytes of the file.
    Deflated { start: u64, len: u64 },
}

impl Place {
    fn of(array: Array, start: u64, packing: Packing) -> Self {
        let Array { dtype, shape, offset, is_by_column, .. } = array;
        Self { dtype, shape, offset: start + offset, is_by_column, packing }
    }
}

/// The array of this name, or the only one.
pub fn find(path: &Path, file: &File, format: &str, member: Option<&str>) -> Result<Place, DataError> {
    let source = OnDisk { file, len: file.metadata().map_err(|error| DataError::io(path, error))?.len() };
    match format {
        "npy" => match member {
            Some(name) => Err(DataError::choice(path, format!("a .npy file is one array, it has no `{name}`"), [])),
            None => Ok(Place::of(header(path, &source)?, 0, Packing::Stored)),
        },
        "npz" => in_archive(path, &source, member),
        _ => in_safetensors(path, &source, member),
    }
}

/// The header of a .npy file.
fn header(path: &Path, source: &dyn Source) -> Result<Array, DataError> {
    let array = format::read_array(source).map_err(|error| parse_error(path, error))?;
    array.ok_or_else(|| DataError::malformed(path, "it is no array of numpy's"))
}

fn in_archive(path: &Path, source: &OnDisk<'_>, member: Option<&str>) -> Result<Place, DataError> {
    let arrays = format::arrays(source).map_err(|error| parse_error(path, error))?;
    let arrays = arrays.ok_or_else(|| DataError::malformed(path, "it is no archive of numpy's"))?;
    let found = choose(path, "array", arrays.iter().map(|member| &*member.name), member)?;
    let Member { name, offset, len, plain_len, .. } = &arrays[found];
    if arrays[found].stored {
        let window = Window::new(source, *offset, *len);
        let window = window.ok_or_else(|| DataError::malformed(path, "an array reaches past the end of the file"))?;
        return Ok(Place::of(header(path, &window)?, *offset, Packing::Stored));
    }
    if !arrays[found].deflated {
        let what = format!("array `{name}` is encrypted, or compressed in another way than numpy does");
        return Err(DataError::malformed(path, what));
    }
    let mut bytes = Vec::new();
    let file = source.file.try_clone().map_err(|error| DataError::io(path, error))?;
    array::inflate(file, *offset, *len)
        .and_then(|input| input.take(HEAD_BYTES).read_to_end(&mut bytes))
        .map_err(|error| DataError::io(path, error))?;
    let head = Head { bytes, len: *plain_len };
    Ok(Place::of(header(path, &head)?, 0, Packing::Deflated { start: *offset, len: *len }))
}

fn in_safetensors(path: &Path, source: &OnDisk<'_>, member: Option<&str>) -> Result<Place, DataError> {
    let layout = match format::parse_as("safetensors", source).map_err(|error| DataError::io(path, error))? {
        Detected::Model(layout) => layout,
        Detected::Malformed { why, .. } => return Err(DataError::malformed(path, why.0)),
        Detected::Unknown => return Err(DataError::malformed(path, "it is no safetensors file")),
    };
    let found = choose(path, "tensor", layout.records.iter().map(|record| &*record.name), member)?;
    let record = &layout.records[found];
    Ok(Place {
        dtype: record.dtype.clone(),
        shape: record.shape.clone(),
        offset: record.offset,
        is_by_column: false,
        packing: Packing::Stored,
    })
}

/// Which of `names` is meant.
fn choose<'a>(
    path: &Path,
    what: &str,
    names: impl ExactSizeIterator<Item = &'a str> + Clone,
    member: Option<&str>,
) -> Result<usize, DataError> {
    let choice = |problem: String| DataError::choice(path, problem, names.clone());
    match member {
        Some(member) => names
            .clone()
            .position(|name| name == member)
            .ok_or_else(|| choice(format!("there is no {what} `{member}`"))),
        None if names.len() == 1 => Ok(0),
        None if names.len() == 0 => Err(choice(format!("there is no {what} in it"))),
        None => {
            let how = format!("name one: `{}:NAME`", path.display());
            Err(choice(format!("there are {} {what}s in it; {how}", names.len())))
        }
    }
}

fn parse_error(path: &Path, error: ParseError) -> DataError {
    match error {
        ParseError::Io(error) => DataError::io(path, error),
        ParseError::Malformed(why) => DataError::malformed(path, why.0),
    }
}

struct OnDisk<'a> {
    file: &'a File,
    len: u64,
}

impl Source for OnDisk<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buf, offset)
    }
}

/// The first bytes of something longer.
struct Head {
    bytes: Vec<u8>,
    len: u64,
}

impl Source for Head {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        format::Bytes(&self.bytes).read_at(offset, buf)
    }
}
