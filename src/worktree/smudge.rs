//! Smudge: decides how git's request for a file is answered.
//!
//! Git holds a whole smudged file in its own memory. So when git is writing a work tree, large files are answered with
//! their manifest and materialized once git is done (design: deferred smudge). Text that is no manifest passes through:
//! a failing filter makes git delete the file and stop half-way.

use std::io::Write;

use super::Context;
use super::assemble::{AssembleError, Assembly};
use crate::config::SmudgeMode;
use crate::git::filter_protocol::Head;
use crate::manifest::{Manifest, ParseError};

/// How to answer.
pub enum Answer {
    /// With the text itself.
    AsIs {
        /// Something the user should know.
        warning: Option<String>,
    },
    /// With the text itself, now; the file is materialized later.
    Deferred,
    /// With the file's bytes.
    Inline(Assembly),
    /// Git must be told that it cannot have the file.
    Refused {
        /// Why.
        why: AssembleError,
    },
}

/// Commands that look at files rather than hand them on; they get large files as manifests.
const ONLY_LOOK: [&str; 7] = ["diff", "log", "show", "format-patch", "range-diff", "blame", "whatchanged"];

/// Decides on the answer to a request with this head and content.
pub fn answer(context: &Context, head: &Head, text: &[u8]) -> Answer {
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => return Answer::AsIs { warning: warning(text, &error) },
    };
    let mode = context.settings.smudge;
    if mode == SmudgeMode::Skip {
        return Answer::AsIs { warning: None };
    }
    let is_large = manifest.size > context.settings.inline_limit_bytes;
    let writes_work_tree = head.can_delay;
    if mode != SmudgeMode::Inline {
        if writes_work_tree && (is_large || mode == SmudgeMode::Defer) {
            return Answer::Deferred;
        }
        let only_looks = || crate::git::caller().is_some_and(|caller| ONLY_LOOK.contains(&caller.as_str()));
        if is_large && !writes_work_tree && head.treeish.is_none() && only_looks() {
            return Answer::AsIs { warning: None };
        }
    }
    match Assembly::plan_or_fetch(context, &manifest) {
        Ok(assembly) => Answer::Inline(assembly),
        // Refused, git would delete the file and stop half-way; put off, it is told of in the end.
        Err(_) if writes_work_tree => Answer::Deferred,
        Err(why) => Answer::Refused { why },
    }
}

/// The manifest as git has it. Git converts line ends before it asks its filter (`core.autocrlf`, `eol=crlf`), which is
/// seen by the blob's name: text that a user has committed with such line ends is left alone.
pub fn without_converted_line_ends(context: &Context, head: &Head, text: Vec<u8>) -> Vec<u8> {
    let Some(blob) = &head.blob else { return text };
    if !text.contains(&b'\r') {
        return text;
    }
    let mut converted = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => converted.extend_from_slice(&[line, b"\n"].concat()),
            None => converted.extend_from_slice(line),
        }
    }
    let is_the_blob = context.repo.hash_blob(&converted).is_ok_and(|id| id.to_string().as_bytes() == &blob[..]);
    if is_the_blob { converted } else { text }
}

/// The file's bytes, for single-shot use.
pub fn write(context: &Context, manifest: &Manifest, out: &mut dyn Write) -> Result<(), AssembleError> {
    Assembly::plan_or_fetch(context, manifest)?.stream(&context.store, out)
}

/// Only what looks like a manifest is worth a warning; whatever else stands there is the user's own.
fn warning(text: &[u8], error: &ParseError) -> Option<String> {
    match error {
        ParseError::NotAManifest => None,
        ParseError::Version(_) => {
            Some(format!("{error}; the file is left as it is, update git-model and run `git model checkout`"))
        }
        ParseError::Broken { .. } if Manifest::looks_like(text) => Some(format!(
            "the manifest is broken ({error}); the file is left as it is; `git log` with its path tells where it comes from"
        )),
        ParseError::Broken { .. } => None,
    }
}
