//! A layer: files that lie above those of the layers below it, as a tar archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

use super::archive::{Archive, END_BYTES, entry_len};
use super::{Digest, ImageError};
use crate::git::{BlobId, Git};
use crate::id::Sha256;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::store::Store;
use crate::worktree::assemble::Assembly;

/// Folders may be searched by everybody, as the server runs as nobody in particular.
const FOLDER_MODE: u32 = 0o755;

/// Files of an image with the same fate: they change together or not at all.
#[derive(Debug)]
pub struct Layer {
    /// The digest of the uncompressed archive.
    pub diff_id: Digest,
    /// Bytes of the archive.
    pub size: u64,
    /// What is in it, for the image's history.
    pub about: String,
    files: Files,
}

/// The files of a layer, by their paths from the root, without a slash at the start.
#[derive(Debug, Default)]
pub struct Files(BTreeMap<Vec<u8>, Entry>);

#[derive(Debug)]
struct Entry {
    mode: u32,
    source: Source,
}

/// Where the bytes of a file are.
#[derive(Debug)]
pub enum Source {
    /// It is a folder.
    Folder,
    /// Here.
    Bytes(Vec<u8>),
    /// In a file of this machine with this length.
    File(PathBuf, u64),
    /// In the store.
    Weights(Box<Manifest>),
    /// In git, with this length.
    Blob(BlobId, u64),
}

impl Source {
    /// Its length in bytes.
    pub const fn size(&self) -> u64 {
        match self {
            Self::Folder => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, len) | Self::Blob(_, len) => *len,
            Self::Weights(manifest) => manifest.size,
        }
    }

    /// Writes the bytes; `path` is for messages.
    pub fn write(&self, path: &[u8], store: &Store, out: &mut dyn Write) -> Result<(), ImageError> {
        let path = String::from_utf8_lossy(path);
        match self {
            Self::Folder => Ok(()),
            Self::Bytes(bytes) => Ok(out.write_all(bytes)?),
            Self::File(from, _) => copy_file(from, out),
            Self::Weights(manifest) => {
                let failed = |error| ImageError::weights(&path, error);
                Assembly::plan(store, manifest, 1).map_err(failed)?.stream(store, out).map_err(failed)
            }
            Self::Blob(id, _) => Ok(Git::new(["cat-file", "blob"]).arg(id.to_string()).copy_output(out)?),
        }
    }
}

fn copy_file(from: &PathBuf, out: &mut dyn Write) -> Result<(), ImageError> {
    let unreadable = |source| ImageError::Read { path: from.clone(), source };
    let mut file = File::open(from).map_err(unreadable)?;
    io::copy(&mut file, out).map(drop).map_err(ImageError::Write)
}

impl Files {
    /// Puts a file at `path`, and the folders it lies in.
    pub fn put(&mut self, path: &[u8], mode: u32, source: Source) {
        for (at, _) in path.iter().enumerate().filter(|&(_, &byte)| byte == b'/') {
            self.0.entry(path[..at].to_vec()).or_insert(Entry { mode: FOLDER_MODE, source: Source::Folder });
        }
        self.0.insert(path.to_vec(), Entry { mode, source });
    }

    /// Whether there is a file at `path`.
    pub fn has(&self, path: &[u8]) -> bool {
        self.0.contains_key(path)
    }

    /// Bytes of the archive.
    fn size(&self) -> u64 {
        let slash = |entry: &Entry| usize::from(matches!(entry.source, Source::Folder));
        let entries = self.0.iter().map(|(path, entry)| entry_len(path.len() + slash(entry), entry.source.size()));
        entries.sum::<u64>() + END_BYTES
    }

    fn write(&self, store: &Store, out: &mut dyn Write) -> Result<(), ImageError> {
        let mut archive = Archive::new(out, 0);
        for (path, entry) in &self.0 {
            match &entry.source {
                Source::Folder => archive.folder(path, entry.mode)?,
                source => {
                    archive.file(path, entry.mode, source.size(), &mut |out| source.write(path, store, out))?;
                }
            }
        }
        Ok(archive.finish()?)
    }
}

impl Layer {
    /// A layer with these files, all of which are read once to name it.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn new(about: &str, files: Files, store: &Store, progress: &dyn Progress) -> Result<Self, ImageError> {
        let size = files.size();
        let mut hashed = Hashed { hash: Sha256::default(), out: &mut io::sink(), progress: Some(progress) };
        progress.begin(&format!("hashing {about}"), Some(size));
        let written = files.write(store, &mut hashed);
        progress.end();
        written?;
        let diff_id = Digest::from_bytes(hashed.hash.finish());
        Ok(Self { diff_id, size, about: about.to_owned(), files })
    }

    /// A layer whose name is known already. [`Layer::write`] finds out if it is another.
    pub fn known(about: &str, files: Files, diff_id: Digest) -> Self {
        Self { diff_id, size: files.size(), about: about.to_owned(), files }
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Files that cannot be read, or are not any more what they were when the layer was named; a writer that fails.
    pub fn write(&self, store: &Store, out: &mut dyn Write) -> Result<(), ImageError> {
        let mut hashed = Hashed { hash: Sha256::default(), out, progress: None };
        self.files.write(store, &mut hashed)?;
        if Digest::from_bytes(hashed.hash.finish()) != self.diff_id {
            return Err(ImageError::Changed(self.about.clone()));
        }
        Ok(())
    }
}

/// Hashes what goes through it.
struct Hashed<'a> {
    hash: Sha256,
    out: &'a mut dyn Write,
    progress: Option<&'a dyn Progress>,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(&bytes[..count]);
        if let Some(progress) = self.progress {
            progress.advance(count as u64);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::store::Permissions;

    fn store(dir: &std::path::Path) -> Store {
        Store::open(dir, Vec::new(), Permissions::default()).expect("a store")
    }

    #[test]
    fn a_layer_has_the_digest_and_the_size_of_its_archive() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(dir.path());
        let mut files = Files::default();
        files.put(b"model/metadata.json", 0o444, Source::Bytes(b"{}".to_vec()));
        files.put(b"model/deep/er", 0o444, Source::Bytes(vec![1; 600]));
        let layer = Layer::new("things", files, &store, &Silent).expect("a layer");
        let mut bytes = Vec::new();
        layer.write(&store, &mut bytes).expect("written");
        assert_eq!((Digest::of(&bytes), bytes.len() as u64), (layer.diff_id, layer.size));
        let mut archive = tar::Archive::new(&bytes[..]);
        let paths: Vec<String> = archive
            .entries()
            .expect("an archive")
            .map(|entry| entry.expect("an entry").path().expect("a path").to_string_lossy().into_owned())
            .collect();
        assert_eq!(paths, ["model/", "model/deep/", "model/deep/er", "model/metadata.json"]);
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = store(&dir.path().join("store"));
        let path = dir.path().join("program");
        std::fs::write(&path, "one").expect("written");
        let mut files = Files::default();
        files.put(b"git-model", 0o555, Source::File(path.clone(), 3));
        let layer = Layer::new("the program", files, &store, &Silent).expect("a layer");
        for other in ["two", "three", "4"] {
            std::fs::write(&path, other).expect("written");
            assert!(layer.write(&store, &mut io::sink()).is_err(), "{other}");
        }
    }
}
