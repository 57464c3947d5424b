//! What a merge has left to decide, as a table.

use super::three_way::{Conflict, Lists};
use super::{Disagreement, MergeError, Versions, disagreement};
use crate::manifest::Manifest;
use crate::store::Store;
use crate::text::{Style, Table};

/// A longer table tells nobody more; and of what is in it the tensors are read.
const ROWS_MAX: usize = 10;
const NAME_COLUMNS: usize = 48;

/// Tensors in conflict: why, how far each side has moved them (‖ΔO‖, ‖ΔT‖), the cosine between the two moves, and the
/// share of elements that went opposite ways.
///
/// # Errors
/// A version that cannot be read.
pub fn conflict_table(
    store: &Store,
    versions: &Versions<'_>,
    conflicts: &[Conflict],
    style: &Style,
) -> Result<String, MergeError> {
    let lists = Lists {
        base: versions.base.map_or(&[], Manifest::tensors),
        ours: versions.ours.tensors(),
        theirs: versions.theirs.tensors(),
    };
    let mut table = Table::to_the_left();
    table.row(["  tensor", "why", "‖ΔO‖", "‖ΔT‖", "cos", "signs"].map(str::to_owned));
    for conflict in conflicts.iter().take(ROWS_MAX) {
        table.row(row(conflict, disagreement(store, &lists, conflict)?, style));
    }
    let mut text = table.text();
    let more = conflicts.len().saturating_sub(ROWS_MAX);
    if more > 0 {
        text.push_str(&format!("  … and {more} more\n"));
    }
    Ok(text)
}

fn row(conflict: &Conflict, numbers: Option<Disagreement>, style: &Style) -> Vec<String> {
    let name = format!("  {}", style.name(&conflict.tensor, NAME_COLUMNS));
    let mut cells = vec![name, conflict.why.to_string()];
    if let Some(numbers) = numbers {
        let share = if numbers.opposite.is_nan() { "–".into() } else { format!("{:.0} %", 100.0 * numbers.opposite) };
        let cosine = if numbers.cosine.is_nan() { "–".into() } else { hundredths(numbers.cosine) };
        cells.extend([format!("{:.2e}", numbers.ours), format!("{:.2e}", numbers.theirs), cosine, share]);
    }
    cells
}

/// Two places, and no minus before what is rounded to zero.
fn hundredths(number: f64) -> String {
    format!("{:.2}", (number * 100.0).round() / 100.0 + 0.0)
}
