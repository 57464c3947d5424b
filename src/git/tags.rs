//! Annotated tags: all of them at once, and a new one.
//!
//! Source: `git-for-each-ref(1)`, `git-tag(1)`. Tags without a message are left out: they have no time and no author.

use super::history::CommitId;
use super::{Git, GitError};

/// An annotated tag of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name, without `refs/tags/`.
    pub name: String,
    /// The commit it names.
    pub commit: CommitId,
    /// When it was made, in seconds since 1970.
    pub seconds: i64,
    /// The first line of its message.
    pub summary: String,
}

/// One line for each ref; fields with a NUL between them.
const FORMAT: &str =
    "--format=%(objecttype)%00%(*objecttype)%00%(*objectname)%00%(taggerdate:unix)%00%(refname:strip=2)%00%(subject)";

/// All annotated tags of commits; with `tip`, those in its history only.
///
/// # Errors
/// Git cannot say.
pub fn annotated(tip: Option<CommitId>) -> Result<Vec<Tag>, GitError> {
    let mut git = Git::new(["for-each-ref", FORMAT]);
    if let Some(tip) = tip {
        git = git.arg(format!("--merged={tip}"));
    }
    let listed = git.arg("refs/tags").output()?;
    String::from_utf8_lossy(&listed).lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Result<Tag, GitError>> {
    let fields: Vec<&str> = line.splitn(6, '\0').collect();
    let ["tag", "commit", commit, seconds, name, summary] = fields[..] else { return None };
    let tag = |commit| Tag {
        name: name.to_owned(),
        commit,
        seconds: seconds.parse().unwrap_or(0),
        summary: summary.to_owned(),
    };
    Some(commit.parse().map(tag))
}

/// Makes an annotated tag; `tag.gpgSign` counts. What git says, such as why a key cannot be used, is in the error.
///
/// # Errors
/// A tag of this name is there, it cannot be signed, or git knows no author.
pub fn create(name: &str, commit: CommitId, message: &[String], is_signed: bool) -> Result<(), GitError> {
    // A line that begins with `#` is no comment here.
    let mut git = Git::new(["tag", "--annotate", "--cleanup=whitespace"]);
    if is_signed {
        git = git.arg("--sign");
    }
    for paragraph in message {
        git = git.args(["-m", paragraph]);
    }
    git.arg("--").arg(name).arg(commit.to_string()).output().map(drop)
}

/// Whether a branch, here or as a remote has it, has this commit in its history.
///
/// # Errors
/// Git cannot say.
pub fn is_on_a_branch(commit: CommitId) -> Result<bool, GitError> {
    let git = Git::new(["for-each-ref", "--count=1"]).arg(format!("--contains={commit}"));
    Ok(!git.args(["refs/heads", "refs/remotes"]).output()?.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_tags_and_tags_of_files_are_left_out() {
        let id = "a".repeat(40);
        let line = |fields: [&str; 6]| fields.join("\0");
        let tag = parse(&line(["tag", "commit", &id, "100", "m@v1.0.0", "one\0two"])).expect("a tag").expect("an id");
        assert_eq!((tag.name.as_str(), tag.seconds, tag.summary.as_str()), ("m@v1.0.0", 100, "one\0two"));
        for fields in [["commit", "", "", "", "m@v1.0.0", "one"], ["tag", "blob", &id, "1", "x", "one"], [""; 6]] {
            assert!(parse(&line(fields)).is_none(), "{fields:?}");
        }
        assert!(parse(&line(["tag", "commit", "nonsense", "1", "x", "one"])).expect("a tag").is_err());
    }
}
