//! `git model list`.

use serde_json::{Value, json};

use crate::error::Result;
use crate::metrics::gate::short;
use crate::progress::Progress;
use crate::text::{Colour, Style, Table, Units};
use crate::ui::Ui;
use crate::version::catalog::{self, Entry};

const HEAD: [&str; 6] = ["model", "latest", "stages", "parameters", "size", "metric"];

/// List the models of the repository: latest version, stages, size, and the metric that matters most.
///
/// Models are those of `.gitmodel.toml`; without it, each tracked weight file is one. Sizes and the metric are those of the
/// latest version, or of HEAD while there is none. The metric is that of the model's first gate.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let models = catalog::list(&super::context()?.repo)?;
    if args.json {
        return ui.print(&super::json(&models.iter().map(as_json).collect::<Vec<_>>()));
    }
    if models.is_empty() {
        ui.note("there are no models: `git model track` says how to have weight files stored by tensor");
        return Ok(());
    }
    ui.print(&as_text(&models, &ui.style()))
}

fn as_text(models: &[Entry], style: &Style) -> String {
    let dash = || "–".to_owned();
    let mut table = Table::default();
    table.row(HEAD.map(|title| style.paint(Colour::Dim, title)));
    for model in models {
        let stages: Vec<String> = model.stages.iter().map(|(stage, held)| format!("{stage} {held}")).collect();
        let facts = model.facts.as_ref();
        let metric = facts.and_then(|facts| facts.metric.as_ref());
        let latest = model.latest.as_ref().map_or_else(dash, |latest| format!("v{}", latest.version));
        table.row([
            model.name.clone(),
            if model.is_deprecated { format!("{latest} (deprecated)") } else { latest },
            if stages.is_empty() { dash() } else { stages.join(", ") },
            facts.and_then(|facts| facts.parameters).map_or_else(dash, Units::count),
            facts.map_or_else(dash, |facts| style.units.bytes(facts.bytes)),
            metric.map_or_else(dash, |(path, number)| format!("{path} {}", short(*number))),
        ]);
    }
    table.text()
}

fn as_json(model: &Entry) -> Value {
    let facts = model.facts.as_ref();
    // Numbers that are not finite are texts: JSON has no other word for them.
    let number = |number: f64| serde_json::Number::from_f64(number).map_or_else(|| short(number).into(), Value::from);
    let metric = facts.and_then(|facts| facts.metric.as_ref());
    json!({
        "model": model.name,
        "version": model.latest.as_ref().map(|latest| format!("v{}", latest.version)),
        "commit": model.latest.as_ref().map(|latest| latest.commit.to_string()),
        "stages": model.stages, "deprecated": model.is_deprecated,
        "weights": facts.map(|facts| &facts.weights),
        "parameters": facts.and_then(|facts| facts.parameters),
        "bytes": facts.map(|facts| facts.bytes),
        "metric": metric.map(|(path, value)| json!({ "name": path, "value": number(*value) })),
    })
}
