//! Carries out a plan: computes what is to be computed, writes it into the store, makes the result's manifest.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Map;

use super::family;
use super::numbers::{Combined, combine};
use super::rules::{Decision, Version};
use super::strategy::Method;
use super::three_way::{Conflict, Lists, Plan, Rows, Source, Triple, Why};
use super::{MergeError, Read};
use crate::manifest::Tensor;
use crate::parallel::{self, Budget};
use crate::progress::Progress;
use crate::store::{BlockReader, Cut, Ingest, ObjectSpec, Store};

/// Tensors at work take no more than this, unless one alone does.
pub(super) const MEMORY_BYTES: u64 = 256 << 20;
/// Of each version there are its bytes, its numbers, and what a method makes of them.
pub(super) const COPIES: u64 = 4;

/// The tensors of a result.
pub(super) struct Executed {
    /// In order. Those that were computed have no SHA-256 yet.
    pub tensors: Vec<Tensor>,
    /// For each, where it comes from.
    pub origins: Vec<Origin>,
    /// What turned out to be a conflict.
    pub conflicts: Vec<Conflict>,
    /// What was read.
    pub read: Read,
}

/// Where a tensor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was there, in this place.
    Taken(Version, usize),
    /// It was computed from `ours` and others, is the object that was handed to the store in this place, and has the
    /// type and shape of `like`.
    Computed { object: usize, like: (Version, usize), ours: usize, crc32: u32 },
}

/// What came of a tensor that was to be computed.
enum Outcome {
    Bytes(Vec<u8>, (Version, usize)),
    Taken(Version, usize),
    Conflict(Why),
}

pub(super) struct Executor<'a> {
    pub store: &'a Store,
    pub lists: Lists<'a>,
    pub workers: usize,
}

impl Executor<'_> {
    /// Computes what the plan has to compute, and hands it to `ingest`.
    pub fn run(&self, plan: &Plan, ingest: &mut Ingest, progress: &dyn Progress) -> Result<Executed, MergeError> {
        let jobs: Vec<usize> =
            (0..plan.tensors.len()).filter(|&at| !matches!(plan.tensors[at].source, Source::Taken(..))).collect();
        let total = jobs.iter().map(|&at| self.bytes(&plan.tensors[at].source)).sum();
        if !jobs.is_empty() {
            progress.begin("merging", Some(total));
        }
        let (shared, objects) = (Mutex::new(ingest), Mutex::new(0));
        let budget = Budget::new(MEMORY_BYTES);
        let outcomes = parallel::for_each(
            self.workers,
            jobs.len(),
            || BlockReader::new(self.store),
            |reader, at| {
                let planned = &plan.tensors[jobs[at]];
                let _held = budget.take(self.bytes(&planned.source) * COPIES);
                let outcome = self.compute(&planned.name, &planned.source, reader);
                let (Source::Merged(Triple { ours, .. }, _) | Source::Rows(Rows { triple: Triple { ours, .. }, .. })) =
                    planned.source
                else {
                    return Vec::new();
                };
                progress.advance(self.bytes(&planned.source));
                vec![outcome.map(|outcome| match outcome {
                    Outcome::Taken(version, at) => Ok(Origin::Taken(version, at)),
                    Outcome::Conflict(why) => Err(why),
                    Outcome::Bytes(bytes, like) => {
                        let tensor = self.lists.get(like.0, like.1);
                        let base = self.store.recipe(&tensor.sha256).ok().map(Arc::new);
                        let spec = ObjectSpec { word_bytes: tensor.dtype.word_bytes(), cut: Cut::Even, base };
                        let mut ingest = shared.lock().unwrap_or_else(PoisonError::into_inner);
                        let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
                        ingest.bytes(spec, &bytes);
                        *objects += 1;
                        Ok(Origin::Computed { object: *objects - 1, like, ours, crc32: crc32fast::hash(&bytes) })
                    }
                })]
            },
        );
        if !jobs.is_empty() {
            progress.end();
        }
        let read = Read { tensors: jobs.len() as u64, bytes: total };
        let mut outcomes = outcomes.into_iter();
        let mut executed = Executed { tensors: Vec::new(), origins: Vec::new(), conflicts: Vec::new(), read };
        for planned in &plan.tensors {
            let origin = match &planned.source {
                Source::Taken(version, at) => Origin::Taken(*version, *at),
                Source::Merged(triple, _) | Source::Rows(Rows { triple, .. }) => {
                    // One outcome for each job.
                    match outcomes.next().expect("an outcome")? {
                        Ok(origin) => origin,
                        Err(why) => {
                            executed.conflicts.push(Conflict {
                                tensor: planned.name.clone(),
                                why,
                                base: triple.base,
                                ours: Some(triple.ours),
                                theirs: Some(triple.theirs),
                            });
                            Origin::Taken(Version::Ours, triple.ours)
                        }
                    }
                }
            };
            let like = match origin {
                Origin::Taken(version, at) => self.lists.get(version, at),
                Origin::Computed { like: (version, at), .. } => self.lists.get(version, at),
            };
            let extra = if matches!(origin, Origin::Taken(..)) { like.extra.clone() } else { Map::new() };
            executed.tensors.push(Tensor { name: planned.name.clone(), extra, ..like.clone() });
            executed.origins.push(origin);
        }
        Ok(executed)
    }

    /// Bytes that are read for it.
    fn bytes(&self, source: &Source) -> u64 {
        let (Source::Merged(triple, _) | Source::Rows(Rows { triple, .. })) = source else { return 0 };
        let base = triple.base.map(|at| &self.lists.base[at]);
        let tensors = [Some(&self.lists.ours[triple.ours]), Some(&self.lists.theirs[triple.theirs]), base];
        tensors.into_iter().flatten().filter_map(Tensor::byte_len).sum()
    }

    fn compute(&self, name: &str, source: &Source, reader: &mut BlockReader) -> Result<Outcome, MergeError> {
        match source {
            Source::Taken(version, at) => Ok(Outcome::Taken(*version, *at)),
            Source::Merged(triple, method) => {
                let versions = self.read(name, triple, reader)?;
                let merged = versions.merge(name, method, &self.lists.ours[triple.ours]);
                Ok(merged.map_or_else(Outcome::Conflict, |bytes| Outcome::Bytes(bytes, (Version::Ours, triple.ours))))
            }
            Source::Rows(rows) => self.rows(name, rows, reader),
        }
    }

    fn read(&self, name: &str, triple: &Triple, reader: &mut BlockReader) -> Result<Versions, MergeError> {
        let mut bytes = |tensor: &Tensor| {
            reader
                .read_object_by_id(&tensor.sha256)
                .map_err(|source| MergeError::Tensor { tensor: name.into(), source })
        };
        Ok(Versions {
            base: triple.base.map(|at| bytes(&self.lists.base[at])).transpose()?,
            ours: bytes(&self.lists.ours[triple.ours])?,
            theirs: bytes(&self.lists.theirs[triple.theirs])?,
        })
    }

    /// The rows there were before are merged; those that the longer side has appended stay.
    fn rows(&self, name: &str, rows: &Rows, reader: &mut BlockReader) -> Result<Outcome, MergeError> {
        let mut versions = self.read(name, &rows.triple, reader)?;
        let (ours, theirs) = (&self.lists.ours[rows.triple.ours], &self.lists.theirs[rows.triple.theirs]);
        let (shorter, like) = match rows.longer {
            Version::Theirs => (ours, (Version::Theirs, rows.triple.theirs)),
            Version::Base | Version::Ours => (theirs, (Version::Ours, rows.triple.ours)),
        };
        let Some(len) = shorter.byte_len().map(|len| len as usize) else { return Ok(Outcome::Conflict(Why::Shape)) };
        let longer = if rows.longer == Version::Theirs { &mut versions.theirs } else { &mut versions.ours };
        if longer.len() < len || versions.base.as_ref().is_some_and(|base| base.len() != len) {
            return Ok(Outcome::Conflict(Why::Shape));
        }
        let tail = longer.split_off(len);
        let merged = if versions.ours == versions.theirs || versions.base.as_ref() == Some(&versions.theirs) {
            versions.ours
        } else if versions.base.as_ref() == Some(&versions.ours) {
            versions.theirs
        } else {
            match &rows.decision {
                Decision::Merge(method) if family::is_numeric(name, &shorter.dtype) => {
                    match versions.merge(name, method, shorter) {
                        Ok(merged) => merged,
                        Err(why) => return Ok(Outcome::Conflict(why)),
                    }
                }
                Decision::Merge(_) => return Ok(Outcome::Conflict(Why::NotNumeric)),
                Decision::Conflict | Decision::Take(_) => return Ok(Outcome::Conflict(Why::BothChanged)),
            }
        };
        Ok(Outcome::Bytes([merged, tail].concat(), like))
    }
}

/// The bytes of a tensor's versions.
struct Versions {
    base: Option<Vec<u8>>,
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl Versions {
    /// What `method` makes of them: bytes of the type and shape of `like`.
    fn merge(&self, name: &str, method: &Method, like: &Tensor) -> Result<Vec<u8>, Why> {
        let versions = [&self.ours[..], &self.theirs];
        match combine(method, (name, &like.dtype, &like.shape), self.base.as_deref(), &versions) {
            Combined::Bytes(bytes) => Ok(bytes),
            Combined::Refused(refusal) => Err(Why::Refused(format!("`{}`: {refusal}", method.name()))),
            Combined::NotFinite => Err(Why::NotFinite(method.name())),
        }
    }
}
