//! `git model verify`.

use crate::error::{Error, Kind, Result};
use crate::git::shown;
use crate::progress::Progress;
use crate::ui::{Ui, count};
use crate::version::named;
use crate::version::verify::{self, Verified};

/// Check that every model of a version is there, whole and unchanged.
///
/// Every tensor is put together and its SHA-256 computed anew. Exits with 3 if something is missing or damaged.
#[derive(clap::Args)]
pub struct Args {
    /// The version: a revision, `MODEL@v1.2.0` or `MODEL#prod`.
    #[arg(default_value = "HEAD")]
    revision: String,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let revision = named::revision(args.revision.as_ref())?;
    let models = verify::verify(&context, &revision.to_string_lossy(), ui)?;
    if args.json {
        ui.print(&super::json(&models.iter().map(as_json).collect::<Vec<_>>()))?;
    } else if models.is_empty() {
        ui.note(&format!("there are no models in `{}`", args.revision));
    } else {
        ui.print(&models.iter().map(|model| as_text(model, ui)).collect::<String>())?;
    }
    let problems = models.iter().map(|model| model.problems.len()).sum::<usize>();
    if problems == 0 {
        return Ok(());
    }
    Err(Error::new(Kind::Found, format!("{} of `{}` cannot be restored", count(problems, "part"), args.revision))
        .hint("run `git model fsck --repair`, or fetch from a clone that has them"))
}

fn as_text(model: &Verified, ui: &Ui) -> String {
    let path = shown(&model.path);
    if model.problems.is_empty() {
        return format!("ok       {path}  {}, {}\n", count(model.tensors, "tensor"), ui.bytes(model.bytes));
    }
    let lines = model.problems.iter().map(|(tensor, problem)| format!("         {tensor}: {problem}\n"));
    format!("damaged  {path}\n{}", lines.collect::<String>())
}

fn as_json(model: &Verified) -> serde_json::Value {
    let problems: Vec<_> = model
        .problems
        .iter()
        .map(|(tensor, problem)| serde_json::json!({ "tensor": tensor, "problem": problem }))
        .collect();
    serde_json::json!({
        "path": shown(&model.path), "tensors": model.tensors, "bytes": model.bytes, "problems": problems,
    })
}
