//! Which lines two manifests share, found without parsing them.
//!
//! Two versions of a model differ in few records, mostly in place: so both texts are compared as bytes, line by line only
//! around what differs. Where records came, went or moved, the places are found by the records' names.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::git::history::rope::Rope;

/// Records that are looked at on both sides to find the place where the texts go on together.
const NEAR: usize = 32;

/// Whole lines that are the same in both texts, where they begin and how long they are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where they begin in the newer text.
    pub new: usize,
    /// Where they begin in the older text.
    pub old: usize,
    /// Their length.
    pub len: usize,
}

/// How an older manifest became a newer one. A line that has moved may stand among those of both sides.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// What is the same, in the order of the newer text.
    pub same: Vec<Run>,
    /// Where those lines begin in the newer and the older text that are records of the same name, and differ.
    pub changed: Vec<(usize, usize)>,
    /// Where those lines of the newer text begin that the older one has not; empty lines do not count.
    pub only_new: Vec<usize>,
    /// Where those lines of the older text begin that the newer one has not.
    pub only_old: Vec<usize>,
}

/// Compares two manifests.
pub fn compare(new: &Rope, old: &Rope) -> Difference {
    let mut difference = Difference::default();
    let (mut at, mut old_at) = (0, 0);
    let mut names: Option<HashMap<Cow<'_, [u8]>, usize>> = None;
    while at < new.len() {
        let len = new.common_len(at, old, old_at);
        // The lines around the first byte that differs are not the same as a whole.
        let len = new.line_start(at + len).max(at) - at;
        if len > 0 {
            difference.same.push(Run { new: at, old: old_at, len });
            (at, old_at) = (at + len, old_at + len);
        }
        let (mut here, mut there) = (Lines { text: new, at }, Lines { text: old, at: old_at });
        (at, old_at) = match &names {
            None => match meeting(here.clone(), there.clone()) {
                // The same record on both sides, which is not the same: on behind it.
                Some((0, 0)) => {
                    let pair = here.next().zip(there.next());
                    difference.changed.extend(pair.map(|((at, _), (old_at, _))| (at, old_at)));
                    (here.at, there.at)
                }
                Some((new_ones, old_ones)) => {
                    difference.only_new.extend(here.by_ref().take(new_ones).map(|(at, _)| at));
                    difference.only_old.extend(there.by_ref().take(old_ones).map(|(at, _)| at));
                    (here.skip_empty(), there.skip_empty())
                }
                None => {
                    names = Some(Lines { text: old, at: 0 }.map(|(at, line)| (name_of(line), at)).collect());
                    (here.skip_empty(), there.skip_empty())
                }
            },
            Some(names) => {
                let Some((begin, line)) = here.next() else { break };
                match names.get(&name_of(line.clone())) {
                    Some(&found) if old.line(found) == line => (begin, found),
                    Some(&found) => {
                        difference.changed.push((begin, found));
                        (here.skip_empty(), there.skip_empty())
                    }
                    None => {
                        difference.only_new.push(begin);
                        (here.skip_empty(), there.skip_empty())
                    }
                }
            }
        };
    }
    if names.is_some() {
        difference.only_old = uncovered(old, &difference);
    } else {
        difference.only_old.extend(Lines { text: old, at: old_at }.map(|(at, _)| at));
    }
    difference
}

/// How many records of each side come before the next one that both have, if that is near.
fn meeting(new: Lines<'_>, old: Lines<'_>) -> Option<(usize, usize)> {
    let names = |lines: Lines<'_>| lines.take(NEAR).map(|(_, line)| name_of(line).into_owned()).collect::<Vec<_>>();
    // Nearly always it is the same record.
    if let (Some((_, a)), Some((_, b))) = (new.clone().next(), old.clone().next())
        && name_of(a) == name_of(b)
    {
        return Some((0, 0));
    }
    let (new_names, old_names) = (names(new), names(old));
    if new_names.is_empty() || old_names.is_empty() {
        return Some((usize::MAX, usize::MAX));
    }
    (1..2 * NEAR).find_map(|steps| {
        (0..=steps).map(|new_at| (new_at, steps - new_at)).find(|&(new_at, old_at)| {
            let pair = new_names.get(new_at).zip(old_names.get(old_at));
            pair.is_some_and(|(a, b)| a == b)
        })
    })
}

/// Where those lines of the older text begin that have nothing in the newer one.
fn uncovered(old: &Rope, difference: &Difference) -> Vec<usize> {
    let same = difference.same.iter().map(|run| (run.old, run.old + run.len));
    let changed = difference.changed.iter().map(|&(_, at)| (at, at + old.line(at).len()));
    let mut runs: Vec<_> = same.chain(changed).collect();
    runs.sort_unstable();
    let mut lines = Lines { text: old, at: 0 };
    let mut found = Vec::new();
    for (begin, end) in runs.into_iter().chain([(old.len(), old.len())]) {
        found.extend(lines.take_until(begin));
        lines.at = lines.at.max(end);
    }
    found
}

/// What tells a record from others: its line up to the end of its name, or the line.
fn name_of(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const END: &[u8] = b"\",\"dtype\":";
    // A quote within a name stands behind a backslash, so this is the name's end.
    let end = line.windows(END.len()).position(|bytes| bytes == END);
    match (end, line) {
        (None, line) => line,
        (Some(end), Cow::Borrowed(line)) => Cow::Borrowed(&line[..end]),
        (Some(end), Cow::Owned(mut line)) => {
            line.truncate(end);
            Cow::Owned(line)
        }
    }
}

/// The lines of a text that are not empty, each with the place where it begins.
#[derive(Clone)]
pub struct Lines<'t> {
    text: &'t Rope,
    at: usize,
}

impl<'t> Lines<'t> {
    /// All of a text's lines.
    pub const fn new(text: &'t Rope) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next line begins.
    fn skip_empty(&mut self) -> usize {
        while self.at < self.text.len() && self.text.slice(self.at..self.at + 1)[0] == b'\n' {
            self.at += 1;
        }
        self.at
    }

    /// The places of the lines that begin before `end`.
    fn take_until(&mut self, end: usize) -> impl Iterator<Item = usize> {
        std::iter::from_fn(move || if self.skip_empty() < end { self.next().map(|(at, _)| at) } else { None })
    }
}

impl<'t> Iterator for Lines<'t> {
    type Item = (usize, Cow<'t, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.skip_empty();
        if at >= self.text.len() {
            return None;
        }
        let line = self.text.line(at);
        self.at = (at + line.len() + 1).min(self.text.len());
        Some((at, line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(records: &[(u8, u8)]) -> Vec<u8> {
        let mut text = b"{\"git-model\":1}\n".to_vec();
        for (name, value) in records {
            text.extend_from_slice(
                format!("\n{{\"name\":\"t{name}\",\"dtype\":\"F32\",\"sha256\":\"{value}\"}}\n").as_bytes(),
            );
        }
        text
    }

    fn line_at(text: &[u8], at: usize) -> &[u8] {
        text[at..].split(|&byte| byte == b'\n').next().unwrap_or_default()
    }

    fn records(text: &[u8]) -> Vec<&[u8]> {
        text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect()
    }

    fn distinct(records: Vec<(u8, u8)>) -> Vec<(u8, u8)> {
        let mut seen = std::collections::HashSet::new();
        records.into_iter().filter(|(name, _)| seen.insert(*name)).collect()
    }

    fn check(new: &[u8], old: &[u8]) -> Result<(), TestCaseError> {
        let found = compare(&Rope::from(new.to_vec()), &Rope::from(old.to_vec()));
        for run in &found.same {
            prop_assert_eq!(&new[run.new..run.new + run.len], &old[run.old..run.old + run.len]);
        }
        let only =
            |text: &[u8], places: &[usize]| places.iter().map(|&at| line_at(text, at).to_vec()).collect::<Vec<_>>();
        let changed = |side: fn(&(usize, usize)) -> usize| found.changed.iter().map(side).collect::<Vec<_>>();
        let only_new = only(new, &[found.only_new, changed(|pair| pair.0)].concat());
        let only_old = only(old, &[found.only_old, changed(|pair| pair.1)].concat());
        let twice = |text: &[u8], other: &[u8]| {
            records(text)
                .into_iter()
                .filter(|line| records(other).contains(line))
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        for (text, other, only, others) in [(new, old, &only_new, &only_old), (old, new, &only_old, &only_new)] {
            let shared = twice(text, other);
            let lost = records(text).into_iter().find(|&line| {
                let line = line.to_vec();
                !shared.contains(&line) && !only.contains(&line)
            });
            prop_assert_eq!(lost, None);
            let wrong = only.iter().find(|line| shared.contains(line) && !others.contains(line));
            prop_assert_eq!(wrong, None);
        }
        Ok(())
    }

    proptest! {
        /// Values and order change at will: records in place, moved, added, gone.
        #[test]
        fn finds_what_differs(
            new in prop::collection::vec((0..90_u8, 0..2_u8), 0..80),
            old in prop::collection::vec((0..90_u8, 0..2_u8), 0..80),
        ) {
            check(&text(&distinct(new)), &text(&distinct(old)))?;
        }

        /// Mostly in place, as versions of a model are.
        #[test]
        fn finds_few_changes(
            changes in prop::collection::vec((0..120_u8, 0..4_u8), 0..5),
            gone in prop::collection::vec(0..120_u8, 0..4),
            moved in any::<bool>(),
        ) {
            let old: Vec<_> = (0..120).map(|name| (name, 9)).collect();
            let mut new = old.clone();
            changes.iter().for_each(|&(name, value)| new[name as usize].1 = value);
            new.retain(|(name, _)| !gone.contains(name));
            if moved {
                new.rotate_left(50);
            }
            check(&text(&new), &text(&old))?;
            check(&text(&old), &text(&new))?;
        }

        #[test]
        fn takes_any_text(new: Vec<u8>, old: Vec<u8>) {
            let _ = compare(&Rope::from(new), &Rope::from(old));
        }
    }

    #[test]
    fn a_change_in_place_leaves_two_runs() {
        let (new, old) = (text(&[(1, 1), (2, 2), (3, 3)]), text(&[(1, 1), (2, 0), (3, 3)]));
        let found = compare(&Rope::from(new.clone()), &Rope::from(old));
        assert_eq!(found.same.len(), 2);
        assert_eq!(line_at(&new, found.changed[0].0), b"{\"name\":\"t2\",\"dtype\":\"F32\",\"sha256\":\"2\"}");
        assert_eq!((found.changed.len(), found.only_new.len(), found.only_old.len()), (1, 0, 0));
    }
}
