//! Which patterns of `.gitattributes` make files models: adding, removing, proposing them.
//!
//! A pattern goes into the `.gitattributes` of the current folder. What the user types is not always a pattern that git
//! would match: a folder stands for what is in it, `./x` for `/x`, a file's own name for that file even if it holds
//! wildcards. After a change git itself is asked whether the pattern is in force.
//!
//! **Limitations.** Git tells an attribute of a path, not of a pattern; a pattern with brackets does not match itself,
//! so for these only the lines of the current folder count.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::source::FileSource;
use crate::format::{self, Detected};
use crate::git::attributes::{self, Attributes, DIFF_AS_TEXT, FILE_NAME, GITS_OWN, TRACKED};
use crate::git::{Git, GitError};

/// Smaller files are not worth being kept tensor by tensor.
const PROPOSED_BYTES_MIN: u64 = 1 << 10;

/// Why a pattern cannot be tracked.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// Git knows no such attribute lines.
    #[error("`{0}`: .gitattributes has no negative patterns")]
    Negative(String),
    /// Git would take the line for something else.
    #[error("`{0}` would define a macro in .gitattributes")]
    Macro(String),
    /// Nothing was typed.
    #[error("an empty pattern matches nothing")]
    Empty,
    /// The attributes of this folder do not reach there.
    #[error("`{0}` is not within the current folder")]
    Outside(String),
    /// Git could not read its own attributes any more.
    #[error("`{0}` would make a model of .gitattributes itself")]
    TooWide(String),
    /// The attributes could not be read or written.
    #[error("cannot change `{FILE_NAME}`: {0}")]
    Io(#[from] io::Error),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What became of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has a line now.
    Added,
    /// It was in force before: by its own line, another one's, or a macro.
    Already,
    /// It has a line now, but attributes elsewhere say otherwise.
    Overruled,
    /// Its line is gone.
    Removed,
    /// Its line is gone, but another one still makes its files models.
    StillTracked,
    /// It had no line.
    Unknown,
}

/// The pattern that `typed` stands for, in the folder `dir`.
pub fn pattern(typed: &OsStr, dir: &Path) -> Result<Vec<u8>, TrackError> {
    let shown = || typed.to_string_lossy().into_owned();
    let bytes = typed.as_bytes();
    let (mut is_anchored, mut rest) = (false, bytes);
    if let Ok(inside) = Path::new(typed).strip_prefix(dir) {
        (is_anchored, rest) = (true, inside.as_os_str().as_bytes());
    }
    while let Some(inside) = rest.strip_prefix(b"./") {
        (is_anchored, rest) = (true, inside);
    }
    if rest.split(|&byte| byte == b'/').any(|part| part == b"..") {
        return Err(TrackError::Outside(shown()));
    }
    if bytes.is_empty() {
        return Err(TrackError::Empty);
    }
    if rest.is_empty() || rest == b"." {
        return Err(TrackError::TooWide(shown()));
    }
    if rest[0] == b'!' {
        return Err(TrackError::Negative(shown()));
    }
    if rest.starts_with(b"[attr]") {
        return Err(TrackError::Macro(shown()));
    }
    let path = dir.join(OsStr::from_bytes(rest.strip_prefix(b"/").unwrap_or(rest)));
    let name = rest.strip_suffix(b"/").unwrap_or(rest);
    let mut pattern = if path.symlink_metadata().is_ok() { escape(name) } else { name.to_vec() };
    if name.len() < rest.len() || path.is_dir() {
        pattern.extend_from_slice(b"/**");
    } else if is_anchored && !pattern.starts_with(b"/") {
        pattern.insert(0, b'/');
    }
    Ok(pattern)
}

/// A pattern that matches just this name.
fn escape(name: &[u8]) -> Vec<u8> {
    let is_special = |byte: &u8| b"*?[\\".contains(byte);
    name.iter().flat_map(|byte| is_special(byte).then_some(b'\\').into_iter().chain([*byte])).collect()
}

/// What git's attributes say about a pattern, asked as if it were a path: `*` matches `*`. `None` for a pattern with
/// brackets, which does not match itself.
fn check(pattern: &[u8]) -> Result<Option<Attributes>, GitError> {
    let mut path = Vec::new();
    let mut bytes = pattern.strip_prefix(b"/").unwrap_or(pattern).iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'[' => return Ok(None),
            b'\\' => path.extend(bytes.next()),
            _ => path.push(byte),
        }
    }
    Ok(attributes::check(&[path])?.pop())
}

/// Git's own files (`.gitattributes`, `.gitignore`, …) among those of a pattern that takes all of a folder.
fn gits_own(pattern: &[u8]) -> Option<Vec<u8>> {
    let is_deep = pattern.ends_with(b"/**");
    let folder = pattern.strip_suffix(b"/**").or_else(|| pattern.strip_suffix(b"/*"))?;
    Some([folder, if is_deep { b"/**/.git*" } else { b"/.git*" }].concat())
}

/// Keeps git's own files from being models, if `pattern` takes them.
fn exclude_gits_own(dir: &Path, pattern: &[u8]) -> Result<(), TrackError> {
    let Some(excluded) = gits_own(pattern) else { return Ok(()) };
    let text = attributes::read(dir)?;
    let folder = &pattern[..pattern.len() - pattern.rsplit(|&byte| byte == b'/').next().map_or(0, <[u8]>::len)];
    let is_taken = check(&[folder, FILE_NAME.as_bytes()].concat())?
        .map_or_else(|| !attributes::has_exclusion(&text, &excluded), |there| there.is_filtered());
    if is_taken {
        attributes::write(dir, &attributes::with_line(&text, &excluded, &GITS_OWN))?;
    }
    Ok(())
}

/// Puts `text` in the place of the attributes of `dir`. No text, no file, unless the index has one: git would go on
/// reading that.
fn put(dir: &Path, text: &[u8]) -> Result<(), TrackError> {
    if text.is_empty() && !attributes::is_in_index(dir)? {
        return Ok(attributes::remove(dir)?);
    }
    Ok(attributes::write(dir, text)?)
}

/// Makes models of the files of `pattern` in the folder `dir`, which is the current one; not of git's own files in it.
pub fn track(dir: &Path, pattern: &[u8]) -> Result<Outcome, TrackError> {
    let outcome = add(dir, pattern)?;
    exclude_gits_own(dir, pattern)?;
    if outcome == Outcome::Added {
        merge_parameters_by_key(dir)?;
    }
    Ok(outcome)
}

/// Has git merge the parameter files beside models key by key, where nobody has said how.
fn merge_parameters_by_key(dir: &Path) -> Result<(), TrackError> {
    let paths: Vec<Vec<u8>> = attributes::PARAMETERS.iter().map(|pattern| pattern.to_vec()).collect();
    let known = attributes::check_in(dir, &paths)?;
    let open: Vec<&[u8]> = attributes::PARAMETERS
        .into_iter()
        .zip(known)
        .filter(|(_, known)| known.merge == "unspecified" && !known.is_filtered())
        .map(|(pattern, _)| pattern)
        .collect();
    let before = attributes::read(dir)?;
    let after = attributes::with_parameters(&before, &open);
    if after != before {
        attributes::write(dir, &after)?;
    }
    Ok(())
}

fn add(dir: &Path, pattern: &[u8]) -> Result<Outcome, TrackError> {
    let before = attributes::read(dir)?;
    let known = check(pattern)?;
    if known.as_ref().map_or_else(|| attributes::has_line(&before, pattern), Attributes::is_tracked) {
        return Ok(Outcome::Already);
    }
    let mut wanted = TRACKED.to_vec();
    if known.is_some_and(|known| known.diff != "unspecified") {
        wanted.push(DIFF_AS_TEXT);
    }
    attributes::write(dir, &attributes::with_line(&before, pattern, &wanted))?;
    if attributes::check(&[FILE_NAME])?.iter().any(Attributes::is_filtered) {
        put(dir, &before)?;
        return Err(TrackError::TooWide(String::from_utf8_lossy(pattern).into_owned()));
    }
    let is_in_force = check(pattern)?.is_none_or(|now| now.is_tracked());
    Ok(if is_in_force { Outcome::Added } else { Outcome::Overruled })
}

/// Takes away what makes models of the files of `pattern` in the folder `dir`, which is the current one.
pub fn untrack(dir: &Path, pattern: &[u8]) -> Result<Outcome, TrackError> {
    let text = attributes::read(dir)?;
    let left = attributes::without_line(&text, pattern);
    if let Some(left) = &left {
        let left = gits_own(pattern).map_or_else(|| left.clone(), |own| attributes::without_exclusion(left, &own));
        let has_models = attributes::has_models(&left);
        put(dir, &if has_models { left } else { attributes::without_parameters(&left) })?;
    }
    let is_still = check(pattern)?.is_some_and(|now| now.is_filtered());
    Ok(match (left, is_still) {
        (_, true) => Outcome::StillTracked,
        (Some(_), false) => Outcome::Removed,
        (None, false) => Outcome::Unknown,
    })
}

/// A pattern that would make models of weight files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The pattern.
    pub pattern: Vec<u8>,
    /// The formats of its files.
    pub formats: Vec<&'static str>,
    /// How many files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A file that is no model yet: its name, its size, and its format if it is a weight file.
struct Seen {
    path: Vec<u8>,
    len: u64,
    format: Option<&'static str>,
}

/// Looks for weight files by their content, among those git does not ignore in the folder `dir`, which is the current
/// one, and proposes patterns: `*.ext` where all files of that ending are weight files, else their own names.
pub fn propose(dir: &Path) -> Result<Vec<Proposal>, TrackError> {
    let mut by_ending: BTreeMap<Option<Vec<u8>>, Vec<Seen>> = BTreeMap::new();
    for seen in look(dir)? {
        by_ending.entry(ending(&seen.path)).or_default().push(seen);
    }
    let mut proposals = Vec::new();
    for (ending, files) in by_ending {
        let weights: Vec<&Seen> = files.iter().filter(|seen| seen.format.is_some()).collect();
        match ending {
            _ if weights.is_empty() => {}
            Some(ending) if weights.len() == files.len() => {
                proposals.push(proposal([b"*.", &ending[..]].concat(), &weights));
            }
            _ => {
                proposals.extend(weights.iter().map(|seen| proposal([b"/", &escape(&seen.path)[..]].concat(), &[seen])))
            }
        }
    }
    Ok(proposals)
}

fn proposal(pattern: Vec<u8>, files: &[&Seen]) -> Proposal {
    let mut formats: Vec<_> = files.iter().filter_map(|seen| seen.format).collect();
    formats.sort_unstable();
    formats.dedup();
    Proposal { pattern, formats, files: files.len(), bytes: files.iter().map(|seen| seen.len).sum() }
}

fn ending(path: &[u8]) -> Option<Vec<u8>> {
    let ending = Path::new(OsStr::from_bytes(path)).extension()?.as_bytes();
    ending.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)).then(|| ending.to_vec())
}

fn look(dir: &Path) -> Result<Vec<Seen>, TrackError> {
    let listing = Git::new(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output()?;
    let mut paths: Vec<&[u8]> = listing.split(|&byte| byte == 0).filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let attributes = attributes::check(&paths)?;
    let mut all = Vec::new();
    for (path, _) in paths.into_iter().zip(attributes).filter(|(_, attributes)| !attributes.is_filtered()) {
        // What cannot be read is no reason not to look at the rest.
        if let Ok(Some((len, format))) = format_of(&dir.join(OsStr::from_bytes(path))) {
            all.push(Seen { path: path.to_vec(), len, format });
        }
    }
    Ok(all)
}

fn format_of(path: &Path) -> io::Result<Option<(u64, Option<&'static str>)>> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_file() || metadata.len() < PROPOSED_BYTES_MIN {
        return Ok(None);
    }
    let format = match format::detect(&FileSource::new(std::fs::File::open(path)?)?)? {
        Detected::Model(layout) if !layout.records.is_empty() => Some(layout.format),
        _ => None,
    };
    Ok(Some((metadata.len(), format)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_what_git_matches() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("models")).expect("a folder");
        std::fs::write(dir.path().join("a[1].bin"), b"").expect("written");
        let absolute = dir.path().join("x/y.bin").into_os_string().into_string().expect("text");
        let cases = [
            ("*.bin", "*.bin"),
            ("./*.bin", "/*.bin"),
            ("models", "models/**"),
            ("models/", "models/**"),
            ("nothing/", "nothing/**"),
            ("/top.bin", "/top.bin"),
            ("a[1].bin", "a\\[1].bin"),
            ("a[2].bin", "a[2].bin"),
            (&absolute, "/x/y.bin"),
        ];
        for (typed, expected) in cases {
            let pattern = pattern(OsStr::new(typed), dir.path()).expect(typed);
            assert_eq!(String::from_utf8_lossy(&pattern), expected, "{typed}");
        }
        for wrong in ["", ".", "!x", "../x", "a/../b", "[attr]x"] {
            assert!(pattern(OsStr::new(wrong), dir.path()).is_err(), "{wrong}");
        }
    }
}
