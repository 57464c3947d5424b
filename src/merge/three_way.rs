//! The plan of a three-way merge: by hash, reading no tensor. Pure.
//!
//! What changed on one side only, or equally on both, is taken. What changed on both sides and differs is decided by a
//! rule, or is a conflict; in conflicts the result has our version, so it always is a whole file.
//!
//! A tensor that one side renamed (the name is gone, and another one is new with the same content, both without a double)
//! is followed. Tensors that belong together ([`family`]) come from one side.
//!
//! **Limitations.** A tensor that is renamed and changed on the same side is one removed and one added.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::family;
use super::rules::{Decision, Rules, Version};
use super::strategy::Method;
use crate::manifest::{Content, Manifest, Tensor};

mod order;
mod tracks;

pub use order::skeleton;
use tracks::{Track, same_content};

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The tensors of the result, in its order.
    pub tensors: Vec<Planned>,
    /// What could not be merged.
    pub conflicts: Vec<Conflict>,
}

/// A tensor of the result.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
}

/// Where a tensor of the result comes from. Numbers are places in the manifests' lists of tensors.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// It is there.
    Taken(Version, usize),
    /// It is to be computed.
    Merged(Triple, Method),
    /// One side has more rows, and both have changed.
    Rows(Rows),
}

/// The three versions of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triple {
    /// Where it comes from, if it has the type and shape of the others.
    pub base: Option<usize>,
    /// Ours.
    pub ours: usize,
    /// Theirs.
    pub theirs: usize,
}

/// A tensor to which one side has appended rows, while the other changed those there were.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Its versions.
    pub triple: Triple,
    /// The side with more rows.
    pub longer: Version,
    /// What decides if that side has changed the other rows too.
    pub decision: Decision,
}

/// Something that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The tensor's name in the result, or in theirs if the result does not have it.
    pub tensor: String,
    /// Why it is one.
    pub why: Why,
    /// The place of each version in its manifest, if it is there.
    pub base: Option<usize>,
    /// See `base`.
    pub ours: Option<usize>,
    /// See `base`.
    pub theirs: Option<usize>,
}

/// Why something is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Both sides have changed it.
    #[error("changed on both sides")]
    BothChanged,
    /// Both sides have added it.
    #[error("added on both sides")]
    BothAdded,
    /// Gone on our side, changed on theirs.
    #[error("deleted by us, changed by them")]
    DeletedByUs,
    /// Changed on our side, gone on theirs.
    #[error("changed by us, deleted by them")]
    DeletedByThem,
    /// Both sides have renamed it.
    #[error("renamed on both sides, to different names")]
    BothRenamed,
    /// The sides have different shapes.
    #[error("different shapes")]
    Shape,
    /// The sides have different element types.
    #[error("different element types")]
    Dtype,
    /// Both sides have appended rows: the numbers of the new ones collide.
    #[error("rows appended on both sides")]
    BothAppended,
    /// Parts of one thing have changed on different sides.
    #[error("its parts have changed on both sides")]
    Parts,
    /// State that belongs to weights which are a conflict.
    #[error("belongs to weights in conflict")]
    State,
    /// A rule names a method for what is no floating-point weight.
    #[error("no weights to compute with")]
    NotNumeric,
    /// A rule names a method that needs the common version.
    #[error("no common version for `{0}`")]
    NoBase(&'static str),
    /// A rule names a method that has no result here.
    #[error("{0}")]
    Refused(String),
    /// The method's result has a NaN or an infinity where no version has one.
    #[error("`{0}` made NaN or infinity of finite numbers")]
    NotFinite(&'static str),
}

/// Why a file can only be merged as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Whole {
    /// One of the versions is stored as one piece.
    #[error("it is stored as one piece, not by tensor")]
    Opaque,
    /// The sides are in different formats.
    #[error("one side is {ours}, the other {theirs}")]
    Format {
        /// Ours.
        ours: String,
        /// Theirs.
        theirs: String,
    },
    /// The sides have nothing in common.
    #[error("the sides have no common version, and different tensors")]
    Unrelated,
}

/// Which manifest to take as it is, if one of them is the answer: nothing, or the same, was changed on the other side.
pub fn take_whole(base: Option<&Manifest>, ours: &Manifest, theirs: &Manifest) -> Option<Version> {
    if ours == theirs || base == Some(theirs) {
        Some(Version::Ours)
    } else if base == Some(ours) {
        Some(Version::Theirs)
    } else {
        None
    }
}

/// Plans the merge of `ours` and `theirs`, both made from `base`.
///
/// # Errors
/// Files that can only be taken as a whole.
pub fn plan(base: Option<&Manifest>, ours: &Manifest, theirs: &Manifest, rules: &Rules) -> Result<Plan, Whole> {
    let is_opaque = |manifest: &Manifest| matches!(manifest.content, Content::Opaque { .. });
    if is_opaque(ours) || is_opaque(theirs) || base.is_some_and(is_opaque) {
        return Err(Whole::Opaque);
    }
    if ours.format() != theirs.format() {
        return Err(Whole::Format { ours: ours.format().into(), theirs: theirs.format().into() });
    }
    if base.is_none() && !order::same_list(ours.tensors().iter(), theirs.tensors().iter()) {
        return Err(Whole::Unrelated);
    }
    let lists = Lists { base: base.map_or(&[], Manifest::tensors), ours: ours.tensors(), theirs: theirs.tensors() };
    let tracks = tracks::tracks(&lists);
    let mut planner = Planner { lists: &lists, rules, results: vec![None; tracks.len()], conflicts: BTreeMap::new() };
    planner.groups(&tracks);
    planner.tensors(&tracks);
    planner.states(&tracks);
    let Planner { results, conflicts, .. } = planner;
    let (tensors, doubled) = order::in_order(&lists, &tracks, results);
    let mut conflicts: Vec<Conflict> = conflicts.into_values().collect();
    for at in doubled {
        conflicts.push(tracks[at].conflict(&lists, Why::BothAdded));
    }
    Ok(Plan { tensors, conflicts })
}

/// The tensors of each version.
#[derive(Clone, Copy)]
pub struct Lists<'a> {
    /// Of the common version; empty if there is none.
    pub base: &'a [Tensor],
    /// Of ours.
    pub ours: &'a [Tensor],
    /// Of theirs.
    pub theirs: &'a [Tensor],
}

impl<'a> Lists<'a> {
    /// The tensor in this place of this version.
    pub fn get(&self, version: Version, at: usize) -> &'a Tensor {
        match version {
            Version::Base => &self.base[at],
            Version::Ours => &self.ours[at],
            Version::Theirs => &self.theirs[at],
        }
    }
}

struct Planner<'a> {
    lists: &'a Lists<'a>,
    rules: &'a Rules,
    /// For each track: not decided, decided that there is nothing, or where it comes from.
    results: Vec<Option<Option<Source>>>,
    conflicts: BTreeMap<usize, Conflict>,
}

impl Planner<'_> {
    fn settle(&mut self, at: usize, source: Option<Source>) {
        self.results[at] = Some(source);
    }

    /// A conflict, in which the result has what we have; unless somebody has decided about this tensor.
    fn conflict(&mut self, at: usize, track: &Track, why: Why) {
        let conflict = track.conflict(self.lists, why);
        if let Some(&Decision::Take(version)) = self.rules.made(&conflict.tensor) {
            return self.settle(at, track.take(version));
        }
        self.conflicts.insert(at, conflict);
        self.settle(at, track.take(Version::Ours));
    }

    /// Parts of one thing that both sides have changed are taken from one side together, or are a conflict together.
    fn groups(&mut self, tracks: &[Track]) {
        let mut groups = HashMap::<String, Vec<usize>>::new();
        for (at, track) in tracks.iter().enumerate() {
            let tensor = track.any(self.lists);
            if let Some(group) = family::group(&tensor.name, &tensor.dtype) {
                groups.entry(group).or_default().push(at);
            }
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|members| members.len() > 1).collect();
        groups.sort_unstable();
        for members in groups {
            let is_changed = |version| members.iter().any(|&at| tracks[at].is_changed(self.lists, version));
            let is_same = |&at: &usize| tracks[at].is_same_on_both(self.lists);
            if !is_changed(Version::Ours) || !is_changed(Version::Theirs) || members.iter().all(is_same) {
                continue;
            }
            let decision = self.rules.decide(&tracks[members[0]].any(self.lists).name).clone();
            for at in members {
                match decision {
                    Decision::Take(version) => self.settle(at, tracks[at].take(version)),
                    _ if tracks[at].is_same_on_both(self.lists) => self.settle(at, tracks[at].take(Version::Ours)),
                    _ => self.conflict(at, &tracks[at], Why::Parts),
                }
            }
        }
    }

    fn tensors(&mut self, tracks: &[Track]) {
        for (at, track) in tracks.iter().enumerate() {
            if self.results[at].is_none() {
                self.tensor(at, track);
            }
        }
    }

    fn tensor(&mut self, at: usize, track: &Track) {
        use Version::{Ours, Theirs};
        let (ours, theirs) = (track.is_changed(self.lists, Ours), track.is_changed(self.lists, Theirs));
        match (track.ours, track.theirs) {
            (None, None) => self.settle(at, None),
            (Some(_), None) if track.base.is_none() => self.settle(at, track.take(Ours)),
            (None, Some(_)) if track.base.is_none() => self.settle(at, track.take(Theirs)),
            (Some(_), None) if ours => self.conflict(at, track, Why::DeletedByThem),
            (None, Some(_)) if theirs => self.conflict(at, track, Why::DeletedByUs),
            (Some(_), None) | (None, Some(_)) => self.settle(at, None),
            (Some(_), Some(_)) if track.is_renamed_twice(self.lists) => self.conflict(at, track, Why::BothRenamed),
            (Some(ours_at), Some(theirs_at)) => {
                let (our_tensor, their_tensor) = (&self.lists.ours[ours_at], &self.lists.theirs[theirs_at]);
                let base = track.base.map(|at| &self.lists.base[at]);
                if same_content(our_tensor, their_tensor) || base.is_some_and(|base| same_content(base, their_tensor)) {
                    self.settle(at, track.take(Ours));
                } else if base.is_some_and(|base| same_content(base, our_tensor)) {
                    self.settle(at, track.take(Theirs));
                } else if !family::is_optimizer_state(&our_tensor.name) {
                    self.both(at, track, (ours_at, theirs_at));
                }
            }
        }
    }

    /// Both sides have changed it, or added it, and differ.
    fn both(&mut self, at: usize, track: &Track, (ours_at, theirs_at): (usize, usize)) {
        let (ours, theirs) = (&self.lists.ours[ours_at], &self.lists.theirs[theirs_at]);
        let base = track.base.map(|at| &self.lists.base[at]);
        let name = track.name(self.lists);
        let decision = self.rules.decide(&name).clone();
        let triple = Triple {
            base: track
                .base
                .filter(|_| base.is_some_and(|base| (&base.dtype, &base.shape) == (&ours.dtype, &ours.shape))),
            ours: ours_at,
            theirs: theirs_at,
        };
        let why = if let Decision::Take(version) = decision
            && (version != Version::Base || track.base.is_some())
        {
            return self.settle(at, track.take(version));
        } else if ours.dtype != theirs.dtype {
            Why::Dtype
        } else if let Some(base) = base.filter(|base| appended(base, ours) || appended(base, theirs)) {
            let longer = match (appended(base, ours), appended(base, theirs)) {
                (true, false) if theirs.shape == base.shape => Some(Version::Ours),
                (false, true) if ours.shape == base.shape => Some(Version::Theirs),
                _ => None,
            };
            match longer {
                Some(longer) => {
                    let triple = Triple { base: track.base, ..triple };
                    return self.settle(at, Some(Source::Rows(Rows { triple, longer, decision })));
                }
                None if appended(base, ours) && appended(base, theirs) => Why::BothAppended,
                None => Why::Shape,
            }
        } else if ours.shape != theirs.shape {
            Why::Shape
        } else {
            match decision {
                Decision::Merge(_) if !family::is_numeric(&name, &ours.dtype) => Why::NotNumeric,
                Decision::Merge(method) if method.needs_base() && triple.base.is_none() => Why::NoBase(method.name()),
                Decision::Merge(method) => return self.settle(at, Some(Source::Merged(triple, method))),
                Decision::Conflict | Decision::Take(_) if base.is_none() => Why::BothAdded,
                Decision::Conflict | Decision::Take(_) => Why::BothChanged,
            }
        };
        self.conflict(at, track, why);
    }

    /// State of an optimizer that both sides changed follows the weights that it was made with: those in its name, or,
    /// where it bears none, all of them.
    fn states(&mut self, tracks: &[Track]) {
        let open: Vec<usize> = (0..tracks.len()).filter(|&at| self.results[at].is_none()).collect();
        if open.is_empty() {
            return;
        }
        let weights: Vec<(usize, String)> = (0..tracks.len())
            .filter(|&at| self.results[at].is_some())
            .map(|at| (at, tracks[at].name(self.lists)))
            .filter(|(_, name)| !family::is_optimizer_state(name))
            .collect();
        let all: HashSet<Followed> = weights.iter().filter_map(|&(at, _)| self.followed(at, &tracks[at])).collect();
        for at in open {
            let name = tracks[at].name(self.lists);
            let own = weights.iter().filter(|(_, weight)| family::belongs_to(&name, weight));
            let own = own.max_by_key(|(_, weight)| weight.len()).map(|&(weight, _)| weight);
            let followed = match own {
                Some(weight) => self.followed(weight, &tracks[weight]).unwrap_or(Followed::Ours),
                None if all.contains(&Followed::Conflict) => Followed::Conflict,
                None if all.iter().all(|followed| *followed == Followed::Ours) => Followed::Ours,
                None if all.iter().all(|followed| *followed == Followed::Theirs) => Followed::Theirs,
                None => Followed::Mixed,
            };
            match followed {
                // What was computed has no state; ours is as good a start as theirs.
                Followed::Ours | Followed::Mixed => self.settle(at, tracks[at].take(Version::Ours)),
                Followed::Theirs => self.settle(at, tracks[at].take(Version::Theirs)),
                Followed::Conflict => self.conflict(at, &tracks[at], Why::State),
            }
        }
    }

    /// Where these weights went, if they were changed at all.
    fn followed(&self, at: usize, track: &Track) -> Option<Followed> {
        if self.conflicts.contains_key(&at) {
            return Some(Followed::Conflict);
        }
        let (ours, theirs) =
            (track.is_changed(self.lists, Version::Ours), track.is_changed(self.lists, Version::Theirs));
        match self.results[at].as_ref()?.as_ref()? {
            _ if !ours && !theirs => None,
            Source::Taken(Version::Theirs, _) => Some(Followed::Theirs),
            Source::Taken(Version::Ours, _) => Some(Followed::Ours),
            Source::Taken(Version::Base, _) | Source::Merged(..) | Source::Rows(_) => Some(Followed::Mixed),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Followed {
    Ours,
    Theirs,
    Mixed,
    Conflict,
}

/// Whether `tensor` has all dimensions of `base` but for more rows.
fn appended(base: &Tensor, tensor: &Tensor) -> bool {
    match (&base.shape[..], &tensor.shape[..]) {
        ([before, base_rest @ ..], [after, rest @ ..]) => {
            base.dtype == tensor.dtype && base_rest == rest && after > before
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
