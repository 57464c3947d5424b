//! The merged text: ours, with what only they changed cut in from theirs.
//!
//! Nothing is written anew. A key that is taken from theirs brings its lines along, indented as ours are.
//!
//! **Limitations.** Text that is cut in may not fit its new place, such as lines of a block among braces. The caller parses
//! the result and compares it with what it must say.

use std::collections::HashMap;

use super::decide::{Decision, decide};
use super::pieces::Pieces;
use crate::params::Syntax;
use crate::params::tree::{Entry, Layout, Map, Node, Source, indent};
use crate::params::value::{Members, Value, dotted};

/// The merged text and the dotted paths of its conflicts. `None` if there is no way to write it.
pub fn splice(
    syntax: Syntax,
    (base_text, base): (&str, &Members),
    ours: &Source,
    theirs: &Source,
) -> Option<(Pieces, Vec<String>)> {
    let (our_value, their_value) = (ours.root.value(), theirs.root.value());
    let sides = Sides { base: Some(base), ours: our_value.members()?, theirs: their_value.members()? };
    let units = (syntax == Syntax::Json).then(|| Some((unit(theirs)?, unit(ours)?))).flatten();
    let mut splicer = Splicer { base_text, ours, theirs, units, path: Vec::new(), conflicts: Vec::new() };
    let span = &ours.root.span;
    let mut pieces = Pieces::default();
    pieces.same(&ours.text[..span.start]);
    if syntax != Syntax::Toml && base.is_empty() && sides.ours.is_empty() {
        pieces.same(&theirs.text[theirs.root.span.clone()]);
    } else {
        pieces.append(splicer.map(sides, &ours.root, &theirs.root)?);
    }
    pieces.same(&ours.text[span.end..]);
    Some((pieces, splicer.conflicts))
}

/// The indentation of one level.
fn unit(source: &Source) -> Option<&str> {
    let first = source.root.map()?.entries.first()?;
    Some(indent(&source.text, first.start)).filter(|unit| !unit.is_empty())
}

/// What the three versions say of one map.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    pub base: Option<&'a Members>,
    pub ours: &'a Members,
    pub theirs: &'a Members,
}

impl Sides<'_> {
    /// The maps under `key`, if both sides have one.
    fn below(&self, key: &str) -> Option<Self> {
        Some(Self {
            base: self.base.and_then(|base| base.get(key)).and_then(Value::members),
            ours: self.ours.get(key)?.members()?,
            theirs: self.theirs.get(key)?.members()?,
        })
    }

    fn decide(&self, key: &str) -> Decision {
        decide(self.base.and_then(|base| base.get(key)), self.ours.get(key), self.theirs.get(key))
    }

    /// The place of our key, of which nothing is known yet on their side.
    fn slot<'a>(&self, position: usize, ours: &'a Entry) -> Slot<'a> {
        Slot { decision: self.decide(&ours.key), position: Some(position), ours: Some(ours), theirs: None }
    }

    fn is_new(&self, key: &str) -> bool {
        !self.theirs.contains_key(key) && self.base.is_none_or(|base| !base.contains_key(key))
    }
}

/// A place in the merged map.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    pub decision: Decision,
    /// Which of our keys this is.
    pub position: Option<usize>,
    pub ours: Option<&'a Entry>,
    pub theirs: Option<&'a Entry>,
}

impl Slot<'_> {
    /// Whether the key stays away on either side.
    pub fn is_gone(&self) -> bool {
        self.decision == Decision::Theirs && self.theirs.is_none()
    }
}

/// What is known while a text is put together.
pub struct Splicer<'a> {
    pub base_text: &'a str,
    pub ours: &'a Source,
    pub theirs: &'a Source,
    /// The indentation of one level, theirs and ours, where a text may be indented anew at will.
    units: Option<(&'a str, &'a str)>,
    path: Vec<String>,
    conflicts: Vec<String>,
}

impl<'a> Splicer<'a> {
    /// The merged text of our map.
    fn map(&mut self, sides: Sides, ours: &'a Node, theirs: &'a Node) -> Option<Pieces> {
        let slots = slots(sides, ours.map()?, theirs.map()?)?;
        match ours.map()?.layout {
            Layout::Flow => self.flow(sides, &ours.span, ours.map()?, &slots),
            Layout::Block => self.block(sides, ours, theirs, &slots),
        }
    }

    /// The merged text of the maps under one key.
    pub fn descend(&mut self, sides: Sides, ours: &'a Entry, theirs: &'a Entry) -> Option<Pieces> {
        self.path.push(ours.key.clone());
        let pieces = self.map(sides.below(&ours.key)?, &ours.node, &theirs.node);
        self.path.pop();
        pieces
    }

    /// Whether the maps that are merged now are those of the whole files.
    pub fn at_root(&self) -> bool {
        self.path.is_empty()
    }

    /// Notes a conflict about `key`.
    pub fn conflict(&mut self, key: &str) {
        self.conflicts.push(dotted(self.path.iter().map(String::as_str).chain([key])));
    }

    /// A text of theirs that begins in a line indented by `from`, for a line of ours indented by `to`.
    pub fn reindent(&self, text: &str, from: &str, to: &str) -> String {
        let line = |(at, line): (usize, &str)| match line.strip_prefix(from) {
            Some(rest) if at > 0 && !rest.trim().is_empty() => [to, &self.deeper(rest)].concat(),
            _ => line.to_owned(),
        };
        text.split_inclusive('\n').enumerate().map(line).collect()
    }

    /// A line whose deeper levels are indented as in ours.
    fn deeper(&self, line: &str) -> String {
        let Some((their_unit, our_unit)) = self.units else { return line.to_owned() };
        let (mut rest, mut levels) = (line, 0);
        while let Some(shorter) = rest.strip_prefix(their_unit) {
            (rest, levels) = (shorter, levels + 1);
        }
        our_unit.repeat(levels) + rest
    }
}

/// The places of the merged map: ours in their order, and behind the key that it follows in theirs what only they have.
/// `None` if a key cannot stand in one place for both sides.
fn slots<'a>(sides: Sides, ours: &'a Map, theirs: &'a Map) -> Option<Vec<Slot<'a>>> {
    let positions: HashMap<&str, usize> =
        ours.entries.iter().enumerate().map(|(at, entry)| (entry.key.as_str(), at)).collect();
    let mut slots: Vec<_> = ours.entries.iter().enumerate().map(|(at, entry)| sides.slot(at, entry)).collect();
    let mut added: Vec<Vec<Slot>> = vec![Vec::new(); ours.entries.len() + 1];
    let places = Places::new(sides, ours);
    let mut place = 0;
    for entry in &theirs.entries {
        let decision = match positions.get(entry.key.as_str()) {
            Some(&at) => {
                let ours = &ours.entries[at];
                slots[at].decision = settle(sides, ours, entry);
                if ours.section == entry.section {
                    place = at + 1;
                    slots[at].theirs = Some(entry);
                    continue;
                }
                slots[at].decision
            }
            None => sides.decide(&entry.key),
        };
        match decision {
            Decision::Ours => {}
            Decision::Descend | Decision::Conflict if positions.contains_key(entry.key.as_str()) => return None,
            _ => added[places.behind(place, entry)].push(Slot {
                decision,
                position: None,
                ours: None,
                theirs: Some(entry),
            }),
        }
    }
    let mut added = added.into_iter();
    let first = added.next().unwrap_or_default();
    let rest = slots.into_iter().zip(added).flat_map(|(slot, more)| std::iter::once(slot).chain(more));
    Some(first.into_iter().chain(rest).collect())
}

/// Where keys that only they have may come.
struct Places {
    /// Behind each place, the first key of ours that we did not add.
    behind_new: Vec<usize>,
    /// How many keys stand before the first table with a header of its own.
    keys: usize,
}

impl Places {
    fn new(sides: Sides, ours: &Map) -> Self {
        let mut behind_new: Vec<usize> = (0..=ours.entries.len()).collect();
        for (at, entry) in ours.entries.iter().enumerate().rev() {
            if sides.is_new(&entry.key) {
                behind_new[at] = behind_new[at + 1];
            }
        }
        Self { behind_new, keys: ours.entries.iter().take_while(|entry| !entry.section).count() }
    }

    /// The place of `entry` if it follows what stands before `place`.
    fn behind(&self, place: usize, entry: &Entry) -> usize {
        let place = self.behind_new[place];
        if entry.section { place.max(self.keys) } else { place.min(self.keys) }
    }
}

/// The decision on a key of both. Where two maps share nothing that would be kept, theirs is taken as it is written.
fn settle(sides: Sides, ours: &Entry, theirs: &Entry) -> Decision {
    let decision = sides.decide(&ours.key);
    let (Decision::Descend, Some(below)) = (decision, sides.below(&ours.key)) else {
        return decision;
    };
    let form = |entry: &Entry| (entry.section, entry.node.map().map(|map| map.layout));
    let unchanged = below.base == Some(below.ours);
    let rewritten = below.ours.is_empty() || below.theirs.is_empty() || form(ours) != form(theirs);
    let both_new = below.ours.is_empty() && below.base.is_none_or(Members::is_empty);
    if (unchanged && rewritten) || both_new { Decision::Theirs } else { Decision::Descend }
}
