//! `git model metrics show`.

use std::ffi::OsString;

use serde_json::{Map, Value};

use super::{Format, table};
use crate::cli::context;
use crate::error::{Error, Result};
use crate::git::history::walk;
use crate::progress::Progress;
use crate::ui::Ui;
use crate::version::difference::Side;
use crate::version::models;

/// Show the metrics of models.
///
/// Of the files in the work tree, or of the commit REV.
#[derive(clap::Args)]
pub struct Args {
    /// A commit in place of the work tree.
    #[arg(value_name = "REV", conflicts_with = "all")]
    revision: Option<OsString>,

    /// Only this model.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// Every branch and every tag.
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    format: Format,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = context()?;
    let sides = match &args.revision {
        _ if args.all => {
            let names = walk::branches()?.into_iter().chain(walk::tags()?);
            names.map(|tag| Side::Commit(tag.name, tag.commit)).collect()
        }
        Some(revision) => vec![Side::commit(revision)?],
        None if context.repo.work_dir().is_some() => vec![Side::WorkTree],
        None => vec![Side::commit("HEAD".as_ref())?],
    };
    let ids: Vec<_> = sides.iter().filter_map(Side::id).collect();
    let models = models::find(&context, &ids, args.model.as_deref())?;
    let (mut rows, mut value) = (Vec::new(), Map::new());
    for side in &sides {
        let mut of_side = Map::new();
        for model in &models {
            let Some(path) = &model.metrics else { continue };
            let values = match side.metrics(&context, path)? {
                Some(Ok(values)) => values,
                Some(Err(why)) => {
                    ui.warn(&format!("`{path}` in {} cannot be read: {why}", side.name()));
                    continue;
                }
                None => continue,
            };
            let mut of_model = Map::new();
            for (name, number) in values {
                let mut row = vec![model.name.clone(), name.clone(), table::cell(number, &args.format)];
                if args.all {
                    row.insert(0, side.name().to_owned());
                }
                rows.push(row);
                of_model.insert(name, table::number(number));
            }
            of_side.insert(model.name.clone(), of_model.into());
        }
        value.insert(side.name().to_owned(), of_side.into());
    }
    if rows.is_empty() {
        let place = if args.all { "any branch or tag" } else { sides[0].name() };
        return Err(Error::failed(format!("there are no metrics in {place}"))
            .hint("`git model metrics --help` tells where they are looked for"));
    }
    let head: &[&str] =
        if args.all { &["version", "model", "metric", " value"] } else { &["model", "metric", " value"] };
    let value = || if args.all { Value::from(value) } else { value.into_iter().next().map(|(_, side)| side).into() };
    table::print(ui, &args.format, head, &rows, value)
}
