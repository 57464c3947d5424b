//! `git model metrics diff`.

use std::ffi::OsString;

use serde_json::json;

use super::{Format, table};
use crate::cli::context;
use crate::error::{Error, Kind, Result};
use crate::metrics::gate;
use crate::progress::Progress;
use crate::text::{Colour, Style};
use crate::ui::Ui;
use crate::version::difference::{self, Row, Side};
use crate::version::models;

/// Compare the metrics of two versions.
///
/// Without revisions `HEAD` and the work tree; with one, that commit and the work tree; with two, or with `A..B`, two commits.
/// An arrow tells whether a metric went up or down, and a word whether that is better, if a gate in `.gitmodel.toml` names it.
#[derive(clap::Args)]
pub struct Args {
    /// Revisions.
    #[arg(value_name = "REV", num_args = 0..=2)]
    revisions: Vec<OsString>,

    /// Only this model.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// Metrics that have not changed, too.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    format: Format,
}

const HEAD: [&str; 7] = ["model", "metric", " old", " new", " change", " percent", ""];

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = context()?;
    let (old, new) = Side::pair(&args.revisions)?;
    if new == Side::WorkTree && context.repo.work_dir().is_none() {
        return Err(Error::new(Kind::Usage, "there is no work tree to compare with").hint("name two revisions"));
    }
    let ids: Vec<_> = [&new, &old].into_iter().filter_map(Side::id).collect();
    let models = models::find(&context, &ids, args.model.as_deref())?;
    let mut rows = Vec::new();
    for model in &models {
        let Some(path) = &model.metrics else { continue };
        let read = |side: &Side| match side.metrics(&context, path)? {
            Some(Err(why)) => {
                ui.warn(&format!("`{path}` in {} cannot be read: {why}", side.name()));
                Ok::<_, Error>(Vec::new())
            }
            values => Ok(values.transpose().unwrap_or_default().unwrap_or_default()),
        };
        rows.extend(difference::rows(model, &read(&old)?, &read(&new)?));
    }
    let is_empty = rows.is_empty();
    rows.retain(|row| args.all || !row.is_same());
    if rows.is_empty() && !args.format.json {
        let (old, new) = (old.name(), new.name());
        ui.note(&match is_empty {
            true => format!("there are no metrics in {old} and {new}"),
            false => format!("no metric differs between {old} and {new}"),
        });
        return Ok(());
    }
    let style = if args.format.md || args.format.csv { Style::PLAIN } else { ui.style() };
    let cells: Vec<_> = rows.iter().map(|row| cells(row, &args.format, &style)).collect();
    let value = || {
        let number = |value: Option<f64>| value.map(table::number);
        let row = |row: &Row| {
            json!({
                "model": row.model, "metric": row.metric, "old": number(row.old), "new": number(row.new),
                "change": number(row.change()), "percent": number(row.percent()), "better": row.is_better,
            })
        };
        json!({ "old": old.name(), "new": new.name(), "metrics": rows.iter().map(row).collect::<Vec<_>>() })
    };
    table::print(ui, &args.format, &HEAD.map(|title| if title.is_empty() { "verdict" } else { title }), &cells, value)
}

fn cells(row: &Row, format: &Format, style: &Style) -> Vec<String> {
    let dash = || if format.csv { String::new() } else { "–".to_owned() };
    let number = |value: Option<f64>| value.map_or_else(dash, |value| table::cell(value, format));
    let signed = |value: f64, text: String| if value > 0.0 { format!("+{text}") } else { text };
    let change = row.change().map_or_else(dash, |change| match format.csv {
        true => table::cell(change, format),
        false => signed(change, gate::short(change)),
    });
    let percent = row.percent().map_or_else(dash, |percent| match format.csv {
        true => table::cell(percent, format),
        false => signed(percent, format!("{percent:.1} %")),
    });
    let arrow = match row.change() {
        _ if format.csv => "",
        Some(change) if change > 0.0 => "↑ ",
        Some(change) if change < 0.0 => "↓ ",
        _ => "",
    };
    let verdict = match (row.is_better, row.old, row.new) {
        (Some(true), ..) => style.paint(Colour::Green, format!("{arrow}better")),
        (Some(false), ..) => style.paint(Colour::Red, format!("{arrow}worse")),
        (None, None, Some(_)) => "new".to_owned(),
        (None, Some(_), None) => "gone".to_owned(),
        _ => arrow.trim_end().to_owned(),
    };
    vec![row.model.clone(), row.metric.clone(), number(row.old), number(row.new), change, percent, verdict]
}
