//! `git model status`.

mod deployed;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde::Serialize;

use crate::deploy::status::Standing;
use crate::error::Result;
use crate::git::install::quote;
use crate::git::status::Staged;
use crate::git::{Repo, shown};
use crate::progress::Progress;
use crate::sync::unpushed::{self, Unpushed};
use crate::text::Table;
use crate::ui::{self, Ui};
use crate::worktree::models;
use crate::worktree::status::{self, Model, Place};

/// How a model is shown whose objects were lost, or never came here.
pub const NOT_STORED: &str = "not in the store";

/// Show how it stands with each model: since the last commit, in the work tree, for the next push, and where it runs.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    models: Vec<Line>,
    push: Push,
    environments: Vec<Standing>,
}

#[derive(Serialize)]
struct Push {
    /// Stored bytes that a push of the current branch would move.
    bytes: u64,
    /// No remote is known to have anything.
    everything: bool,
}

#[derive(Serialize)]
struct Line {
    path: String,
    state: &'static str,
    worktree: &'static str,
    /// The store has all that the manifest names.
    stored: bool,
    tensors: usize,
    added: usize,
    changed: usize,
    removed: usize,
    size: Option<u64>,
    push_bytes: u64,
}

impl Line {
    fn new(model: &Model, unpushed: &Unpushed) -> Self {
        let manifest = model.manifest.as_ref();
        Self {
            path: shown(&model.path),
            state: state(model),
            worktree: model.place.name(),
            stored: model.is_stored,
            tensors: manifest.map_or(0, |manifest| manifest.tensors().len()),
            added: model.changes.added,
            changed: model.changes.changed,
            removed: model.changes.removed,
            size: manifest.map(|manifest| manifest.size),
            push_bytes: unpushed.bytes_by_path.get(&model.path).copied().unwrap_or(0),
        }
    }

    /// With `path` as it is shown in the current folder.
    fn cells(&self, ui: &Ui, path: String) -> [String; 5] {
        let tensors = match (self.state, self.added, self.changed, self.removed) {
            ("modified", added, changed, removed) if self.tensors > 0 => {
                let counts = [(changed, "changed"), (added, "added"), (removed, "removed")];
                let some: Vec<_> = counts
                    .iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                let what = if some.is_empty() { "none changed".to_owned() } else { some.join(", ") };
                format!("{}, {what}", ui::count(self.tensors, "tensor"))
            }
            _ if self.tensors > 0 => ui::count(self.tensors, "tensor"),
            _ => "-".to_owned(),
        };
        let size = self.size.map_or_else(|| "-".into(), |size| ui.bytes(size));
        let worktree = match (self.state, self.worktree) {
            ("untracked" | "deleted" | "raw", _) | (_, "materialized") => "",
            (_, "modified") => "modified since git add",
            (_, "manifest") => "not materialized",
            (_, other) => other,
        };
        let store = if self.stored { "" } else { NOT_STORED };
        let between = if worktree.is_empty() || store.is_empty() { "" } else { ", " };
        [self.state.into(), path, tensors, size, format!("{worktree}{between}{store}")]
    }
}

const fn state(model: &Model) -> &'static str {
    match model.staged {
        Staged::Conflict => "conflict",
        Staged::Untracked => "untracked",
        Staged::Deleted => "deleted",
        _ if model.is_raw => "raw",
        Staged::New => "new",
        Staged::Modified => "modified",
        Staged::Unchanged => "unchanged",
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    if let Ok(context) = super::context()
        && context.repo.work_dir().is_none()
    {
        return only_environments(&args, &context.repo, ui);
    }
    let context = super::work_tree_context()?;
    let models = status::models(&context, &[])?;
    let unpushed = unpushed::measure(&context.repo, &context.store)?;
    let push = Push { bytes: unpushed.bytes(), everything: unpushed.is_everything };
    let report = Report {
        models: models.iter().map(|model| Line::new(model, &unpushed)).collect(),
        push,
        environments: deployed::standings(&context.repo, ui)?,
    };
    if args.json {
        return ui.print(&super::json(&report));
    }
    let mut table = Table::default();
    let folder = models::current_folder()?;
    for (model, line) in models.iter().zip(&report.models) {
        table.row(line.cells(ui, shown(&models::relative(&model.path, &folder))));
    }
    let amount = ui.bytes(report.push.bytes);
    let push = match report.push {
        Push { everything: true, .. } => format!("a push would move all: {amount}\n"),
        Push { bytes: 0, .. } => "nothing to push\n".to_owned(),
        Push { .. } => format!("a push would move {amount}\n"),
    };
    let environments: String = report.environments.iter().map(deployed::text).collect();
    ui.print(&(table.text() + &push + &environments))?;
    advise(&models, &folder, ui);
    Ok(())
}

/// On a server nobody works, but models may run.
fn only_environments(args: &Args, repo: &Repo, ui: &Ui) -> Result {
    let environments = deployed::standings(repo, ui)?;
    if args.json {
        return ui.print(&super::json(&serde_json::json!({ "environments": environments })));
    }
    if environments.is_empty() {
        return super::work_tree_context().map(drop);
    }
    ui.print(&environments.iter().map(deployed::text).collect::<String>())
}

/// The next command for whatever is not as it should be.
fn advise(models: &[Model], folder: &[u8], ui: &Ui) {
    let any = |is: &dyn Fn(&Model) -> bool| models.iter().any(is);
    if models.is_empty() {
        ui.note("no models yet; run `git model track`");
    }
    if any(&|model| model.is_raw) {
        ui.note("raw: in git as it is; to store it tensor by tensor, run `git add --renormalize .`");
    }
    if any(&|model| model.place == Place::Manifest) {
        ui.note("not materialized: the file holds its manifest; run `git model checkout`");
    }
    let at_hand: Vec<String> = models
        .iter()
        .filter(|model| !model.is_stored && model.place == Place::Whole)
        .map(|model| quote(OsStr::from_bytes(&models::relative(&model.path, folder))))
        .collect();
    if !at_hand.is_empty() {
        let paths = at_hand.join(" ");
        ui.note(&format!("{NOT_STORED}: the work tree has the bytes; run `git add --renormalize -- {paths}`"));
    }
    if any(&|model| !model.is_stored && model.place != Place::Whole) {
        ui.note(&format!("{NOT_STORED}, and not in the work tree; run `git model doctor`"));
    }
}
