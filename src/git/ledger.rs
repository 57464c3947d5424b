//! A chain of commits under a ref of its own, to which messages are only ever added.
//!
//! Every chain of one name starts at the same commit, whoever made it: it has no parent, no author and no time. The second
//! parent of a message is the commit it is about, which git keeps as long as the chain. Two clones that have both added
//! messages are united by adding those of one behind those of the other.
//!
//! Source: `git-commit-tree(1)`, `git-update-ref(1)`.

use std::collections::HashSet;

use super::history::CommitId;
use super::{Git, GitError, changes};

/// Others that add at the same time are waited for this often.
const TRIES_MAX: usize = 50;
/// Who has made the first commit of all chains, and when.
const ROOT: [(&str, &str); 6] = [
    ("GIT_AUTHOR_NAME", "git-model"),
    ("GIT_AUTHOR_EMAIL", "git-model"),
    ("GIT_AUTHOR_DATE", "@0 +0000"),
    ("GIT_COMMITTER_NAME", "git-model"),
    ("GIT_COMMITTER_EMAIL", "git-model"),
    ("GIT_COMMITTER_DATE", "@0 +0000"),
];

/// A chain.
#[derive(Debug, Clone)]
pub struct Ledger {
    name: String,
    title: String,
}

/// A message in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The commit that holds it.
    pub id: String,
    /// The commit it is about.
    pub about: Option<CommitId>,
    /// Its author.
    author: String,
    email: String,
    /// When, in git's raw form.
    date: String,
    /// The message.
    pub message: String,
}

impl Ledger {
    /// The chain of this ref. The title is the message of its first commit.
    pub fn new(name: impl Into<String>, title: impl Into<String>) -> Self {
        Self { name: name.into(), title: title.into() }
    }

    /// All messages, the oldest first; none if there is no such ref.
    ///
    /// # Errors
    /// Git cannot say.
    pub fn entries(&self) -> Result<Vec<Entry>, GitError> {
        match self.tip()? {
            Some(tip) => entries(&tip),
            None => Ok(Vec::new()),
        }
    }

    /// Adds a message about a commit. Who does the same at the same time comes before or after, and nothing is lost.
    ///
    /// # Errors
    /// Git cannot write it.
    pub fn append(&self, message: &str, about: Option<CommitId>) -> Result<(), GitError> {
        let about = about.map(|id| id.to_string());
        self.replace(|tip| {
            let tip = tip.map_or_else(|| self.root(), |tip| Ok(tip.to_owned()))?;
            commit(message, &[Some(&*tip), about.as_deref()], &[]).map(Some)
        })
    }

    /// Takes in what the chain under the ref `other` has more; whether that was anything.
    ///
    /// # Errors
    /// Git cannot read or write.
    pub fn unite(&self, other: &str) -> Result<bool, GitError> {
        let Some(theirs) = tip_of(other)? else { return Ok(false) };
        let before = self.tip()?;
        self.replace(|ours| {
            let Some(ours) = ours else { return Ok(Some(theirs.clone())) };
            if is_ancestor(&theirs, ours)? {
                return Ok(None);
            }
            if is_ancestor(ours, &theirs)? {
                return Ok(Some(theirs.clone()));
            }
            let known: HashSet<String> = entries(&theirs)?.into_iter().map(|entry| entry.message).collect();
            let mut tip = theirs.clone();
            for entry in entries(ours)?.iter().filter(|entry| !known.contains(&entry.message)) {
                tip = entry.again_on(&tip)?;
            }
            Ok(Some(tip))
        })?;
        Ok(self.tip()? != before)
    }

    /// Moves the ref to what `next` makes of its tip, as often as somebody else was faster.
    fn replace(&self, mut next: impl FnMut(Option<&str>) -> Result<Option<String>, GitError>) -> Result<(), GitError> {
        let mut tries = 0;
        loop {
            let tip = self.tip()?;
            let Some(new) = next(tip.as_deref())? else { return Ok(()) };
            let old = tip.clone().unwrap_or_else(|| "0".repeat(new.len()));
            let update = Git::new(["update-ref", "--create-reflog", &self.name, &new, &old]).output();
            tries += 1;
            match update {
                Ok(_) => return Ok(()),
                // It has moved, or somebody else holds its lock; else trying again is of no use.
                Err(error) if tries < TRIES_MAX && (self.tip()? != tip || error.to_string().contains("lock")) => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn tip(&self) -> Result<Option<String>, GitError> {
        tip_of(&self.name)
    }

    fn root(&self) -> Result<String, GitError> {
        commit(&self.title, &[], &ROOT)
    }
}

impl Entry {
    fn again_on(&self, tip: &str) -> Result<String, GitError> {
        let about = self.about.map(|id| id.to_string());
        let who =
            [("GIT_AUTHOR_NAME", &*self.author), ("GIT_AUTHOR_EMAIL", &*self.email), ("GIT_AUTHOR_DATE", &*self.date)];
        commit(&self.message, &[Some(tip), about.as_deref()], &who)
    }
}

fn tip_of(name: &str) -> Result<Option<String>, GitError> {
    let tip = Git::new(["rev-parse", "--verify", "--quiet", "--end-of-options", name]).answer()?;
    Ok(tip.map(|tip| String::from_utf8_lossy(&tip).trim().to_owned()))
}

fn is_ancestor(one: &str, other: &str) -> Result<bool, GitError> {
    Git::new(["merge-base", "--is-ancestor", one, other]).answer().map(|answer| answer.is_some())
}

/// A commit without files; where git knows no author, one that says so.
fn commit(message: &str, parents: &[Option<&str>], who: &[(&str, &str)]) -> Result<String, GitError> {
    let tree = changes::empty_tree()?;
    let mut git = Git::new(["-c", "i18n.commitEncoding=UTF-8", "commit-tree"]).arg(&tree);
    for parent in parents.iter().flatten() {
        git = git.args(["-p", parent]);
    }
    for (name, value) in who {
        git = git.env(name, value);
    }
    if who.len() < ROOT.len() {
        let ident = Git::new(["var", "GIT_COMMITTER_IDENT"]).output().unwrap_or_default();
        let ident = String::from_utf8_lossy(&ident).into_owned();
        match ident.trim().rsplit_once("> ").and_then(|(who, date)| Some((who.rsplit_once(" <")?, date))) {
            // In a hook, the author would be that of the commit which was made.
            Some(((name, email), date)) if who.is_empty() => {
                git = git.env("GIT_AUTHOR_NAME", name).env("GIT_AUTHOR_EMAIL", email);
                git = git.env("GIT_AUTHOR_DATE", format!("@{date}"));
            }
            Some(_) => {}
            None => git = nobody(git, who),
        }
    }
    let id = git.args(["-F", "-"]).output_with_input(message.as_bytes())?;
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}

/// Where git knows no user, as on a server; an author that is known stays.
fn nobody(mut git: Git, who: &[(&str, &str)]) -> Git {
    for role in ["AUTHOR", "COMMITTER"].into_iter().filter(|role| who.is_empty() || *role == "COMMITTER") {
        git = git.env(&format!("GIT_{role}_NAME"), "git-model").env(&format!("GIT_{role}_EMAIL"), "git-model");
    }
    git
}

/// The messages from the first to `tip`; the first commit itself is none.
fn entries(tip: &str) -> Result<Vec<Entry>, GitError> {
    let shape = "--format=%H%x00%P%x00%an%x00%ae%x00%ad%x00%B";
    let git = Git::new(["-c", "log.showSignature=false", "log", "--first-parent", "--reverse", "-z", "--no-mailmap"]);
    let git =
        git.args(["--no-notes", "--encoding=UTF-8", "--date=raw", shape, "--no-patch", "--end-of-options", tip, "--"]);
    let listed = git.output()?;
    let listed = String::from_utf8_lossy(&listed);
    let mut fields = listed.split('\0');
    let mut all = Vec::new();
    while let Some(id) = fields.next().filter(|id| !id.is_empty()) {
        let mut next = || fields.next().unwrap_or_default();
        let (parents, author, email, date, message) = (next(), next(), next(), next(), next());
        let mut parents = parents.split_whitespace();
        if parents.next().is_none() {
            continue;
        }
        all.push(Entry {
            id: id.to_owned(),
            about: parents.next().map(str::parse).transpose()?,
            author: author.to_owned(),
            email: email.to_owned(),
            date: date.to_owned(),
            message: message.trim_end().to_owned(),
        });
    }
    Ok(all)
}
