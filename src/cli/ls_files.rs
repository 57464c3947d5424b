//! `git model ls-files`.

use std::ffi::OsString;

use serde::Serialize;

use super::status::NOT_STORED;
use crate::error::Result;
use crate::git::shown;
use crate::text::Table;
use crate::ui::Ui;
use crate::worktree::models;
use crate::worktree::status::{self, Model};

/// List the models that git tracks: path from the current folder, format, number of tensors, size.
#[derive(clap::Args)]
pub struct Args {
    /// Also show the manifest's name in git, and what stands in the work tree.
    #[arg(short, long)]
    long: bool,

    /// Print JSON, with everything that `--long` shows.
    #[arg(long)]
    json: bool,

    /// Files or folders; without any, the whole work tree.
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
}

/// Digits of a manifest's name that are enough for people.
const SHORT_NAME: usize = 10;

#[derive(Serialize)]
struct Line {
    /// From the top of the work tree.
    path: String,
    /// `null` for a file that git has as it is.
    format: Option<String>,
    tensors: usize,
    size: Option<u64>,
    manifest: String,
    worktree: &'static str,
    /// The store has all that the manifest names.
    stored: bool,
}

impl Line {
    fn new(model: &Model) -> Option<Self> {
        let manifest = model.manifest.as_ref();
        Some(Self {
            path: shown(&model.path),
            format: manifest.map(|manifest| manifest.format().to_owned()),
            tensors: manifest.map_or(0, |manifest| manifest.tensors().len()),
            size: manifest.map(|manifest| manifest.size),
            manifest: model.blob?.to_string(),
            worktree: model.place.name(),
            stored: model.is_stored,
        })
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::work_tree_context()?;
    let models = status::models(&context, &args.paths)?;
    let lines = models.iter().filter_map(|model| Some((&model.path, Line::new(model)?)));
    if args.json {
        return ui.print(&super::json(&lines.map(|(_, line)| line).collect::<Vec<_>>()));
    }
    let folder = models::current_folder()?;
    let mut table = Table::default();
    for (path, line) in lines {
        let mut cells = vec![
            shown(&models::relative(path, &folder)),
            line.format.unwrap_or_else(|| "raw".into()),
            if line.tensors == 0 { "-".into() } else { line.tensors.to_string() },
            line.size.map_or_else(|| "-".into(), |size| ui.bytes(size)),
        ];
        if args.long {
            cells.insert(0, line.manifest.chars().take(SHORT_NAME).collect());
            cells.push(if line.stored { line.worktree.into() } else { format!("{}, {NOT_STORED}", line.worktree) });
        }
        table.row(cells);
    }
    ui.print(&table.text())
}
