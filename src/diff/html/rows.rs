//! The table of tensors: one row for each, those that moved most first.

use std::fmt::Write;

use super::escape::{Escaped, Name, short};
use super::histogram::{self, Axis};
use super::scale::Scale;
use crate::diff::compare::{Numbers, position};
use crate::diff::plan::Change;
use crate::diff::text::path;
use crate::diff::words::{cosine, dtype, kind as kind_of_pair, list, rank, scientific, shape};
use crate::diff::{Entry, FileDiff};
use crate::manifest::Tensor;
use crate::text::{Units, percent};

/// Columns behind the tensor's name.
const COLUMNS: [&str; 7] = ["‖Δ‖/‖W‖", "cosine", "max |Δ|", "changed", "rank of Δ", "NaN", "|Δ| by powers of two"];

/// A table of these entries, each with the number of its anchor. `id` tells the axes of several tables apart.
pub(super) fn table(file: &FileDiff, entries: &[(usize, &Entry)], scale: &Scale, units: Units, id: usize) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let label = Escaped(&path(file)).to_string();
    let histograms = entries.iter().filter_map(|(_, entry)| entry.known()?.stats.histogram());
    let axis = Axis::of(histograms);
    let mut html = axis.map_or_else(String::new, |axis| axis.definition(id));
    let _ = write!(
        html,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Tensors of {label}\"><table class=\"tensors\">\
         <thead><tr><th scope=\"col\">tensor</th>"
    );
    for column in COLUMNS {
        let _ = write!(html, "<th scope=\"col\">{column}</th>");
    }
    html.push_str("</tr></thead><tbody>\n");
    for (anchor, entry) in entries {
        let _ = write!(html, "<tr id=\"t{anchor}\">{}", head(&entry.change));
        match &entry.numbers {
            Some(Ok(numbers)) if numbers.stats.as_blocks() => {
                let share = percent(numbers.stats.changed(), numbers.stats.elements());
                let _ = write!(html, "<td colspan=\"7\">changed {share} of blocks</td>");
            }
            Some(Ok(numbers)) => {
                html.push_str(&self::numbers(numbers, &entry.change, scale));
                let drawn = numbers.stats.histogram().zip(axis.as_ref());
                let drawn = drawn.map_or_else(String::new, |(bars, axis)| histogram::svg(bars, axis, id));
                let _ = write!(html, "<td>{drawn}</td>");
            }
            Some(Err(error)) => {
                let error = error.to_string();
                let _ = write!(html, "<td colspan=\"7\" class=\"failed\">not to be read: {}</td>", Escaped(&error));
            }
            None => {
                let _ = write!(html, "<td colspan=\"7\">{}</td>", sizes(&entry.change, units));
            }
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody></table></div>\n"
}

/// The name, and what it is called, of how a tensor stands to the other version.
pub(super) fn kind(change: &Change) -> String {
    match change {
        Change::Added(_) => "added".into(),
        Change::Removed(_) => "removed".into(),
        Change::Renamed { .. } => "renamed".into(),
        Change::Values(_) => "changed".into(),
        _ => kind_of_pair(change).unwrap_or_else(|| "changed".into()),
    }
}

fn head(change: &Change) -> String {
    let (class, sign) = match change {
        Change::Added(_) => ("added", "+"),
        Change::Removed(_) => ("removed", "−"),
        Change::Renamed { .. } => ("renamed", "R"),
        _ => ("changed", "~"),
    };
    let mut html = format!("<th scope=\"row\"><b class=\"sign {class}\" aria-hidden=\"true\">{sign}</b> ");
    let _ = write!(html, "<code>{}</code>", Name(&short(change.name())));
    if let Change::Renamed { from, .. } = change {
        let _ = write!(html, " <small>was <code>{}</code></small>", Name(&short(from)));
    }
    let type_and_shape = format!("{} {} · {}", dtype(change), shape(change), kind(change));
    let _ = write!(html, "<small>{}</small></th>", Escaped(&type_and_shape));
    html
}

/// Cells for all columns but the last.
fn numbers(numbers: &Numbers, change: &Change, scale: &Scale) -> String {
    let stats = &numbers.stats;
    let mut html = match stats.relative() {
        Some(0.0) => "<td>0</td>".into(),
        Some(value) => format!("<td><span class=\"swatch h{}\">{value:.1e}</span></td>", scale.shade(value)),
        None => "<td>from zero</td>".into(),
    };
    let cosine = stats.cosine().map_or_else(|| "–".into(), cosine);
    let at = stats.max_at().map(|at| format!("<small>at {}</small>", list(&position(&change.newest().shape, at))));
    let _ = write!(html, "<td>{cosine}</td><td>{}{}</td>", scientific(stats.max_abs()), at.unwrap_or_default());
    let _ = write!(html, "<td>{}", percent(stats.changed(), stats.elements()));
    for (number, what) in [(stats.zero_sign(), "±0"), (stats.nan_payload(), "NaN payload")] {
        if number > 0 {
            let _ = write!(html, "<small>{what}: {number}</small>");
        }
    }
    let rank = rank(numbers.rank, change).unwrap_or_else(|| "–".into());
    let _ = write!(html, "</td><td class=\"text\">{rank}</td>");
    let is_worse = stats.nan_b() > stats.nan_a() || stats.inf_b() > stats.inf_a();
    let _ = write!(html, "<td{}>", if is_worse { " class=\"failed\"" } else { "" });
    let _ = write!(html, "{} → {}", stats.nan_a(), stats.nan_b());
    if stats.inf_a() + stats.inf_b() > 0 {
        let _ = write!(html, "<small>inf: {} → {}</small>", stats.inf_a(), stats.inf_b());
    }
    html + "</td>"
}

/// What there is to say where nothing was compared.
fn sizes(change: &Change, units: Units) -> String {
    let size = |tensor: &Tensor| units.bytes(tensor.byte_len().unwrap_or(0));
    match change {
        Change::Added(tensor) | Change::Removed(tensor) => size(tensor),
        Change::Renamed { .. } => "the same content".into(),
        Change::Replaced(pair) => format!("{} → {}", size(&pair.old), size(&pair.new)),
        Change::Values(_) | Change::Cast(_) | Change::Rows(_) | Change::Reshaped(_) => String::new(),
    }
}
