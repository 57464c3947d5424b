//! Merged text of maps with a line for each key: block maps of YAML, tables of TOML.
//!
//! Comments directly above a key belong to it. Empty lines and other comments stay where they are, except that a key that
//! goes takes one group of empty lines along if there would be two, and one that comes brings those above it.

use std::ops::Range;

use super::decide::Decision;
use super::pieces::Pieces;
use super::splice::{Sides, Slot, Splicer};
use crate::params::tree::{Entry, Node, Source, indent, line_end};

/// How far the merged text of a map has come.
struct Progress<'a> {
    pieces: Pieces,
    /// Empty lines and comments of ours that are to come before the next key.
    gap: String,
    /// The end of what has been seen of our text.
    cursor: usize,
    /// The start of the key of ours whose comments have been written before its turn.
    written: Option<usize>,
    /// The map of ours without the keys that go.
    our_rest: String,
    /// The indentation of the map.
    indent: Option<&'a str>,
}

impl Progress<'_> {
    /// Moves on to `end`, past the lines `between`.
    fn pass(&mut self, between: &str, end: usize) {
        join(&mut self.gap, between, self.pieces.is_empty());
        self.cursor = end;
    }

    fn write(&mut self, text: &str) {
        self.pieces.same(&std::mem::take(&mut self.gap));
        self.pieces.same(text);
    }
}

impl<'a> Splicer<'a> {
    /// The merged text of our map.
    pub fn block(&mut self, sides: Sides, ours: &'a Node, theirs: &'a Node, slots: &[Slot<'a>]) -> Option<Pieces> {
        let text = self.ours.text.as_str();
        let gone = slots.iter().filter(|slot| slot.is_gone()).filter_map(|slot| slot.ours);
        let added = slots.iter().filter(|slot| slot.ours.is_none()).filter_map(|slot| slot.theirs);
        let their_rest = self.rest(self.theirs, &theirs.span, added);
        let mut progress = Progress {
            pieces: Pieces::default(),
            gap: String::new(),
            cursor: ours.span.start,
            written: None,
            our_rest: self.rest(self.ours, &ours.span, gone),
            indent: ours.map()?.entries.first().map(|entry| indent(text, entry.start)),
        };
        for (at, slot) in slots.iter().enumerate() {
            let Some(ours) = slot.ours else {
                self.insert(slot, &slots[at + 1..], &mut progress)?;
                continue;
            };
            let written = progress.written == Some(ours.start);
            progress.pass(if written { "" } else { &text[progress.cursor..ours.lead] }, ours.end);
            let lead = &text[ours.lead..ours.start];
            if !slot.is_gone() {
                progress.write("");
                progress.pieces.append(self.kept(sides, slot, ours, if written { ours.start } else { ours.lead })?);
            } else if !lead.is_empty() && their_rest.contains(lead) {
                progress.write(lead);
            }
        }
        if !progress.gap.trim().is_empty() {
            progress.pieces.same(progress.gap.trim_end());
            progress.pieces.same("\n");
        }
        Some(progress.pieces)
    }

    /// Writes a key that only they have, before the keys at `next`.
    fn insert(&mut self, slot: &Slot<'a>, next: &[Slot<'a>], progress: &mut Progress) -> Option<()> {
        let (text, theirs) = (self.ours.text.as_str(), slot.theirs?);
        let first = progress.pieces.is_empty();
        let mut apart = progress.gap.is_empty() && !first;
        if let Some(ours) = self.shares_comment(next, theirs).filter(|ours| progress.cursor <= ours.lead) {
            progress.pass(&text[progress.cursor..ours.lead], ours.start);
            progress.write(&text[ours.lead..ours.start]);
            (progress.written, apart) = (Some(ours.start), false);
        }
        let added = self.added(theirs, &progress.our_rest, progress.indent, apart);
        if slot.decision == Decision::Conflict {
            self.conflict(&theirs.key);
            progress.write("");
            progress.pieces.choice("", &added);
        } else {
            progress.write(&added);
        }
        if first {
            progress.gap = self.empty_below(theirs);
        }
        Some(())
    }

    /// The text of a map without `removed`, and at the root what stands around the map.
    fn rest<'b>(&self, source: &Source, span: &Range<usize>, removed: impl Iterator<Item = &'b Entry>) -> String {
        let whole = 0..source.text.len();
        let span = if self.at_root() { &whole } else { span };
        let mut removed: Vec<_> = removed.map(|entry| entry.lead..entry.end).collect();
        removed.sort_by_key(|lines| lines.start);
        let (mut rest, mut cursor) = (String::new(), span.start);
        for lines in removed {
            rest.extend(source.text.get(cursor..lines.start));
            cursor = lines.end;
        }
        rest.extend(source.text.get(cursor..span.end));
        rest
    }

    /// A key of ours, from `from` on.
    fn kept(&mut self, sides: Sides, slot: &Slot<'a>, ours: &'a Entry, from: usize) -> Option<Pieces> {
        let text = self.ours.text.as_str();
        let mut pieces = Pieces::default();
        match (slot.decision, slot.theirs) {
            (Decision::Descend, Some(theirs)) => {
                pieces.same(text.get(from..ours.node.span.start)?);
                pieces.append(self.descend(sides, ours, theirs)?);
                pieces.same(text.get(ours.node.span.end..ours.end)?);
            }
            (Decision::Theirs, Some(theirs)) => {
                pieces.same(&text[from..ours.start]);
                pieces.same(&self.replaced(ours, theirs));
            }
            (Decision::Conflict, Some(theirs)) => {
                self.conflict(&ours.key);
                pieces.same(&text[from..ours.start]);
                pieces.choice(&text[ours.start..ours.end], &self.lines(theirs, theirs.start, indent(text, ours.start)));
            }
            (Decision::Conflict, None) => {
                self.conflict(&ours.key);
                pieces.choice(&text[from..ours.end], "");
            }
            _ => pieces.same(&text[from..ours.end]),
        }
        Some(pieces)
    }

    /// The lines of ours with their value. In a single line that we changed, which can only be in its comment or its form,
    /// nothing but the value is replaced.
    fn replaced(&self, ours: &Entry, theirs: &Entry) -> String {
        let (text, their_text) = (self.ours.text.as_str(), self.theirs.text.as_str());
        let short = |text: &str, entry: &Entry| {
            !entry.section && !entry.node.span.is_empty() && line_end(text, entry.start) >= entry.end
        };
        let changed = !self.base_text.contains(&text[ours.start..ours.end]);
        if changed && short(text, ours) && short(their_text, theirs) {
            let (before, after) = (&text[ours.start..ours.node.span.start], &text[ours.node.span.end..ours.end]);
            [before, &their_text[theirs.node.span.clone()], after].concat()
        } else {
            self.lines(theirs, theirs.start, indent(text, ours.start))
        }
    }

    /// The lines of a key that only they have, with the comments above it if `our_rest` lacks them, and the empty lines if
    /// `apart`.
    fn added(&self, theirs: &Entry, our_rest: &str, to: Option<&str>, apart: bool) -> String {
        let text = self.theirs.text.as_str();
        let lead = &text[theirs.lead..theirs.start];
        let known = !lead.is_empty() && our_rest.contains(lead);
        let to = to.unwrap_or_else(|| indent(text, theirs.start));
        let lines = self.lines(theirs, if known { theirs.start } else { theirs.lead }, to);
        let above = &text[..theirs.lead];
        let empty = above[above.trim_end().len()..].matches('\n').count().saturating_sub(1);
        if apart { ["\n".repeat(empty), lines].concat() } else { lines }
    }

    /// The empty lines between a key of theirs and what follows it.
    fn empty_below(&self, theirs: &Entry) -> String {
        let rest = &self.theirs.text[theirs.end..];
        let next = rest.trim_start();
        let empty = rest[..rest.len() - next.len()].matches('\n').count();
        if next.is_empty() { String::new() } else { "\n".repeat(empty) }
    }

    /// The lines of a key of theirs from `start` on, for a map indented by `to`.
    fn lines(&self, theirs: &Entry, start: usize, to: &str) -> String {
        let text = self.theirs.text.as_str();
        let from = indent(text, theirs.start);
        let key = theirs.key_start(text);
        let lines = if text[theirs.start..theirs.end].ends_with('\n') {
            let first = if start < theirs.start { start + indent(text, start).len() } else { key };
            self.reindent(&text[first..theirs.end], from, to)
        } else {
            self.reindent(&text[key..theirs.end], from, to) + "\n"
        };
        [to, &lines].concat()
    }

    /// The key of ours that comes next among `slots` and stays, if it bears the same comment as one of theirs that is to come
    /// before it. That comment speaks of more than one key, and stays above the first.
    fn shares_comment(&self, slots: &[Slot<'a>], theirs: &Entry) -> Option<&'a Entry> {
        let next = slots.iter().find(|slot| slot.ours.is_some()).filter(|slot| !slot.is_gone())?.ours?;
        let lead = &self.ours.text[next.lead..next.start];
        (!lead.is_empty() && lead == &self.theirs.text[theirs.lead..theirs.start]).then_some(next)
    }
}

/// Appends to what stands between two keys what stood behind one that is gone.
fn join(gap: &mut String, more: &str, first: bool) {
    let ends_empty = gap.lines().last().is_some_and(|line| line.trim().is_empty());
    let rest = if ends_empty { more.trim_start_matches('\n') } else { more };
    let rest = if first && gap.is_empty() { rest.trim_start_matches('\n') } else { rest };
    gap.push_str(rest);
}
