//! A text in which some places depend on the side one takes, and its form with conflict markers.
//!
//! Markers stand around whole lines. Two places in one line or with nothing between them are one conflict, so a comma that
//! depends on the line after it is in the same conflict as that line, and either side of every conflict can be taken by
//! hand.

use super::Labels;

/// One of the two sides of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The current branch.
    Ours,
    /// The branch that is merged into it.
    Theirs,
}

/// A run of text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Same(String),
    Choice { ours: String, theirs: String },
}

/// Whether a text consists of whole lines, if it begins with one.
fn whole(text: &str) -> bool {
    text.is_empty() || text.ends_with('\n')
}

/// A text in pieces.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// Appends text that is there on either side.
    pub fn same(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Piece::Same(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Piece::Same(text.to_owned())),
        }
    }

    /// Appends text that depends on the side.
    pub fn choice(&mut self, ours: &str, theirs: &str) {
        if ours == theirs {
            return self.same(ours);
        }
        match self.0.last_mut() {
            Some(Piece::Choice { ours: our_last, theirs: their_last }) if !(whole(our_last) && whole(their_last)) => {
                our_last.push_str(ours);
                their_last.push_str(theirs);
            }
            _ => self.0.push(Piece::Choice { ours: ours.to_owned(), theirs: theirs.to_owned() }),
        }
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Self) {
        for piece in other.0 {
            match piece {
                Piece::Same(text) => self.same(&text),
                Piece::Choice { ours, theirs } => self.choice(&ours, &theirs),
            }
        }
    }

    /// Whether nothing has been appended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with `side` taken everywhere.
    pub fn take(&self, side: Side) -> String {
        let text = |piece: &Piece| match (piece, side) {
            (Piece::Same(text), _)
            | (Piece::Choice { ours: text, .. }, Side::Ours)
            | (Piece::Choice { theirs: text, .. }, Side::Theirs) => text.clone(),
        };
        self.0.iter().map(text).collect()
    }

    /// The text with conflict markers of `marker_size` characters.
    pub fn with_markers(mut self, labels: &Labels, marker_size: usize) -> String {
        self.turn();
        let mut lines = Lines { text: String::new(), ours: String::new(), theirs: String::new(), labels, marker_size };
        for piece in &self.0 {
            match piece {
                Piece::Same(text) => text.split_inclusive('\n').for_each(|line| lines.same(line)),
                Piece::Choice { ours, theirs } => lines.choice(ours, theirs),
            }
        }
        lines.finish()
    }

    /// Lets choices between whole lines end with their newline instead of beginning with the one before.
    fn turn(&mut self) {
        for at in 1..self.0.len().saturating_sub(1) {
            let (before, after) = self.0.split_at_mut(at);
            let (Some(Piece::Same(previous)), [Piece::Choice { ours, theirs }, Piece::Same(next), ..]) =
                (before.last_mut(), after)
            else {
                continue;
            };
            let turns = |text: &str| text.is_empty() || text.starts_with('\n');
            if turns(ours) && turns(theirs) && next.starts_with('\n') {
                previous.push('\n');
                next.remove(0);
                for text in [ours, theirs].into_iter().filter(|text| !text.is_empty()) {
                    text.remove(0);
                    text.push('\n');
                }
            }
        }
    }
}

/// Gathers lines: what is common in `text`, the lines of an unfinished conflict in `ours` and `theirs`.
struct Lines<'a> {
    text: String,
    ours: String,
    theirs: String,
    labels: &'a Labels<'a>,
    marker_size: usize,
}

impl Lines<'_> {
    /// Appends at most one line.
    fn same(&mut self, line: &str) {
        self.ours.push_str(line);
        self.theirs.push_str(line);
        if line.ends_with('\n') {
            self.flush();
        }
    }

    fn choice(&mut self, ours: &str, theirs: &str) {
        self.ours.push_str(ours);
        self.theirs.push_str(theirs);
        if whole(&self.ours) && whole(&self.theirs) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let (ours, theirs) = (std::mem::take(&mut self.ours), std::mem::take(&mut self.theirs));
        if ours == theirs {
            self.text.push_str(&ours);
            return;
        }
        self.marker('<', self.labels.ours);
        self.lines(&ours);
        self.marker('=', "");
        self.lines(&theirs);
        self.marker('>', self.labels.theirs);
    }

    fn marker(&mut self, character: char, label: &str) {
        self.text.extend(std::iter::repeat_n(character, self.marker_size));
        if !label.is_empty() {
            self.text.push(' ');
            self.text.push_str(label);
        }
        self.text.push('\n');
    }

    fn lines(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        self.text
    }
}
