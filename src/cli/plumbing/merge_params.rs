//! `git-model merge-params` (`merge.model-params.driver`): three parameter files to one, key by key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::DriverArgs;
use crate::error::{Error, Kind, Result};
use crate::git::{Git, shown};
use crate::merge::params::{self, Labels};
use crate::params::Syntax;
use crate::progress::Progress;
use crate::ui::Ui;

/// Git's own, if it does not say.
const MARKER_SIZE: u32 = 7;

/// Exits with 0 when everything was merged, with 1 when there are conflicts, which stand in the file with git's markers.
/// What is no JSON, YAML or TOML that can be merged by key is merged by line, as git does.
pub fn run(args: DriverArgs, ui: &Ui) -> Result {
    let path = args.path.as_deref().unwrap_or(&args.ours);
    // Versions before 2.44 hand on the placeholders as they are.
    let label = |at: usize, other: &str| {
        let given = args.labels.get(at).filter(|label| !label.as_bytes().starts_with(b"%") && !label.is_empty());
        given.map_or_else(|| other.to_owned(), |label| label.to_string_lossy().into_owned())
    };
    let (base, ours, theirs) = (label(0, "base"), label(1, "ours"), label(2, "theirs"));
    let labels = Labels { base: &base, ours: &ours, theirs: &theirs };
    let marker_size = args.marker_size.unwrap_or(MARKER_SIZE);
    let [base_text, our_text, their_text] = [&args.base, &args.ours, &args.theirs].map(std::fs::read);
    let (base_text, our_text, their_text) = (base_text?, our_text?, their_text?);
    let merged = Syntax::of(&path.to_string_lossy())
        .and_then(|syntax| params::merge(syntax, &base_text, &our_text, &their_text, &labels, marker_size as usize));
    let Some(merged) = merged else { return by_line(&args, &labels, marker_size) };
    if merged.text != our_text {
        std::fs::write(&args.ours, &merged.text)?;
    }
    let name = shown(path.as_bytes());
    for warning in &merged.warnings {
        ui.warn(&format!("`{name}`: {warning}"));
    }
    if merged.conflicts.is_empty() {
        return Ok(());
    }
    let keys = merged.conflicts.join("`, `");
    Err(Error::failed(format!("`{name}`: both sides have changed `{keys}`"))
        .hint(format!("edit the lines between the markers, then `git add {}`", crate::git::install::quote(path))))
}

fn by_line(args: &DriverArgs, labels: &Labels<'_>, marker_size: u32) -> Result {
    let git = Git::new(["merge-file", "--quiet", &format!("--marker-size={marker_size}")])
        .args(["-L", labels.ours, "-L", labels.base, "-L", labels.theirs, "--"])
        .args([&args.ours, &args.base, &args.theirs].map(|file| file as &OsStr));
    if git.succeeds()? { Ok(()) } else { Err(Error::silent(Kind::Failed)) }
}
