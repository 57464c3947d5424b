//! Rows of an array on disk.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::DeflateDecoder;

use super::place::{Packing, Place};
use super::{BUFFER_BYTES, DataError};
use crate::tensor::{Dtype, Plain, decode};

/// Elements read at a time.
const PIECE_ELEMENTS: usize = 1 << 16;
/// Elements read at a time where each column has to be looked up: more, so that runs are longer.
const COLUMNS_PIECE_ELEMENTS: usize = 1 << 20;

/// The elements of an array, as far as they have been read.
pub struct Elements {
    dtype: Dtype,
    element_bytes: usize,
    rows_left: u64,
    input: Input,
    buffer: Vec<u8>,
}

enum Input {
    /// One row behind the other.
    Rows(Box<dyn Read + Send>),
    /// One column behind the other, each of so many rows.
    Columns { file: File, offset: u64, rows: u64 },
}

impl Elements {
    /// The elements at `place`, in rows of `width`.
    pub fn new(path: &Path, mut file: File, place: Place, width: usize) -> Result<Self, DataError> {
        let Dtype::Plain(plain) = place.dtype else { return Err(unreadable(path, &place.dtype)) };
        if !plain.bits().is_multiple_of(8) || matches!(plain, Plain::C64 | Plain::C128) {
            return Err(unreadable(path, &place.dtype));
        }
        let rows = place.shape.first().copied().unwrap_or(1);
        let refused = |what: &str| {
            let how = "save it after `numpy.ascontiguousarray`";
            Err(DataError::malformed(path, format!("{what} is not read column by column (Fortran order); {how}")))
        };
        let is_by_column = place.is_by_column && rows > 1 && width > 1;
        let input = match place.packing {
            _ if is_by_column && place.shape.len() > 2 => return refused("an array of more than two dimensions"),
            Packing::Stored if is_by_column => Input::Columns { file, offset: place.offset, rows },
            Packing::Deflated { .. } if is_by_column => return refused("a compressed array"),
            Packing::Stored => {
                file.seek(SeekFrom::Start(place.offset)).map_err(|error| DataError::io(path, error))?;
                Input::Rows(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
            }
            Packing::Deflated { start, len } => {
                let mut input = inflate(file, start, len).map_err(|error| DataError::io(path, error))?;
                io::copy(&mut (&mut input).take(place.offset), &mut io::sink())
                    .map_err(|error| DataError::io(path, error))?;
                Input::Rows(Box::new(input))
            }
        };
        let element_bytes = (plain.bits() / 8) as usize;
        Ok(Self { dtype: place.dtype, element_bytes, rows_left: rows, input, buffer: Vec::new() })
    }

    pub const fn rows_left(&self) -> u64 {
        self.rows_left
    }

    pub fn epsilon(&self) -> f64 {
        match self.dtype {
            Dtype::Plain(Plain::F16) => 2_f64.powi(-10),
            Dtype::Plain(Plain::F32 | Plain::BF16) => f32::EPSILON.into(),
            _ => f64::EPSILON,
        }
    }

    /// Rows of another width over the same elements; `None` if they do not come out even.
    pub fn regroup(&mut self, old: usize, new: usize) -> Option<()> {
        let elements = self.rows_left.checked_mul(old as u64)?;
        if !matches!(self.input, Input::Rows(_)) || new == 0 || !elements.is_multiple_of(new as u64) {
            return None;
        }
        self.rows_left = elements / new as u64;
        Some(())
    }

    /// Appends the numbers of the next rows; how many rows there were.
    pub fn read(&mut self, rows_max: usize, width: usize, values: &mut Vec<f64>) -> io::Result<usize> {
        let rows = rows_max.min(self.rows_left.try_into().unwrap_or(usize::MAX));
        match &mut self.input {
            Input::Rows(input) => {
                let mut left = rows.checked_mul(width).ok_or(io::ErrorKind::OutOfMemory)?;
                while left > 0 {
                    let piece = left.min(PIECE_ELEMENTS);
                    self.buffer.resize(piece * self.element_bytes, 0);
                    input.read_exact(&mut self.buffer)?;
                    values.extend(decode(&self.dtype, &self.buffer).unwrap_or_default());
                    left -= piece;
                }
            }
            Input::Columns { file, offset, rows: all } => {
                let mut done = 0;
                while done < rows {
                    let piece = (rows - done).min((COLUMNS_PIECE_ELEMENTS / width).max(1));
                    let start = values.len();
                    values.resize(start + piece * width, 0.0);
                    self.buffer.resize(piece * self.element_bytes, 0);
                    let row = *all - self.rows_left + done as u64;
                    for column in 0..width {
                        let element = column as u64 * *all + row;
                        file.read_exact_at(&mut self.buffer, *offset + element * self.element_bytes as u64)?;
                        let numbers = decode(&self.dtype, &self.buffer).unwrap_or_default();
                        for (number, at) in numbers.into_iter().zip((start + column..).step_by(width)) {
                            values[at] = number;
                        }
                    }
                    done += piece;
                }
            }
        }
        self.rows_left -= rows as u64;
        Ok(rows)
    }
}

fn unreadable(path: &Path, dtype: &Dtype) -> DataError {
    DataError::malformed(path, format!("elements of type {dtype} are not read as numbers here"))
}

/// The bytes of a compressed member that takes `len` bytes from `start` on.
pub fn inflate(mut file: File, start: u64, len: u64) -> io::Result<impl Read + Send> {
    file.seek(SeekFrom::Start(start))?;
    Ok(BufReader::with_capacity(BUFFER_BYTES, DeflateDecoder::new(file.take(len))))
}
