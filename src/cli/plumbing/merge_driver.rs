//! `git-model merge-driver` (`merge.model.driver`): three manifests to one.

use std::ffi::OsString;
use std::path::Path;

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::merge::three_way::{self, Conflict};
use crate::progress::Progress;
use crate::ui::{Ui, count};

/// A longer list tells nobody more.
const NAMED_MAX: usize = 10;

#[derive(clap::Args)]
pub struct Args {
    /// The version both sides come from; empty if there is none.
    base: OsString,
    /// Our version; the result is written here.
    ours: OsString,
    /// Their version.
    theirs: OsString,
    /// The size of conflict markers, which a manifest never has.
    marker_size: Option<OsString>,
    /// The file's path in the work tree.
    path: Option<OsString>,
    /// Names of the sides.
    labels: Vec<OsString>,
}

/// Exits with 0 when everything was merged, with 1 when there are conflicts. Our file is a whole manifest either way.
pub fn run(args: Args, ui: &Ui) -> Result {
    let path = args.path.unwrap_or_else(|| args.ours.clone());
    let path = path.to_string_lossy();
    let whole = || Error::failed(format!("`{path}` cannot be merged tensor by tensor; it is left as on our side"));
    let read = |file: &OsString| Manifest::parse(&std::fs::read(file).ok()?).ok();
    let (Some(ours), Some(theirs)) = (read(&args.ours), read(&args.theirs)) else {
        return Err(whole().hint("one side is no manifest; choose a side with `git checkout --ours` or `--theirs`"));
    };
    let merged = three_way::merge(read(&args.base).as_ref(), &ours, &theirs);
    if merged.manifest != ours {
        std::fs::write(Path::new(&args.ours), merged.manifest.print())?;
    }
    let tensors: Vec<&str> = merged
        .conflicts
        .iter()
        .filter_map(|conflict| match conflict {
            Conflict::Tensor(name) => Some(name.as_str()),
            Conflict::Structure => None,
        })
        .collect();
    if merged.conflicts.is_empty() {
        return Ok(());
    }
    let choose = format!("choose a side with `git checkout --ours {path}` or `--theirs`, then `git add {path}`");
    if tensors.is_empty() {
        return Err(whole().hint(choose));
    }
    for name in tensors.iter().take(NAMED_MAX) {
        ui.warn(&format!("`{path}`: tensor `{name}` was changed on both sides"));
    }
    let changed = count(tensors.len(), "tensor");
    Err(Error::failed(format!("`{path}`: {changed} changed on both sides, left as on ours")).hint(choose))
}
