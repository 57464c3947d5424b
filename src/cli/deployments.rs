//! `git model deployments`.

use serde::Serialize;

use crate::deploy::record::{self, Deployment, Record};
use crate::deploy::status;
use crate::error::{Error, Result};
use crate::git::Repo;
use crate::progress::Progress;
use crate::text::Table;
use crate::ui::Ui;

/// List what was deployed, where, when, by whom and why; the newest first.
///
/// The record lies in git under `refs/model/deployments/`, and goes along with `git push` and `git fetch` once git-model is
/// installed in the repository. States are those of GitHub: queued, in_progress, success, failure, error, inactive.
#[derive(clap::Args)]
pub struct Args {
    /// The environment; all if none is named.
    #[arg(value_name = "ENV")]
    environment: Option<String>,

    /// So many at most.
    #[arg(short = 'n', long, value_name = "N", default_value = "20")]
    max_count: usize,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line {
    /// As it is now, which is not what was recorded if the deployer has died.
    state: &'static str,
    reason: Option<String>,
    #[serde(flatten)]
    recorded: serde_json::Value,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = super::context()?.repo;
    let known = record::environments()?;
    let names = match args.environment {
        Some(name) if known.contains(&name) => vec![name],
        Some(name) => {
            return Err(Error::failed(format!("nothing was ever deployed to `{name}`"))
                .hint("`git model deployments` lists all; `git fetch` gets the record of others"));
        }
        None => known,
    };
    let mut all: Vec<Deployment> = Vec::new();
    for name in &names {
        let record = Record::of(name);
        record.unite()?;
        all.extend(record.deployments()?);
    }
    if names.len() > 1 {
        // Each record has its own order; between them only the clocks tell.
        all.sort_by(|one, other| one.created.cmp(&other.created));
    }
    let shown = all.iter().rev().take(args.max_count);
    if args.json {
        return ui.print(&super::json(&shown.map(|deployment| line(&repo, deployment)).collect::<Vec<_>>()));
    }
    if all.is_empty() {
        ui.note("nothing was deployed yet; `git model deploy`");
        return Ok(());
    }
    let mut table = Table::default();
    table.row(
        ["id", "environment", "state", "version", "commit", "by", "trigger", "when", "duration", ""].map(String::from),
    );
    shown.for_each(|deployment| table.row(cells(&repo, deployment)));
    ui.page(&table.text())
}

fn line(repo: &Repo, deployment: &Deployment) -> Line {
    let (state, reason) = status::state(repo, deployment);
    let mut recorded = serde_json::to_value(deployment).unwrap_or_default();
    if let Some(recorded) = recorded.as_object_mut() {
        recorded.remove("state");
        recorded.remove("reason");
    }
    Line { state: state.name(), reason, recorded }
}

fn cells(repo: &Repo, deployment: &Deployment) -> [String; 10] {
    let event = &deployment.last;
    let (state, reason) = status::state(repo, deployment);
    let by = event.by.split(" <").next().unwrap_or_default().to_owned();
    let seconds = if state.is_final() { format!("{:.1} s", event.seconds) } else { String::new() };
    [
        event.deployment.to_string(),
        event.environment.clone(),
        state.name().to_owned(),
        event.version.clone().unwrap_or_else(|| "-".into()),
        event.short().to_owned(),
        by,
        event.trigger.clone(),
        deployment.created.clone(),
        seconds,
        reason.unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
    ]
}
