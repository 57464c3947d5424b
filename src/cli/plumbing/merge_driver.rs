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
    let path = args.path.as_deref().unwrap_or(&args.ours).as_bytes();
    let [base, our_text, their_text] = [&args.base, &args.ours, &args.theirs].map(std::fs::read);
    let (base_text, our_text, their_text) = (base?, our_text?, their_text?);
    let context = crate::cli::context()?;
    let is_inner = is_inner(args.marker_size, &args.labels);
    let base = Manifest::parse(&base_text).ok();
    let (Ok(ours), Ok(theirs)) = (Manifest::parse(&our_text), Manifest::parse(&their_text)) else {
        let name = shown(path);
        return Err(Error::failed(format!("`{name}` cannot be merged tensor by tensor: one side is no manifest"))
            .hint(format!("choose a side: `git checkout --ours {name}` or `--theirs`, then `git add {name}`")));
    };
    let notes = Notes {
        context: &context,
        path,
        base: base.is_some().then_some(&base_text),
        ours: &our_text,
        theirs: &their_text,
        // A merge in memory leaves nothing to be decided in this work tree.
        are_kept: !is_inner && git::caller().is_none_or(|caller| !IN_MEMORY.contains(&&*caller)),
    };
    let (source, rules) =
        rules(&context, is_inner).map_err(|error| notes.stopped(&Source::Nowhere, settings_error(error)))?;
    let versions = Versions { base: base.as_ref(), ours: &ours, theirs: &theirs };
    let merged = merge::merge(&context.store, context.settings.workers, &versions, &rules, ui)
        .map_err(|error| notes.stopped(&source, merge_error(path, error)))?;
    let result = match &merged.whole {
        Some(_) if is_inner && base.is_some() => base_text.clone(),
        _ if merged.manifest == ours => our_text.clone(),
        _ => merged.manifest.print(),
    };
    if result != our_text {
        std::fs::write(Path::new(&args.ours), &result)?;
    }
    if is_inner {
        return if merged.is_clean() { Ok(()) } else { Err(Error::silent(Kind::Failed)) };
    }
    if !merged.metadata.is_empty() {
        let keys = merged.metadata.join("`, `");
        ui.warn(&format!("`{}`: both sides have changed `{keys}` in the metadata; ours is kept", shown(path)));
    }
    if merged.is_clean() {
        notes.forget()?;
        manifest_deltas::note_merged(&context, &result, [&our_text, &their_text]);
        return Ok(());
    }
    notes.keep(&result, &source, Open::of(&merged))?;
    Err(conflicts(&context, path, &versions, &merged, ui))
}

/// What is written down of a merge that leaves something open.
struct Notes<'a> {
    context: &'a Context,
    path: &'a [u8],
    base: Option<&'a Vec<u8>>,
    ours: &'a [u8],
    theirs: &'a [u8],
    are_kept: bool,
}

impl Notes<'_> {
    fn state(&self, result: &[u8], rules: &Source, open: Vec<Open>) -> Result<State> {
        let blob = |text: &[u8]| self.context.repo.hash_blob(text).map(|id| id.to_string());
        Ok(State {
            path: self.path.into(),
            base: self.base.map(|base| blob(base)).transpose()?,
            ours: blob(self.ours)?,
            theirs: blob(self.theirs)?,
            results: vec![blob(result)?],
            merged: merging::named_by_git(),
            rules: rules.clone(),
            decisions: Vec::new(),
            open,
        })
    }

    fn keep(&self, result: &[u8], rules: &Source, open: Vec<Open>) -> Result {
        if self.are_kept {
            self.state(result, rules, open)?.save(&self.context.repo)?;
        }
        Ok(())
    }

    /// The same merge may have been given up before, with other rules.
    fn forget(&self) -> Result {
        if self.are_kept {
            self.state(self.ours, &Source::Nowhere, Vec::new())?.remove(&self.context.repo);
        }
        Ok(())
    }

    /// What stops the merge is a conflict of the whole file for a git that goes on.
    fn stopped(&self, rules: &Source, error: Error) -> Error {
        let open = Open { tensor: None, why: error.to_string() };
        self.keep(self.ours, rules, vec![open]).map_or_else(|failure| failure, |()| error)
    }
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
