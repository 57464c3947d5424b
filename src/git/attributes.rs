//! `.gitattributes`: read through `git check-attr`, edited line by line.
//!
//! Lines are git's own (`gitattributes(5)`): a pattern, in C quotes if it holds blanks, then attributes. Lines of others
//! stay byte for byte, and where a line ends as on Windows, so do ours.
//!
//! **Limitations.** A pattern is compared with another as text: `*.bin` and `/*.bin` are two.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Git, GitError};
use crate::atomic_file::{AtomicFile, mode_by_umask, open_folder, sync_folder};

/// The file's name.
pub const FILE_NAME: &str = ".gitattributes";
/// What a pattern gets so that its files are models. `diff` is left alone: manifests differ as text.
pub const TRACKED: [&str; 3] = ["filter=model", "merge=model", "-text"];
/// For a pattern whose files git would call binary in a diff: manifests are text.
pub const DIFF_AS_TEXT: &str = "!diff";

/// Files that stand beside models, to be merged key by key: hyper-parameters, metrics, which tensor is in which shard.
pub const PARAMETERS: [&[u8]; 3] = [b"params.*", b"metrics.*", b"*.index.json"];
const BY_KEY: &str = "merge=model-params";

/// A line's pattern and attributes; `None` for comments and blank lines.
fn parse(line: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    if line[0] == b'"' {
        let (pattern, len) = gix::quote::ansi_c::undo(line.into()).ok()?;
        return Some((Cow::Owned(pattern.to_vec()), &line[len..]));
    }
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    Some((Cow::Borrowed(&line[..end]), &line[end..]))
}

fn words(attributes: &[u8]) -> impl Iterator<Item = &[u8]> {
    attributes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A pattern as it stands in a line.
pub fn quote_pattern(pattern: &[u8]) -> Cow<'_, [u8]> {
    let needs_quotes = pattern.starts_with(b"\xef\xbb\xbf")
        || pattern.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
        || pattern.first().is_some_and(|first| b"\"#".contains(first));
    if !needs_quotes {
        return Cow::Borrowed(pattern);
    }
    let mut quoted = b"\"".to_vec();
    for &byte in pattern {
        match byte {
            b'"' | b'\\' => quoted.extend_from_slice(&[b'\\', byte]),
            _ if byte.is_ascii_control() => quoted.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'"');
    Cow::Owned(quoted)
}

/// `text` with a line for `pattern` at its end.
pub fn with_line(text: &[u8], pattern: &[u8], attributes: &[&str]) -> Vec<u8> {
    let end: &[u8] = if text.windows(2).any(|pair| pair == b"\r\n") { b"\r\n" } else { b"\n" };
    let mut out = text.to_vec();
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(end);
    }
    out.extend_from_slice(&quote_pattern(pattern));
    for attribute in attributes {
        out.push(b' ');
        out.extend_from_slice(attribute.as_bytes());
    }
    out.extend_from_slice(end);
    out
}

/// Whether `text` has a line that gives `pattern` all that a model needs.
pub fn has_line(text: &[u8], pattern: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').filter_map(parse).any(|(found, attributes)| {
        *found == *pattern && TRACKED.iter().all(|wanted| words(attributes).any(|word| word == wanted.as_bytes()))
    })
}

/// For git's own files in a folder whose files are models: git reads them where they lie, so they stay as they are.
pub const GITS_OWN: [&str; 4] = ["!filter", "!merge", "!text", "!diff"];

/// Whether `text` has a line that keeps the files of `pattern` from being models.
pub fn has_exclusion(text: &[u8], pattern: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').filter_map(parse).any(|line| is_exclusion(&line, pattern))
}

/// `text` without the lines that [`GITS_OWN`] makes for `pattern`.
pub fn without_exclusion(text: &[u8], pattern: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    let kept = lines.filter(|line| !parse(line).is_some_and(|line| is_exclusion(&line, pattern)));
    kept.collect::<Vec<_>>().concat()
}

fn is_exclusion((found, attributes): &(Cow<'_, [u8]>, &[u8]), pattern: &[u8]) -> bool {
    **found == *pattern && words(attributes).eq(GITS_OWN.iter().map(|word| word.as_bytes()))
}

/// `text` without what makes the files of `pattern` models; `None` if there is nothing to take away. Attributes that
/// are not ours stay.
pub fn without_line(text: &[u8], pattern: &[u8]) -> Option<Vec<u8>> {
    let is_ours = |word: &[u8]| TRACKED.iter().chain([&DIFF_AS_TEXT]).any(|attribute| attribute.as_bytes() == word);
    let (mut out, mut found) = (Vec::new(), false);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        match parse(line) {
            Some((there, attributes))
                if *there == *pattern && words(attributes).any(|word| word == TRACKED[0].as_bytes()) =>
            {
                found = true;
                let rest: Vec<&[u8]> = words(attributes).filter(|word| !is_ours(word)).collect();
                if !rest.is_empty() {
                    out.extend_from_slice(&quote_pattern(pattern));
                    rest.iter().for_each(|word| out.extend_from_slice(&[b" ", *word].concat()));
                    out.extend_from_slice(if line.ends_with(b"\r\n") { b"\r\n" } else { b"\n" });
                }
            }
            _ => out.extend_from_slice(line),
        }
    }
    found.then_some(out)
}

/// Whether `text` has a line that makes models of files.
pub fn has_models(text: &[u8]) -> bool {
    let lines = text.split(|&byte| byte == b'\n').filter_map(parse);
    lines.map(|(_, attributes)| attributes).any(|line| words(line).any(|word| word == TRACKED[0].as_bytes()))
}

/// `text` with lines for these of [`PARAMETERS`], but for those that have one.
pub fn with_parameters(text: &[u8], patterns: &[&[u8]]) -> Vec<u8> {
    let has = |pattern: &[u8]| {
        let mut lines = text.split(|&byte| byte == b'\n').filter_map(parse);
        lines.any(|(found, _)| *found == *pattern)
    };
    let missing = patterns.iter().filter(|pattern| !has(pattern));
    missing.fold(text.to_vec(), |text, pattern| with_line(&text, pattern, &[BY_KEY]))
}

/// `text` without the lines that [`with_parameters`] has added.
pub fn without_parameters(text: &[u8]) -> Vec<u8> {
    let is_ours = |line: &&[u8]| {
        parse(line).is_some_and(|(found, attributes)| {
            PARAMETERS.contains(&&*found) && words(attributes).eq([BY_KEY.as_bytes()])
        })
    };
    text.split_inclusive(|&byte| byte == b'\n').filter(|line| !is_ours(line)).collect::<Vec<_>>().concat()
}

/// The attributes of `dir`; empty if it has no file for them.
///
/// # Errors
/// A file that cannot be read, or a link, which git does not follow.
pub fn read(dir: &Path) -> io::Result<Vec<u8>> {
    let path = dir.join(FILE_NAME);
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "git does not read attributes through a symbolic link"))
        }
        Ok(_) => std::fs::read(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether the index has the attributes of `dir`. Git reads them from there where the work tree has no such file.
pub fn is_in_index(dir: &Path) -> Result<bool, GitError> {
    Ok(!Git::new(["ls-files", "--cached", "--", FILE_NAME]).current_dir(dir).output()?.is_empty())
}

/// Takes away the attributes of `dir`, if it has any.
pub fn remove(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Puts `text` in the place of the attributes of `dir`.
pub fn write(dir: &Path, text: &[u8]) -> io::Result<()> {
    let path = dir.join(FILE_NAME);
    let mode = path.metadata().map_or_else(|_| mode_by_umask(0o666), |there| there.permissions().mode() & 0o7777);
    let folder = open_folder(dir)?;
    let file = AtomicFile::create_in(folder.as_fd(), mode)?;
    file.file().write_all(text)?;
    file.file().sync_data()?;
    file.persist(OsStr::new(FILE_NAME))?;
    sync_folder(folder)
}

/// What git's attributes say about a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// `filter`, as `git check-attr` prints it.
    pub filter: String,
    /// `merge`.
    pub merge: String,
    /// `text`.
    pub text: String,
    /// `diff`.
    pub diff: String,
}

impl Attributes {
    /// Git sends the file through our filter.
    pub fn is_filtered(&self) -> bool {
        self.filter == "model"
    }

    /// Nothing is left to be wished for.
    pub fn is_tracked(&self) -> bool {
        self.is_filtered() && self.merge == "model" && self.text == "unset"
    }
}

/// What git's attributes say about `paths`, which are relative to the current folder.
pub fn check<P: AsRef<[u8]>>(paths: &[P]) -> Result<Vec<Attributes>, GitError> {
    check_in(Path::new("."), paths)
}

/// What git's attributes say about `paths`, which are relative to `dir`.
pub fn check_in<P: AsRef<[u8]>>(dir: &Path, paths: &[P]) -> Result<Vec<Attributes>, GitError> {
    const ASKED: [&str; 4] = ["filter", "merge", "text", "diff"];
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let input: Vec<u8> = paths.iter().flat_map(|path| [path.as_ref(), b"\0"].concat()).collect();
    let output = Git::new(["check-attr", "-z", "--stdin"]).args(ASKED).current_dir(dir).output_with_input(&input)?;
    // path, attribute, value: for each attribute of each path.
    let mut values = output.split(|&byte| byte == 0).skip(2).step_by(3).map(|value| String::from_utf8_lossy(value));
    let mut next = || values.next().map(Cow::into_owned).unwrap_or_default();
    Ok(paths.iter().map(|_| Attributes { filter: next(), merge: next(), text: next(), diff: next() }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_added_is_found_and_taken_away(text in "[a-z \"#\\\\\r\n\t=*-]{0,60}", pattern in "[^\0\n]{1,12}") {
            let text = text.into_bytes();
            prop_assume!(!has_line(&text, pattern.as_bytes()));
            let added = with_line(&text, pattern.as_bytes(), &TRACKED);
            prop_assert!(has_line(&added, pattern.as_bytes()), "{}", String::from_utf8_lossy(&added));
            let removed = without_line(&added, pattern.as_bytes());
            prop_assert!(removed.is_some_and(|removed| removed.starts_with(&text)));
        }
    }

    #[test]
    fn lines_of_others_stay() {
        let text = b"# mine\r\n*.bin diff lockable filter=model -text\r\n*.pt filter=lfs\r\n";
        let removed = without_line(text, b"*.bin").expect("there is a line");
        assert_eq!(removed, b"# mine\r\n*.bin diff lockable\r\n*.pt filter=lfs\r\n");
        assert_eq!(without_line(text, b"*.pt"), None);
        assert!(with_line(text, b"a b", &["x"]).ends_with(b"\r\n\"a b\" x\r\n"));
    }
}
