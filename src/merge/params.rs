//! Three-way merge of parameter and metrics files: JSON, YAML and TOML, key by key. Pure.
//!
//! Git merges lines, so two hyper-parameters that were changed side by side conflict, and a number that is spelled anew
//! looks changed. Here a key is the unit: maps are merged key by key, lists and everything else as a whole, numbers by
//! what they say (`1e-4` is `0.0001`). The result is our text, with lines of theirs cut in where only they changed
//! something; all other lines stay as they are, byte for byte. What both changed in different ways gets git's conflict
//! markers, around the lines of that key.
//!
//! The merged text is parsed again, once for either side of its conflicts, and must say what the three trees say.
//!
//! **Limitations.** A file that is not a map at its top, mixes line ends, or cannot be edited safely (see the modules of the
//! three syntaxes) is left to git's merge of lines. Changes of comments alone, and of the order of keys, are not taken from
//! theirs. A list that only they changed comes with their comments.

mod block;
mod coupled;
mod decide;
mod flow;
mod pieces;
mod splice;
#[cfg(test)]
mod tests;

use decide::merged;
use pieces::Side;

use crate::params::value::Members;
use crate::params::{Form, Syntax, members, read};

/// What the three versions are called in conflict markers and warnings.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The common ancestor.
    pub base: &'a str,
    /// The current branch.
    pub ours: &'a str,
    /// The branch that is merged into it.
    pub theirs: &'a str,
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The merged text, with conflict markers if there are conflicts.
    pub text: Vec<u8>,
    /// The dotted paths of the keys that both sides changed in different ways, in the order of the text.
    pub conflicts: Vec<String>,
    /// What is merged without a conflict and may be wrong all the same.
    pub warnings: Vec<String>,
}

/// Merges `ours` and `theirs`, both made from `base`, which is empty if there is none. Markers are `marker_size` characters
/// long.
///
/// `None` if one of them cannot be parsed or edited safely: then the lines are to be merged instead.
pub fn merge(
    syntax: Syntax,
    base: &[u8],
    ours: &[u8],
    theirs: &[u8],
    labels: &Labels,
    marker_size: usize,
) -> Option<Merged> {
    let (base_text, old) = if base.trim_ascii().is_empty() {
        (String::new(), Members::new())
    } else {
        let (source, _) = read(syntax, base)?;
        let old = members(&source.root)?;
        (source.text, old)
    };
    let ((our_source, form), (their_source, _)) = (read(syntax, ours)?, read(syntax, theirs)?);
    let (our_members, their_members) = (members(&our_source.root)?, members(&their_source.root)?);
    let warnings = coupled::warnings(&old, &our_members, &their_members, labels);
    let (pieces, conflicts) = splice::splice(syntax, (&base_text, &old), &our_source, &their_source)?;
    for side in [Side::Ours, Side::Theirs] {
        let expected = merged(Some(&old), &our_members, &their_members, side);
        let (source, _) = read(syntax, &form.bytes(pieces.take(side)))?;
        if members(&source.root)? != expected {
            return None;
        }
    }
    let text = if conflicts.is_empty() {
        form.bytes(pieces.take(Side::Ours))
    } else {
        Form { newline: true, ..form }.bytes(pieces.with_markers(labels, marker_size))
    };
    Some(Merged { text, conflicts, warnings })
}

/// The sizes that `ours` has changed from `base` and `theirs` has not, as dotted paths in backquotes: those that the shapes
/// of weights follow from. None if one of the files cannot be parsed.
pub fn sizes_changed(syntax: Syntax, base: &[u8], ours: &[u8], theirs: &[u8]) -> Vec<String> {
    let parse = |bytes| read(syntax, bytes).and_then(|(source, _)| members(&source.root));
    match (parse(base), parse(ours), parse(theirs)) {
        (Some(base), Some(ours), Some(theirs)) => coupled::sizes_changed(&base, &ours, &theirs),
        _ => Vec::new(),
    }
}
