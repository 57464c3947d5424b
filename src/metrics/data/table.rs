//! Rows of a CSV or TSV file (RFC 4180; lines may end in any way, blank ones do not count).

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::{BUFFER_BYTES, DataError, ROW_VALUES_MAX};

/// A longer row is no row.
const ROW_BYTES_MAX: usize = 64 << 20;

/// A table, as far as it has been read.
pub struct Table {
    reader: Reader<Limited>,
    record: ByteRecord,
    /// `record` is the first row, and not yet read.
    is_ahead: bool,
    /// Fields in a row.
    fields: usize,
    /// All names, if there is a header.
    header: Option<Vec<String>>,
    /// The columns that are read.
    taken: Vec<usize>,
    /// Their names.
    names: Option<Vec<String>>,
}

impl Table {
    /// Reads the first row.
    pub fn open(path: &Path, input: BufReader<File>, separator: u8) -> Result<Self, DataError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Limited { input, left: ROW_BYTES_MAX });
        let mut record = ByteRecord::new();
        if !next(&mut reader, &mut record, path)? {
            return Err(DataError::malformed(path, "it is empty"));
        }
        let fields = record.len();
        if fields as u64 > ROW_VALUES_MAX {
            return Err(DataError::malformed(path, format!("{fields} columns are over the limit of {ROW_VALUES_MAX}")));
        }
        let is_header = record.iter().any(|field| !field.trim_ascii().is_empty() && number(field).is_none());
        let name = |field: &[u8]| String::from_utf8_lossy(field.trim_ascii()).into_owned();
        let header: Option<Vec<String>> = is_header.then(|| record.iter().map(name).collect());
        let names = header.clone();
        Ok(Self { reader, record, is_ahead: !is_header, fields, header, taken: (0..fields).collect(), names })
    }

    pub fn width(&self) -> usize {
        self.taken.len()
    }

    pub fn columns(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    pub fn select(&mut self, path: &Path, names: &[&str]) -> Result<(), DataError> {
        let find = |name: &&str| match &self.header {
            Some(header) => {
                let mut found = (0..header.len()).filter(|&at| header[at] == *name);
                match (found.next(), found.next()) {
                    (Some(at), None) => Ok(at),
                    (Some(_), Some(_)) => {
                        Err(DataError::choice(path, format!("two columns have the name `{name}`"), []))
                    }
                    (None, _) => {
                        let names = header.iter().map(String::as_str);
                        Err(DataError::choice(path, format!("there is no column `{name}`"), names))
                    }
                }
            }
            None => {
                name.parse().ok().filter(|at| (1..=self.fields).contains(at)).map(|at: usize| at - 1).ok_or_else(|| {
                    let what =
                        format!("there is no header, so columns have numbers, 1 to {}: not `{name}`", self.fields);
                    DataError::choice(path, what, [])
                })
            }
        };
        let taken: Vec<usize> = names.iter().map(find).collect::<Result<_, _>>()?;
        self.names = self.header.as_ref().map(|header| taken.iter().map(|&at| header[at].clone()).collect());
        self.taken = taken;
        Ok(())
    }

    /// Appends the numbers of the next rows; how many rows there were.
    pub fn read(&mut self, path: &Path, rows_max: usize, values: &mut Vec<f64>) -> Result<usize, DataError> {
        for row in 0..rows_max {
            if !std::mem::take(&mut self.is_ahead) && !next(&mut self.reader, &mut self.record, path)? {
                return Ok(row);
            }
            if self.record.len() != self.fields {
                let what = format!("the row has {} fields, the first has {}", self.record.len(), self.fields);
                return Err(self.error(path, self.record.len().min(self.fields), what));
            }
            for &at in &self.taken {
                let field = &self.record[at];
                let value = number(field).ok_or_else(|| {
                    let shown: String = String::from_utf8_lossy(field).chars().take(40).collect();
                    let is_empty = field.trim_ascii().is_empty();
                    self.error(path, at, if is_empty { "is empty".into() } else { format!("`{shown}` is no number") })
                })?;
                values.push(value);
            }
        }
        Ok(rows_max)
    }

    fn error(&self, path: &Path, at: usize, what: String) -> DataError {
        let name = self.header.as_ref().and_then(|header| header.get(at));
        let column = name.map_or_else(|| (at + 1).to_string(), |name| format!("{} (`{name}`)", at + 1));
        let line = self.record.position().map_or(0, |place| place.line() + blank_lines(path, place.byte()));
        DataError::Field { path: path.display().to_string(), line, column, what }
    }
}

/// The ends of lines at `offset`, before anything else: a row's place is the end of the row before.
fn blank_lines(path: &Path, offset: u64) -> u64 {
    let mut bytes = [0; 4096];
    // A pipe has no such place; the line is a little off then.
    let len = File::open(path).and_then(|file| file.read_at(&mut bytes, offset)).unwrap_or(0);
    let ends = bytes[..len].iter().take_while(|byte| b"\r\n".contains(byte));
    ends.filter(|&&byte| byte == b'\n').count() as u64
}

/// Reads the next row; whether there was one.
fn next(reader: &mut Reader<Limited>, record: &mut ByteRecord, path: &Path) -> Result<bool, DataError> {
    reader.get_mut().left = ROW_BYTES_MAX;
    // Records of bytes of any length fail only when reading fails.
    reader.read_byte_record(record).map_err(|error| DataError::io(path, error.into()))
}

/// The number of a field: as Rust, Python and C write it, or a boolean.
fn number(field: &[u8]) -> Option<f64> {
    let text = str::from_utf8(field.trim_ascii()).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) if text.eq_ignore_ascii_case("true") => Some(1.0),
        Err(_) if text.eq_ignore_ascii_case("false") => Some(0.0),
        Err(_) => None,
    }
}

/// Reads no more than a row may have before the next one is asked for.
struct Limited {
    input: BufReader<File>,
    left: usize,
}

impl Read for Limited {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!("a row has more than {ROW_BYTES_MAX} bytes; is it a table?")));
        }
        let len = buf.len().min(self.left);
        let count = self.input.read(&mut buf[..len])?;
        self.left -= count;
        Ok(count)
    }
}
