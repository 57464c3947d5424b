//! Merged text of maps with a line for each key: block maps of YAML, tables of TOML.
//!
//! Comments directly above a key belong to it. Empty lines and other comments stay where they are, except that a key that
//! goes takes one group of empty lines along if there would be two, and one that comes brings those above it.

use std::ops::Range;

use super::decide::Decision;
use super::pieces::Pieces;
use super::splice::{Sides, Slot, Splicer};
use super::tree::{Entry, Map, indent, line_end};

impl<'a> Splicer<'a> {
    /// The merged text of our map at `span`.
    pub fn block(&mut self, sides: Sides, span: &Range<usize>, map: &'a Map, slots: &[Slot<'a>]) -> Option<Pieces> {
        let text = self.ours.text.as_str();
        let to = map.entries.first().map(|entry| indent(text, entry.start));
        let mut pieces = Pieces::default();
        let (mut gap, mut cursor, mut header) = (String::new(), span.start, false);
        for slot in slots {
            if let Some(ours) = slot.ours {
                join(&mut gap, &text[cursor..ours.lead], pieces.is_empty());
                cursor = ours.end;
            }
            let Some(ours) = slot.ours else {
                let (theirs, first) = (slot.theirs?, pieces.is_empty());
                header = header || (first && self.share_header(map, theirs, &mut pieces));
                let added = self.added(theirs, to, gap.is_empty() && !first);
                pieces.same(&std::mem::take(&mut gap));
                if slot.decision == Decision::Conflict {
                    self.conflict(&theirs.key);
                    pieces.choice("", &added);
                } else {
                    pieces.same(&added);
                }
                if first {
                    gap = self.empty_below(theirs);
                }
                continue;
            };
            let lead = &text[ours.lead..ours.start];
            if slot.is_gone() {
                let written = header && slot.position == Some(0);
                if !lead.is_empty() && !written && self.theirs.text.contains(lead) {
                    pieces.same(&std::mem::take(&mut gap));
                    pieces.same(lead);
                }
                continue;
            }
            pieces.same(&std::mem::take(&mut gap));
            let from = if header && slot.position == Some(0) { ours.start } else { ours.lead };
            pieces.append(self.kept(sides, slot, ours, from)?);
        }
        if !gap.trim().is_empty() {
            pieces.same(gap.trim_end());
            pieces.same("\n");
        }
        Some(pieces)
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

    /// The lines of ours with their value. In a single line only the value is replaced, so a comment of ours stays.
    fn replaced(&self, ours: &Entry, theirs: &Entry) -> String {
        let (text, their_text) = (self.ours.text.as_str(), self.theirs.text.as_str());
        let short = |text: &str, entry: &Entry| {
            !entry.section && !entry.node.span.is_empty() && line_end(text, entry.start) >= entry.end
        };
        if short(text, ours) && short(their_text, theirs) {
            let (before, after) = (&text[ours.start..ours.node.span.start], &text[ours.node.span.end..ours.end]);
            [before, &their_text[theirs.node.span.clone()], after].concat()
        } else {
            self.lines(theirs, theirs.start, indent(text, ours.start))
        }
    }

    /// The lines of a key that only they have, with the comments above it, and the empty lines if `apart`.
    fn added(&self, theirs: &Entry, to: Option<&str>, apart: bool) -> String {
        let text = self.theirs.text.as_str();
        let lead = &text[theirs.lead..theirs.start];
        let known = !lead.is_empty() && self.ours.text.contains(lead);
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

    /// Whether the first key of ours bears the same comment as a key that is to come before it. Then that comment, which
    /// speaks of the whole file, is appended, and stays above the first.
    fn share_header(&self, map: &Map, theirs: &Entry, pieces: &mut Pieces) -> bool {
        let Some(first) = map.entries.first() else { return false };
        let header = &self.ours.text[first.lead..first.start];
        let shared = !header.is_empty() && header == &self.theirs.text[theirs.lead..theirs.start];
        if shared {
            pieces.same(header);
        }
        shared
    }
}

/// Appends to what stands between two keys what stood behind one that is gone.
fn join(gap: &mut String, more: &str, first: bool) {
    let ends_empty = gap.lines().last().is_some_and(|line| line.trim().is_empty());
    let rest = if ends_empty { more.trim_start_matches('\n') } else { more };
    let rest = if first && gap.is_empty() { rest.trim_start_matches('\n') } else { rest };
    gap.push_str(rest);
}
