//! `git model predict`: rows through a model that `git model train` has made, some at a time.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ndarray::{Array2, Axis};

use crate::format::HEADER_BYTES_MAX;
use crate::metrics::data::{self, DataError, Source};
use crate::metrics::train::kind::Kind;
use crate::metrics::train::matrix::Matrix;
use crate::metrics::train::model::{Model, NotTrained};
use crate::metrics::train::table::listed;
use crate::progress::count;
use crate::tensor;
use crate::version::find::{self, FindError, SkeletonError, TensorError};

/// Values that are read at a time.
const VALUES_MAX: usize = 1 << 16;
/// Bytes of the header of a .npy file, written twice: once to leave room for it.
const NPY_HEADER_BYTES: usize = 128;

/// Why nothing can be predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// No such model.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A model that something else has made.
    #[error("`{model}` cannot predict: {source}")]
    NotTrained {
        /// As the user wrote it.
        model: String,
        /// Why.
        source: NotTrained,
    },
    /// The model cannot be read.
    #[error("`{model}` cannot be read: {why}")]
    Read {
        /// As the user wrote it.
        model: String,
        /// Why.
        why: String,
    },
    /// The rows cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Rows of other columns.
    #[error("`{data}` has {}, and the model looks at {}: {}", count(*width as u64, "column"), features.len(), listed(features))]
    Width {
        /// The file.
        data: String,
        /// Columns it has.
        width: usize,
        /// Those the model looks at.
        features: Vec<String>,
    },
    /// What was predicted cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// What was predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Predicted {
    /// Rows.
    pub rows: u64,
    /// Rows among them with a prediction that is NaN or infinite.
    pub not_finite: u64,
}

/// The model that `spec` names, which `git model train` must have made.
///
/// # Errors
/// There is none, or it is another one.
pub fn load(spec: &OsStr) -> Result<Model, PredictError> {
    let (found, _) = find::find_only(spec)?;
    trained(&found, &spec.to_string_lossy())
}

/// The model in a file on disk, which `git model train` must have made. Needs neither git nor a repository.
///
/// # Errors
/// There is no such file, or it is something else.
pub fn load_file(path: &Path) -> Result<Model, PredictError> {
    let name = path.display().to_string();
    // Where files are mounted they are often links.
    let target = path.canonicalize().map_err(|source| FindError::File { path: name.clone(), source })?;
    let found = find::in_file(&target).map_err(|error| match error {
        FindError::File { source, .. } => FindError::File { path: name.clone(), source },
        FindError::NotAModel { why, .. } => FindError::NotAModel { spec: name.clone(), why },
        error => error,
    })?;
    trained(&found, &name)
}

fn trained(found: &find::Model, name: &str) -> Result<Model, PredictError> {
    let name = || name.to_owned();
    let other = |source| PredictError::NotTrained { model: name(), source };
    let read = |why: String| PredictError::Read { model: name(), why };
    if found.format != "safetensors" {
        return Err(other(NotTrained::Metadata("model")));
    }
    let skeleton = found.skeleton().map_err(|error: SkeletonError| read(error.to_string()))?;
    let metadata = metadata(skeleton.gaps().next().unwrap_or_default()).ok_or(other(NotTrained::Metadata("model")))?;
    let mut tensors = HashMap::new();
    // Whatever else there is belongs to somebody else, and may be large.
    for tensor in found.tensors.iter().filter(|tensor| Model::TENSORS.contains(&&*tensor.name)) {
        let bytes = found.bytes(tensor).map_err(|error: TensorError| read(error.to_string()))?;
        if let Some(values) = tensor::decode(&tensor.dtype, &bytes) {
            tensors.insert(tensor.name.clone(), (tensor.shape.clone(), values));
        }
    }
    Model::from_tensors(&metadata, tensors).map_err(other)
}

/// `__metadata__` of the header of a safetensors file, its length before it.
fn metadata(gap: &[u8]) -> Option<HashMap<String, String>> {
    #[derive(serde::Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__")]
        metadata: HashMap<String, String>,
    }
    let header = gap.get(8..).filter(|header| header.len() as u64 <= HEADER_BYTES_MAX)?;
    serde_json::from_slice(header).ok().map(|Header { metadata }| metadata)
}

/// The rows of a file in the columns that a model looks at.
pub struct Inputs<'m> {
    model: &'m Model,
    source: Source,
    /// Where they stand, if not all are taken in their order.
    places: Option<Vec<usize>>,
}

impl<'m> Inputs<'m> {
    /// Columns are found by name in a table that has names. Else there must be as many as the model looks at; or it was
    /// trained on columns without names, and finds its own by number.
    ///
    /// # Errors
    /// Files that cannot be read, and columns that are not there.
    pub fn open(model: &'m Model, spec: &OsStr) -> Result<Self, PredictError> {
        let (path, member) = data::split(spec);
        let mut source = data::open(&path, member.as_deref())?;
        let features = &model.features;
        if source.columns().is_some() {
            source.select(&features.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        let width = source.width();
        if width == features.len() {
            return Ok(Self { model, source, places: None });
        }
        let place = |name: &String| name.parse::<usize>().ok()?.checked_sub(1).filter(|&place| place < width);
        let places: Option<Vec<usize>> = features.iter().map(place).collect();
        if places.is_none() {
            let data = spec.to_string_lossy().into_owned();
            return Err(PredictError::Width { data, width, features: features.clone() });
        }
        Ok(Self { model, source, places })
    }

    /// Predictions for the next rows; `None` after the last.
    fn next(&mut self) -> Result<Option<Matrix>, PredictError> {
        let rows = (VALUES_MAX / self.source.width().max(self.model.widest())).max(1);
        let Some(rows) = self.source.next_rows(rows)? else { return Ok(None) };
        let rows: Array2<f64> = match &self.places {
            Some(places) => rows.select(Axis(1), places),
            None => rows,
        };
        Ok(Some(self.model.predict(Matrix::from(&rows))))
    }

    /// Gives the predictions of all rows to `take` as CSV, a piece at a time: a line of names, then a line for each row.
    ///
    /// # Errors
    /// Rows that cannot be read, and those of `take`.
    pub fn csv<E: From<PredictError>>(mut self, mut take: impl FnMut(&str) -> Result<(), E>) -> Result<Predicted, E> {
        let mut predicted = Predicted::default();
        let mut text = names(self.model).join(",") + "\n";
        while let Some(outputs) = self.next()? {
            predicted.add(&outputs);
            for row in outputs.rows() {
                text.push_str(&row.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
                text.push('\n');
            }
            take(&text)?;
            text.clear();
        }
        take(&text)?;
        Ok(predicted)
    }

    /// Writes the predictions of all rows into an empty file, as NumPy has them: f64, [rows] or, for several classes,
    /// [rows, classes].
    ///
    /// # Errors
    /// Rows that cannot be read, and what cannot be written.
    pub fn npy(mut self, file: &File) -> Result<Predicted, PredictError> {
        let mut predicted = Predicted::default();
        let mut out = BufWriter::new(file);
        // How many rows there are is known at the end.
        out.write_all(&[0; NPY_HEADER_BYTES])?;
        while let Some(outputs) = self.next()? {
            predicted.add(&outputs);
            outputs.values().iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))?;
        }
        out.flush()?;
        file.write_all_at(&npy_header(predicted.rows, self.model.network.output.bias.len()), 0)?;
        Ok(predicted)
    }
}

impl Predicted {
    fn add(&mut self, outputs: &Matrix) {
        self.rows += outputs.len() as u64;
        let not_finite = outputs.rows().filter(|row| row.iter().any(|value| !value.is_finite()));
        self.not_finite += not_finite.count() as u64;
    }
}

/// Names for the columns of predictions.
fn names(model: &Model) -> Vec<String> {
    match model.kind {
        Kind::Linear => vec!["prediction".into()],
        Kind::Logistic => vec!["probability".into()],
        Kind::Softmax => (0..model.network.output.bias.len()).map(|class| format!("probability_{class}")).collect(),
    }
}

/// Source: NEP 1, format version 1.0.
fn npy_header(rows: u64, columns: usize) -> Vec<u8> {
    let shape = if columns == 1 { format!("{rows},") } else { format!("{rows}, {columns}") };
    let mut header = b"\x93NUMPY\x01\0".to_vec();
    header.extend_from_slice(&(NPY_HEADER_BYTES as u16 - 10).to_le_bytes());
    header.extend_from_slice(format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}").as_bytes());
    header.resize(NPY_HEADER_BYTES - 1, b' ');
    header.push(b'\n');
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Bytes, Detected, detect};

    #[test]
    fn headers_are_numpys() {
        for (rows, columns, expected) in [(0, 1, &[0][..]), (3, 1, &[3]), (2, 4, &[2, 4])] {
            let mut file = npy_header(rows, columns);
            file.resize(file.len() + 8 * rows as usize * columns, 0);
            let Detected::Model(layout) = detect(&Bytes(&file)).expect("readable") else { panic!("{rows}") };
            assert_eq!(layout.records[0].shape, expected);
        }
        assert_eq!(npy_header(u64::MAX, usize::MAX).len(), NPY_HEADER_BYTES);
    }
}
