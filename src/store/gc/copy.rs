//! Writes what is kept of rewritten packs into new ones: entry by entry as it is, after it was decoded and checked.
//!
//! A new pack is durable and was read back when it counts.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::mark::Marked;
use crate::progress::Progress;
use crate::store::check::check_entry;
use crate::store::pack::{self, Batch, Pack, Record};
use crate::store::writer::PackWriter;
use crate::store::{BlockReader, Store, StoreError};

/// Entries are written in runs of about this size.
const BATCH_BYTES: usize = 1 << 20;

/// What was written, and what could not be.
#[derive(Default)]
pub struct Copied {
    /// The new packs.
    pub packs: Vec<Arc<Pack>>,
    /// Packs with an entry that is not what was written, with what is wrong. They must stay.
    pub damaged: Vec<(PathBuf, String)>,
}

/// Copies what is kept of `sources`: first what is live, in one line of packs; then, day by day, what is kept for the
/// grace period. A new pack is as old as the youngest of those it comes from, and no larger than `bytes_max` unless one
/// entry is.
pub fn copy(store: &Store, sources: &[&Marked], bytes_max: u64, progress: &dyn Progress) -> Result<Copied, StoreError> {
    let mut copier = Copier {
        store,
        bytes_max,
        progress,
        reader: BlockReader::new(store),
        entry: Vec::new(),
        plain: Vec::new(),
        damaged_packs: HashSet::new(),
        copied: Copied::default(),
    };
    let mut sources = sources.to_vec();
    sources.sort_by_key(|source| (source.modified, source.pack.name()));
    copier.copy_route(&sources, |source, at| source.live.contains(at))?;
    for of_a_day in sources.chunk_by(|a, b| a.day() == b.day()) {
        copier.copy_route(of_a_day, |source, at| source.kept.contains(at) && !source.live.contains(at))?;
    }
    Ok(copier.copied)
}

struct Copier<'a> {
    store: &'a Store,
    bytes_max: u64,
    progress: &'a dyn Progress,
    reader: BlockReader,
    entry: Vec<u8>,
    plain: Vec<u8>,
    damaged_packs: HashSet<PathBuf>,
    copied: Copied,
}

/// A pack being written.
struct Output {
    writer: PackWriter,
    batch: Batch,
    /// Of everything written so far.
    hash: blake3::Hasher,
    modified: SystemTime,
}

impl Output {
    fn new(store: &Store) -> Self {
        let mut hash = blake3::Hasher::new();
        hash.update(pack::header());
        Self { writer: PackWriter::new(store), batch: Batch::default(), hash, modified: SystemTime::UNIX_EPOCH }
    }

    fn len(&self) -> u64 {
        self.writer.len() + self.batch.len() as u64
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let (bytes, _) = self.batch.placed_at(0);
        self.hash.update(bytes);
        self.writer.append(&mut self.batch)
    }
}

impl Copier<'_> {
    fn copy_route(&mut self, sources: &[&Marked], wants: impl Fn(&Marked, usize) -> bool) -> Result<(), StoreError> {
        let mut output = Output::new(self.store);
        for source in sources {
            let mut places: Vec<(u64, usize)> = (0..source.pack.entry_count())
                .filter(|&at| wants(source, at))
                .map(|at| (source.pack.record(at).offset, at))
                .collect();
            if places.is_empty() {
                continue;
            }
            places.sort_unstable();
            let pack = &source.pack;
            let file = self.store.pack_file(pack).map_err(|source| StoreError::io("read", pack.path(), source))?;
            for (_, at) in places {
                let record = pack.record(at);
                if output.len() + u64::from(record.len) > self.bytes_max {
                    self.close(std::mem::replace(&mut output, Output::new(self.store)))?;
                }
                self.copy_entry(pack, &file, &record, &mut output)?;
                output.modified = output.modified.max(source.modified);
            }
        }
        self.close(output)
    }

    fn copy_entry(&mut self, pack: &Pack, file: &File, record: &Record, output: &mut Output) -> Result<(), StoreError> {
        pack.read_entry(file, record, &mut self.entry).map_err(|source| StoreError::io("read", pack.path(), source))?;
        self.progress.advance(u64::from(record.len));
        if let Err(what) = check_entry(&mut self.reader, record, &self.entry, &mut self.plain) {
            if self.damaged_packs.insert(pack.path().to_owned()) {
                self.copied.damaged.push((pack.path().to_owned(), what));
            }
            return Ok(());
        }
        output.batch.push_verbatim(record, &self.entry);
        if output.batch.len() >= BATCH_BYTES { output.flush() } else { Ok(()) }
    }

    /// Makes the pack durable, and reads it back.
    fn close(&mut self, mut output: Output) -> Result<(), StoreError> {
        output.flush()?;
        let Some(name) = output.writer.commit_dated(&[], Some(output.modified))? else { return Ok(()) };
        let path = self.store.packs_dir().join(format!("{name}.pack"));
        let pack = Pack::open(&path)?;
        let mut hash = blake3::Hasher::new();
        let read_back = File::open(&path).and_then(|file| {
            let mut entries = file.take(pack.entries_end());
            let mut buffer = vec![0; BATCH_BYTES];
            loop {
                match entries.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => hash.update(&buffer[..count]),
                };
            }
        });
        read_back.map_err(|source| StoreError::io("read", &path, source))?;
        if hash.finalize() != output.hash.finalize() || !pack.verify_index() {
            return Err(StoreError::Corrupt { path, what: "it reads back other than it was written".into() });
        }
        self.copied.packs.push(Arc::new(pack));
        Ok(())
    }
}
