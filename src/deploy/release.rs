//! A commit's weights as files of this machine, for the target `process`.
//!
//! A release is a folder named by what is in it, so the same weights are put together once.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::Fault;
use super::local::Local;
use crate::atomic_file::{open_folder, sync_folder};
use crate::git::tree;
use crate::id::ObjectId;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::version::named::Named;
use crate::worktree::Context;
use crate::worktree::assemble::Assembly;

/// Puts the weights of a model together, if they are not there yet. The digest, and whether there was nothing to do.
///
/// # Errors
/// Weights that the store has not, and a disk that is full.
pub fn build(
    context: &Context,
    local: &Local,
    model: &Named,
    progress: &dyn Progress,
) -> Result<(String, bool), Fault> {
    let digest = digest(model);
    let dir = local.release(&digest);
    if dir.is_dir() {
        return Ok((digest, true));
    }
    let releases = dir.parent().unwrap_or_else(|| local.dir());
    let private = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    private(releases)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(releases)?;
    for (file, path) in model.weights.iter().zip(paths(unfinished.path(), model)) {
        if let Some(parent) = path.parent() {
            private(parent)?;
        }
        write(context, file, &path, progress).map_err(|error| lost(context, file, &*error))?;
    }
    sync_folder(open_folder(unfinished.path())?)?;
    std::fs::rename(unfinished.keep(), &dir)?;
    sync_folder(open_folder(releases)?)?;
    Ok((digest, false))
}

/// `git push` moves manifests, and a server has no weights by itself.
fn lost(context: &Context, file: &tree::File, error: &dyn std::error::Error) -> Fault {
    let (path, why) = (crate::git::shown(&file.path), error.to_string());
    let store = context.repo.common_dir().join("model").join("packs");
    let advice = match why.contains("is not in the store") {
        true => format!("; copy the files of `.git/model/packs` of a clone that has it to `{}`", store.display()),
        false => String::new(),
    };
    Fault::System(format!("`{path}`: {why}{advice}"))
}

/// The files of a release, in the order of the model's weights.
pub fn files(local: &Local, digest: &str, model: &Named) -> Vec<PathBuf> {
    paths(&local.release(digest), model)
}

fn paths(dir: &Path, model: &Named) -> Vec<PathBuf> {
    model.weights.iter().map(|file| dir.join(std::ffi::OsStr::from_bytes(&file.path))).collect()
}

/// What is in a release: paths and what git has for them.
fn digest(model: &Named) -> String {
    let mut text = Vec::new();
    for file in &model.weights {
        text.extend_from_slice(&file.path);
        text.extend_from_slice(format!("\0{}\0", file.blob).as_bytes());
    }
    ObjectId::of(&text).to_string()
}

fn write(
    context: &Context,
    file: &tree::File,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(), Box<dyn std::error::Error>> {
    let blob = context.repo.blob(file.blob)?;
    let out = File::create_new(path)?;
    if Manifest::looks_like(&blob) {
        let manifest = Manifest::parse(&blob)?;
        Assembly::plan_or_fetch(context, &manifest)?.write_to(
            &context.store,
            &out,
            context.settings.workers,
            progress,
        )?;
    } else {
        io::copy(&mut &blob[..], &mut &out)?;
    }
    out.sync_data()?;
    Ok(())
}
