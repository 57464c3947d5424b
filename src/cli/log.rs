//! `git model log`.

use std::ffi::OsString;

use serde_json::{Map, Value, json};

use super::metrics::table::number;
use super::{context, json as pretty};
use crate::error::{Error, Result};
use crate::git::history::walk;
use crate::git::revision;
use crate::metrics::gate;
use crate::progress::Progress;
use crate::text::{Colour, Style, Table};
use crate::ui::Ui;
use crate::version::log::{self, Log, Tensors, Version};
use crate::version::models;

/// List the versions of models: one line for each commit that changed their weights.
///
/// The commit, its day, tags and [stages]; how many tensors are new (+), changed (~) and gone (-) against the version before;
/// what that added to the store; the metrics that gates name, else the first three. Along the first parents of `HEAD`, or of
/// a revision or a range.
#[derive(clap::Args)]
pub struct Args {
    /// A revision or a range.
    #[arg(value_name = "REV|RANGE")]
    revision: Option<OsString>,

    /// Only this model.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// So many of the newest versions.
    #[arg(short = 'n', long = "max-count", value_name = "N")]
    count: Option<usize>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = context()?;
    let is_given = args.revision.is_some();
    let revision = args.revision.unwrap_or_else(|| "HEAD".into());
    let at: Vec<_> = revision::commit(&revision)?.into_iter().collect();
    if at.is_empty() && !is_given {
        return Err(Error::failed("there is no commit yet").hint("`git commit` makes the first version"));
    }
    let revisions = walk::checked(&revision)?;
    let models = models::find(&context, &at, args.model.as_deref())?;
    let log = log::log(&context, &models, &revisions, args.count.unwrap_or(usize::MAX), ui)?;
    log.warnings.iter().for_each(|warning| ui.warn(warning));
    if args.json {
        return ui.print(&pretty(&log.versions.iter().map(value).collect::<Vec<_>>()));
    }
    if log.versions.is_empty() {
        let names: Vec<String> = models.iter().map(|model| format!("`{}`", model.name)).collect();
        ui.note(&format!("no commit has weights of {} yet", names.join(", ")));
        return Ok(());
    }
    ui.page(&text(&log, models.len() > 1, &ui.style()))
}

fn value(version: &Version) -> Value {
    let Version { model, step, names, tensors, metrics } = version;
    let metrics: Map<String, Value> =
        metrics.iter().map(|(name, value)| (name.clone(), value.map(number).into())).collect();
    json!({
        "commit": step.id.to_string(), "date": step.date, "subject": step.summary, "model": model,
        "tags": names.tags, "stages": names.stages,
        "tensors": { "added": tensors.added, "changed": tensors.changed, "removed": tensors.removed },
        "size": tensors.size, "stored": tensors.stored.bytes(), "metrics": metrics,
    })
}

fn text(log: &Log, has_models: bool, style: &Style) -> String {
    let mut table = Table::default();
    for version in &log.versions {
        let Version { model, step, names, tensors, metrics } = version;
        let mut called = names.tags.clone();
        called.extend(names.stages.iter().map(|stage| format!("[{stage}]")));
        let mut cells = vec![style.paint(Colour::Yellow, &step.short), style.paint(Colour::Dim, &step.date)];
        cells.extend(has_models.then(|| model.clone()));
        cells.push(style.paint(Colour::Green, called.join(" ")));
        cells.push(counts(tensors));
        cells.push(tensors.stored.bytes().map_or_else(|| "?".to_owned(), |bytes| style.units.bytes(bytes)));
        let shown = metrics.iter().filter_map(|(name, value)| Some(format!("{name} {}", gate::short((*value)?))));
        cells.extend(shown);
        table.row(cells);
    }
    table.text()
}

fn counts(tensors: &Tensors) -> String {
    let counts = [("+", tensors.added), ("~", tensors.changed), ("-", tensors.removed)];
    let told: Vec<String> =
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(sign, count)| format!("{sign}{count}")).collect();
    if told.is_empty() { "as a whole".to_owned() } else { told.join(" ") }
}
