//! Which tensors of the three versions are one and the same.

use std::collections::HashMap;

use super::{Conflict, Lists, Source, Why};
use crate::manifest::Tensor;
use crate::merge::rules::Version;

/// One tensor through the versions: its place in each, if it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    pub base: Option<usize>,
    pub ours: Option<usize>,
    pub theirs: Option<usize>,
}

/// Whether two tensors are the same but for their names.
pub fn same_content(a: &Tensor, b: &Tensor) -> bool {
    (&a.sha256, &a.dtype, &a.shape) == (&b.sha256, &b.dtype, &b.shape)
}

impl Track {
    const fn place(&self, version: Version) -> Option<usize> {
        match version {
            Version::Base => self.base,
            Version::Ours => self.ours,
            Version::Theirs => self.theirs,
        }
    }

    fn tensor<'a>(&self, lists: &Lists<'a>, version: Version) -> Option<&'a Tensor> {
        self.place(version).map(|at| lists.get(version, at))
    }

    /// One of its versions.
    pub fn any<'a>(&self, lists: &Lists<'a>) -> &'a Tensor {
        let versions = [Version::Base, Version::Ours, Version::Theirs];
        // A track is made from a tensor.
        versions.iter().find_map(|&version| self.tensor(lists, version)).expect("a version")
    }

    /// Its version of this side as a source; `None` if there is none.
    pub fn take(&self, version: Version) -> Option<Source> {
        self.place(version).map(|at| Source::Taken(version, at))
    }

    /// Whether the result can have this version. What we do not have any more cannot be put back between our tensors.
    pub const fn can_take(&self, version: Version) -> bool {
        match version {
            Version::Base => self.base.is_some() && self.ours.is_some(),
            Version::Ours | Version::Theirs => true,
        }
    }

    /// Whether this side has added, changed, renamed or deleted it.
    pub fn is_changed(&self, lists: &Lists<'_>, version: Version) -> bool {
        match (self.tensor(lists, Version::Base), self.tensor(lists, version)) {
            (None, None) => false,
            (Some(base), Some(tensor)) => base.name != tensor.name || !same_content(base, tensor),
            _ => true,
        }
    }

    /// Whether both sides have it, or neither, with the same content.
    pub fn is_same_on_both(&self, lists: &Lists<'_>) -> bool {
        match (self.tensor(lists, Version::Ours), self.tensor(lists, Version::Theirs)) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => same_content(ours, theirs),
            _ => false,
        }
    }

    fn names<'a>(&self, lists: &Lists<'a>) -> [Option<&'a str>; 3] {
        [Version::Base, Version::Ours, Version::Theirs]
            .map(|version| self.tensor(lists, version).map(|tensor| tensor.name.as_str()))
    }

    /// Whether both sides have given it new names, and not the same one.
    pub fn is_renamed_twice(&self, lists: &Lists<'_>) -> bool {
        let [base, ours, theirs] = self.names(lists);
        base.is_some() && ours != base && theirs != base && ours != theirs
    }

    /// Its name where the result comes from `source`: of two new names, the one that was taken.
    pub fn name_from(&self, lists: &Lists<'_>, source: &Source) -> String {
        match source {
            Source::Taken(version, at) if self.is_renamed_twice(lists) => lists.get(*version, *at).name.clone(),
            _ => self.name(lists),
        }
    }

    /// Its name in the result: the new one, if a side has renamed it.
    pub fn name(&self, lists: &Lists<'_>) -> String {
        let [base, ours, theirs] = self.names(lists);
        let renamed = ours.filter(|_| base.is_none() || ours != base).or(theirs.filter(|_| theirs != base));
        renamed.or(ours).or(theirs).or(base).unwrap_or_default().to_owned()
    }

    pub fn conflict(&self, lists: &Lists<'_>, why: Why) -> Conflict {
        let [base, ours, theirs] = self.names(lists);
        let tensor = ours.or(theirs).or(base).unwrap_or_default().to_owned();
        Conflict { tensor, why, base: self.base, ours: self.ours, theirs: self.theirs }
    }
}

/// All tensors of all versions, each once: those of the base, then those added.
pub fn tracks(lists: &Lists<'_>) -> Vec<Track> {
    let names = |tensors: &[Tensor]| -> HashMap<String, usize> {
        tensors.iter().enumerate().map(|(at, tensor)| (tensor.name.clone(), at)).collect()
    };
    let (our_names, their_names) = (names(lists.ours), names(lists.theirs));
    let (our_renames, their_renames) =
        (renames(lists.base, lists.ours, &our_names), renames(lists.base, lists.theirs, &their_names));
    let (our_renames, their_renames) = (
        followed(&our_renames, lists.ours, &their_renames, lists.theirs, &their_names),
        followed(&their_renames, lists.theirs, &our_renames, lists.ours, &our_names),
    );
    let mut tracks: Vec<Track> = lists
        .base
        .iter()
        .enumerate()
        .map(|(at, tensor)| Track {
            base: Some(at),
            ours: our_names.get(&tensor.name).or_else(|| our_renames.get(&at)).copied(),
            theirs: their_names.get(&tensor.name).or_else(|| their_renames.get(&at)).copied(),
        })
        .collect();
    let known = |places: Vec<Option<usize>>, count: usize| {
        let mut known = vec![false; count];
        places.into_iter().flatten().for_each(|at| known[at] = true);
        known
    };
    let our_known = known(tracks.iter().map(|track| track.ours).collect(), lists.ours.len());
    let mut their_known = known(tracks.iter().map(|track| track.theirs).collect(), lists.theirs.len());
    for (at, tensor) in lists.ours.iter().enumerate().filter(|&(at, _)| !our_known[at]) {
        let theirs = their_names.get(&tensor.name).copied().filter(|&theirs| !their_known[theirs]);
        if let Some(theirs) = theirs {
            their_known[theirs] = true;
        }
        tracks.push(Track { base: None, ours: Some(at), theirs });
    }
    let added = (0..lists.theirs.len()).filter(|&at| !their_known[at]);
    tracks.extend(added.map(|at| Track { base: None, ours: None, theirs: Some(at) }));
    tracks
}

/// The renames of a side to names that the other side does not have, or has for the same tensor.
fn followed(
    renames: &HashMap<usize, usize>,
    side: &[Tensor],
    other_renames: &HashMap<usize, usize>,
    other: &[Tensor],
    other_names: &HashMap<String, usize>,
) -> HashMap<usize, usize> {
    let is_followed = |&(base, to): &(&usize, &usize)| {
        let name = &side[*to].name;
        let is_same = |at: &usize| other[*at].name == *name;
        !other_names.contains_key(name) || other_renames.get(base).is_some_and(is_same)
    };
    renames.iter().filter(is_followed).map(|(&base, &to)| (base, to)).collect()
}

/// Names that are gone, to new names with the same content: where both have no double.
fn renames(base: &[Tensor], side: &[Tensor], side_names: &HashMap<String, usize>) -> HashMap<usize, usize> {
    let base_names: std::collections::HashSet<&str> = base.iter().map(|tensor| tensor.name.as_str()).collect();
    let unique = |tensors: &mut dyn Iterator<Item = (usize, &Tensor)>| {
        let mut places = HashMap::<_, Option<usize>>::new();
        for (at, tensor) in tensors {
            let content = (tensor.sha256, tensor.dtype.clone(), tensor.shape.clone());
            places.entry(content).and_modify(|place| *place = None).or_insert(Some(at));
        }
        places
    };
    let gone = unique(&mut base.iter().enumerate().filter(|(_, tensor)| !side_names.contains_key(&tensor.name)));
    let added = unique(&mut side.iter().enumerate().filter(|(_, tensor)| !base_names.contains(tensor.name.as_str())));
    gone.into_iter().filter_map(|(content, at)| Some((at?, added.get(&content).copied()??))).collect()
}
