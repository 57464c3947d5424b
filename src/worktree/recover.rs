//! Finishes what a killed filter has left undone: files that still hold their manifests, index entries with the stat
//! data of a manifest for a file that is whole, temporary files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

use super::materialize::{self, Report};
use super::pending::{self, Pending};
use super::{Context, clean, models};
use crate::atomic_file;
use crate::git::index_stat::Update;
use crate::git::{self, GitError};
use crate::manifest::Manifest;
use crate::progress::Progress;

/// Whose notes are taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of all processes: a hook runs while its filter still waits for git.
    All,
    /// Of processes that have ended.
    Stale,
}

/// Materializes what is noted on disk and mends the index for files that are whole already. The report names the failures
/// of processes that have ended; one that still runs tries again and tells of its own.
pub fn recover(context: &Context, scope: Scope, progress: &dyn Progress) -> Report {
    let mut total = Report::default();
    for note in pending::read_all(&context.repo.git_dir()) {
        if scope == Scope::Stale && !note.is_stale {
            continue;
        }
        let mut report = materialize::materialize(context, &note.pending, progress);
        total.done.extend_from_slice(&report.done);
        if note.is_stale {
            let mended = mend(context, &note.pending, &mut report);
            let mut unresolved = report.unresolved();
            if report.index_error.is_some() {
                unresolved.extend(mended);
            }
            note.finish(&unresolved);
            total.failed.append(&mut report.failed);
        }
        total.index_error = total.index_error.or(report.index_error);
    }
    total
}

/// Tells git of files that are whole while its index still has the size of their manifests, however they came to be:
/// to git they are modified, and no difference is to be seen. Returns how many there were.
///
/// # Errors
/// An index that cannot be read.
pub fn tell_git_of_whole_files(context: &Context, paths: &[OsString], report: &mut Report) -> Result<usize, GitError> {
    let dirty = git::status::with_other_stat_data()?;
    let has_its_size = |model: &models::Tracked| {
        let text = context.repo.blob(model.blob).ok()?;
        let size = Manifest::parse(&text).ok()?.size;
        Some(context.file_path(&model.path)?.symlink_metadata().ok()?.len() == size)
    };
    let candidates: Vec<Pending> = models::tracked(paths)?
        .into_iter()
        .filter(|model| dirty.contains(&model.path) && has_its_size(model) == Some(true))
        .map(|model| Pending { path: model.path, manifest: model.blob })
        .collect();
    let whole = mend(context, &candidates, report);
    Ok(if report.index_error.is_none() { whole.len() } else { 0 })
}

/// A filter that was killed after it had put a file in place may not have told git. Returns the files of which git is
/// told now, unless the report says that its index could not be written.
fn mend(context: &Context, pending: &[Pending], report: &mut Report) -> Vec<Vec<u8>> {
    let mut updates = HashMap::new();
    for pending in pending {
        let Some(path) = context.file_path(&pending.path) else { continue };
        path.parent().map(atomic_file::remove_stale);
        if report.done.contains(&pending.path)
            || context.repo.merged_index_blob(&pending.path) != Some(pending.manifest)
        {
            continue;
        }
        if let Some(metadata) = whole_file(context, &path, pending) {
            let blob = pending.manifest.as_bytes().to_vec();
            updates.insert(pending.path.clone(), Update { blob, metadata });
        }
    }
    if !updates.is_empty()
        && let Err(error) = materialize::update_index(context, &updates)
    {
        report.index_error.get_or_insert(error);
    }
    updates.into_keys().collect()
}

/// The file's metadata, if its content is what the noted manifest describes.
fn whole_file(context: &Context, path: &Path, pending: &Pending) -> Option<std::fs::Metadata> {
    let before = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut file = std::fs::File::open(path).ok()?;
    let cleaned = clean::clean(context, &pending.path, &mut file).ok()?;
    let is_same = context.repo.hash_blob(&cleaned.text).ok()? == pending.manifest;
    let after = std::fs::symlink_metadata(path).ok()?;
    (is_same && materialize::is_same_file(&before, &after)).then_some(after)
}
