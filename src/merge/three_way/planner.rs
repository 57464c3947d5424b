//! Decides what becomes of each tensor: groups first, then tensors one by one, then the state of optimizers.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::tracks::{Track, same_content};
use super::{Conflict, Lists, Rows, Source, Triple, Why};
use crate::manifest::Tensor;
use crate::merge::family;
use crate::merge::rules::{Decision, Rules, Version};

pub(super) struct Planner<'a> {
    lists: &'a Lists<'a>,
    rules: &'a Rules,
    /// For each track: not decided, decided that there is nothing, or where it comes from.
    results: Vec<Option<Option<Source>>>,
    conflicts: BTreeMap<usize, Conflict>,
}

impl<'a> Planner<'a> {
    /// Decides about all `tracks`: where each comes from, if the result has it, and the conflicts.
    pub fn decide(
        lists: &'a Lists<'a>,
        rules: &'a Rules,
        tracks: &[Track],
    ) -> (Vec<Option<Option<Source>>>, Vec<Conflict>) {
        let mut planner = Self { lists, rules, results: vec![None; tracks.len()], conflicts: BTreeMap::new() };
        planner.groups(tracks);
        planner.tensors(tracks);
        planner.states(tracks);
        (planner.results, planner.conflicts.into_values().collect())
    }

    fn settle(&mut self, at: usize, source: Option<Source>) {
        self.results[at] = Some(source);
    }

    /// A conflict, in which the result has what we have; unless somebody has decided about this tensor.
    fn conflict(&mut self, at: usize, track: &Track, why: Why) {
        let conflict = track.conflict(self.lists, why);
        if let Some(&Decision::Take(version)) = self.rules.made(&conflict.tensor)
            && track.can_take(version)
        {
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
            let names = members.iter().map(|&at| tracks[at].any(self.lists).name.as_str());
            let decision = self.rules.decide_together(names).clone();
            for at in members {
                match decision {
                    Decision::Take(version) if tracks[at].can_take(version) => {
                        self.settle(at, tracks[at].take(version));
                    }
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
            && track.can_take(version)
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
    /// where it bears none, all of them. Where no weights have changed, it is a tensor like others.
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
            let (track, name) = (&tracks[at], tracks[at].name(self.lists));
            if let Some(&Decision::Take(version)) = self.rules.made(&name)
                && track.can_take(version)
            {
                self.settle(at, track.take(version));
                continue;
            }
            let own = weights.iter().filter(|(_, weight)| family::belongs_to(&name, weight));
            let own = own.max_by_key(|(_, weight)| weight.len()).map(|&(weight, _)| weight);
            let followed = match own {
                Some(weight) => self.followed(weight, &tracks[weight]),
                None if all.is_empty() => None,
                None if all.contains(&Followed::Conflict) => Some(Followed::Conflict),
                None if all.len() == 1 => all.iter().next().copied(),
                None => Some(Followed::Mixed),
            };
            match (followed, track.ours.zip(track.theirs)) {
                // What was computed has no state; ours is as good a start as theirs.
                (Some(Followed::Ours | Followed::Mixed), _) => self.settle(at, track.take(Version::Ours)),
                (Some(Followed::Theirs), _) => self.settle(at, track.take(Version::Theirs)),
                (Some(Followed::Conflict), _) | (None, None) => self.conflict(at, track, Why::State),
                (None, Some(places)) => self.both(at, track, places),
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
