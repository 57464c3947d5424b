//! `.dockerignore`: which files of a folder a builder gets to see. Pure.
//!
//! Source: Docker's documentation, "Build context", ".dockerignore files", and what its own reader does. A line is a pattern
//! in the form of Go's `filepath.Match`, with `**` for any number of folders. The last pattern that matches a file, or a
//! folder it lies in, decides; one that begins with `!` takes the file back in.

#[cfg(test)]
mod tests;

/// The file's name.
pub const FILE: &str = ".dockerignore";

/// What stays out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore(Vec<Rule>);

/// A line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreError {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    is_exception: bool,
    pattern: Vec<Token>,
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// This byte.
    Byte(u8),
    /// `?`: one character of a name.
    One,
    /// `*`: any part of a name.
    Any,
    /// `**/`: any number of folders.
    Folders,
    /// `**` at the end: everything.
    All,
    /// `[a-z]`: one byte in, or with `^` not in, one of these ranges.
    Range { is_negated: bool, ranges: Vec<(u8, u8)> },
}

impl Ignore {
    /// Reads the file.
    ///
    /// # Errors
    /// An exception without a pattern, a bracket without an end.
    pub fn parse(text: &[u8]) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|&byte| byte == b'\n').enumerate();
        // A `#` after spaces is part of a pattern.
        let lines = lines.filter(|(_, line)| !line.starts_with(b"#")).map(|(at, line)| (at + 1, line.trim_ascii()));
        let rules = lines
            .filter(|(_, line)| !line.is_empty())
            .map(|(line, text)| rule(text).map_err(|why| IgnoreError { line, why }));
        Ok(Self(rules.collect::<Result<Vec<Option<Rule>>, _>>()?.into_iter().flatten().collect()))
    }

    /// Whether the file at `path` stays out. `path` is relative.
    pub fn excludes(&self, path: &[u8]) -> bool {
        let folders = path.iter().enumerate().filter(|&(_, &byte)| byte == b'/').map(|(at, _)| &path[..at]);
        let places: Vec<&[u8]> = folders.chain([path]).collect();
        self.0.iter().fold(false, |is_out, rule| {
            // A rule that would change nothing is not asked.
            if is_out != rule.is_exception || !places.iter().any(|place| matches(&rule.pattern, place)) {
                is_out
            } else {
                !rule.is_exception
            }
        })
    }
}

/// `None` for a pattern that names the folder itself.
fn rule(line: &[u8]) -> Result<Option<Rule>, &'static str> {
    let (is_exception, pattern) = match line.strip_prefix(b"!") {
        Some(rest) => (true, rest.trim_ascii()),
        None => (false, line),
    };
    if pattern.is_empty() {
        return Err("a `!` has to be followed by a pattern");
    }
    let pattern = cleaned(pattern);
    let pattern = pattern.strip_prefix(b"/").unwrap_or(&pattern);
    if pattern.is_empty() || pattern == b"." {
        return Ok(None);
    }
    Ok(Some(Rule { is_exception, pattern: tokens(pattern)? }))
}

/// The shortest path of the same meaning, as Go's `filepath.Clean` has it.
fn cleaned(path: &[u8]) -> Vec<u8> {
    let is_absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            b".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let path = parts.join(&b'/');
    if is_absolute { [b"/", path.as_slice()].concat() } else { path }
}

fn tokens(pattern: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some((&first, tail)) = rest.split_first() {
        let (token, tail) = match first {
            b'*' if tail.starts_with(b"*") => {
                let tail = &tail[1..];
                // `**a` means `**/a`.
                let after = tail.strip_prefix(b"/").unwrap_or(tail);
                (if after.is_empty() { Token::All } else { Token::Folders }, after)
            }
            b'*' => (Token::Any, tail),
            b'?' => (Token::One, tail),
            b'[' => range(tail)?,
            b'\\' => match tail.split_first() {
                Some((&escaped, tail)) => (Token::Byte(escaped), tail),
                None => return Err("a `\\` has to be followed by a character"),
            },
            byte => (Token::Byte(byte), tail),
        };
        tokens.push(token);
        rest = tail;
    }
    Ok(tokens)
}

/// What stands between brackets, and what comes after them.
fn range(text: &[u8]) -> Result<(Token, &[u8]), &'static str> {
    const OPEN: &str = "a `[` has to be followed by characters and a `]`";
    let (is_negated, mut rest) = text.strip_prefix(b"^").map_or((false, text), |rest| (true, rest));
    let mut ranges = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"]").filter(|_| !ranges.is_empty()) {
            return Ok((Token::Range { is_negated, ranges }, after));
        }
        let (low, tail) = character(rest).ok_or(OPEN)?;
        let (high, tail) = match tail.strip_prefix(b"-") {
            Some(tail) if !tail.starts_with(b"]") => character(tail).ok_or(OPEN)?,
            _ => (low, tail),
        };
        ranges.push((low, high));
        rest = tail;
    }
}

fn character(text: &[u8]) -> Option<(u8, &[u8])> {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    text.split_first().map(|(&byte, rest)| (byte, rest))
}

/// Whether the pattern matches all of `path`. All places that the pattern can have reached are followed at once: no pattern
/// takes longer than its length times that of the path.
fn matches(pattern: &[Token], path: &[u8]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for token in pattern {
        reached = step(token, path, &reached);
    }
    reached[path.len()]
}

fn step(token: &Token, path: &[u8], reached: &[bool]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    let mut is_open = false;
    for at in 0..reached.len() {
        let before = at.checked_sub(1).map(|before| path[before]);
        next[at] = match token {
            Token::All => {
                is_open |= reached[at];
                is_open
            }
            Token::Any => {
                is_open = reached[at] || is_open && before != Some(b'/');
                is_open
            }
            Token::Folders => {
                let was_open = is_open;
                is_open |= reached[at];
                reached[at] || was_open && before == Some(b'/')
            }
            Token::One => before != Some(b'/') && character_before(path, at).is_some_and(|start| reached[start]),
            Token::Byte(byte) => at > 0 && reached[at - 1] && before == Some(*byte),
            Token::Range { is_negated, ranges } => {
                let is_in = |byte: u8| ranges.iter().any(|&(low, high)| (low..=high).contains(&byte)) != *is_negated;
                at > 0 && reached[at - 1] && before.is_some_and(is_in)
            }
        };
    }
    next
}

/// Where the character of UTF-8 begins that ends at `at`.
fn character_before(path: &[u8], at: usize) -> Option<usize> {
    let is_start = |at: usize| path.get(at).is_none_or(|byte| byte & 0xc0 != 0x80);
    is_start(at).then(|| (0..at).rev().find(|&start| is_start(start))).flatten()
}
