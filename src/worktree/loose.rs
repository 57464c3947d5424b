//! A weight file as it lies on disk: its tensors and their names without storing anything.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Map;

use super::clean::{is_worth_dividing, open_regular};
use super::source::FileSource;
use crate::format::{self, Detected, Layout, Skeleton, Source};
use crate::id::{ObjectId, Sha256};
use crate::manifest::{Content, Manifest, Tensor};
use crate::parallel;
use crate::progress::Progress;

/// Bytes hashed at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// A weight file on disk.
pub struct Loose {
    file: File,
    offsets: HashMap<String, u64>,
    /// What git would get for it.
    pub manifest: Manifest,
}

/// The file and the places of its tensors; `None` for one that has none.
///
/// # Errors
/// A file that cannot be read or is none.
pub fn layout(path: &Path) -> io::Result<(File, u64, Option<Layout>)> {
    let Some(file) = open_regular(path) else {
        std::fs::symlink_metadata(path)?;
        return Err(io::Error::other("it is not a file that can be read"));
    };
    let source = FileSource::new(file.try_clone()?)?;
    let layout = match format::detect(&source)? {
        Detected::Model(layout) if is_worth_dividing(&layout, source.len()) => Some(layout),
        Detected::Model(_) | Detected::Malformed { .. } | Detected::Unknown => None,
    };
    Ok((file, source.len(), layout))
}

impl Loose {
    /// Reads the whole file once, on `workers` threads, to name its tensors.
    ///
    /// # Errors
    /// A file that cannot be read, or shrinks meanwhile.
    pub fn open(path: &Path, workers: usize, progress: &dyn Progress) -> io::Result<Self> {
        let (file, size, layout) = layout(path)?;
        progress.begin(&path.file_name().unwrap_or_default().to_string_lossy(), Some(size));
        let ranges: Vec<(u64, u64)> = match &layout {
            Some(layout) => layout.records.iter().map(|record| (record.offset, record.len)).collect(),
            None => vec![(0, size)],
        };
        let names = hash_all(&file, &ranges, workers, progress);
        progress.end();
        let names = names?;
        let Some(layout) = layout else {
            let content = Content::Opaque { sha256: names[0], extra: Map::new() };
            return Ok(Self { file, offsets: HashMap::new(), manifest: Manifest { size, content, extra: Map::new() } });
        };
        let skeleton = skeleton(&file, &layout, size)?;
        let offsets = layout.records.iter().map(|record| (record.name.clone(), record.offset)).collect();
        let named = layout.records.into_iter().zip(names);
        let tensors = named.map(|(record, sha256)| Tensor {
            name: record.name,
            dtype: record.dtype,
            shape: record.shape,
            sha256,
            extra: Map::new(),
        });
        let content = Content::Model { format: layout.format.into(), skeleton, tensors: tensors.collect() };
        Ok(Self { file, offsets, manifest: Manifest { size, content, extra: Map::new() } })
    }

    /// Whether it is the file that `manifest` describes, whatever claims stand there beside.
    pub fn is_like(&self, manifest: &Manifest) -> bool {
        self.manifest.size == manifest.size && self.manifest.objects().eq(manifest.objects())
    }

    /// Fills `out` with the bytes of the tensor `name` from `start` on.
    ///
    /// # Errors
    /// A file that has shrunk or cannot be read; a tensor it has not.
    pub fn read(&self, name: &str, start: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = self.offsets.get(name).ok_or(io::ErrorKind::NotFound)?;
        self.file.read_exact_at(out, offset + start)
    }
}

fn skeleton(file: &File, layout: &Layout, size: u64) -> io::Result<ObjectId> {
    let mut skeleton = Skeleton::new();
    let mut position = 0;
    let ends = layout.records.iter().map(|record| (record.offset, record.len)).chain([(size, 0)]);
    for (offset, len) in ends {
        let mut gap = vec![0; (offset - position) as usize];
        file.read_exact_at(&mut gap, position)?;
        skeleton.push(&gap);
        position = offset + len;
    }
    Ok(ObjectId::of(&skeleton.encode()))
}

/// The names of the runs of bytes, each `(offset, length)`.
fn hash_all(file: &File, ranges: &[(u64, u64)], workers: usize, progress: &dyn Progress) -> io::Result<Vec<ObjectId>> {
    let buffer = || vec![0; BUFFER_BYTES];
    let names = parallel::for_each(workers, ranges.len(), buffer, |buffer, at| {
        let (offset, len) = ranges[at];
        vec![hash(file, offset, len, buffer, progress)]
    });
    names.into_iter().collect()
}

fn hash(file: &File, offset: u64, len: u64, buffer: &mut [u8], progress: &dyn Progress) -> io::Result<ObjectId> {
    let mut hash = Sha256::default();
    let mut done = 0;
    while done < len {
        let part = buffer.len().min((len - done).try_into().unwrap_or(usize::MAX));
        file.read_exact_at(&mut buffer[..part], offset + done)?;
        hash.update(&buffer[..part]);
        done += part as u64;
        progress.advance(part as u64);
    }
    Ok(ObjectId::from_bytes(hash.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn tensors_are_named_as_clean_names_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.npy");
        let mut bytes = b"\x93NUMPY\x01\0\x46\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}".to_vec();
        bytes.resize(79, b' ');
        bytes.push(b'\n');
        bytes.extend(0..24_u8);
        std::fs::write(&path, &bytes).expect("written");
        let loose = Loose::open(&path, 2, &Silent).expect("a file");
        let [tensor] = loose.manifest.tensors() else { panic!("{:?}", loose.manifest) };
        assert_eq!((&tensor.shape[..], tensor.sha256), (&[2, 3][..], ObjectId::of(&bytes[80..])));
        let mut two = [0; 2];
        loose.read(&tensor.name, 5, &mut two).expect("read");
        assert_eq!(two, [5, 6]);
        std::fs::write(&path, b"text").expect("written");
        let loose = Loose::open(&path, 2, &Silent).expect("a file");
        assert_eq!(loose.manifest.objects().next(), Some(ObjectId::of(b"text")));
        assert!(Loose::open(dir.path(), 1, &Silent).is_err());
    }
}
