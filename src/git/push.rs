//! A push that arrives: what it would change, as `pre-receive` is told, and which commits are new.
//!
//! Source: "pre-receive" in `githooks(5)`, and "Quarantine" in `git-receive-pack(1)`: what was pushed is in a folder of its
//! own until the hook has said yes, and the variables that git sets for the hook make `git` look there.

use super::history::CommitId;
use super::{Git, GitError};

/// A ref that a push would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The object it names now; none if it is new.
    pub old: Option<String>,
    /// The object it is to name; none if it is to be deleted.
    pub new: Option<String>,
    /// Its name in full.
    pub name: String,
}

impl Update {
    /// The branch, if it is one.
    pub fn branch(&self) -> Option<&str> {
        self.name.strip_prefix("refs/heads/")
    }

    /// The tag, if it is one.
    pub fn tag(&self) -> Option<&str> {
        self.name.strip_prefix("refs/tags/")
    }
}

/// Reads what `pre-receive` gets: `<old> <new> <ref>` in each line, zeros for nothing.
pub fn updates(input: &str) -> Vec<Update> {
    let object = |name: &str| name.bytes().any(|byte| byte != b'0').then(|| name.to_owned());
    let line = |line: &str| {
        let mut words = line.splitn(3, ' ');
        Some(Update { old: object(words.next()?), new: object(words.next()?), name: words.next()?.to_owned() })
    };
    input.lines().filter_map(line).collect()
}

/// The commits of `tip` that none of `known` has, parents before their children.
///
/// # Errors
/// Git cannot say.
pub fn new_commits(tip: &str, known: &[String]) -> Result<Vec<CommitId>, GitError> {
    let listed = Git::new(["rev-list", "--topo-order", "--reverse", tip, "--not"]).args(known).output()?;
    String::from_utf8_lossy(&listed).lines().map(str::parse).collect()
}

/// What all branches are at: name and commit.
///
/// # Errors
/// Git cannot say.
pub fn branches() -> Result<Vec<(String, String)>, GitError> {
    let listed = Git::new(["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads"]).output()?;
    let listed = String::from_utf8_lossy(&listed);
    Ok(listed.lines().filter_map(|line| line.split_once(' ')).map(|(id, name)| (name.into(), id.into())).collect())
}

/// Whether a push that moves a branch from `old` to `new` keeps all its commits.
///
/// # Errors
/// Git cannot say.
pub fn is_fast_forward(old: &str, new: &str) -> Result<bool, GitError> {
    Ok(Git::new(["merge-base", "--is-ancestor", old, new]).answer()?.is_some())
}

/// Whether the way from `new` back along first parents leads to `old`: whether what a push brings was built upon what was there,
/// and not merged with it the other way round.
///
/// # Errors
/// Git cannot say.
pub fn is_built_upon(old: &str, new: &str) -> Result<bool, GitError> {
    let listed = Git::new(["rev-list", "--first-parent", "--parents", new, "--not", old]).output()?;
    let listed = String::from_utf8_lossy(&listed);
    // The last line is the first commit after `old`: its name, then those of its parents.
    Ok(listed.lines().last().is_none_or(|line| line.split(' ').nth(1) == Some(old)))
}

/// The address of whoever made an annotated tag; none of other objects.
///
/// # Errors
/// Git cannot say.
pub fn tagger(object: &str) -> Result<Option<String>, GitError> {
    let Ok(text) = Git::new(["cat-file", "tag", object]).output() else { return Ok(None) };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("tagger "));
    Ok(line.and_then(|line| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned())))
}

/// A commit for people: its short name and the first line of its message.
///
/// # Errors
/// Git cannot say.
pub fn title(id: CommitId) -> Result<String, GitError> {
    let text = Git::new(["log", "-1", "--no-show-signature", "--encoding=UTF-8", "--format=%h %s"]).arg(id.to_string());
    Ok(super::shown(text.output()?.trim_ascii_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_pre_receive() {
        let (zero, one) = ("0".repeat(40), "a".repeat(40));
        let input = format!("{zero} {one} refs/heads/topic\n{one} {zero} refs/tags/m@v1.0.0\n\n");
        let [made, gone] = &updates(&input)[..] else { panic!("two lines") };
        assert_eq!((made.branch(), made.old.is_none(), made.new.as_ref()), (Some("topic"), true, Some(&one)));
        assert_eq!((gone.tag(), gone.branch(), gone.new.is_none()), (Some("m@v1.0.0"), None, true));
    }
}
