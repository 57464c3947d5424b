//! Three-way merges of small things: values, maps of keys and values, lists of names.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// One of the two sides of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Ours,
    Theirs,
}

/// The side to take a value from, or `None` if both changed it in different ways. Without a base every difference is a
/// change of both.
pub(super) fn take<T: PartialEq + ?Sized>(base: Option<&T>, ours: &T, theirs: &T) -> Option<Which> {
    if ours == theirs || base == Some(theirs) {
        Some(Which::Ours)
    } else if base == Some(ours) {
        Some(Which::Theirs)
    } else {
        None
    }
}

/// A map that was merged key by key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pairs<K, V> {
    /// In the order of ours, what only they have at the end.
    pub pairs: Vec<(K, V)>,
    /// Keys that both sides changed in different ways; ours was kept.
    pub conflicts: Vec<K>,
}

/// Merges maps in which no key stands twice. Of a missing base all is taken for added.
pub(super) fn merge_pairs<K: Copy + Eq + Hash, V: Copy + PartialEq>(
    base: &[(K, V)],
    ours: &[(K, V)],
    theirs: &[(K, V)],
) -> Pairs<K, V> {
    let map = |pairs: &[(K, V)]| pairs.iter().copied().collect::<HashMap<K, V>>();
    let (base, our_map, their_map) = (map(base), map(ours), map(theirs));
    let added = theirs.iter().filter(|(key, _)| !our_map.contains_key(key));
    let (mut pairs, mut conflicts) = (Vec::new(), Vec::new());
    for &(key, _) in ours.iter().chain(added) {
        let (our_value, their_value) = (our_map.get(&key), their_map.get(&key));
        let value = match take(Some(&base.get(&key)), &our_value, &their_value) {
            Some(Which::Ours) => our_value,
            Some(Which::Theirs) => their_value,
            None => {
                conflicts.push(key);
                our_value
            }
        };
        pairs.extend(value.map(|&value| (key, value)));
    }
    Pairs { pairs, conflicts }
}

/// The names of both lists: ours in our order, those that only they have after the one they follow in their list.
pub(super) fn weave<'a>(ours: &[&'a str], theirs: &[&'a str]) -> Vec<&'a str> {
    let known: HashSet<&str> = ours.iter().copied().collect();
    let mut followers: HashMap<Option<&str>, Vec<&str>> = HashMap::new();
    let mut before = None;
    for &name in theirs {
        if known.contains(name) {
            before = Some(name);
        } else {
            followers.entry(before).or_default().push(name);
        }
    }
    let mut woven = followers.remove(&None).unwrap_or_default();
    for &name in ours {
        woven.push(name);
        woven.extend(followers.remove(&Some(name)).unwrap_or_default());
    }
    woven
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_one_by_one() {
        let base = [("same", 1), ("ours", 1), ("theirs", 1), ("both", 1), ("we dropped", 1), ("they dropped", 1)];
        let ours = [("they dropped", 1), ("same", 1), ("ours", 2), ("theirs", 1), ("both", 2), ("we added", 1)];
        let theirs = [("they added", 1), ("same", 1), ("ours", 1), ("theirs", 3), ("both", 3), ("we dropped", 1)];
        let merged = merge_pairs(&base, &ours, &theirs);
        let expected = [("same", 1), ("ours", 2), ("theirs", 3), ("both", 2), ("we added", 1), ("they added", 1)];
        assert_eq!(merged, Pairs { pairs: expected.to_vec(), conflicts: vec!["both"] });
    }

    #[test]
    fn a_dropped_key_that_the_other_side_changed_is_a_conflict() {
        let merged = merge_pairs(&[("a", 1), ("b", 1)], &[("a", 2)], &[("b", 2)]);
        assert_eq!(merged, Pairs { pairs: vec![("a", 2)], conflicts: vec!["a", "b"] });
    }

    #[test]
    fn without_a_base_all_is_added() {
        let merged = merge_pairs(&[], &[("a", 1), ("b", 1)], &[("c", 1), ("b", 2)]);
        assert_eq!(merged, Pairs { pairs: vec![("a", 1), ("b", 1), ("c", 1)], conflicts: vec!["b"] });
    }

    #[test]
    fn names_follow_what_they_followed() {
        let woven = weave(&["a", "b", "c"], &["x", "c", "y", "a", "z1", "z2"]);
        assert_eq!(woven, ["x", "a", "z1", "z2", "b", "c", "y"]);
        assert_eq!(weave(&[], &["a", "b"]), ["a", "b"]);
        assert_eq!(weave(&["a"], &[]), ["a"]);
    }
}
