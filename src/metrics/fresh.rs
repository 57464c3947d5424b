//! Which weights metrics were computed from, so that it can be told when they are of others.
//!
//! A metrics file has, under the key `git-model`, the digest of each weights file: the SHA-256 of what git keeps for it,
//! which is its manifest for a tracked file and the file itself for another:
//!
//! ```json
//! {"git-model": {"weights": {"models/x.safetensors": "sha256:2c26b46b…"}}}
//! ```
//!
//! Nothing is stored for that, and of a file that has not changed since `git add` nothing is read but git's index.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Map, Value};

use crate::git::{GitError, attributes, shown, status};
use crate::id::{ObjectId, Sha256};
use crate::manifest::BYTES_MAX;
use crate::progress::Progress;
use crate::worktree::Context;
use crate::worktree::loose::Loose;
use crate::worktree::models;

/// The key of a metrics file that has what git-model notes there.
pub const KEY: &str = "git-model";
/// The key below it that has the digests.
pub const WEIGHTS: &str = "weights";

/// A weights file and what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    /// Its path from the top of the work tree.
    pub path: Vec<u8>,
    /// `sha256:` and 64 hexadecimal digits: see [`digest_of`].
    pub digest: String,
}

/// Why a file has no digest.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// Git cannot say what it has.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not in the work tree.
    #[error("`{0}` is not in the work tree")]
    Outside(String),
}

/// The digest of a text that git keeps, as it stands in metrics files.
pub fn digest_of(text: &[u8]) -> String {
    format!("sha256:{}", ObjectId::of(text))
}

/// The digest of a weights file as it is in the work tree; `path` is relative to the current folder.
///
/// # Errors
/// A file that is not there, not in the work tree, or cannot be read.
pub fn digest(context: &Context, path: &Path, progress: &dyn Progress) -> Result<Weights, FreshError> {
    let failed = |source| FreshError::Io { path: path.display().to_string(), source };
    let outside = || FreshError::Outside(path.display().to_string());
    let top = context.repo.work_dir().ok_or_else(outside)?.canonicalize().map_err(failed)?;
    // Links on the way are followed, as git does for what a user names; a link itself is no weights file.
    let name = path.file_name().ok_or_else(outside)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let file = folder.canonicalize().map_err(failed)?.join(name);
    if !file.symlink_metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let in_git = file.strip_prefix(&top).map_err(|_| outside())?.as_os_str().as_bytes().to_vec();
    let digest = match text(context, &top, &in_git)? {
        Text::Kept(text) => digest_of(&text),
        Text::OfModel => {
            let size = file.metadata().map_err(failed)?.len();
            // The filter leaves an empty file as it is.
            let loose = (size > 0).then(|| Loose::open(&file, context.settings.workers, progress)).transpose();
            digest_of(&loose.map_err(failed)?.map(|loose| loose.manifest.print()).unwrap_or_default())
        }
        Text::OfFile => format!("sha256:{}", hash(&file).map_err(failed)?),
    };
    Ok(Weights { path: in_git, digest })
}

/// What git keeps for a file, or what it would be made of.
enum Text {
    /// This very text.
    Kept(Vec<u8>),
    /// A manifest of the file.
    OfModel,
    /// The file itself.
    OfFile,
}

fn text(context: &Context, top: &Path, path: &[u8]) -> Result<Text, FreshError> {
    if let Some(text) = models::manifest_in_place(context, path) {
        return Ok(Text::Kept(text));
    }
    if let Some(blob) = context.repo.merged_index_blob(path)
        && !status::has_other_stat_data(top, path)?
        && let Some(text) = context.repo.blob_up_to(blob, BYTES_MAX)?
    {
        return Ok(Text::Kept(text));
    }
    let attributes = attributes::check_in(top, &[path])?;
    let is_filtered = attributes.first().is_some_and(|attributes| attributes.is_filtered());
    Ok(if is_filtered { Text::OfModel } else { Text::OfFile })
}

fn hash(path: &Path) -> io::Result<ObjectId> {
    struct Hashing(Sha256);

    impl io::Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut hashing = Hashing(Sha256::default());
    io::copy(&mut std::fs::File::open(path)?, &mut hashing)?;
    Ok(ObjectId::from_bytes(hashing.0.finish()))
}

/// Notes the weights in the tree of a metrics file; those of other files stay noted. Something else that stands in the place
/// is replaced.
pub fn record(metrics: &mut Value, weights: &[Weights]) {
    let mut place = metrics;
    for key in [KEY, WEIGHTS] {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[key];
    }
    for Weights { path, digest } in weights {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place[shown(path)] = Value::from(digest.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_noted_beside_others() {
        let weights = |path: &str, text: &str| Weights { path: path.into(), digest: digest_of(text.as_bytes()) };
        let mut metrics: Value = serde_json::json!({"mse": 1, "git-model": {"run": 7}});
        record(&mut metrics, &[weights("a/x.safetensors", "abc"), weights("b", "")]);
        record(&mut metrics, &[weights("b", "abc")]);
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = serde_json::json!({
            "mse": 1,
            "git-model": {"run": 7, "weights": {"a/x.safetensors": abc, "b": abc}}
        });
        assert_eq!(metrics, expected);
    }
}
