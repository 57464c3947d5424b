//! Rows of cells, printed as people and programs want them.

use super::Format;
use crate::cli::json;
use crate::error::{Error, Result};
use crate::metrics::gate;
use crate::text::{Colour, Table};
use crate::ui::Ui;

/// Prints rows below `head`: aligned, as Markdown or as CSV; or `value` as JSON. Columns whose head begins with a blank stand
/// for numbers.
pub fn print(
    ui: &Ui,
    format: &Format,
    head: &[&str],
    rows: &[Vec<String>],
    value: impl FnOnce() -> serde_json::Value,
) -> Result {
    if format.json {
        return ui.print(&json(&value()));
    }
    if format.csv {
        return ui.print(&csv(head, rows)?);
    }
    if format.md {
        return ui.print(&markdown(head, rows));
    }
    let style = ui.style();
    let mut table = Table::default();
    table.row(head.iter().map(|title| style.paint(Colour::Dim, title.trim())));
    rows.iter().for_each(|row| table.row(row.clone()));
    ui.page(&table.text())
}

fn markdown(head: &[&str], rows: &[Vec<String>]) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut text = row(&mut head.iter().map(|title| title.trim().to_owned()));
    text += &format!(
        "|{}|\n",
        head.iter().map(|title| if title.starts_with(' ') { "--:" } else { "---" }).collect::<Vec<_>>().join("|")
    );
    for cells in rows {
        text += &row(&mut cells.iter().map(|cell| cell.replace('|', "\\|")));
    }
    text
}

fn csv(head: &[&str], rows: &[Vec<String>]) -> Result<String> {
    let failed = |error: &dyn std::fmt::Display| Error::failed(format!("cannot write the table: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head.iter().map(|title| title.trim())).map_err(|error| failed(&error))?;
    for row in rows {
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// A number as JSON: as text, if it is not finite, for JSON has no other word.
pub fn number(value: f64) -> serde_json::Value {
    serde_json::Number::from_f64(value).map_or_else(|| gate::short(value).into(), Into::into)
}

/// A number in a cell: short for people, in full for programs.
pub fn cell(value: f64, format: &Format) -> String {
    if format.csv && value.is_finite() { format!("{value:?}") } else { gate::short(value) }
}
