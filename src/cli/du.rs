//! `git model du`.

use std::ffi::OsString;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::git::{revision, shown};
use crate::progress::Progress;
use crate::store::du::{self, Model, Sizes, Version};
use crate::text::{Colour, Table, bar};
use crate::ui::Ui;

/// Show what models take in the store, and what dedup, compression and deltas each save.
///
/// Every version in history counts. Logical size = stored + saved by each + missing.
#[derive(clap::Args)]
pub struct Args {
    /// Also show every version: commit, day, subject, its size and what it added to the store.
    #[arg(long)]
    versions: bool,

    /// Print JSON, with exact numbers of bytes and all versions.
    #[arg(long)]
    json: bool,

    /// Models or folders; without any, all of history.
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
}

/// Columns of a bar.
const BAR_COLUMNS: usize = 20;
/// What the columns of numbers take.
const NUMBERS_COLUMNS: usize = 86;
/// Digits of a commit's name that are enough for people.
const SHORT_NAME: usize = 10;

#[derive(Serialize)]
struct SizesLine {
    logical: u64,
    stored: u64,
    saved_by_dedup: i64,
    saved_by_compression: i64,
    saved_by_deltas: i64,
    missing: u64,
}

#[derive(Serialize)]
struct VersionLine<'a> {
    commit: &'a str,
    date: &'a str,
    subject: &'a str,
    #[serde(flatten)]
    sizes: SizesLine,
}

#[derive(Serialize)]
struct ModelLine<'a> {
    path: String,
    #[serde(flatten)]
    sizes: SizesLine,
    versions: Vec<VersionLine<'a>>,
}

#[derive(Serialize)]
struct Report<'a> {
    models: Vec<ModelLine<'a>>,
    uncommitted: SizesLine,
    total: SizesLine,
    unneeded: u64,
    indexes: u64,
}

impl From<Sizes> for SizesLine {
    fn from(sizes: Sizes) -> Self {
        let Sizes { logical, stored, dedup, compression, deltas, missing } = sizes;
        Self {
            logical,
            stored,
            saved_by_dedup: dedup,
            saved_by_compression: compression,
            saved_by_deltas: deltas,
            missing,
        }
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let usage =
        du::usage(&context.store, &context.repo.common_dir()).map_err(|error| Error::failed(error.to_string()))?;
    let mut wanted = Vec::new();
    for path in &args.paths {
        wanted.push(revision::path_from_top(&context.repo, path)?);
    }
    let is_wanted = |path: &[u8]| {
        let is_below = |folder: &Vec<u8>| {
            folder.is_empty() || path.strip_prefix(&folder[..]).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        };
        wanted.is_empty() || wanted.iter().any(is_below)
    };
    let chosen: Vec<&(Vec<u8>, Model)> = usage.models.iter().filter(|(path, _)| is_wanted(path)).collect();
    let mut total = Sizes::default();
    chosen.iter().for_each(|(_, model)| total += model.sizes);
    if wanted.is_empty() {
        total += usage.uncommitted;
    }
    if args.json {
        let models = chosen.iter().map(|(path, model)| model_line(path, model)).collect();
        let uncommitted = usage.uncommitted.into();
        let (unneeded, indexes) = (usage.unneeded, usage.indexes);
        return ui.print(&super::json(&Report { models, uncommitted, total: total.into(), unneeded, indexes }));
    }
    if chosen.is_empty() {
        ui.note(if wanted.is_empty() { "no models in history" } else { "no models at these paths in history" });
        return Ok(());
    }
    let style = ui.style();
    let bars = style.width.is_some();
    let name_room = style.width.map_or(usize::MAX, |columns| columns.saturating_sub(NUMBERS_COLUMNS));
    let mut table = Table::default();
    let head = ["model", "versions", "logical", "stored", "", "dedup", "compression", "deltas"];
    table.row(head.into_iter().filter(|name| bars || !name.is_empty()).map(str::to_owned));
    let mut row = |name: String, versions: String, sizes: &Sizes| {
        let mut cells = vec![name, versions, ui.bytes(sizes.logical), ui.bytes(sizes.stored)];
        if bars {
            cells.push(style.paint(Colour::Cyan, bar(sizes.stored as f64 / sizes.logical.max(1) as f64, BAR_COLUMNS)));
        }
        cells.extend([sizes.dedup, sizes.compression, sizes.deltas].map(|bytes| signed(bytes, ui)));
        table.row(cells);
    };
    for (path, model) in &chosen {
        row(style.name(&shown(path), name_room), model.versions.len().to_string(), &model.sizes);
        for version in model.versions.iter().rev().filter(|_| args.versions) {
            row(format!("  {}", style.name(&version_name(version), name_room)), String::new(), &version.sizes);
        }
    }
    if wanted.is_empty() && usage.uncommitted != Sizes::default() {
        row("(in no commit)".into(), String::new(), &usage.uncommitted);
    }
    let count = chosen.iter().map(|(_, model)| model.versions.len()).sum::<usize>();
    row("total".into(), count.to_string(), &total);
    let mut text = table.text();
    if total.missing > 0 {
        text.push_str(&format!("not in this store: {}\n", ui.bytes(total.missing)));
    }
    if wanted.is_empty() && usage.unneeded > 0 {
        text.push_str(&format!(
            "needed by no manifest: {}, which `git model gc` frees in time\n",
            ui.bytes(usage.unneeded)
        ));
    }
    ui.page(&text)
}

fn model_line<'a>(path: &[u8], model: &'a Model) -> ModelLine<'a> {
    let line = |version: &'a Version| VersionLine {
        commit: &version.commit,
        date: &version.date,
        subject: &version.subject,
        sizes: version.sizes.into(),
    };
    ModelLine { path: shown(path), sizes: model.sizes.into(), versions: model.versions.iter().map(line).collect() }
}

fn version_name(version: &Version) -> String {
    let commit: String = version.commit.chars().take(SHORT_NAME).collect();
    format!("{commit} {} {}", version.date, version.subject)
}

fn signed(bytes: i64, ui: &Ui) -> String {
    let text = ui.bytes(bytes.unsigned_abs());
    if bytes < 0 { format!("-{text}") } else { text }
}
