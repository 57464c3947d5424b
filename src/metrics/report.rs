//! Verdicts as a table for people, as Markdown for a review, and as JSON for programs.

use serde::Serialize;

use super::check::Report;
use super::gate::{Outcome, Verdict, short};
use crate::text::{Colour, Style, Table};

const HEAD: [&str; 7] = ["model", "metric", "base", "now", "change", "limit", "verdict"];

/// One aligned table.
pub fn text(report: &Report, style: &Style) -> String {
    let mut table = Table::default();
    table.row(HEAD.map(|title| style.paint(Colour::Dim, title)));
    for verdict in &report.verdicts {
        let mut cells = cells(verdict);
        cells[6] = style.paint(colour(verdict.outcome), &cells[6]);
        table.row(cells);
    }
    table.text()
}

/// A table in Markdown, with a line about what came of it above.
pub fn markdown(report: &Report) -> String {
    let escaped = |cell: &str| cell.replace('|', "\\|");
    let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("**Gates: {}**\n\n", summary(report));
    text += &row(&HEAD.map(str::to_owned));
    text += "|---|---|--:|--:|--:|--:|---|\n";
    for verdict in &report.verdicts {
        text += &row(&cells(verdict).map(|cell| escaped(&cell)));
    }
    for warning in &report.warnings {
        text += &format!("\n- {}\n", escaped(warning));
    }
    text
}

/// What came of all gates, in one line.
pub fn summary(report: &Report) -> String {
    let count = |meant: Outcome| report.verdicts.iter().filter(|verdict| verdict.outcome == meant).count();
    let outcomes = [Outcome::Failed, Outcome::Unjudged, Outcome::Warned, Outcome::Skipped, Outcome::Passed];
    let counts: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| (count(outcome), outcome.word()))
        .filter(|&(count, _)| count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

/// For programs.
pub fn json(report: &Report) -> impl Serialize {
    Json {
        passed: !report.outcome().stops(),
        gates: report.verdicts.iter().map(row).collect(),
        warnings: report.warnings.clone(),
    }
}

#[derive(Serialize)]
struct Json {
    passed: bool,
    gates: Vec<Row>,
    warnings: Vec<String>,
}

/// Numbers that are not finite are texts: JSON has no other word for them.
#[derive(Serialize)]
struct Row {
    model: String,
    metric: String,
    base: Option<String>,
    base_value: Option<serde_json::Value>,
    value: Option<serde_json::Value>,
    change: Option<serde_json::Value>,
    limit: String,
    verdict: &'static str,
    why: Option<String>,
}

fn row(verdict: &Verdict) -> Row {
    let number = |number: f64| serde_json::Number::from_f64(number).map_or_else(|| short(number).into(), Into::into);
    Row {
        model: verdict.model.clone(),
        metric: verdict.metric.clone(),
        base: verdict.base.as_ref().map(|(name, _)| name.clone()),
        base_value: verdict.base.as_ref().map(|&(_, base)| number(base)),
        value: verdict.now.map(number),
        change: verdict.change().map(number),
        limit: verdict.limit.clone(),
        verdict: verdict.outcome.word(),
        why: verdict.why.clone(),
    }
}

fn cells(verdict: &Verdict) -> [String; 7] {
    let dash = || "–".to_owned();
    let base = verdict.base.as_ref().map_or_else(dash, |(name, base)| match name.as_str() {
        "HEAD" => short(*base),
        name => format!("{} ({name})", short(*base)),
    });
    let word = match &verdict.why {
        Some(why) => format!("{}: {why}", verdict.outcome.word()),
        None => verdict.outcome.word().to_owned(),
    };
    [
        verdict.model.clone(),
        verdict.metric.clone(),
        base,
        verdict.now.map_or_else(dash, short),
        change(verdict),
        verdict.limit.clone(),
        word,
    ]
}

/// The change with its sign, and its share of the base.
fn change(verdict: &Verdict) -> String {
    let (Some(change), Some((_, base))) = (verdict.change(), &verdict.base) else { return "–".to_owned() };
    if !change.is_finite() {
        return "–".to_owned();
    }
    let sign = if change > 0.0 { "+" } else { "" };
    let share = 100.0 * change / base.abs();
    if share.is_finite() && change != 0.0 {
        format!("{sign}{} ({sign}{share:.1} %)", short(change))
    } else {
        format!("{sign}{}", short(change))
    }
}

const fn colour(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Passed => Colour::Green,
        Outcome::Skipped => Colour::Dim,
        Outcome::Warned => Colour::Yellow,
        Outcome::Unjudged | Outcome::Failed => Colour::Red,
    }
}
