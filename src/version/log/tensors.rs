//! How many tensors a version changed, told from manifests alone, and what it added to the store.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::git::history::rope::Rope;
use crate::git::history::texts::{Source, Texts, with_texts};
use crate::git::{BlobId, GitError};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Manifest};
use crate::progress::Progress;
use crate::store::{Store, du};
use crate::version::compare::{Lines, compare};
use crate::version::notes::Notes;
use crate::worktree::{Context, manifest_deltas};

/// Begins the key of a note about two manifests.
const KIND: u8 = b'w';
/// Pairs of manifests that are read ahead.
const AHEAD: usize = 4;

/// What a version changed against the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tensors {
    /// Tensors that are new.
    pub added: u64,
    /// Tensors with another type, shape or content.
    pub changed: u64,
    /// Tensors that are gone.
    pub removed: u64,
    /// Bytes of the files.
    pub size: u64,
    /// Bytes that it added to the store.
    pub stored: Stored,
}

/// What a version added to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows: this object is not in the store.
    Missing(ObjectId),
    /// Git has the file as it is.
    Unknown,
}

impl Default for Stored {
    fn default() -> Self {
        Self::Bytes(0)
    }
}

impl Stored {
    /// The bytes, if they are known.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Missing(_) | Self::Unknown => None,
        }
    }

    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Bytes(one), Self::Bytes(other)) => Self::Bytes(one + other),
            (Self::Bytes(_), other) => other,
            (unknown, _) => unknown,
        }
    }
}

/// A file's text in git before and now.
type Pair = (Option<BlobId>, Option<BlobId>);

/// What each version changed, from what it changed its files from and to.
pub(super) fn count(
    context: &Context,
    notes: &mut Notes,
    versions: &[Vec<Pair>],
    progress: &dyn Progress,
) -> Result<Vec<Tensors>, GitError> {
    let pairs: Vec<Pair> = versions.iter().flatten().copied().collect();
    let mut known: HashMap<Pair, Tensors> = HashMap::new();
    for &pair in &pairs {
        // What was missing may have come meanwhile.
        let noted = notes.get(&key(pair)).and_then(decode);
        let noted = noted.filter(|noted| !matches!(noted.stored, Stored::Missing(id) if du::has(&context.store, id)));
        known.extend(noted.map(|tensors| (pair, tensors)));
    }
    let unknown: Vec<Pair> = pairs.iter().filter(|pair| !known.contains_key(pair)).copied().collect();
    if !unknown.is_empty() {
        let source = Source::new(&context.repo, manifest_deltas::read(&context.repo), BYTES_MAX);
        progress.begin("reading versions", None);
        let counted: Result<(), GitError> = with_texts(&source, |mut texts| {
            for (at, &pair) in unknown.iter().enumerate() {
                let ahead = unknown.iter().skip(at).take(AHEAD).flat_map(|(old, new)| [*new, *old]).flatten();
                ahead.for_each(|id| texts.announce(id));
                let tensors = between(context, &mut texts, pair)?;
                notes.add(&key(pair), &encode(&tensors));
                progress.advance(tensors.size);
                known.insert(pair, tensors);
            }
            Ok(())
        });
        progress.end();
        counted?;
    }
    let sum = |pairs: &Vec<Pair>| {
        pairs.iter().filter_map(|pair| known.get(pair)).copied().reduce(|sum, one| Tensors {
            added: sum.added + one.added,
            changed: sum.changed + one.changed,
            removed: sum.removed + one.removed,
            size: sum.size + one.size,
            stored: sum.stored.and(one.stored),
        })
    };
    Ok(versions.iter().map(|pairs| sum(pairs).unwrap_or_default()).collect())
}

/// What of a line of a manifest is needed here; a header has no name.
#[derive(Deserialize)]
struct Record<'l> {
    #[serde(borrow)]
    name: Option<Cow<'l, str>>,
    sha256: Option<String>,
    skeleton: Option<String>,
    #[serde(default)]
    size: u64,
}

fn between(context: &Context, texts: &mut Texts<'_>, (old, new): Pair) -> Result<Tensors, GitError> {
    let mut text = |id: Option<BlobId>| match id {
        Some(id) => texts.get(id).map(|text| text.filter(|text| is_manifest(text))),
        None => Ok(None),
    };
    let (new_text, old_text) = (text(new)?, text(old)?);
    let Some(new_text) = new_text else {
        // As it is, or gone: there are no tensors now.
        let removed = old_text.map_or(0, |text| Lines::new(&text).filter(|(at, _)| *at > 0).count() as u64);
        let size = new.map_or(Ok(0), |id| context.repo.blob_len(id))?;
        let stored = if new.is_some() { Stored::Unknown } else { Stored::Bytes(0) };
        return Ok(Tensors { removed, size, stored, ..Tensors::default() });
    };
    let empty = Rope::from(Vec::new());
    Ok(tensors(&context.store, old_text.as_deref().unwrap_or(&empty), &new_text))
}

fn is_manifest(text: &Rope) -> bool {
    Manifest::looks_like(&text.line(0))
}

fn tensors(store: &Store, old: &Rope, new: &Rope) -> Tensors {
    let difference = compare(new, old);
    let changed = |side: fn(&(usize, usize)) -> usize| difference.changed.iter().map(side).collect::<Vec<_>>();
    let new_lines = [&difference.only_new[..], &changed(|pair| pair.0)].concat();
    let old_lines = [&difference.only_old[..], &changed(|pair| pair.1)].concat();
    let (new_lines, old_lines) = (lines(new, &new_lines), lines(old, &old_lines));
    let mut tensors = Tensors { size: record(&new.line(0)).map_or(0, |header| header.size), ..Tensors::default() };
    for (name, line) in &new_lines.by_name {
        match old_lines.by_name.get(name) {
            Some(other) if other == line => {}
            Some(_) => tensors.changed += 1,
            None => tensors.added += 1,
        }
    }
    tensors.removed = old_lines.by_name.keys().filter(|name| !new_lines.by_name.contains_key(*name)).count() as u64;
    let added = du::added(store, &old_lines.objects, &new_lines.objects);
    tensors.stored = added.map_or_else(Stored::Missing, Stored::Bytes);
    tensors
}

#[derive(Default)]
struct Named {
    by_name: HashMap<String, Vec<u8>>,
    objects: Vec<ObjectId>,
}

fn lines(text: &Rope, places: &[usize]) -> Named {
    let mut named = Named::default();
    for &at in places {
        let line = text.line(at);
        let Some(record) = record(&line) else { continue };
        named.objects.extend(
            [record.sha256, record.skeleton].into_iter().flatten().filter_map(|id| id.parse::<ObjectId>().ok()),
        );
        if let Some(name) = record.name {
            named.by_name.insert(name.into_owned(), line.to_vec());
        }
    }
    named
}

fn record(line: &[u8]) -> Option<Record<'_>> {
    serde_json::from_slice(line).ok()
}

fn key((old, new): Pair) -> Vec<u8> {
    let id = |id: Option<BlobId>| id.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let (old, new) = (id(old), id(new));
    [&[KIND, old.len() as u8], &old[..], &new].concat()
}

/// Four numbers of 8 bytes, little-endian: added, changed, removed, size. Then a byte for the kind of what was stored, and its
/// 8 bytes or the 32 of the missing object.
fn encode(tensors: &Tensors) -> Vec<u8> {
    let numbers = [tensors.added, tensors.changed, tensors.removed, tensors.size];
    let mut bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    match tensors.stored {
        Stored::Bytes(stored) => bytes.extend([&[0][..], &stored.to_le_bytes()].concat()),
        Stored::Missing(id) => bytes.extend([&[1][..], id.as_bytes()].concat()),
        Stored::Unknown => bytes.push(2),
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Tensors> {
    let (numbers, rest) = bytes.split_first_chunk::<32>()?;
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|number| u64::from_le_bytes(*number));
    let mut number = || numbers.next().unwrap_or_default();
    let (added, changed, removed, size) = (number(), number(), number(), number());
    let stored = match rest.split_first()? {
        (0, stored) => Stored::Bytes(u64::from_le_bytes(stored.try_into().ok()?)),
        (1, id) => Stored::Missing(ObjectId::from_bytes(id.try_into().ok()?)),
        (2, []) => Stored::Unknown,
        _ => return None,
    };
    Some(Tensors { added, changed, removed, size, stored })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_keep_all_numbers() {
        for stored in [Stored::Bytes(u64::MAX), Stored::Missing(ObjectId::of(b"x")), Stored::Unknown] {
            let tensors = Tensors { added: 1, changed: 2, removed: 3, size: 4, stored };
            let bytes = encode(&tensors);
            assert_eq!(decode(&bytes), Some(tensors));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
            assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        }
    }
}
