//! The heat map: a table of modules and parameters whose cells show how far each tensor has moved.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use super::escape::{Escaped, Name, Stacked, short};
use super::matrix::{Cell, Matrix};
use super::scale::Scale;
use crate::diff::modules::modules;
use crate::diff::plan::Change;
use crate::diff::{Entry, FileDiff};
use crate::diff::{text, words};
use crate::progress::count;
use crate::text::percent;

/// What a cell can show besides a number; the legend explains those that occur.
const SIGNS: [(&str, &str, &str); 10] = [
    ("same", "=", "unchanged"),
    ("added", "+", "added"),
    ("removed", "−", "removed"),
    ("renamed", "R", "renamed, the same content"),
    ("rows", "rows", "rows appended or cut off, the others the same"),
    ("still", "0", "the same numbers, other bytes"),
    ("other", "~", "another type or shape; no numbers"),
    ("share", "%", "share of quantized blocks that changed"),
    ("zero", "0→", "was all zeros: nothing to relate to"),
    ("failed", "!", "could not be read"),
];

/// A figure for one file. `anchors` says which entries have a row to link to.
pub(super) fn figure(
    file: &FileDiff,
    matrix: &Matrix<'_>,
    scale: &Scale,
    anchors: &dyn Fn(usize) -> Option<usize>,
) -> String {
    if matrix.rows.is_empty() || matrix.columns.is_empty() {
        return String::new();
    }
    let label = Escaped(&text::path(file)).to_string();
    let mut html = format!(
        "<figure class=\"heat\"><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Heat map of {label}\">\
         <table><thead><tr><th scope=\"col\"><span>module</span></th><th scope=\"col\">all</th>"
    );
    for column in &matrix.columns {
        let _ = match column.as_str() {
            "" => write!(html, "<th scope=\"col\">(itself)</th>"),
            column => write!(html, "<th scope=\"col\">{}</th>", Stacked(&short(column))),
        };
    }
    html.push_str("</tr></thead><tbody>\n");
    let sums: HashMap<String, Option<f64>> =
        modules(file).into_iter().map(|module| (module.name, module.relative)).collect();
    let mut signs = HashSet::new();
    for row in &matrix.rows {
        let _ = write!(html, "<tr><th scope=\"row\"><span>{}</span></th>", Name(&short(row)));
        let _ = match sums.get(*row).copied().flatten() {
            Some(value) if value != 0.0 => {
                write!(html, "<td><span class=\"h{}\">{value:.1e}</span></td>", scale.shade(value))
            }
            _ => write!(html, "<td></td>"),
        };
        for column in &matrix.columns {
            match matrix.cell(row, column) {
                Some(cell) => html.push_str(&self::cell(cell, scale, anchors, &mut signs)),
                None => html.push_str("<td></td>"),
            }
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div><figcaption>");
    html.push_str(&legend(matrix, scale, &signs));
    html.push_str("</figcaption></figure>\n");
    html
}

fn cell(
    cell: &Cell<'_>,
    scale: &Scale,
    anchors: &dyn Fn(usize) -> Option<usize>,
    signs: &mut HashSet<&'static str>,
) -> String {
    let Some(&(at, first)) = cell.entries.first() else {
        signs.insert("same");
        return format!("<td><span class=\"same\" title=\"{} unchanged\">=</span></td>", count(cell.same, "tensor"));
    };
    let (class, shown) = match cell.relative() {
        Some(value) if value != 0.0 => (format!("h{}", scale.shade(value)), format!("{value:.1e}")),
        _ => {
            let (class, shown) = sign(first);
            signs.insert(class);
            (class.to_owned(), shown)
        }
    };
    let mut title = format!("{}: {}", short(first.change.name()), summary(first));
    let others = cell.entries.len() + cell.same - 1;
    if others > 0 {
        let _ = write!(title, ", the most of {}", count(others + 1, "tensor"));
    }
    let title = Escaped(&title);
    match anchors(at) {
        Some(id) => format!("<td><a class=\"{class}\" href=\"#t{id}\" title=\"{title}\">{shown}</a></td>"),
        None => format!("<td><span class=\"{class}\" title=\"{title}\">{shown}</span></td>"),
    }
}

/// The class and the text of a cell without a number to colour it by.
fn sign(entry: &Entry) -> (&'static str, String) {
    let class = match (&entry.change, &entry.numbers) {
        (_, Some(Err(_))) => "failed",
        (_, Some(Ok(numbers))) if numbers.stats.as_blocks() => {
            return ("share", percent(numbers.stats.changed(), numbers.stats.elements()));
        }
        (Change::Rows(_), Some(Ok(numbers))) if numbers.stats.changed() == 0 => "rows",
        (_, Some(Ok(numbers))) if numbers.stats.norm_delta() == 0.0 => "still",
        (_, Some(Ok(_))) => "zero",
        (Change::Added(_), _) => "added",
        (Change::Removed(_), _) => "removed",
        (Change::Renamed { .. }, _) => "renamed",
        _ => "other",
    };
    let shown = SIGNS.iter().find(|sign| sign.0 == class).map_or("~", |sign| sign.1);
    (class, shown.to_owned())
}

/// What a reader learns without looking the tensor up.
fn summary(entry: &Entry) -> String {
    let change = &entry.change;
    let mut facts = vec![super::rows::kind(change)];
    match &entry.numbers {
        Some(Err(error)) => facts.push(format!("could not be read: {error}")),
        Some(Ok(numbers)) => {
            if let Some(relative) = numbers.stats.relative() {
                facts.push(format!("‖Δ‖/‖W‖ {}", words::scientific(relative)));
            }
            facts.push(format!("{} changed", percent(numbers.stats.changed(), numbers.stats.elements())));
            facts.extend(words::rank(numbers.rank, change));
        }
        None => {}
    }
    facts.join(", ")
}

fn legend(matrix: &Matrix<'_>, scale: &Scale, signs: &HashSet<&str>) -> String {
    let mut html = String::new();
    let classes = scale.legend();
    if !classes.is_empty() {
        let _ = write!(html, "<p>‖Δ‖/‖W‖, each colour from the number on it:</p><ol class=\"legend\">{classes}</ol>");
    }
    if !signs.is_empty() {
        html.push_str("<ul class=\"legend signs\">");
        for (class, sign, what) in SIGNS.iter().filter(|sign| signs.contains(sign.0)) {
            let _ = write!(html, "<li><b class=\"{class}\">{sign}</b> {what}</li>");
        }
        html.push_str("</ul>");
    }
    let (rows, columns) = matrix.left_out;
    for (number, what, shown) in [(rows, "module", matrix.rows.len()), (columns, "parameter", matrix.columns.len())] {
        if number > 0 {
            let _ = write!(html, "<p>The {shown} of {} that changed most.</p>", count(number + shown, what));
        }
    }
    html
}
