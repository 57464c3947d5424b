//! The files of models in the work tree: what they say, and which version they are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::record;
use crate::git::{BlobId, Git, GitError};
use crate::manifest::BYTES_MAX;
use crate::metrics::check::METRICS_BYTES_MAX;
use crate::metrics::fresh::{self, FreshError};
use crate::metrics::policy::{Model, Pattern};
use crate::params::Syntax;
use crate::params::load::load;
use crate::progress::Progress;
use crate::worktree::Context;

/// A longer file of parameters or metrics is not copied into a record.
pub const COPIED_BYTES_MAX: u64 = 1 << 20;

/// A work tree, and the models that a run is about.
pub struct Files<'f> {
    pub context: &'f Context,
    pub top: PathBuf,
    pub models: Vec<&'f Model>,
}

/// What tells that a file was written: its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(Option<[i128; 5]>);

impl Stamp {
    fn of(path: &Path) -> Self {
        Self(path.metadata().ok().map(|data| {
            let time = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
            [
                data.ino().into(),
                data.len().into(),
                time(data.mtime(), data.mtime_nsec()),
                time(data.ctime(), data.ctime_nsec()),
                data.dev().into(),
            ]
        }))
    }
}

impl<'f> Files<'f> {
    fn path(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    /// The models' files of parameters, each once.
    pub fn params(&self) -> BTreeSet<&'f str> {
        self.models.iter().filter_map(|model| model.params.as_deref()).collect()
    }

    /// The models' files of metrics, each once.
    pub fn metrics(&self) -> BTreeSet<&'f str> {
        self.models.iter().filter_map(|model| model.metrics.as_deref()).collect()
    }

    /// How the files of metrics are now.
    pub fn stamps(&self) -> BTreeMap<&'f str, Stamp> {
        self.metrics().into_iter().map(|path| (path, Stamp::of(&self.path(path)))).collect()
    }

    /// The files of metrics that have been written since, and are there.
    pub fn written(&self, before: &BTreeMap<&'f str, Stamp>) -> BTreeSet<&'f str> {
        let is_new = |path: &&str| {
            let now = Stamp::of(&self.path(path));
            now.0.is_some() && before.get(path) != Some(&now)
        };
        self.metrics().into_iter().filter(is_new).collect()
    }

    /// What these files say, by path. What cannot be read is told and left out.
    pub fn values(&self, paths: &BTreeSet<&str>, progress: &dyn Progress) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for &path in paths {
            match self.value(path) {
                Ok(Some(value)) => drop(values.insert(path.to_owned(), value)),
                Ok(None) => {}
                Err(why) => progress.warn(&format!("`{path}` is not in the record of the run: {why}")),
            }
        }
        values
    }

    fn value(&self, path: &str) -> Result<Option<Value>, String> {
        let syntax = Syntax::of(path).ok_or("it is neither JSON nor YAML nor TOML")?;
        let Some(bytes) = self.read(path, COPIED_BYTES_MAX)? else { return Ok(None) };
        load(syntax, &bytes).map(|tree| Some(record::json(&tree))).map_err(|error| error.to_string())
    }

    /// A file's bytes; none if it is not there.
    pub fn read(&self, path: &str, len_max: u64) -> Result<Option<Vec<u8>>, String> {
        let path = self.path(path);
        let Ok(metadata) = path.metadata() else { return Ok(None) };
        if !metadata.is_file() {
            return Err("it is no file".into());
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        file.take(len_max + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > len_max {
            return Err(format!("it has more than {} MiB", len_max >> 20));
        }
        Ok(Some(bytes))
    }

    /// A metrics file's bytes.
    pub fn read_metrics(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.read(path, METRICS_BYTES_MAX)
    }

    /// All files of the models that git knows or may add, from the top.
    pub fn present(&self) -> Result<Vec<String>, GitError> {
        if self.models.is_empty() {
            return Ok(Vec::new());
        }
        let options = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listing = Git::new(options).current_dir(&self.top).output()?;
        let paths = listing.split(|&byte| byte == 0).filter_map(|path| std::str::from_utf8(path).ok());
        let is_ours = |path: &&str| self.models.iter().any(|model| model.has_file(path));
        let is_there = |path: &&str| self.path(path).symlink_metadata().is_ok_and(|data| data.is_file());
        let present = paths.filter(|path| !path.is_empty()).filter(is_ours).filter(is_there);
        // A file in conflict is listed once for each side.
        let present: BTreeSet<String> = present.map(str::to_owned).collect();
        Ok(present.into_iter().collect())
    }

    /// The digest of the text that git keeps for each weight file, or would keep.
    pub fn weights(&self, progress: &dyn Progress) -> Result<BTreeMap<String, String>, FreshError> {
        let mut present = self.present()?;
        present.retain(|path| self.models.iter().any(|model| model.has_weights(path)));
        if present.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut digests = BTreeMap::new();
        let staged = self.staged()?;
        for path in present {
            let text = match staged.get(path.as_bytes()) {
                Some(&blob) => self.context.repo.blob_up_to(blob, BYTES_MAX)?,
                None => None,
            };
            let digest = match text {
                Some(text) => fresh::digest_of(&text),
                None => fresh::digest(self.context, &self.path(&path), progress)?.digest,
            };
            digests.insert(path, digest);
        }
        Ok(digests)
    }

    /// The files that are in the work tree as they are in the index.
    fn staged(&self) -> Result<BTreeMap<Vec<u8>, BlobId>, GitError> {
        let here = |args: &[&str]| Git::new(args).current_dir(&self.top);
        refresh(&self.top)?;
        let differing = here(&["diff-files", "-z", "--name-only", "--ignore-submodules=all"]).output()?;
        let differing: BTreeSet<&[u8]> = differing.split(|&byte| byte == 0).collect();
        let listing = here(&["ls-files", "-z", "--stage"]).output()?;
        let mut staged = BTreeMap::new();
        for line in listing.split(|&byte| byte == 0) {
            // `<mode> <blob> <stage>\t<path>`
            let Some(tab) = line.iter().position(|&byte| byte == b'\t') else { continue };
            let (head, path) = (String::from_utf8_lossy(&line[..tab]), &line[tab + 1..]);
            let mut words = head.split(' ').skip(1);
            if let (Some(blob), Some("0")) = (words.next(), words.next())
                && !differing.contains(path)
            {
                staged.insert(path.to_vec(), blob.parse()?);
            }
        }
        Ok(staged)
    }

    /// What the models name and git would not add, though it is expected.
    pub fn missing(
        &self,
        weights: &BTreeMap<String, String>,
        written: &BTreeSet<&str>,
    ) -> Result<Vec<String>, GitError> {
        let present = self.present()?;
        let mut missing = Vec::new();
        for model in self.models.iter().filter(|model| !model.weights.is_empty()) {
            if !weights.keys().any(|path| model.has_weights(path)) {
                let patterns: Vec<&str> = model.weights.iter().map(Pattern::as_str).collect();
                missing.push(format!(
                    "there are no weights of `{}` to commit: no file matches `{}`, or git ignores it (`git status --ignored`)",
                    model.name,
                    patterns.join("`, `")
                ));
            }
        }
        for path in written.iter().filter(|path| !present.iter().any(|present| present == *path)) {
            missing.push(format!("`{path}` is not committed: git ignores it; `git check-ignore -v {path}` tells why"));
        }
        Ok(missing)
    }

    /// These paths as git takes them in `folder`, whatever characters they have.
    pub fn pathspecs(&self, paths: &[String], folder: &Path) -> Vec<OsString> {
        let is_top = folder == self.top;
        let spec = |path: &String| {
            let is_plain = is_top && !path.starts_with(':') && !path.contains(['*', '?', '[', '\\']);
            let magic: &[u8] = if is_plain { b"" } else { b":(top,literal)" };
            OsString::from_vec([magic, path.as_bytes()].concat())
        };
        paths.iter().map(spec).collect()
    }
}

/// Finds out which files were only touched and not changed: what compares stat data alone would take them for changed.
pub fn refresh(top: &Path) -> Result<(), GitError> {
    // Its exit code says that there are changed ones.
    Git::new(["update-index", "-q", "--refresh"]).current_dir(top).succeeds().map(drop)
}
