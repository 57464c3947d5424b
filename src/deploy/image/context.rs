//! What a Dockerfile gets to see: the files of a commit as a tar archive, with weights as whole files.
//!
//! Nothing is taken from the work tree. Submodules are left out, and so is what `.dockerignore` leaves out; a
//! `NAME.dockerignore` beside a Dockerfile called `NAME` comes first. The files' time is the commit's, as in `git archive`.
//!
//! **Limitations.** Files are as git has them: line endings are not converted, and files of other filters, such as those of
//! Git LFS, are their pointers.

use std::collections::HashSet;
use std::io::Write;

use super::archive::Archive;
use super::ignore::{self, Ignore};
use super::layer::Source;
use super::{ImageError, seconds, weights};
use crate::git::history::CommitId;
use crate::git::shown;
use crate::git::tree::{self, Entry, Kind};
use crate::metrics::check::version::short;
use crate::worktree::Context;

const FOLDER_MODE: u32 = 0o755;
/// A longer list of patterns is none.
const IGNORE_BYTES_MAX: u64 = 1 << 20;

/// Writes the files of a commit that a builder needs for this Dockerfile, as a tar archive that is the same on every machine.
///
/// # Errors
/// No such Dockerfile in the commit, a `.dockerignore` that cannot be understood, weights that cannot be restored, a writer
/// that fails.
pub fn context_tar(
    context: &Context,
    commit: CommitId,
    dockerfile: &str,
    out: &mut dyn Write,
) -> Result<(), ImageError> {
    let dockerfile = dockerfile.trim_start_matches("./");
    let entries = tree::entries(&commit.to_string())?;
    if !entries.iter().any(|entry| entry.path == dockerfile.as_bytes()) {
        return Err(ImageError::NoDockerfile { path: dockerfile.to_owned(), commit: short(commit) });
    }
    let ignore = Chosen::new(context, &entries, dockerfile)?;
    let mut archive = Archive::new(out, seconds(context, commit)?);
    let mut folders = HashSet::new();
    for entry in entries.iter().filter(|entry| !ignore.excludes(&entry.path)) {
        for (at, _) in entry.path.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            if folders.insert(&entry.path[..at]) {
                archive.folder(&entry.path[..at], FOLDER_MODE)?;
            }
        }
        put(context, entry, &mut archive)?;
    }
    Ok(archive.finish()?)
}

fn put(context: &Context, entry: &Entry, archive: &mut Archive<'_>) -> Result<(), ImageError> {
    let mode = match entry.kind {
        Kind::Link => return Ok(archive.link(&entry.path, &context.repo.blob(entry.blob)?)?),
        Kind::Executable => 0o755,
        Kind::File => 0o644,
    };
    let source = match weights::source(context, &entry.path, entry.blob)? {
        // One process for each file would take long where there are many.
        Source::Blob(id, len) if len <= crate::manifest::BYTES_MAX => Source::Bytes(context.repo.blob(id)?),
        source => source,
    };
    archive.file(&entry.path, mode, source.size(), &mut |out| source.write(&entry.path, &context.store, out))
}

/// What stays out of this Dockerfile's context.
struct Chosen<'d> {
    ignore: Ignore,
    file: String,
    dockerfile: &'d str,
}

impl<'d> Chosen<'d> {
    fn new(context: &Context, entries: &[Entry], dockerfile: &'d str) -> Result<Self, ImageError> {
        let names = [format!("{dockerfile}.dockerignore"), ignore::FILE.to_owned()];
        for file in names {
            let is_it = |entry: &&Entry| entry.path == file.as_bytes() && entry.kind != Kind::Link;
            let Some(entry) = entries.iter().find(is_it) else { continue };
            let failed = |line, why: &str| ImageError::Ignore { path: shown(&entry.path), line, why: why.to_owned() };
            let text = context.repo.blob_up_to(entry.blob, IGNORE_BYTES_MAX)?;
            let text = text.ok_or_else(|| failed(1, "it is longer than 1 MB"))?;
            let ignore = Ignore::parse(&text).map_err(|error| failed(error.line, error.why))?;
            return Ok(Self { ignore, file, dockerfile });
        }
        Ok(Self { ignore: Ignore::default(), file: String::new(), dockerfile })
    }

    /// The builder needs the Dockerfile whatever the patterns say, and reads the patterns itself.
    fn excludes(&self, path: &[u8]) -> bool {
        let is_needed = path == self.dockerfile.as_bytes() || path == self.file.as_bytes();
        !is_needed && self.ignore.excludes(path)
    }
}
