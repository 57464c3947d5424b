//! Which files of weights go into an image, where, and under which name they are served.

use std::collections::{HashMap, HashSet};

use super::layer::{Files, Source};
use super::{Digest, FILE_MODE, ImageError};
use crate::git::{BlobId, shown};
use crate::id::Sha256;
use crate::manifest::{BYTES_MAX, Manifest};
use crate::version::named::Named;
use crate::worktree::Context;
use crate::worktree::assemble::fetch_missing;

/// The folder of weights.
const FOLDER: &[u8] = b"model/";
/// What the metadata is called; no weights may take its place.
const RESERVED: &[u8] = b"metadata.json";
/// Changed when the same files make another layer.
const LAYER_VERSION: &[u8] = b"weights 1";

/// The weights of a model.
pub struct Weights {
    /// The files.
    pub files: Files,
    /// What the layer is made of.
    pub key: Digest,
    /// The names under which they are served, and their paths in the image.
    pub served: Vec<(String, String)>,
}

/// The weights of a model in a commit. What the store lacks is looked for in remotes on this file system.
///
/// # Errors
/// A manifest that cannot be read, what git cannot say.
pub fn weights(context: &Context, model: &Named) -> Result<Weights, ImageError> {
    let paths: Vec<&[u8]> = model.weights.iter().map(|file| file.path.as_slice()).collect();
    let places = places(&paths);
    let mut key = Sha256::default();
    key.update(LAYER_VERSION);
    let mut files = Files::default();
    for (file, place) in model.weights.iter().zip(&places) {
        // Lengths go before what has any length: else two lists could give one key.
        for part in [place.as_slice(), file.blob.as_bytes()] {
            key.update(&(part.len() as u64).to_le_bytes());
            key.update(part);
        }
        files.put(place, FILE_MODE, source(context, &file.path, file.blob)?);
    }
    let served = names(&model.name, &places).into_iter().zip(places.iter().map(|place| shown(place))).collect();
    Ok(Weights { files, key: Digest::from_bytes(key.finish()), served })
}

/// Where the bytes of a file of a commit are: in the store if git has its manifest, else in git.
pub fn source(context: &Context, path: &[u8], blob: BlobId) -> Result<Source, ImageError> {
    let len = context.repo.blob_len(blob)?;
    let text = if len <= BYTES_MAX { context.repo.blob(blob)? } else { Vec::new() };
    if !Manifest::looks_like(&text) {
        return Ok(Source::Blob(blob, len));
    }
    let broken =
        |error: crate::manifest::ParseError| ImageError::Manifest { path: shown(path), why: error.to_string() };
    let manifest = Manifest::parse(&text).map_err(broken)?;
    fetch_missing(context, &manifest);
    Ok(Source::Weights(Box::new(manifest)))
}

/// Where each file is in the image: by its name alone, or by its whole path where two have one name.
fn places(paths: &[&[u8]]) -> Vec<Vec<u8>> {
    let name = |path: &[u8]| path.rsplit(|&byte| byte == b'/').next().unwrap_or_default().to_vec();
    let mut count: HashMap<Vec<u8>, usize> = HashMap::from([(RESERVED.to_vec(), 1)]);
    for path in paths {
        *count.entry(name(path)).or_default() += 1;
    }
    // A folder at the top could have the name of a file from below.
    let tops: HashSet<&[u8]> = paths.iter().filter_map(|path| path.split(|&byte| byte == b'/').next()).collect();
    let is_alone = |path: &[u8]| {
        let name = name(path);
        count.get(&name) == Some(&1) && (!tops.contains(name.as_slice()) || name == path)
    };
    let place = |path: &&[u8]| {
        let below = match path {
            path if is_alone(path) => name(path),
            // At the top, the whole path is the name.
            path if **path == *RESERVED => [b"weights/", *path].concat(),
            path => path.to_vec(),
        };
        [FOLDER, &below].concat()
    };
    paths.iter().map(place).collect()
}

/// The names of the files when they are served: the model's, with the file's behind it where there are several.
fn names(model: &str, places: &[Vec<u8>]) -> Vec<String> {
    if places.len() == 1 {
        return vec![model.to_owned()];
    }
    let mut names: Vec<String> = Vec::new();
    for place in places {
        let below = String::from_utf8_lossy(&place[FOLDER.len()..]);
        let stem = below.rsplit_once('.').map_or(&*below, |(stem, _)| stem);
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name = format!("{model}-{}", stem.chars().map(plain).collect::<String>());
        // Two files that differ in their ending only.
        let is_taken = names.contains(&name);
        names.push(if is_taken { format!("{name}-{}", names.len()) } else { name });
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(paths: &[&str]) -> Vec<String> {
        let paths: Vec<&[u8]> = paths.iter().map(|path| path.as_bytes()).collect();
        places(&paths).into_iter().map(|place| String::from_utf8(place).expect("text")).collect()
    }

    #[test]
    fn files_are_in_one_folder_if_their_names_allow_it() {
        assert_eq!(placed(&["models/house.safetensors"]), ["model/house.safetensors"]);
        assert_eq!(placed(&["a/m.bin", "b/m.bin", "c.bin"]), ["model/a/m.bin", "model/b/m.bin", "model/c.bin"]);
        assert_eq!(placed(&["a/m.bin", "m.bin"]), ["model/a/m.bin", "model/m.bin"]);
        assert_eq!(placed(&["x/a", "a/m", "b/m"]), ["model/x/a", "model/a/m", "model/b/m"]);
        assert_eq!(placed(&["metadata.json", "w/m.bin"]), ["model/weights/metadata.json", "model/m.bin"]);
        assert_eq!(placed(&["w/metadata.json"]), ["model/w/metadata.json"]);
    }

    #[test]
    fn names_under_which_files_are_served() {
        let names =
            |places: &[&str]| names("m", &places.iter().map(|place| place.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(names(&["model/house.safetensors"]), ["m"]);
        assert_eq!(names(&["model/a/w.bin", "model/b/w.bin"]), ["m-a-w", "m-b-w"]);
        assert_eq!(names(&["model/w.bin", "model/w.npz"]), ["m-w", "m-w-1"]);
    }
}
