//! Differences as text for people.

use std::fmt::Write;

use super::compare::{Numbers, position};
use super::modules::modules;
use super::plan::Change;
use super::words::{cosine, dtype, kind, list, rank, scientific, shape};
use super::{Entry, FileDiff, Report, Version};
use crate::git::shown;
use crate::manifest::Tensor;
use crate::progress::count;
use crate::text::{Colour, Style, Table, percent, width};

/// A table of modules says more than the tensors alone if there are more of them than this.
const MODULES_WORTH: usize = 8;
/// A name gets no less of a line than this.
const NAME_COLUMNS_MIN: usize = 24;

/// Every tensor with its numbers, those that changed most first.
pub fn full(report: &Report, style: &Style) -> String {
    let mut text = String::new();
    for file in &report.files {
        text.push_str(&title(file, style));
        // Where one version is no model, its title says it all.
        if matches!((&file.old, &file.new), (Version::Model { .. }, Version::Model { .. })) {
            text.push_str(&tensors(file, style));
            text.push_str(&by_module(file, style));
        }
    }
    text
}

/// A line for each model, and a line for each module.
pub fn stat(report: &Report, style: &Style) -> String {
    let mut text = String::new();
    for file in &report.files {
        text.push_str(&title(file, style));
        let mut table = Table::default();
        for module in modules(file) {
            table.row([
                format!("   {}", module.name),
                format!("{} of {}", module.changed, module.tensors.max(module.changed)),
            ]);
        }
        text.push_str(&table.text());
    }
    text
}

/// The names of the tensors that differ, each behind its file's path and a tab.
pub fn names(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.files {
        for entry in &file.entries {
            let _ = writeln!(text, "{}\t{}", shown(&file.path), entry.change.name());
        }
        if file.entries.is_empty() {
            let _ = writeln!(text, "{}", shown(&file.path));
        }
    }
    text
}

/// `m.safetensors: 5 of 400 tensors changed, 1 added`, and what else there is to say of the file.
fn title(file: &FileDiff, style: &Style) -> String {
    format!("{}: {}\n", style.paint(Colour::Bold, path(file)), facts(file, style))
}

/// The file's path, and the one it had before.
pub(super) fn path(file: &FileDiff) -> String {
    let path = if file.path.is_empty() { "the two files".to_owned() } else { shown(&file.path) };
    file.from.as_ref().map_or_else(|| path.clone(), |from| format!("{} → {path}", shown(from)))
}

/// What there is to say of the whole file.
pub(super) fn facts(file: &FileDiff, style: &Style) -> String {
    let [changed, added, removed, renamed] = file.counts();
    let mut facts = Vec::new();
    match (&file.old, &file.new) {
        (Version::Absent, new) => facts.push(format!("new, {}", described(new, style))),
        (old, Version::Absent) => facts.push(format!("deleted, was {}", described(old, style))),
        (Version::Model { format: old, .. }, Version::Model { format: new, .. }) if old == new => {
            let total = file.unchanged + changed;
            if changed > 0 {
                facts.push(format!("{changed} of {} changed", count(total, "tensor")));
            }
            for (number, what) in [(added, "added"), (removed, "removed"), (renamed, "renamed")] {
                if number > 0 {
                    facts.push(format!("{number} {what}"));
                }
            }
            if file.is_metadata_changed {
                facts.push(if new == "opaque" { "content changed".into() } else { "metadata changed".into() });
            }
            if facts.is_empty() {
                facts.push("the same content".into());
            }
        }
        (old, new) => {
            let what = match (old, new) {
                (Version::Model { .. }, Version::Model { .. }) => "another format",
                (Version::Model { .. }, _) => "no model any more",
                _ => "a model now",
            };
            facts.push(format!("{what}: {} → {}", described(old, style), described(new, style)));
        }
    }
    facts.join(", ")
}

fn described(version: &Version, style: &Style) -> String {
    match version {
        Version::Absent => "nothing".into(),
        Version::Model { format, tensors: 0, bytes } => format!("{format}, {}", style.units.bytes(*bytes)),
        Version::Model { format, tensors, bytes } => {
            format!("{format} of {}, {}", count(*tensors, "tensor"), style.units.bytes(*bytes))
        }
        Version::Raw(bytes) => format!("a plain file, {}", style.units.bytes(*bytes)),
        Version::Other => "a link".into(),
    }
}

/// A tensor's line: its sign and name, and what there is to say of it.
struct Line {
    sign: &'static str,
    colour: Colour,
    name: String,
    /// Set under those of other lines.
    cells: Vec<String>,
    /// Stands behind the last of them.
    note: Option<String>,
}

fn tensors(file: &FileDiff, style: &Style) -> String {
    let mut entries: Vec<&Entry> = file.entries.iter().collect();
    entries.sort_by(|a, b| rating(b).total_cmp(&rating(a)));
    let lines: Vec<Line> = entries.into_iter().map(|entry| line(entry, style)).collect();
    let columns = lines.iter().map(|line| line.cells.len()).max().unwrap_or(0);
    let cell_width =
        |column: usize| lines.iter().filter_map(|line| line.cells.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| cell_width(column).unwrap_or(0)).collect();
    let notes = lines.iter().filter(|line| line.cells.len() == columns).filter_map(|line| line.note.as_deref());
    let note_width = notes.map(|note| width(note) + 2).max().unwrap_or(0);
    let behind = widths.iter().filter(|&&width| width > 0).map(|width| width + 2).sum::<usize>() + note_width;
    let name_width = lines.iter().map(|line| width(&line.name)).max().unwrap_or(0);
    // Where names and numbers do not fit on one line, the numbers stand below.
    let room = style.width.map_or(usize::MAX, |columns| columns.saturating_sub(behind + 2));
    let is_split = room < name_width.min(NAME_COLUMNS_MIN);
    let name_room = if is_split { style.width.unwrap_or(0).saturating_sub(2) } else { room };
    let mut text = String::new();
    for line in &lines {
        let name = style.name(&line.name, name_room);
        let head = format!("{} {name}", line.sign);
        let pad = name_width.min(name_room).saturating_sub(width(&name));
        let mut cells = String::new();
        for (cell, wanted) in line.cells.iter().zip(&widths).filter(|(_, wanted)| **wanted > 0) {
            let _ = write!(cells, "  {cell}{}", " ".repeat(wanted.saturating_sub(width(cell))));
        }
        if let Some(note) = &line.note {
            let _ = write!(cells, "  {note}");
        }
        let head = style.paint(line.colour, head);
        let cells = cells.trim_end();
        let _ = if is_split {
            let cells = wrapped(line.cells.iter().chain(&line.note), style.width.unwrap_or(0));
            writeln!(text, "{head}\n{cells}")
        } else {
            writeln!(text, "{head}{}{cells}", " ".repeat(pad))
        };
    }
    text
}

/// How far a tensor has moved, to sort by: what came out of nothing first, what has no numbers last.
pub(super) fn rating(entry: &Entry) -> f64 {
    entry.known().map_or(-1.0, |numbers| numbers.stats.relative().unwrap_or(f64::MAX))
}

/// The cells on indented lines of at most so many columns.
fn wrapped<'a>(cells: impl Iterator<Item = &'a String>, columns: usize) -> String {
    const INDENT: &str = "    ";
    let mut lines = vec![String::new()];
    for cell in cells.filter(|cell| !cell.is_empty()) {
        let last = lines.last().map_or(0, |line| width(line));
        if last > 0 && INDENT.len() + last + 2 + width(cell) > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(cell);
        }
    }
    lines.iter().map(|line| format!("{INDENT}{line}")).collect::<Vec<_>>().join("\n")
}

fn line(entry: &Entry, style: &Style) -> Line {
    let change = &entry.change;
    let (sign, colour) = match change {
        Change::Added(_) => ("+", Colour::Green),
        Change::Removed(_) => ("−", Colour::Red),
        Change::Renamed { .. } => ("R", Colour::Cyan),
        Change::Values(_) | Change::Cast(_) | Change::Rows(_) | Change::Reshaped(_) | Change::Replaced(_) => {
            ("~", Colour::Yellow)
        }
    };
    let name = match change {
        Change::Renamed { from, new } => format!("{from} → {}", new.name),
        _ => change.name().to_owned(),
    };
    let size = |tensor: &Tensor| style.units.bytes(tensor.byte_len().unwrap_or(0));
    let mut cells = vec![dtype(change), shape(change)];
    let note = match (change, &entry.numbers) {
        (_, Some(Ok(numbers))) => {
            cells.extend(self::numbers(numbers, change));
            kind(change)
        }
        (_, Some(Err(error))) => Some(style.paint(Colour::Red, format!("not to be read: {error}"))),
        (Change::Added(tensor) | Change::Removed(tensor), None) => Some(size(tensor)),
        (Change::Replaced(pair), None) => Some(format!("replaced, {} → {}", size(&pair.old), size(&pair.new))),
        (_, None) => kind(change),
    };
    Line { sign, colour, name, cells, note }
}

fn numbers(numbers: &Numbers, change: &Change) -> Vec<String> {
    let stats = &numbers.stats;
    if stats.as_blocks() {
        let share = percent(stats.changed(), stats.elements());
        return vec![String::new(), String::new(), String::new(), format!("changed {share} of blocks")];
    }
    let relative = stats.relative().map_or_else(|| "–".into(), scientific);
    let max_at = stats.max_at().map(|at| list(&position(&change.newest().shape, at)));
    let mut cells = vec![
        format!("‖Δ‖/‖W‖ {relative}"),
        stats.cosine().map_or_else(String::new, |value| format!("cos {}", cosine(value))),
        format!("max|Δ| {}{}", scientific(stats.max_abs()), max_at.map_or_else(String::new, |at| format!(" @{at}"))),
        format!("changed {}", percent(stats.changed(), stats.elements())),
        rank(numbers.rank, change).unwrap_or_default(),
        format!("nan {}→{}", stats.nan_a(), stats.nan_b()),
    ];
    let mut rare = Vec::new();
    if stats.inf_a() + stats.inf_b() > 0 {
        rare.push(format!("inf {}→{}", stats.inf_a(), stats.inf_b()));
    }
    for (number, what) in [(stats.zero_sign(), "±0"), (stats.nan_payload(), "nan payload")] {
        if number > 0 {
            rare.push(format!("{what} {number}"));
        }
    }
    cells.push(rare.join("  "));
    cells
}

fn by_module(file: &FileDiff, style: &Style) -> String {
    let modules = modules(file);
    if modules.len() < MODULES_WORTH || file.entries.iter().all(|entry| entry.numbers.is_none()) {
        return String::new();
    }
    let mut table = Table::default();
    table.row(["   module", "tensors", "‖Δ‖/‖W‖", "most in"].map(|head| style.paint(Colour::Dim, head)));
    for module in modules {
        let name_room = style.width.map_or(usize::MAX, |columns| columns.saturating_sub(30) / 2);
        table.row([
            format!("   {}", style.name(&module.name, name_room)),
            format!("{} of {}", module.changed, module.tensors.max(module.changed)),
            module.relative.map_or_else(|| "–".into(), scientific),
            module.most.map_or_else(String::new, |most| style.name(&most, name_room)),
        ]);
    }
    format!("\n{}\n", table.text())
}
