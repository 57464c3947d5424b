//! A table of numbers as features and a target.

use ndarray::{ArrayView2, Axis};

use super::fit::Rows;
use super::kind::Kind;
use super::matrix::Matrix;

/// More classes than this are taken for numbers that are no classes.
const CLASSES_MAX: usize = 10_000;
/// Fewer rows say nothing about a slope.
const ROWS_MIN: usize = 2;

/// Which column is to be predicted, and from which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Names of the features, in the order of the table. Columns without names have their numbers, from 1.
    pub features: Vec<String>,
    /// Name of the target.
    pub target: String,
    /// Where the target stands.
    place: usize,
}

/// Why a table cannot be learned from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No such column.
    #[error("there is no column `{wanted}`; the columns are {known}")]
    NoColumn {
        /// The name or number that was asked for.
        wanted: String,
        /// Those that are there.
        known: String,
    },
    /// Two columns have the same name.
    #[error("two columns are called `{0}`")]
    Twice(String),
    /// A file for validation with other columns.
    #[error("the columns beside the target are {known}, not {wanted}")]
    Unlike {
        /// Those of the rows for training.
        wanted: String,
        /// Those that are there.
        known: String,
    },
    /// Nothing but the target.
    #[error("there is no column beside the target `{0}` to predict it from")]
    NoFeatures(String),
    /// Too few rows.
    #[error("{0}; at least {ROWS_MIN} are needed to train")]
    TooFew(String),
    /// Not a number.
    #[error("row {row}, column `{column}` is {value}")]
    NotFinite {
        /// From 1, without the line of names.
        row: usize,
        /// The column.
        column: String,
        /// NaN or an infinity.
        value: String,
    },
    /// A label that is no class.
    #[error("row {row}, column `{column}` is {value}, which is no class; {} has {}", kind.name(), labels(*kind))]
    NoClass {
        /// From 1, without the line of names.
        row: usize,
        /// The target.
        column: String,
        /// What stands there.
        value: String,
        /// The model.
        kind: Kind,
    },
    /// A class that no row has.
    #[error("no row has class {class} in column `{column}`; {} has {}, each at least once", kind.name(), labels(*kind))]
    MissingClass {
        /// The class.
        class: usize,
        /// The target.
        column: String,
        /// The model.
        kind: Kind,
    },
}

const fn labels(kind: Kind) -> &'static str {
    match kind {
        Kind::Linear => "any number",
        Kind::Logistic => "the classes 0 and 1",
        Kind::Softmax => "the classes 0, 1, 2, …",
    }
}

impl Columns {
    /// `target` is a name or, where there is no such name, a number from 1; by default the last column.
    ///
    /// # Errors
    /// No such column, or no other; names that stand twice.
    pub fn find(names: Option<&[String]>, width: usize, target: Option<&str>) -> Result<Self, TableError> {
        let names: Vec<String> = match names {
            Some(names) => names.to_vec(),
            None => (1..=width).map(|column| column.to_string()).collect(),
        };
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TableError::Twice(twice[0].clone()));
        }
        let place = match target {
            None => names.len().checked_sub(1),
            Some(target) => names
                .iter()
                .position(|name| name == target)
                .or_else(|| target.parse::<usize>().ok()?.checked_sub(1).filter(|&place| place < names.len())),
        };
        let no_column = || TableError::NoColumn { wanted: target.unwrap_or_default().into(), known: listed(&names) };
        let place = place.ok_or_else(no_column)?;
        let mut features = names;
        let target = features.remove(place);
        if features.is_empty() {
            return Err(TableError::NoFeatures(target));
        }
        Ok(Self { features, target, place })
    }

    /// The table in these columns.
    ///
    /// # Errors
    /// NaN and infinity.
    pub fn rows(&self, table: ArrayView2<'_, f64>) -> Result<Rows, TableError> {
        let mut values = Vec::with_capacity(table.len());
        let mut targets = Vec::with_capacity(table.nrows());
        for (at, row) in table.axis_iter(Axis(0)).enumerate() {
            if let Some(column) = row.iter().position(|value| !value.is_finite()) {
                let (row, value) = (at + 1, row[column].to_string());
                return Err(TableError::NotFinite { row, column: self.name(column).into(), value });
            }
            values.extend(row.iter().enumerate().filter(|(column, _)| *column != self.place).map(|(_, value)| value));
            targets.push(row[self.place]);
        }
        Ok(Rows { inputs: Matrix::new(self.features.len(), values), targets })
    }

    /// The name of the column at this place of the table.
    fn name(&self, column: usize) -> &str {
        match column {
            column if column == self.place => &self.target,
            column => &self.features[column - usize::from(column > self.place)],
        }
    }
}

/// Looks whether a model of this kind can be trained on these rows; returns how many outputs it has.
///
/// # Errors
/// Too few rows, and targets that are no classes.
pub fn outputs(kind: Kind, rows: &Rows, columns: &Columns) -> Result<usize, TableError> {
    if rows.len() < ROWS_MIN {
        return Err(TableError::TooFew(match rows.len() {
            0 => "there is no row".into(),
            count => format!("there is only {}", crate::progress::count(count as u64, "row")),
        }));
    }
    if kind == Kind::Linear {
        return Ok(1);
    }
    let classes = if kind == Kind::Logistic { 2 } else { CLASSES_MAX };
    check_classes(kind, rows, columns, classes)?;
    let mut seen = vec![false; classes];
    rows.targets.iter().for_each(|&target| seen[target as usize] = true);
    let last = seen.iter().rposition(|&is_seen| is_seen).unwrap_or(0).max(1);
    match seen[..=last].iter().position(|&is_seen| !is_seen) {
        Some(class) => Err(TableError::MissingClass { class, column: columns.target.clone(), kind }),
        None => Ok(if kind == Kind::Logistic { 1 } else { last + 1 }),
    }
}

/// Looks whether all targets are classes below `classes`.
///
/// # Errors
/// The first that is none.
pub fn check_classes(kind: Kind, rows: &Rows, columns: &Columns, classes: usize) -> Result<(), TableError> {
    let is_class = |target: f64| target >= 0.0 && target.fract() == 0.0 && target < classes as f64;
    match rows.targets.iter().position(|&target| !is_class(target)) {
        Some(at) if kind != Kind::Linear => Err(TableError::NoClass {
            row: at + 1,
            column: columns.target.clone(),
            value: rows.targets[at].to_string(),
            kind,
        }),
        _ => Ok(()),
    }
}

/// Names between backticks; of many, the first.
pub fn listed(names: &[String]) -> String {
    const SHOWN_MAX: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN_MAX) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_by_name_and_number() {
        let named = names(&["rooms", "price", "2"]);
        let find = |target| Columns::find(Some(&named), 3, target).map(|found| (found.target, found.features));
        assert_eq!(find(Some("price")), Ok(("price".into(), names(&["rooms", "2"]))));
        assert_eq!(find(Some("2")), Ok(("2".into(), names(&["rooms", "price"]))));
        assert_eq!(find(Some("1")), Ok(("rooms".into(), names(&["price", "2"]))));
        assert_eq!(find(None), find(Some("3")));
        assert!(find(Some("0")).is_err() && find(Some("4")).is_err());
        let error = find(Some("prize")).expect_err("none").to_string();
        assert_eq!(error, "there is no column `prize`; the columns are `rooms`, `price`, `2`");
        assert_eq!(Columns::find(None, 3, Some("1")).map(|found| found.features), Ok(names(&["2", "3"])));
        assert!(matches!(Columns::find(None, 1, None), Err(TableError::NoFeatures(_))));
        assert!(matches!(Columns::find(None, 0, None), Err(TableError::NoColumn { .. })));
        assert!(matches!(Columns::find(Some(&names(&["a", "b", "a"])), 3, None), Err(TableError::Twice(_))));
        let many: Vec<String> = (0..15).map(|at| at.to_string()).collect();
        assert!(listed(&many).ends_with("`11` and 3 more"));
    }

    #[test]
    fn the_target_is_taken_out() {
        let columns = Columns::find(None, 3, Some("2")).expect("found");
        let rows = columns.rows(arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).view()).expect("finite");
        assert_eq!((rows.inputs.values(), &rows.targets[..]), (&[1.0, 3.0, 4.0, 6.0][..], &[2.0, 5.0][..]));
        for (at, column) in ["1", "2", "3"].into_iter().enumerate() {
            let mut table = arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            table[(1, at)] = f64::NAN;
            let error = columns.rows(table.view()).expect_err("NaN").to_string();
            assert_eq!(error, format!("row 2, column `{column}` is NaN"));
        }
    }

    #[test]
    fn labels_must_be_classes() {
        let columns = Columns::find(None, 2, None).expect("found");
        let outputs = |kind, targets: &[f64]| {
            let rows = Rows { inputs: Matrix::zeros(targets.len(), 1), targets: targets.to_vec() };
            outputs(kind, &rows, &columns).map_err(|error| error.to_string())
        };
        assert_eq!(outputs(Kind::Linear, &[0.5, -1.0]), Ok(1));
        assert_eq!(outputs(Kind::Logistic, &[0.0, 1.0]), Ok(1));
        assert_eq!(outputs(Kind::Softmax, &[0.0, 2.0, 1.0]), Ok(3));
        assert_eq!(outputs(Kind::Softmax, &[-0.0, 1.0]), Ok(2));
        for (kind, targets, expected) in [
            (
                Kind::Logistic,
                &[0.0, 2.0][..],
                "row 2, column `2` is 2, which is no class; logistic has the classes 0 and 1",
            ),
            (
                Kind::Softmax,
                &[0.0, 1.5],
                "row 2, column `2` is 1.5, which is no class; softmax has the classes 0, 1, 2, …",
            ),
            (
                Kind::Softmax,
                &[-1.0, 1.0],
                "row 1, column `2` is -1, which is no class; softmax has the classes 0, 1, 2, …",
            ),
            (
                Kind::Softmax,
                &[1.0, 2.0],
                "no row has class 0 in column `2`; softmax has the classes 0, 1, 2, …, each at least once",
            ),
            (
                Kind::Logistic,
                &[0.0, 0.0],
                "no row has class 1 in column `2`; logistic has the classes 0 and 1, each at least once",
            ),
            (Kind::Linear, &[0.0], "there is only 1 row; at least 2 are needed to train"),
            (Kind::Linear, &[], "there is no row; at least 2 are needed to train"),
        ] {
            assert_eq!(outputs(kind, targets), Err(expected.into()));
        }
        assert!(outputs(Kind::Softmax, &[0.0, 1e12]).is_err_and(|error| error.contains("is 1000000000000, which")));
    }
}
