//! The plan of a three-way merge: by hash, reading no tensor. Pure.
//!
//! What changed on one side only, or equally on both, is taken. What changed on both sides and differs is decided by a
//! rule, or is a conflict; in conflicts the result has our version, so it always is a whole file.
//!
//! A tensor that one side renamed (the name is gone, and another one is new with the same content, both without a double)
//! is followed. Tensors that belong together ([`super::family`]) come from one side.
//!
//! **Limitations.** A tensor that is renamed and changed on the same side is one removed and one added.

use super::rules::{Decision, Rules, Version};
use super::strategy::Method;
use crate::manifest::{Content, Manifest, Tensor};

mod order;
mod planner;
mod tracks;

pub use order::skeleton;
use planner::Planner;

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

impl Source {
    /// The versions it is to be computed from, if it is.
    pub const fn computed(&self) -> Option<Triple> {
        match self {
            Self::Taken(..) => None,
            Self::Merged(triple, _) | Self::Rows(Rows { triple, .. }) => Some(*triple),
        }
    }
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
    /// Its elements stand row by row in one version, column by column in another.
    #[error("row by row on one side, column by column on another")]
    Order,
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
    let (results, mut conflicts) = Planner::decide(&lists, rules, &tracks);
    let (tensors, doubled) = order::in_order(&lists, &tracks, results);
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

#[cfg(test)]
mod tests;
