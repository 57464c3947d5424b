//! Arrays of numbers from files, some rows at a time: predictions, targets, features.
//!
//! CSV and TSV (a first row that is not all numbers is the header), `.npy`, `.npz` (stored or compressed) and
//! safetensors. Every value becomes an f64: booleans 0 and 1, integers above 2^53 rounded. No more is held than the rows
//! asked for, and nothing is allocated from a count that a file declares.
//!
//! **Limitations.** Big-endian, complex, text and structured arrays are refused, as are arrays of three and more dimensions
//! in Fortran order, and compressed ones of two. Checksums of archives are not verified. CSV has no quoted decimal commas and no
//! missing values: `nan` is a number, an empty field is an error.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use crate::manifest::{Manifest, PREFIX};

mod array;
mod place;
mod table;

use array::Elements;
use table::Table;

/// A row has no more values than this: 128 MiB of f64.
const ROW_VALUES_MAX: u64 = 1 << 24;
const BUFFER_BYTES: usize = 1 << 16;
/// [`read`] takes so many values at a time.
const READ_VALUES: usize = 1 << 20;

/// Why numbers cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Its name ends in no way that tells what it is.
    #[error("cannot tell the format of `{0}` by its name")]
    Unknown(String),
    /// git has put the manifest in place of the array.
    #[error("`{0}` holds a manifest, not its numbers")]
    Manifest(String),
    /// The bytes are not what they should be, or nothing that is read.
    #[error("`{path}`: {what}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// A field of a table.
    #[error("`{path}`: line {line}, column {column}: {what}")]
    Field {
        /// The file.
        path: String,
        /// Counted from 1.
        line: u64,
        /// Its number, counted from 1, and its name if there is one.
        column: String,
        /// What is wrong.
        what: String,
    },
    /// One of several arrays or columns has to be named, or there is none of this name.
    #[error("`{path}`: {what}")]
    Choice {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
        /// Names to choose from, the first of them.
        names: Vec<String>,
    },
}

impl DataError {
    fn malformed(path: &Path, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.display().to_string(), what: what.into() }
    }

    fn io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::malformed(path, "it ends before its numbers do; was it cut short?"),
            _ => Self::Io { path: path.display().to_string(), source },
        }
    }

    fn choice<'a>(path: &Path, what: String, names: impl IntoIterator<Item = &'a str>) -> Self {
        const NAMES_MAX: usize = 12;
        let names = names.into_iter().take(NAMES_MAX).map(str::to_owned).collect();
        Self::Choice { path: path.display().to_string(), what, names }
    }

    /// What to do next, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } | Self::Malformed { .. } => None,
            Self::Unknown(_) => Some("names end in .csv, .tsv, .npy, .npz or .safetensors".into()),
            Self::Manifest(path) => Some(format!("put the file in its place with `git model checkout {path}`")),
            Self::Field { .. } => {
                Some("columns are separated by commas, in .tsv files by tabs; decimals by a point".into())
            }
            Self::Choice { names, .. } if names.is_empty() => None,
            Self::Choice { names, .. } => Some(format!("there are: {}", names.join(", "))),
        }
    }
}

/// A file, and after the last `:` the array (or column) in it, unless a file has the whole name.
pub fn split(spec: &OsStr) -> (PathBuf, Option<String>) {
    let bytes = spec.as_bytes();
    match bytes.iter().rposition(|&byte| byte == b':') {
        Some(at) if at > 0 && !Path::new(spec).exists() => {
            let member = String::from_utf8_lossy(&bytes[at + 1..]).into_owned();
            (OsString::from_vec(bytes[..at].to_vec()).into(), Some(member))
        }
        _ => (spec.into(), None),
    }
}

/// A source of rows.
pub struct Source {
    path: PathBuf,
    kind: Kind,
    shape: Vec<u64>,
    width: usize,
}

enum Kind {
    Table(Box<Table>),
    Array(Elements),
}

/// Opens the array in a file, or the `member` of this name: an array of a .npz, a tensor, a column of a table.
///
/// # Errors
/// A file that cannot be read or is not what its name says, a member that is not there or has to be named.
pub fn open(path: &Path, member: Option<&str>) -> Result<Source, DataError> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let separator = match &*extension {
        "csv" => b',',
        "tsv" => b'\t',
        "npy" | "npz" | "safetensors" => return open_array(path, &extension, member),
        _ => return Err(DataError::Unknown(path.display().to_string())),
    };
    let io = |error| DataError::io(path, error);
    let mut input = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(io)?);
    if Manifest::looks_like(input.fill_buf().map_err(io)?) {
        return Err(DataError::Manifest(path.display().to_string()));
    }
    let table = Table::open(path, input, separator)?;
    let width = table.width();
    let mut source =
        Source { path: path.into(), kind: Kind::Table(Box::new(table)), shape: vec![0, width as u64], width };
    if let Some(column) = member {
        source.select(&[column])?;
    }
    Ok(source)
}

fn open_array(path: &Path, format: &str, member: Option<&str>) -> Result<Source, DataError> {
    let io = |error| DataError::io(path, error);
    let file = File::open(path).map_err(io)?;
    let mut start = [0; PREFIX.len()];
    if file.read_exact_at(&mut start, 0).is_ok() && Manifest::looks_like(&start) {
        return Err(DataError::Manifest(path.display().to_string()));
    }
    let place = place::find(path, &file, format, member)?;
    let shape = place.shape.clone();
    let width = crate::tensor::element_count(shape.get(1..).unwrap_or_default());
    let width = width.filter(|&width| width <= ROW_VALUES_MAX).ok_or_else(|| {
        DataError::malformed(
            path,
            format!("rows of shape {:?} are over the limit of {ROW_VALUES_MAX} values", &shape[1..]),
        )
    })? as usize;
    if width == 0 {
        return Err(DataError::malformed(path, format!("an array of shape {shape:?} has no values in a row")));
    }
    let elements = Elements::new(path, file, place, width)?;
    Ok(Source { path: path.into(), kind: Kind::Array(elements), shape, width })
}

impl Source {
    /// Names of the columns, if it is a table with a header.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Table(table) => table.columns(),
            Kind::Array(_) => None,
        }
    }

    /// Values in a row: the product of all dimensions after the first; 1 for an array of one dimension.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The dimensions as in the file; of a table `[0, width]`, as nobody knows its rows before the end.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The rows left to read; `None` for a table.
    pub const fn rows_left(&self) -> Option<u64> {
        match &self.kind {
            Kind::Table(_) => None,
            Kind::Array(elements) => Some(elements.rows_left()),
        }
    }

    /// The machine epsilon of the numbers as they were computed: 2^-23 for f32, 2^-10 for f16, else 2^-52.
    pub fn epsilon(&self) -> f64 {
        match &self.kind {
            Kind::Table(_) => f64::EPSILON,
            Kind::Array(elements) => elements.epsilon(),
        }
    }

    /// Keeps these columns of a table, in this order: by name, or where there is no header by number from 1. What is in
    /// others need not be a number.
    ///
    /// # Errors
    /// No such column; an array, which has none.
    pub fn select(&mut self, names: &[&str]) -> Result<(), DataError> {
        let Kind::Table(table) = &mut self.kind else {
            return Err(DataError::malformed(&self.path, "an array has no columns with names; only tables have"));
        };
        table.select(&self.path, names)?;
        self.width = table.width();
        self.shape = vec![0, self.width as u64];
        Ok(())
    }

    /// Makes rows of `width` values of the same numbers in their order, before any is read: of `[batch, time, vocabulary]` one
    /// row for each word.
    ///
    /// # Errors
    /// Numbers that do not come out even; those of a table, or of an array that stands column by column.
    pub fn regroup(&mut self, width: usize) -> Result<(), DataError> {
        let is_done = match &mut self.kind {
            _ if width == self.width => true,
            Kind::Array(elements) => elements.regroup(self.width, width).is_some(),
            Kind::Table(_) => false,
        };
        if !is_done {
            let what = format!("rows of {} values cannot be read as rows of {width}", self.width);
            return Err(DataError::malformed(&self.path, what));
        }
        self.width = width;
        Ok(())
    }

    /// The next `rows_max` rows, fewer only at the end; `None` after the last, or if `rows_max` is 0.
    ///
    /// # Errors
    /// A file that cannot be read; in a table a row of another length, an empty field, or one that is no number.
    pub fn next_rows(&mut self, rows_max: usize) -> Result<Option<Array2<f64>>, DataError> {
        let mut values = Vec::new();
        let rows = match &mut self.kind {
            Kind::Table(table) => table.read(&self.path, rows_max, &mut values)?,
            Kind::Array(elements) => {
                elements.read(rows_max, self.width, &mut values).map_err(|error| DataError::io(&self.path, error))?
            }
        };
        if rows == 0 {
            return Ok(None);
        }
        let shape = (rows, self.width);
        Array2::from_shape_vec(shape, values)
            .map(Some)
            .map_err(|error| DataError::malformed(&self.path, error.to_string()))
    }
}

/// All rows, and the names of the columns.
///
/// # Errors
/// Those of [`open`] and [`Source::next_rows`].
pub fn read(path: &Path, member: Option<&str>) -> Result<(Array2<f64>, Option<Vec<String>>), DataError> {
    let mut source = open(path, member)?;
    let (mut rows, mut values) = (0, Vec::new());
    while let Some(some) = source.next_rows((READ_VALUES / source.width()).max(1))? {
        rows += some.nrows();
        values.extend(some);
    }
    let all = Array2::from_shape_vec((rows, source.width()), values);
    let all = all.map_err(|error| DataError::malformed(path, error.to_string()))?;
    Ok((all, source.columns().map(<[String]>::to_vec)))
}

#[cfg(test)]
mod tests;
