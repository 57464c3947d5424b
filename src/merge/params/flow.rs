//! Merged text of maps in braces: objects of JSON, flow maps of YAML, inline tables of TOML.

use std::ops::Range;

use super::decide::Decision;
use super::pieces::Pieces;
use super::splice::{Sides, Slot, Splicer};
use crate::params::tree::{Entry, Map, indent};

/// What stands between the keys of a map in braces.
struct Separators<'a> {
    /// Before each key, back to the comma or brace.
    before: Vec<&'a str>,
    /// Behind each value, up to the comma.
    after: Vec<&'a str>,
    /// Before the closing brace.
    tail: &'a str,
    /// Whether there is a comma behind the last value.
    trailing: bool,
}

impl<'a> Separators<'a> {
    fn new(text: &'a str, span: &Range<usize>, map: &Map) -> Option<Self> {
        let mut separators = Self { before: Vec::new(), after: Vec::new(), tail: "", trailing: false };
        let close = span.end.checked_sub(1)?;
        let mut cursor = span.start + 1;
        for (at, entry) in map.entries.iter().enumerate() {
            let next = map.entries.get(at + 1);
            separators.before.push(text.get(cursor..entry.start)?);
            let gap = text.get(entry.end..next.map_or(close, |next| next.start))?;
            let comma = gap.find(',');
            separators.after.push(comma.map_or("", |comma| &gap[..comma]));
            separators.trailing = comma.is_some();
            cursor = entry.end + comma.map_or(0, |comma| comma + 1);
            if next.is_some() {
                comma?;
            }
        }
        separators.tail = text.get(cursor..close)?;
        Some(separators)
    }

    /// What stands before a key that comes first or not, and was the one at `position` or is new.
    fn before(&self, first: bool, position: Option<usize>) -> String {
        let opening = self.before.first().copied().unwrap_or_default();
        match (first, position) {
            (true, Some(0)) => opening.to_owned(),
            (false, Some(position)) if position > 0 => self.before[position].to_owned(),
            (true, _) => plain(opening),
            (false, _) if opening.contains('\n') => plain(opening),
            (false, _) => self.before.get(1).map_or_else(|| " ".to_owned(), |before| plain(before)),
        }
    }
}

/// A separator without comments and empty lines.
fn plain(separator: &str) -> String {
    match separator.rsplit_once('\n') {
        Some((_, indent)) => ["\n", indent].concat(),
        None => separator.to_owned(),
    }
}

impl<'a> Splicer<'a> {
    /// The merged text of our map at `span`, braces included.
    pub fn flow(&mut self, sides: Sides, span: &Range<usize>, map: &'a Map, slots: &[Slot<'a>]) -> Option<Pieces> {
        let text = self.ours.text.as_str();
        let separators = Separators::new(text, span, map)?;
        let slots: Vec<_> = slots.iter().filter(|slot| !slot.is_gone()).collect();
        let last = [slots.iter().rposition(|slot| here(slot)[0]), slots.iter().rposition(|slot| here(slot)[1])];
        let mut pieces = Pieces::default();
        pieces.same(&text[span.start..=span.start]);
        let mut first = [true; 2];
        for (at, slot) in slots.iter().enumerate() {
            let present = here(slot);
            let before = first.map(|first| separators.before(first, slot.position));
            let after = slot.position.map_or("", |position| separators.after[position]);
            let comma = last.map(|last| if last != Some(at) || separators.trailing { "," } else { "" });
            if present == [true; 2] {
                pieces.choice(&before[0], &before[1]);
                pieces.append(self.flow_item(sides, slot, &before[0])?);
                pieces.same(after);
                pieces.choice(comma[0], comma[1]);
            } else {
                self.conflict(&slot.ours.or(slot.theirs)?.key);
                let side = |side: usize| match present[side] {
                    true => [before[side].as_str(), self.flow_text(slot, &before[side]).as_str(), after, comma[side]]
                        .concat(),
                    false => String::new(),
                };
                pieces.choice(&side(0), &side(1));
            }
            first = [first[0] && !present[0], first[1] && !present[1]];
        }
        let tail = |empty: bool| if empty && !map.entries.is_empty() { "" } else { separators.tail };
        pieces.choice(tail(first[0]), tail(first[1]));
        pieces.same(&text[span.end - 1..span.end]);
        Some(pieces)
    }

    /// A key that is there on either side.
    fn flow_item(&mut self, sides: Sides, slot: &Slot<'a>, before: &str) -> Option<Pieces> {
        let mut pieces = Pieces::default();
        let (Some(ours), text) = (slot.ours, self.ours.text.as_str()) else {
            pieces.same(&self.flow_text(slot, before));
            return Some(pieces);
        };
        pieces.same(&text[ours.start..ours.node.span.start]);
        let value = &text[ours.node.span.clone()];
        match (slot.decision, slot.theirs) {
            (Decision::Theirs, Some(theirs)) => pieces.same(&self.flow_value(ours, theirs)),
            (Decision::Descend, Some(theirs)) => pieces.append(self.descend(sides, ours, theirs)?),
            (Decision::Conflict, Some(theirs)) => {
                self.conflict(&ours.key);
                pieces.choice(value, &self.flow_value(ours, theirs));
            }
            _ => pieces.same(value),
        }
        Some(pieces)
    }

    /// The text of a key that only one side has.
    fn flow_text(&self, slot: &Slot, before: &str) -> String {
        match (slot.ours, slot.theirs) {
            (Some(entry), _) => self.ours.text[entry.start..entry.end].to_owned(),
            (None, Some(entry)) => {
                let text = &self.theirs.text;
                let to = before.rsplit_once('\n').map_or("", |(_, indent)| indent);
                self.reindent(&text[entry.key_start(text)..entry.node.span.end], indent(text, entry.start), to)
            }
            (None, None) => String::new(),
        }
    }

    /// The text of their value in the place of ours.
    fn flow_value(&self, ours: &Entry, theirs: &Entry) -> String {
        let (from, to) = (indent(&self.theirs.text, theirs.start), indent(&self.ours.text, ours.start));
        self.reindent(&self.theirs.text[theirs.node.span.clone()], from, to)
    }
}

/// Whether the key is there if ours, if theirs is taken.
fn here(slot: &Slot) -> [bool; 2] {
    match slot.decision {
        Decision::Conflict => [slot.ours.is_some(), slot.theirs.is_some()],
        _ => [true, true],
    }
}
