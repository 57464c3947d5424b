//! The order of the result's tensors, and whose bytes stand between them.

use std::collections::{HashMap, HashSet};

use super::tracks::Track;
use super::{Lists, Planned, Source};
use crate::manifest::{Content, Manifest, Tensor};
use crate::merge::rules::Version;

/// Formats that keep checksums of tensors between them.
const CHECKSUMMED: &[&str] = &["pytorch", "npz", "keras"];

/// Whether two files have the same tensors in the same order, whatever is in them.
pub fn same_list<'a>(
    a: impl ExactSizeIterator<Item = &'a Tensor>,
    b: impl ExactSizeIterator<Item = &'a Tensor>,
) -> bool {
    a.len() == b.len() && a.zip(b).all(|(a, b)| (&a.name, &a.dtype, &a.shape) == (&b.name, &b.dtype, &b.shape))
}

/// The result's tensors in our order, what only they have behind what it follows there. Of two with one name, the second
/// is left out, and its track returned.
pub fn in_order(
    lists: &Lists<'_>,
    tracks: &[Track],
    mut results: Vec<Option<Option<Source>>>,
) -> (Vec<Planned>, Vec<usize>) {
    let of = |place: fn(&Track) -> Option<usize>| -> HashMap<usize, usize> {
        tracks.iter().enumerate().filter_map(|(at, track)| Some((place(track)?, at))).collect()
    };
    let (of_ours, of_theirs) = (of(|track| track.ours), of(|track| track.theirs));
    // What follows each of our tensors in theirs, and what stands before all of them.
    let mut following = HashMap::<Option<usize>, Vec<usize>>::new();
    let mut anchor = None;
    for at in 0..lists.theirs.len() {
        let track = of_theirs[&at];
        if tracks[track].ours.is_some() {
            anchor = Some(track);
        } else {
            following.entry(anchor).or_default().push(track);
        }
    }
    let mut order = following.remove(&None).unwrap_or_default();
    for at in 0..lists.ours.len() {
        let track = of_ours[&at];
        order.push(track);
        order.extend(following.remove(&Some(track)).unwrap_or_default());
    }
    let (mut planned, mut doubled, mut names) = (Vec::with_capacity(order.len()), Vec::new(), HashSet::new());
    for at in order {
        if let Some(source) = results[at].take().flatten() {
            let name = tracks[at].name_from(lists, &source);
            if names.insert(name.clone()) {
                planned.push(Planned { name, source });
            } else {
                doubled.push(at);
            }
        }
    }
    (planned, doubled)
}

/// Whose bytes between the tensors fit the result, if any side's do: those of the side that has changed them, if it has
/// the result's tensors. What was computed (`has_new`) has a checksum that neither has, where there are checksums.
pub fn skeleton(
    base: Option<&Manifest>,
    ours: &Manifest,
    theirs: &Manifest,
    result: &[Tensor],
    has_new: bool,
) -> Option<Version> {
    let parts = |manifest: &Manifest| match &manifest.content {
        Content::Model { skeleton, .. } => Some((*skeleton, manifest.size)),
        Content::Opaque { .. } => None,
    };
    let has_checksums = CHECKSUMMED.contains(&ours.format());
    let fits = |side: &[Tensor]| {
        same_list(result.iter(), side.iter())
            && (!has_checksums || !has_new && result.iter().zip(side).all(|(a, b)| a.sha256 == b.sha256))
    };
    let (base, our_parts, their_parts) = (base.and_then(parts), parts(ours), parts(theirs));
    if fits(ours.tensors()) && (our_parts == their_parts || their_parts == base) {
        Some(Version::Ours)
    } else if fits(theirs.tensors()) && (our_parts == base || our_parts == their_parts) {
        Some(Version::Theirs)
    } else {
        None
    }
}
