//! From files to the rows to train on and those for validation.

use ndarray::Array2;

use super::TrainError;
use crate::metrics::data;
use crate::metrics::train::fit::Rows;
use crate::metrics::train::options::Options;
use crate::metrics::train::settings::Settings;
use crate::metrics::train::table::{self, Columns, TableError};

/// Rows of a table that are read at a time.
const ROWS_MAX: usize = 4096;

/// What there is to learn.
pub struct Lesson {
    /// The features and the target.
    pub columns: Columns,
    /// Numbers that the model puts out for a row.
    pub outputs: usize,
    /// Rows to train on.
    pub train: Rows,
    /// Rows for validation; there may be none.
    pub validation: Rows,
}

impl Lesson {
    /// Reads the rows.
    ///
    /// # Errors
    /// Files that cannot be read, and rows that cannot be learned from.
    pub fn read(settings: &Settings, options: &Options) -> Result<Self, TrainError> {
        let spec = options.data.as_deref().ok_or(TrainError::NoData)?;
        let failed = |path: &str| {
            let path = path.to_owned();
            move |source| TrainError::Table { path, source }
        };
        let (values, names) = rows_of(spec, options.features.as_deref(), options.target.as_deref())?;
        let last = options.features.as_ref().and(names.as_ref()).and_then(|names| names.last());
        let target = last.or(options.target.as_ref()).map(String::as_str);
        let columns = Columns::find(names.as_deref(), values.ncols(), target).map_err(failed(spec))?;
        let rows = columns.rows(values.view()).map_err(failed(spec))?;
        let outputs = table::outputs(settings.kind, &rows, &columns).map_err(failed(spec))?;
        let Some(other) = &options.validation_data else {
            let (train, validation) = rows.split(settings.validation, settings.schedule.seed);
            return Ok(Self { columns, outputs, train, validation });
        };
        let wanted = names.is_some().then_some(&columns.features[..]);
        let (values, names) = rows_of(other, wanted, Some(&columns.target))?;
        let same = Columns::find(names.as_deref(), values.ncols(), Some(&columns.target)).map_err(failed(other))?;
        if same != columns {
            let (wanted, known) = (table::listed(&columns.features), table::listed(&same.features));
            return Err(failed(other)(TableError::Unlike { wanted, known }));
        }
        let validation = same.rows(values.view()).map_err(failed(other))?;
        if validation.is_empty() {
            return Err(failed(other)(TableError::TooFew("there is no row".into())));
        }
        let classes = settings.kind.classes(outputs).unwrap_or_default();
        table::check_classes(settings.kind, &validation, &same, classes).map_err(failed(other))?;
        Ok(Self { columns, outputs, train: rows, validation })
    }
}

/// The rows of a file and the names of its columns; of a table only these columns, if they are named.
fn rows_of(
    spec: &str,
    features: Option<&[String]>,
    target: Option<&str>,
) -> Result<(Array2<f64>, Option<Vec<String>>), TrainError> {
    let (path, member) = data::split(spec.as_ref());
    let Some(features) = features else { return Ok(data::read(&path, member.as_deref())?) };
    let mut source = data::open(&path, member.as_deref())?;
    let last = source.columns().and_then(<[String]>::last).cloned();
    let target = target.map(str::to_owned).or(last).unwrap_or_else(|| source.width().to_string());
    let names: Vec<String> = features.iter().cloned().chain([target]).collect();
    source.select(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut values = Vec::new();
    while let Some(rows) = source.next_rows(ROWS_MAX)? {
        values.extend(rows);
    }
    let shape = (values.len() / names.len(), names.len());
    // As many values as the shape asks for: each row has one for each name.
    Ok((Array2::from_shape_vec(shape, values).unwrap_or_default(), Some(names)))
}
