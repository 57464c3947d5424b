//! How older manifests are made of newer ones, noted when the newer ones are made: what git's packs will have, for as long
//! as it has not packed. So `blame` need not inflate each version in full.
//!
//! It is a cache. What cannot be noted is not, and nobody is told.
//!
//! **Limitations.** What is noted of a version leads to the one at `HEAD`, its parent in most histories. A version that
//! comes from elsewhere (fetched, squashed, resolved after a conflict, its file renamed) is read in full. What a store
//! that this one borrows from has noted is not asked: it may be another owner's.

use super::clean::Cleaned;
use super::{Context, store_dir};
use crate::git::history::delta::delta;
use crate::git::history::delta_log::{self, DeltaLog};
use crate::git::{BlobId, Repo};
use crate::manifest::{BYTES_MAX, Manifest};

/// In the store's folder.
const FOLDER: &str = "cache";
/// A shorter manifest is read as fast as it is made.
const TEXT_BYTES_MIN: usize = 64 << 10;
/// A delta of more than this part of the text is not worth its place.
const PART: usize = 8;

/// The manifest that `HEAD` has at `path`, if that is worth a note beside the one that a file was cleaned to. To be asked
/// before git has the latter: from then on it may move `HEAD`.
pub fn older(context: &Context, path: &[u8], cleaned: &Cleaned) -> Option<BlobId> {
    let is_model = cleaned.summary.as_ref().is_some_and(|summary| summary.tensors > 0);
    if is_model && cleaned.text.len() >= TEXT_BYTES_MIN { context.repo.head_blob(path) } else { None }
}

/// Notes how the [`older`] manifest is made of the one that a file was cleaned to, which is going to take its place. Git
/// need not wait for it.
pub fn note(context: &Context, older: Option<BlobId>, cleaned: &Cleaned) {
    let Some(older) = older else { return };
    match &cleaned.base {
        // The index has the same mostly, and that has been read.
        Some((base, base_text)) if *base == older => append(context, older, base_text, &cleaned.text),
        _ if context.repo.blob_len(older).is_ok_and(|len| len <= BYTES_MAX) => {
            if let Ok(older_text) = context.repo.blob(older) {
                append(context, older, &older_text, &cleaned.text);
            }
        }
        _ => {}
    }
}

/// Notes how each of `older_texts` is made of `text`.
pub fn note_merged(context: &Context, text: &[u8], older_texts: [&[u8]; 2]) {
    for older_text in older_texts.into_iter().filter(|_| text.len() >= TEXT_BYTES_MIN) {
        if let Ok(older) = context.repo.hash_blob(older_text) {
            append(context, older, older_text, text);
        }
    }
}

fn append(context: &Context, older: BlobId, older_text: &[u8], text: &[u8]) {
    if older_text == text || !Manifest::looks_like(older_text) {
        return;
    }
    let Some(delta) = delta(text, older_text, text.len() / PART) else { return };
    let Ok(newer) = context.repo.hash_blob(text) else { return };
    let (folder, permissions) = (context.store.dir().join(FOLDER), context.store.permissions());
    let _ = permissions
        .create_dir_all(&folder)
        .and_then(|()| permissions.share(&delta_log::append(&folder, permissions.file_mode(), older, newer, &delta)?));
}

/// What was noted in a repository.
pub fn read(repo: &Repo) -> DeltaLog {
    DeltaLog::read(&store_dir(repo).join(FOLDER), repo.hash_kind())
}
