//! Remembers which manifest a file had, so that a file that did not change is not stored again.
//!
//! Git mostly knows by itself that a file did not change. Where it asks again (a copied index, a stash, an entry as old
//! as the index), the filter has to drain the file from the pipe in any case; if the file's stat data are those on
//! record and a sample of the drained bytes agrees, the recorded manifest is the answer and nothing is hashed.
//!
//! The samples do not prove that the bytes are the file's: git may send other content under the same path (`hash-object
//! --stdin --path`, `apply`, merges with `merge.renormalize`). So the record is neither written nor used unless git runs
//! a command that reads the file itself; see [`is_trustworthy`].
//!
//! Records are files under `cache/` of the store's folder, one per path. They may be deleted at any time.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Context;
use crate::atomic_file::{AtomicFile, open_folder};
use crate::id::BlockId;
use crate::manifest::BYTES_MAX;

/// Smaller files are cleaned as fast as they are looked up.
pub const BYTES_MIN: u64 = 4 << 20;

const MAGIC: &str = "git-model-stat 1";
const SAMPLES: u64 = 64;
const SAMPLE_BYTES: u64 = 4096;
/// A file changed more recently than this may change again without its times showing it.
const RACY: Duration = Duration::from_secs(1);

/// What tells that a file is the same without reading it.
fn stat_text(metadata: &Metadata) -> String {
    format!(
        "{} {}.{} {}.{} {} {}",
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.dev(),
        metadata.ino(),
    )
}

/// Whether the content that git sends is the work tree's file: these commands clean nothing else.
pub fn is_trustworthy(context: &Context) -> bool {
    const READ_THE_FILE: [&str; 9] =
        ["add", "stage", "commit", "status", "diff", "diff-files", "diff-index", "update-index", "stash"];
    !context.settings.renormalize && crate::git::caller().is_some_and(|caller| READ_THE_FILE.contains(&caller.as_str()))
}

/// A manifest on record for a file as it is now.
pub struct Record {
    samples: BlockId,
    /// The manifest's text.
    pub manifest: Vec<u8>,
}

/// The record for the file `path` with this metadata, if there is one and it fits.
pub fn find(context: &Context, path: &Path, metadata: &Metadata) -> Option<Record> {
    let file = File::open(record_path(context, path)).ok()?;
    let mut text = Vec::new();
    file.take(BYTES_MAX + 1024).read_to_end(&mut text).ok()?;
    let mut lines = text.splitn(4, |&byte| byte == b'\n');
    if lines.next()? != MAGIC.as_bytes() || lines.next()? != stat_text(metadata).as_bytes() {
        return None;
    }
    let samples = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
    Some(Record { samples, manifest: lines.next()?.to_vec() })
}

impl Record {
    /// Drains `input`; whether it has the recorded length and samples. The bytes are not kept.
    pub fn agrees_with(&self, size: u64, input: &mut dyn Read) -> io::Result<bool> {
        let mut sampler = Sampler::new(size);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match input.read(&mut buffer)? {
                0 => return Ok(sampler.finish() == Some(self.samples)),
                count => sampler.take(&buffer[..count]),
            }
        }
    }
}

/// Puts a manifest on record for the file `path`, whose content it is, if the file has not changed since `metadata`.
///
/// Failures are not told: a missing record costs time only.
pub fn store(context: &Context, path: &Path, file: &File, metadata: &Metadata, manifest: &[u8]) {
    let _ = try_store(context, path, file, metadata, manifest);
}

fn try_store(context: &Context, path: &Path, file: &File, metadata: &Metadata, manifest: &[u8]) -> io::Result<()> {
    if metadata.size() < BYTES_MIN {
        return Ok(());
    }
    let samples = sample_file(file, metadata.size())?;
    if stat_text(&file.metadata()?) != stat_text(metadata) {
        return Ok(());
    }
    let record_path = record_path(context, path);
    let (Some(dir), Some(name)) = (record_path.parent(), record_path.file_name()) else { return Ok(()) };
    let permissions = context.store.permissions();
    permissions.create_dir_all(dir)?;
    let record = AtomicFile::create_in(open_folder(dir)?.as_fd(), permissions.file_mode())?;
    let head = format!("{MAGIC}\n{}\n{samples}\n", stat_text(metadata));
    record.file().write_all(head.as_bytes())?;
    record.file().write_all(manifest)?;
    record.persist(name)
}

/// Whether a file was changed so recently that a further change may not show in its times.
pub fn is_racy(metadata: &Metadata) -> bool {
    let changed = SystemTime::UNIX_EPOCH + Duration::new(metadata.ctime().max(0) as u64, metadata.ctime_nsec() as u32);
    changed.elapsed().is_ok_and(|age| age < RACY) || changed > SystemTime::now()
}

fn record_path(context: &Context, path: &Path) -> PathBuf {
    context.store.dir().join("cache").join(BlockId::of(path.as_os_str().as_bytes()).to_string())
}

/// Where the samples of a file of `size` bytes stand: its start, its end, and evenly between with some jitter.
fn sample_ranges(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let stride = size / SAMPLES;
    (0..SAMPLES).map(move |at| {
        let jitter = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (stride.saturating_sub(SAMPLE_BYTES) + 1);
        let start = match at {
            0 => 0,
            _ if at == SAMPLES - 1 => size - SAMPLE_BYTES,
            _ => at * stride + jitter,
        };
        (start, start + SAMPLE_BYTES)
    })
}

fn sample_file(file: &File, size: u64) -> io::Result<BlockId> {
    let mut samples = Vec::new();
    let mut buffer = [0; SAMPLE_BYTES as usize];
    for (start, _) in sample_ranges(size) {
        file.read_exact_at(&mut buffer, start)?;
        samples.extend_from_slice(&buffer);
    }
    Ok(BlockId::of(&samples))
}

/// Picks the samples out of bytes that pass by.
struct Sampler {
    size: u64,
    position: u64,
    ranges: Vec<(u64, u64)>,
    next: usize,
    samples: Vec<u8>,
}

impl Sampler {
    fn new(size: u64) -> Self {
        Self { size, position: 0, ranges: sample_ranges(size).collect(), next: 0, samples: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) {
        let end = self.position + bytes.len() as u64;
        while let Some(&(from, until)) = self.ranges.get(self.next)
            && from < end
        {
            let from = from.max(self.position);
            let stop = until.min(end);
            self.samples.extend_from_slice(&bytes[(from - self.position) as usize..(stop - self.position) as usize]);
            if until > end {
                break;
            }
            self.next += 1;
        }
        self.position = end;
    }

    fn finish(self) -> Option<BlockId> {
        (self.position == self.size && self.next == self.ranges.len()).then(|| BlockId::of(&self.samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drained_bytes_give_the_samples_of_the_file() -> io::Result<()> {
        for size in [BYTES_MIN, BYTES_MIN + 4097, 5 * BYTES_MIN - 1] {
            let bytes: Vec<u8> = (0..size).map(|at| ((at * at) >> 7) as u8).collect();
            let file = tempfile::tempfile()?;
            file.write_all_at(&bytes, 0)?;
            let record = Record { samples: sample_file(&file, size)?, manifest: Vec::new() };
            assert!(record.agrees_with(size, &mut &bytes[..])?);
            assert!(!record.agrees_with(size, &mut &bytes[1..])?);
            for at in [0, bytes.len() - 1] {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(!record.agrees_with(size, &mut &changed[..])?);
            }
        }
        Ok(())
    }
}
