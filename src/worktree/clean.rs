//! Clean: bytes from git → objects in the store and a manifest for git.
//!
//! The file is parsed where it lies in the work tree and stored from the pipe, with the proof of [`super::source`] that
//! both are the same. Where they are not (another process writes, or git sends content of its own), the bytes stored so
//! far are put together again in a temporary file and cleaned from there; so is content without a file.
//!
//! Nothing is refused because it is malformed: what no parser understands is stored as an opaque file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Map;

use super::Context;
use super::source::{Checked, FileSource, Recorder};
use crate::atomic_file::{AtomicFile, open_folder};
use crate::format::{self, Bytes, Detected, Layout, Malformed, Skeleton, Source};
use crate::git::BlobId;
use crate::id::ObjectId;
use crate::manifest::{Content, Manifest, Tensor};
use crate::store::{BlockReader, Cut, Ingest, Ingested, ObjectSpec, StoreError};

/// Content up to this size is held in memory.
const IN_MEMORY_BYTES: u64 = 4 << 20;
/// A file with more bytes than this between its tensors gains nothing from being divided.
const GAP_BYTES_MAX: u64 = 32 << 20;
/// A manifest's line takes at most so much beside the tensor's name and shape.
const LINE_BYTES: u64 = 256;
/// A dimension in a manifest: the digits of 64 bits and a comma.
const DIMENSION_BYTES_MAX: usize = 21;
const LFS_POINTER_PREFIX: &[u8] = b"version https://git-lfs.github.com/spec/";
const LFS_POINTER_BYTES_MAX: usize = 1024;
const CONFLICT_MARKER: &[u8] = b"<<<<<<< ";

/// Why a file could not be cleaned.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes could not be read, or not be put aside.
    #[error("cannot read the content: {0}")]
    Io(#[from] io::Error),
}

/// What git gets, and what there is to tell.
#[derive(Debug)]
pub struct Cleaned {
    /// The content for git: a manifest, or the input itself where that was one.
    pub text: Vec<u8>,
    /// What was stored, if anything was.
    pub summary: Option<Summary>,
    /// Something the user should know.
    pub warning: Option<String>,
    /// The manifest that the index has for the path, if that was looked at.
    pub(super) base: Option<Base>,
}

/// A blob and its text.
pub(super) type Base = (BlobId, Vec<u8>);

impl Cleaned {
    const fn unchanged(text: Vec<u8>, warning: Option<String>) -> Self {
        Self { text, summary: None, warning, base: None }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many tensors it has; 0 for an opaque file.
    pub tensors: usize,
    /// How many of its objects are new to the store.
    pub new_objects: usize,
    /// Bytes added to the store.
    pub stored_bytes: u64,
    /// Bytes of the file.
    pub size: u64,
}

/// Cleans the content that git sends for `path`.
///
/// When this returns, everything the manifest names is on disk.
///
/// # Errors
/// Failures of the store and of reading, never anything that lies in the bytes.
pub fn clean(context: &Context, path: &[u8], input: &mut dyn Read) -> Result<Cleaned, CleanError> {
    let mut head = Vec::new();
    input.take(IN_MEMORY_BYTES).read_to_end(&mut head)?;
    let is_whole = (head.len() as u64) < IN_MEMORY_BYTES;
    if head.is_empty() {
        return Ok(Cleaned::unchanged(head, None));
    }
    if Manifest::looks_like(&head) || head.starts_with(CONFLICT_MARKER) {
        return clean_text(context, path, head, input);
    }
    if is_whole {
        if head.starts_with(LFS_POINTER_PREFIX) && head.len() < LFS_POINTER_BYTES_MAX {
            let warning = "is a git-lfs pointer and stays one; get its content with `git lfs pull` first";
            return Ok(Cleaned::unchanged(head, Some(warning.into())));
        }
        return clean_memory(context, path, &head);
    }
    let file_path = context.file_path(path);
    let mut input = (&head[..]).chain(input);
    match file_path.as_deref().and_then(open_regular) {
        Some(file) => clean_checked(context, path, file, &mut input),
        None => clean_spooled(context, path, |spool| io::copy(&mut input, spool).map(drop).map_err(Into::into)),
    }
}

pub(super) fn open_regular(path: &Path) -> Option<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits() as i32;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

/// Content that starts like a manifest, or with conflict markers, is passed on, so that what git holds and what stands
/// in the work tree stay the same text. Not if it is too large for one.
fn clean_text(context: &Context, path: &[u8], mut head: Vec<u8>, input: &mut dyn Read) -> Result<Cleaned, CleanError> {
    let max = crate::manifest::BYTES_MAX;
    let rest = max + 1 - head.len() as u64;
    input.take(rest).read_to_end(&mut head)?;
    let mentions_manifest = head.split(|&byte| byte == b'\n').take(2000).any(Manifest::looks_like);
    if head.len() as u64 > max || !mentions_manifest {
        let mut input = (&head[..]).chain(input);
        return clean_spooled(context, path, |spool| io::copy(&mut input, spool).map(drop).map_err(Into::into));
    }
    let warning = match Manifest::parse(&head) {
        Ok(_) => None,
        Err(error) => Some(format!("looks like a manifest but is none ({error}); it is kept as it is")),
    };
    Ok(Cleaned::unchanged(head, warning))
}

fn clean_memory(context: &Context, path: &[u8], bytes: &[u8]) -> Result<Cleaned, CleanError> {
    let plan = Plan::new(&Bytes(bytes))?;
    let stored = store_file(context, path, &plan, &mut &bytes[..])?;
    stored.finish(plan)
}

fn clean_checked(context: &Context, path: &[u8], file: File, input: &mut dyn Read) -> Result<Cleaned, CleanError> {
    let source = FileSource::new(file)?;
    let recorder = Recorder::new(&source);
    // The file may vanish or shrink under the parser's hands; the pipe has its own copy.
    let plan = Plan::new(&recorder).unwrap_or_else(|_| Plan::opaque(source.len(), None));
    let evidence = recorder.into_evidence();
    let mut checked = Checked::new(input, &evidence);
    let stored = store_file(context, path, &plan, &mut checked)?;
    if stored.is_exact && checked.is_same() && checked.position() == source.len() {
        return stored.finish(plan);
    }
    clean_spooled(context, path, |spool| stored.write_back(context, spool))
}

/// Writes the content to a file without a name and cleans that.
fn clean_spooled(
    context: &Context,
    path: &[u8],
    fill: impl FnOnce(&mut dyn Write) -> Result<(), CleanError>,
) -> Result<Cleaned, CleanError> {
    let dir = context.store.dir().join("tmp");
    context.store.permissions().create_dir_all(&dir)?;
    let spool = AtomicFile::create_in(open_folder(&dir)?.as_fd(), 0o600)?;
    let mut file = spool.file().try_clone()?;
    fill(&mut file)?;
    let plan = Plan::new(&FileSource::new(file.try_clone()?)?)?;
    file.seek(SeekFrom::Start(0))?;
    store_file(context, path, &plan, &mut file)?.finish(plan)
}

/// How a file is going to be divided.
struct Plan {
    layout: Option<Layout>,
    malformed: Option<(&'static str, Malformed)>,
    len: u64,
}

impl Plan {
    fn new(source: &dyn Source) -> io::Result<Self> {
        Ok(match format::detect(source)? {
            Detected::Model(layout) if is_worth_dividing(&layout, source.len()) => {
                Self { layout: Some(layout), malformed: None, len: source.len() }
            }
            Detected::Model(_) | Detected::Unknown => Self::opaque(source.len(), None),
            Detected::Malformed { format, why } => Self::opaque(source.len(), Some((format, why))),
        })
    }

    const fn opaque(len: u64, malformed: Option<(&'static str, Malformed)>) -> Self {
        Self { layout: None, malformed, len }
    }
}

pub(super) fn is_worth_dividing(layout: &Layout, len: u64) -> bool {
    let tensor_bytes: u64 = layout.records.iter().map(|record| record.len).sum();
    let text_bytes: u64 = layout.records.iter().map(line_bytes_max).sum::<u64>() + LINE_BYTES;
    len - tensor_bytes <= GAP_BYTES_MAX && text_bytes < crate::manifest::BYTES_MAX
}

/// A record's line in a manifest is no longer than this.
fn line_bytes_max(record: &format::Record) -> u64 {
    let name = serde_json::to_string(&record.name).map_or(usize::MAX, |name| name.len());
    (name + record.shape.len() * DIMENSION_BYTES_MAX) as u64 + LINE_BYTES
}

/// A file in the store, before its manifest is written.
struct Stored {
    ingested: Ingested,
    skeleton: Skeleton,
    /// The input was as long as the plan says.
    is_exact: bool,
    base: Option<Base>,
}

/// Stores `input` as planned; whatever its length, all of it.
fn store_file(context: &Context, path: &[u8], plan: &Plan, input: &mut dyn Read) -> Result<Stored, CleanError> {
    let base_text = base_text(context, path);
    let base = base_text.as_ref().and_then(|(_, text)| Manifest::parse(text).ok());
    let mut ingest = Ingest::new(&context.store, context.settings.workers);
    let mut skeleton = Skeleton::new();
    let opaque = |base| ObjectSpec { word_bytes: 1, cut: Cut::Content, base };
    let mut is_exact = true;
    let Some(layout) = &plan.layout else {
        let base = base.and_then(|base| match base.content {
            Content::Opaque { sha256, .. } => context.store.recipe(&sha256).ok().map(Arc::new),
            Content::Model { .. } => None,
        });
        ingest.object(opaque(base), None, input)?;
        return Ok(Stored { ingested: ingest.finish()?, skeleton, is_exact, base: base_text });
    };
    let base: HashMap<&str, &Tensor> =
        base.iter().flat_map(|base| base.tensors().iter().map(|tensor| (tensor.name.as_str(), tensor))).collect();
    let mut position = 0;
    for record in &layout.records {
        let gap = read_gap(input, record.offset - position)?;
        is_exact = gap.len() as u64 == record.offset - position;
        skeleton.push(&gap);
        if !is_exact {
            break;
        }
        let base = base
            .get(record.name.as_str())
            .filter(|base| base.dtype == record.dtype && base.shape == record.shape)
            .and_then(|base| context.store.recipe(&base.sha256).ok())
            .map(Arc::new);
        let spec = ObjectSpec { word_bytes: record.dtype.word_bytes(), cut: Cut::Even, base };
        is_exact = ingest.object(spec, Some(record.len), input)? == record.len;
        if !is_exact {
            break;
        }
        position = record.offset + record.len;
    }
    if is_exact {
        let gap = read_gap(input, plan.len - position)?;
        is_exact = gap.len() as u64 == plan.len - position;
        skeleton.push(&gap);
        let beyond = read_gap(input, 1)?;
        is_exact &= beyond.is_empty();
        if is_exact {
            ingest.bytes(opaque(None), &skeleton.encode());
        } else {
            // What comes after the planned end is stored too, so that nothing is lost.
            ingest.object(opaque(None), None, &mut (&beyond[..]).chain(input))?;
        }
    }
    Ok(Stored { ingested: ingest.finish()?, skeleton, is_exact, base: base_text })
}

fn read_gap(input: &mut dyn Read, len: u64) -> io::Result<Vec<u8>> {
    let mut gap = Vec::new();
    input.take(len).read_to_end(&mut gap)?;
    Ok(gap)
}

/// The manifest that the index has for this path, as the version before.
fn base_text(context: &Context, path: &[u8]) -> Option<Base> {
    let blob = context.repo.index_blob(path)?;
    let text = context.repo.blob(blob).ok()?;
    Manifest::looks_like(&text).then_some((blob, text))
}

impl Stored {
    fn finish(self, plan: Plan) -> Result<Cleaned, CleanError> {
        let warning = plan.malformed.map(|(format, why)| {
            format!("looks like {format} but cannot be divided into tensors ({why}); it is stored as one piece")
        });
        let objects = &self.ingested.objects;
        let (content, tensors) = match plan.layout {
            None => (Content::Opaque { sha256: objects[0], extra: Map::new() }, 0),
            Some(layout) => {
                let tensors: Vec<Tensor> = layout
                    .records
                    .into_iter()
                    .zip(objects)
                    .map(|(record, &sha256)| Tensor {
                        name: record.name,
                        dtype: record.dtype,
                        shape: record.shape,
                        sha256,
                        extra: Map::new(),
                    })
                    .collect();
                let count = tensors.len();
                let skeleton = objects[count];
                (Content::Model { format: layout.format.into(), skeleton, tensors }, count)
            }
        };
        let manifest = Manifest { size: plan.len, content, extra: Map::new() };
        let new_objects = self.ingested.is_new.iter().take(tensors.max(1)).filter(|&&is_new| is_new).count();
        let summary = Summary { tensors, new_objects, stored_bytes: self.ingested.stored_bytes, size: manifest.size };
        Ok(Cleaned { text: manifest.print(), summary: Some(summary), warning, base: self.base })
    }

    /// Writes all bytes that were stored, in their order: gaps and objects by turns.
    fn write_back(&self, context: &Context, out: &mut dyn Write) -> Result<(), CleanError> {
        let mut objects = self.ingested.objects.iter();
        for gap in self.skeleton.gaps() {
            out.write_all(gap)?;
            if let Some(object) = objects.next() {
                write_object(context, object, out)?;
            }
        }
        objects.try_for_each(|object| write_object(context, object, out))
    }
}

fn write_object(context: &Context, id: &ObjectId, out: &mut dyn Write) -> Result<(), CleanError> {
    let mut reader = BlockReader::new(&context.store);
    let mut buffer = Vec::new();
    for (block, len) in context.store.recipe(id)?.blocks {
        buffer.resize(len as usize, 0);
        reader.read(&block, &mut buffer)?;
        out.write_all(&buffer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Record;
    use crate::tensor::Plain;

    #[test]
    fn a_manifest_is_no_longer_than_was_foreseen() {
        let names = ["w".to_owned(), "\u{1}".repeat(5000), "\"\\".repeat(300), "ü\u{7f}\n".repeat(99)];
        for name in names {
            for shape in [vec![], vec![u64::MAX; 3], vec![1; 64]] {
                let record = Record { name: name.clone(), dtype: Plain::F8E4M3Fnuz.into(), shape, offset: 0, len: 0 };
                let tensor = Tensor {
                    name: record.name.clone(),
                    dtype: record.dtype.clone(),
                    shape: record.shape.clone(),
                    sha256: ObjectId::of(b""),
                    extra: Map::new(),
                };
                let content =
                    Content::Model { format: "safetensors".into(), skeleton: ObjectId::of(b""), tensors: vec![tensor] };
                let text = Manifest { size: u64::MAX, content, extra: Map::new() }.print();
                let foreseen = line_bytes_max(&record) + LINE_BYTES;
                assert!(text.len() as u64 <= foreseen, "{} > {foreseen}", text.len());
            }
        }
    }
}
