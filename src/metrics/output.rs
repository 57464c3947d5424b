//! Metrics into a file that may have others already.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::document::{BYTES_MAX, Document, DocumentError};
use super::fresh::{self, Weights};
use crate::atomic_file::write_whole;

/// A metrics file to be written.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    document: Document,
}

/// Why metrics cannot be kept in a file.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It is to be of another format than this is written in.
    #[error("`{0}` would not be JSON, in which metrics are written")]
    Format(String),
    /// It cannot be read, or is too large.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What is there is no metrics file, or has something else in the place of a metric.
    #[error("`{path}`: {source}")]
    Document {
        /// The file.
        path: String,
        /// Why.
        source: DocumentError,
    },
}

impl Output {
    /// Reads what is there; a file that is not there yet is empty, if its folder is.
    ///
    /// # Errors
    /// Something there that is no metrics file in JSON; a folder that is not there.
    pub fn open(path: &Path) -> Result<Self, OutputError> {
        let shown = || path.display().to_string();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if ["yaml", "yml", "toml", "csv"].contains(&&*extension) {
            return Err(OutputError::Format(shown()));
        }
        let document = match read(path) {
            Ok(text) => Document::parse(&text).map_err(|source| OutputError::Document { path: shown(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                if folder.is_some_and(|folder| !folder.is_dir()) {
                    return Err(OutputError::Write { path: shown(), source: error });
                }
                Document::default()
            }
            Err(source) => return Err(OutputError::Read { path: shown(), source }),
        };
        Ok(Self { path: path.into(), document })
    }

    /// Sets metrics by their dotted paths; all others stay.
    ///
    /// # Errors
    /// A path through something that is no table.
    pub fn set(&mut self, metrics: &[(String, f64)]) -> Result<(), OutputError> {
        let set = |(name, value): &(String, f64)| self.document.set(name, *value);
        let path = || self.path.display().to_string();
        metrics.iter().try_for_each(set).map_err(|source| OutputError::Document { path: path(), source })
    }

    /// Notes which weights the metrics are of.
    pub fn record(&mut self, weights: &[Weights]) {
        if !weights.is_empty() {
            fresh::record(self.document.root_mut(), weights);
        }
    }

    /// Writes the file; it appears when it is whole.
    ///
    /// # Errors
    /// A place that cannot be written.
    pub fn write(&self) -> Result<(), OutputError> {
        let text = self.document.print();
        write_whole(&self.path, |mut file| file.write_all(text.as_bytes()))
            .map_err(|source| OutputError::Write { path: self.path.display().to_string(), source })
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if file.take(BYTES_MAX + 1).read_to_string(&mut text)? as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {BYTES_MAX} bytes; is it a metrics file?")));
    }
    Ok(text)
}
