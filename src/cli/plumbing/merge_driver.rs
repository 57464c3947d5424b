//! `git-model merge-driver` (`merge.model.driver`): three manifests to one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::DriverArgs;
use crate::error::{Error, Kind, Result};
use crate::git::{self, merging, shown};
use crate::manifest::Manifest;
use crate::merge::rules::{Decision, Rules};
use crate::merge::settings::{SettingsError, Source};
use crate::merge::state::{Open, State};
use crate::merge::{self, MergeError, Merged, Versions, conflict_table};
use crate::progress::Progress;
use crate::ui::{Ui, count};
use crate::worktree::{Context, manifest_deltas};

/// Commands that merge without touching the index and the work tree.
const IN_MEMORY: [&str; 10] =
    ["merge-tree", "log", "show", "diff", "diff-tree", "reflog", "range-diff", "whatchanged", "format-patch", "replay"];

/// Exits with 0 when everything was merged, with 1 when there are conflicts; our file is a whole manifest either way.
/// With 129 git gives the whole merge up, where going on would hide that something is missing or set wrongly; before 2.41
/// it takes that for a conflict.
pub fn run(args: DriverArgs, ui: &Ui) -> Result {
    let path = args.path.as_deref().unwrap_or(&args.ours);
    let path = path.as_bytes();
    let texts = [&args.base, &args.ours, &args.theirs].map(std::fs::read);
    let [base, ours, theirs] = texts;
    let (base, our_text, their_text) = (base?, ours?, theirs?);
    let context = crate::cli::context()?;
    let is_inner = is_inner(args.marker_size, &args.labels);
    // A merge in memory leaves nothing to be decided in this work tree.
    let is_noted = !is_inner && git::caller().is_none_or(|caller| !IN_MEMORY.contains(&&*caller));
    let base_manifest = Manifest::parse(&base).ok();
    let state = |result: &[u8], rules: &Source, open: Vec<Open>| -> Result<State> {
        let blob = |text: &[u8]| context.repo.hash_blob(text).map(|id| id.to_string());
        Ok(State {
            path: path.into(),
            base: base_manifest.is_some().then(|| blob(&base)).transpose()?,
            ours: blob(&our_text)?,
            theirs: blob(&their_text)?,
            results: vec![blob(result)?],
            merged: merging::named_by_git(),
            rules: rules.clone(),
            decisions: Vec::new(),
            open,
        })
    };
    let note = |result: &[u8], rules: &Source, open: Vec<Open>| -> Result {
        if is_noted {
            state(result, rules, open)?.save(&context.repo)?;
        }
        Ok(())
    };
    // What stops the merge is a conflict of the whole file for a git that goes on.
    let stopped = |rules: &Source, error: Error| -> Error {
        let noted = note(&our_text, rules, vec![Open { tensor: None, why: error.to_string() }]);
        noted.map_or_else(|error| error, |()| error)
    };
    let (Ok(ours), Ok(theirs)) = (Manifest::parse(&our_text), Manifest::parse(&their_text)) else {
        let name = shown(path);
        return Err(Error::failed(format!("`{name}` cannot be merged tensor by tensor: one side is no manifest"))
            .hint(format!("choose a side: `git checkout --ours {name}` or `--theirs`, then `git add {name}`")));
    };
    let (source, rules) = match rules(&context, is_inner) {
        Ok(found) => found,
        Err(error) => return Err(stopped(&Source::Nowhere, settings_error(error))),
    };
    let versions = Versions { base: base_manifest.as_ref(), ours: &ours, theirs: &theirs };
    let merged = match merge::merge(&context.store, context.settings.workers, &versions, &rules, ui) {
        Ok(merged) => merged,
        Err(error) => return Err(stopped(&source, merge_error(path, error))),
    };
    let result = match &merged.whole {
        Some(_) if is_inner && base_manifest.is_some() => base.clone(),
        _ if merged.manifest == ours => our_text.clone(),
        _ => merged.manifest.print(),
    };
    if result != our_text {
        std::fs::write(Path::new(&args.ours), &result)?;
    }
    if !merged.metadata.is_empty() && !is_inner {
        let keys = merged.metadata.join("`, `");
        ui.warn(&format!("`{}`: both sides have changed `{keys}` in the metadata; ours is kept", shown(path)));
    }
    if merged.is_clean() {
        if is_noted {
            // The same merge may have been given up before, with other rules.
            state(&result, &source, Vec::new())?.remove(&context.repo);
        }
        if !is_inner {
            manifest_deltas::note_merged(&context, &result, [&our_text, &their_text]);
        }
        return Ok(());
    }
    if is_inner {
        return Err(Error::silent(Kind::Failed));
    }
    note(&result, &source, Open::of(&merged))?;
    Err(conflicts(&context, path, &versions, &merged, ui))
}

/// The rules for this merge, and where they stand.
fn rules(context: &Context, is_inner: bool) -> std::result::Result<(Source, Rules), SettingsError> {
    if is_inner {
        return Ok((Source::Nowhere, Rules::to_base()));
    }
    let source = Source::find(&context.repo)?;
    let rules = source.rules()?;
    Ok((source, rules))
}

/// Whether git merges two common versions, of which it makes one to merge with. Older versions than 2.44 hand on no names.
fn is_inner(marker_size: Option<u32>, labels: &[OsString]) -> bool {
    const MARKER_SIZE: u32 = 7;
    let is_known = |label: &&OsString| !label.as_bytes().starts_with(b"%");
    match labels.iter().find(is_known) {
        Some(_) => labels.iter().any(|label| label.as_bytes().starts_with(b"Temporary merge branch")),
        None => marker_size.is_some_and(|size| size > MARKER_SIZE),
    }
}

fn conflicts(context: &Context, path: &[u8], versions: &Versions<'_>, merged: &Merged, ui: &Ui) -> Error {
    let name = shown(path);
    let resolve =
        |what: &str| format!("git model resolve {} --take {what}", git::install::quote(OsStr::from_bytes(path)));
    if let Some(why) = &merged.whole {
        return Error::failed(format!("`{name}` cannot be merged tensor by tensor: {why}; it is left as on our side"))
            .hint(format!("choose a side: `{}`", resolve("ours|theirs")));
    }
    match conflict_table(&context.store, versions, &merged.conflicts, &ui.style()) {
        Ok(table) => ui.talk(table.trim_end()),
        // The merge itself is done; only its numbers are not to be had.
        Err(error) => ui.warn(&format!("`{name}`: {error}")),
    }
    let what = count(merged.conflicts.len(), "tensor");
    Error::failed(format!("`{name}`: {what} in conflict, left as on our side; the rest is merged"))
        .hint(format!("decide with `{}`, for some of them with `--tensors PATTERN`", resolve("ours|theirs|METHOD")))
}

/// What stops the whole merge.
fn settings_error(error: SettingsError) -> Error {
    let known = format!("strategies are: {}", Decision::names().join(", "));
    Error::new(Kind::Abort, format!("merge rules cannot be followed: {error}")).hint(known)
}

fn merge_error(path: &[u8], error: MergeError) -> Error {
    let what = Error::new(Kind::Abort, format!("`{}` cannot be merged: {error}", shown(path)));
    what.hint(if error.is_missing() {
        "fetch the missing objects, then merge again; `git model fsck` lists what is missing"
    } else {
        "run `git model fsck --repair` to find what is damaged and mend what can be mended"
    })
}
