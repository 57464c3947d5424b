//! The tensors of a model in rows and columns: modules, and parameters within them. Pure.

use std::collections::{HashMap, HashSet};

use super::natural::natural;
use crate::diff::modules::module_of;
use crate::diff::text::rating;
use crate::diff::{Entry, FileDiff};

/// More columns than this are made fewer: numbers within parameters' names are not told apart.
const COLUMNS_WANTED: usize = 40;

/// Rows and columns in natural order, and what stands where they meet.
pub(super) struct Matrix<'a> {
    pub rows: Vec<&'a str>,
    pub columns: Vec<String>,
    /// Modules and parameters that were left out.
    pub left_out: (usize, usize),
    cells: HashMap<(&'a str, String), Cell<'a>>,
}

/// The tensors of one row and one column: one, unless columns were joined.
#[derive(Default)]
pub(super) struct Cell<'a> {
    /// Those that differ, and their numbers in the file's list, those that moved most first.
    pub entries: Vec<(usize, &'a Entry)>,
    /// How many are the same.
    pub same: usize,
}

impl<'a> Matrix<'a> {
    /// With at most so many cells: the modules that changed most are left.
    pub(super) fn of(file: &'a FileDiff, cells_max: usize) -> Self {
        let changed = file.entries.iter().map(|entry| entry.change.name());
        let names = || changed.clone().chain(file.same.iter().map(String::as_str));
        let parameters: HashSet<&str> = names().map(parameter_of).collect();
        let are_joined = parameters.len() > COLUMNS_WANTED;
        let column_of = |name: &str| {
            let parameter = parameter_of(name);
            if are_joined { joined(parameter) } else { parameter.to_owned() }
        };
        let mut cells: HashMap<(&str, String), Cell<'_>> = HashMap::new();
        for (at, entry) in file.entries.iter().enumerate() {
            let (row, column) = (module_of(entry.change.name()), column_of(entry.change.name()));
            cells.entry((row, column)).or_default().entries.push((at, entry));
        }
        for name in &file.same {
            cells.entry((module_of(name), column_of(name))).or_default().same += 1;
        }
        for cell in cells.values_mut() {
            cell.entries.sort_by(|a, b| rating(b.1).total_cmp(&rating(a.1)));
        }
        let (mut columns, columns_left_out) = kept(
            cells.iter().map(|((_, column), cell)| (column.as_str(), cell.rating())),
            COLUMNS_WANTED.min(cells_max),
        );
        columns.sort_by(|a, b| natural(a, b));
        let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        let rows_max = cells_max / columns.len().max(1);
        let (mut rows, rows_left_out) = kept(cells.iter().map(|((row, _), cell)| (*row, cell.rating())), rows_max);
        rows.sort_by(|a, b| natural(a, b));
        Self { rows, columns, left_out: (rows_left_out, columns_left_out), cells }
    }

    /// What stands where a row and a column meet.
    pub(super) fn cell(&self, row: &'a str, column: &str) -> Option<&Cell<'a>> {
        self.cells.get(&(row, column.to_owned()))
    }
}

impl Cell<'_> {
    fn rating(&self) -> f64 {
        self.entries.first().map_or(-1.5, |(_, entry)| rating(entry))
    }

    /// ‖Δ‖ / ‖W‖ over all tensors of the cell: the root of the sums of squares. `None` if none was compared, or if they
    /// were zero.
    pub(super) fn relative(&self) -> Option<f64> {
        let stats = || self.entries.iter().filter_map(|(_, entry)| Some(&entry.known()?.stats));
        if let [(_, entry)] = self.entries[..] {
            return entry.known()?.stats.relative();
        }
        let square = |value: f64| value * value;
        let old: f64 = stats().map(|stats| square(stats.norm_a())).sum();
        let delta: f64 = stats().map(|stats| square(stats.norm_delta())).sum();
        (old > 0.0).then(|| (delta / old).sqrt())
    }
}

/// The `limit` names that are rated highest, each by the highest of its ratings, and how many others there are.
fn kept<'a>(rated: impl Iterator<Item = (&'a str, f64)>, limit: usize) -> (Vec<&'a str>, usize) {
    let mut ratings: HashMap<&str, f64> = HashMap::new();
    for (name, rating) in rated {
        let highest = ratings.entry(name).or_insert(rating);
        *highest = highest.max(rating);
    }
    let mut all: Vec<(&str, f64)> = ratings.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| natural(a.0, b.0)));
    let left_out = all.len().saturating_sub(limit);
    all.truncate(limit);
    (all.into_iter().map(|(name, _)| name).collect(), left_out)
}

/// The rest of a tensor's name behind its module; empty where the module is a tensor itself.
fn parameter_of(name: &str) -> &str {
    name[module_of(name).len()..].trim_start_matches(['.', '/'])
}

/// A parameter's name with `*` in place of its numbers.
fn joined(parameter: &str) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = parameter.split('.').map(|part| if is_number(part) { "*" } else { part }).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::html::testing::{added, file};

    #[test]
    fn layers_in_the_order_of_their_numbers() {
        let names = ["m.10.q.weight", "m.2.q.weight", "m.2.b", "head", "m.norm.weight"];
        let mut file = file(names.iter().map(|name| added(name)));
        file.same = vec!["m.1.q.weight".into()];
        let matrix = Matrix::of(&file, 100);
        assert_eq!(matrix.rows, ["head", "m.1", "m.2", "m.10", "m.norm"]);
        assert_eq!(matrix.columns, ["", "b", "q.weight", "weight"]);
        let told = |row, column| matrix.cell(row, column).map(|cell| (cell.entries.len(), cell.same));
        assert_eq!(told("m.1", "q.weight"), Some((0, 1)));
        assert_eq!((told("head", ""), told("head", "b")), (Some((1, 0)), None));
        assert_eq!(matrix.left_out, (0, 0));
    }

    #[test]
    fn many_columns_are_joined_and_many_rows_left_out() {
        let names = (0..50).flat_map(|layer| (0..50).map(move |expert| format!("l.{layer}.experts.{expert}.w")));
        let file = file(names.map(|name| added(&name)));
        let matrix = Matrix::of(&file, 20);
        assert_eq!(matrix.columns, ["experts.*.w"]);
        assert_eq!((matrix.rows.len(), matrix.left_out), (20, (30, 0)));
        let row = matrix.rows[0];
        assert_eq!(matrix.cell(row, "experts.*.w").map(|cell| cell.entries.len()), Some(50));
    }
}
