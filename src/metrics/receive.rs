//! What a server lets in: `pre-receive`.
//!
//! The policy is that of the branch as it was before the push, never that of the pushed commits: these could not be trusted to
//! judge themselves. A branch that is new, and tags, are judged by the policy of the server's own branch, `HEAD`; where `HEAD`
//! names no branch yet, by that of the first branch that protects itself.
//!
//! **Limitations.** Who pushes is known to the server's access control alone, which tells it in a variable (see
//! [`USER_VARIABLES`]); without one, the address in an annotated tag is believed.

use std::collections::BTreeSet;

use super::check::version::Version;
use super::check::{self, CheckError, Question, Report, Scope};
use super::policy::Policy;
use crate::git::changes::{self, Changed, Content, Versions};
use crate::git::history::CommitId;
use crate::git::push::{self, Update};
use crate::git::{GitError, Repo, revision, shown};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::progress::count;
use crate::store::Store;

/// Where servers say who pushes: ours first, then those of HTTP servers, gitolite and GitLab.
pub const USER_VARIABLES: [&str; 4] = ["GIT_MODEL_USER", "REMOTE_USER", "GL_USER", "GL_USERNAME"];

/// Why a push is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// What: a commit with its title, or a ref.
    pub what: String,
    /// Why.
    pub why: String,
    /// The gates that say so.
    pub report: Option<Report>,
}

/// What is found out about a push.
#[derive(Debug, Default, PartialEq)]
pub struct Findings {
    /// Why it is refused; nothing if it is not.
    pub refusals: Vec<Refusal>,
    /// What is to be said to whoever pushes.
    pub warnings: Vec<String>,
}

impl Findings {
    fn refuse(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.refusals.push(Refusal { what: what.into(), why: why.into(), report: None });
    }
}

/// Looks at a push. `user` is who pushes, if the server says so.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn check(repo: &Repo, store: &Store, updates: &[Update], user: Option<&str>) -> Result<Findings, CheckError> {
    let mut findings = Findings::default();
    let home = home(repo)?;
    let tags = tags(updates)?;
    for update in updates {
        if let Some(tag) = update.tag() {
            check_tag(&home, update, tag, user, &mut findings)?;
        } else if let Some(branch) = update.branch() {
            let old = update.old.as_deref().map(|old| revision::commit(old.as_ref())).transpose()?.flatten();
            let own = old.map(|id| policy(repo, id)).transpose()?.flatten();
            let policy = if old.is_some() { own.unwrap_or_default() } else { home.clone() };
            if policy.protect.branches.iter().any(|pattern| pattern.is_match(branch)) {
                check_branch(repo, store, &policy, update, &tags, &mut findings)?;
            }
        }
    }
    Ok(findings)
}

/// The policy of the server's own branch; where that is not there yet, of the first branch that protects itself.
fn home(repo: &Repo) -> Result<Policy, CheckError> {
    if let Some(id) = revision::commit("HEAD".as_ref())? {
        return Ok(policy(repo, id)?.unwrap_or_default());
    }
    for (branch, id) in push::branches()? {
        if let Some(policy) = policy(repo, id.parse()?)?
            && policy.protect.branches.iter().any(|pattern| pattern.is_match(&branch))
        {
            return Ok(policy);
        }
    }
    Ok(Policy::default())
}

fn policy(repo: &Repo, id: CommitId) -> Result<Option<Policy>, CheckError> {
    check::policy(repo, &Version::Commit { name: check::version::short(id), id })
}

/// The versions that a push registers, with their commits.
fn tags(updates: &[Update]) -> Result<Vec<(String, CommitId)>, GitError> {
    let mut tags = Vec::new();
    for update in updates {
        if let (Some(tag), Some(new)) = (update.tag(), &update.new)
            && push::tagger(new)?.is_some()
            && let Some(commit) = revision::commit(new.as_ref())?
        {
            tags.push((tag.to_owned(), commit));
        }
    }
    Ok(tags)
}

fn check_tag(
    policy: &Policy,
    update: &Update,
    tag: &str,
    user: Option<&str>,
    findings: &mut Findings,
) -> Result<(), GitError> {
    if !policy.protect.tags.iter().any(|pattern| pattern.is_match(tag)) {
        return Ok(());
    }
    let what = format!("tag {tag}");
    match (&update.old, &update.new) {
        (Some(_), Some(_)) => findings.refuse(what, "it is protected and there already; make another version"),
        (_, None) => findings.refuse(what, "it is protected and cannot be deleted"),
        (None, Some(new)) => {
            let taggers = &policy.protect.taggers;
            let who = match user {
                Some(user) => Some(user.to_owned()),
                None => push::tagger(new)?,
            };
            if !taggers.is_empty() && !who.as_ref().is_some_and(|who| taggers.contains(who)) {
                let who = who.unwrap_or_else(|| "somebody without a name (an annotated tag has one)".into());
                findings.refuse(what, format!("{who} may not make it; `taggers` may: {}", taggers.join(", ")));
            }
        }
    }
    Ok(())
}

fn check_branch(
    repo: &Repo,
    store: &Store,
    policy: &Policy,
    update: &Update,
    tags: &[(String, CommitId)],
    findings: &mut Findings,
) -> Result<(), CheckError> {
    let branch = format!("branch {}", update.branch().unwrap_or_default());
    let Some(new) = &update.new else {
        findings.refuse(branch, "it is protected and cannot be deleted");
        return Ok(());
    };
    if let Some(old) = &update.old
        && !push::is_fast_forward(old, new)?
    {
        findings.refuse(branch, "it is protected: its history cannot be rewritten; pull, and push what is new");
        return Ok(());
    }
    // What other branches have was judged by policies of their own, or by none.
    let known = match &update.old {
        Some(old) => Some(old.clone()),
        None => revision::commit("HEAD".as_ref())?.map(|id| id.to_string()),
    };
    let known: Vec<String> = known.into_iter().collect();
    if let Some(old) = &update.old
        && !push::is_built_upon(old, new)?
    {
        against_the_tip(repo, policy, (old, new), tags, findings)?;
    }
    for id in push::new_commits(new, &known)? {
        let version = Version::Commit { name: check::version::short(id), id };
        let changed = version.changed(repo)?;
        let question = Question { version: &version, policy: Some(policy), base: None, scope: Scope::Changed, tags };
        let report = check::check(repo, &question, &changed)?;
        let title = || push::title(id).map(|title| format!("commit {title}"));
        for warning in &report.warnings {
            findings.warnings.push(format!("{}: {warning}", title()?));
        }
        if report.outcome().stops() {
            let why = format!("gates: {}", super::report::summary(&report));
            findings.refusals.push(Refusal { what: title()?, why, report: Some(report) });
        }
        if let Err(error) = check::policy(repo, &version) {
            findings.refuse(title()?, error.to_string());
        }
        arrived(repo, store, &changed, &title, findings)?;
    }
    Ok(())
}

/// A branch merged into something older has that as its base, commit by commit. What it was before counts then as well.
fn against_the_tip(
    repo: &Repo,
    policy: &Policy,
    (old, new): (&str, &str),
    tags: &[(String, CommitId)],
    findings: &mut Findings,
) -> Result<(), CheckError> {
    let Some(id) = revision::commit(new.as_ref())? else { return Ok(()) };
    let version = Version::Commit { name: check::version::short(id), id };
    let changed = changes::changed_files(&Versions::Commits(old.into(), new.into()), &[])?;
    let question =
        Question { version: &version, policy: Some(policy), base: Some(old.as_ref()), scope: Scope::Changed, tags };
    let report = check::check(repo, &question, &changed)?;
    if report.outcome().stops() {
        let why = format!("against the branch as it was: gates: {}", super::report::summary(&report));
        findings.refusals.push(Refusal { what: format!("commit {}", push::title(id)?), why, report: Some(report) });
    }
    Ok(())
}

/// Whether the objects that changed manifests name are in the store. Without a store of its own, a server holds manifests
/// only.
fn arrived(
    repo: &Repo,
    store: &Store,
    changed: &[Changed],
    title: &dyn Fn() -> Result<String, GitError>,
    findings: &mut Findings,
) -> Result<(), GitError> {
    for changed in changed {
        let Content::Blob(blob) = changed.new else { continue };
        let path = shown(&changed.path);
        let Some(text) = repo.blob_up_to(blob, BYTES_MAX)?.filter(|text| Manifest::looks_like(text)) else { continue };
        let manifest = match Manifest::parse(&text) {
            Ok(manifest) => manifest,
            Err(error) => {
                findings.refuse(title()?, format!("`{path}` begins as a manifest and is none: {error}"));
                continue;
            }
        };
        let missing: BTreeSet<_> = manifest.objects().filter(|id| !store.contains_object(id)).collect();
        if missing.is_empty() {
            continue;
        }
        let objects = count(missing.len() as u64, "object");
        let have = if missing.len() == 1 { "has" } else { "have" };
        let what = format!("`{path}`: {objects} that it names {have} not arrived");
        if store.packs_dir().is_dir() {
            findings.refuse(title()?, what);
        } else {
            findings.warnings.push(format!("{}: {what}; this server keeps manifests only", title()?));
        }
    }
    Ok(())
}
