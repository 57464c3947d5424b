//! Names a version of a model, puts it in a stage, deprecates it: what tag that takes, and whether it may be made.
//!
//! The tag is planned first and made then, so that it can be judged in between.

mod error;
mod words;

pub use error::ReleaseError;
pub use words::{number, one, split};

use semver::{BuildMetadata, Prerelease, Version};

use super::named::{self, NameError, Named};
use crate::git::changes::{self, Versions};
use crate::git::history::CommitId;
use crate::git::{GitError, Repo, shown, tags};
use crate::metrics::check::version::short;
use crate::metrics::check::{self, CheckError, Question, Report, Scope};
use crate::registry::lineage::{Lineage, Registered};
use crate::registry::name::{self, Action, TagName};
use crate::registry::spec::{Spec, Which};
use crate::registry::{Registry, wait_for_later};

/// What is to be said of a model.
#[derive(Debug, Clone)]
pub enum Wish {
    /// A commit is this version.
    Register {
        /// The version.
        number: Number,
        /// The commit; `HEAD` if it is not named.
        revision: Option<String>,
    },
    /// A version holds this stage.
    Stage {
        /// The stage.
        stage: String,
        /// A version or a revision; the latest version if it is not named.
        at: Option<String>,
    },
    /// A version is in this stage no more.
    Unstage {
        /// The stage.
        stage: String,
        /// A version or a revision; what holds the stage if it is not named.
        at: Option<String>,
    },
    /// The model is deprecated, or one of its versions.
    Deprecate(Option<Version>),
}

/// The number of a new version.
#[derive(Debug, Clone)]
pub enum Number {
    /// This one.
    Exactly(Version),
    /// The one after the highest there is.
    Bump(Bump),
}

/// Which part of a version is counted up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// The third.
    Patch,
    /// The second.
    Minor,
    /// The first.
    Major,
}

/// A tag that may be made.
#[derive(Debug)]
pub struct Plan {
    /// Its name.
    pub tag: TagName,
    /// The commit it names.
    pub commit: CommitId,
    /// Its message, if the user has none.
    pub message: String,
    /// What is to be said beside.
    pub warnings: Vec<String>,
    lineage: Lineage,
}

/// The tag that says this of a model, or of the only one.
///
/// # Errors
/// What must not be said, or is said already.
pub fn plan(repo: &Repo, model: Option<&str>, wish: &Wish) -> Result<Plan, ReleaseError> {
    let registry = Registry::read(None)?;
    if let Wish::Register { number, revision } = wish {
        return register(repo, &registry, model, number, revision.as_deref());
    }
    let model = named::choose(&named::all(repo, &registry)?, model, "this repository")?;
    let lineage = registry.lineage(&model);
    match wish {
        Wish::Stage { stage, at } => self::stage(repo, lineage, stage, at.as_deref()),
        Wish::Unstage { stage, at } => unstage(lineage, stage, at.as_deref()),
        Wish::Deprecate(Some(version)) => deprecate_version(lineage, version),
        _ => deprecate(lineage),
    }
}

/// Makes the tag. `message` are paragraphs; the plan's own if there are none. Returns its name.
///
/// # Errors
/// Git cannot make it.
pub fn make(plan: &Plan, message: &[String], is_signed: bool) -> Result<String, GitError> {
    let name = plan.tag.to_string();
    wait_for_later(&plan.lineage);
    let own = [plan.message.clone()];
    tags::create(&name, plan.commit, if message.is_empty() { &own } else { message }, is_signed)?;
    Ok(name)
}

/// What the gates of the model say of the commit.
///
/// # Errors
/// A policy that cannot be read, a base that is not there.
pub fn judge(repo: &Repo, plan: &Plan) -> Result<Report, CheckError> {
    let version = named::version_of(plan.commit);
    let Some(policy) = check::policy(repo, &version)? else { return Ok(Report::default()) };
    let policy = policy.only(&plan.tag.model);
    let question = Question { version: &version, policy: Some(&policy), base: None, scope: Scope::All, tags: &[] };
    check::check(repo, &question, &version.changed(repo)?)
}

/// How a commit is called: `house@v1.2.0`, or the commit's own name.
pub fn called(lineage: &Lineage, commit: CommitId) -> String {
    match lineage.version_at(commit) {
        Some(Registered { version, .. }) => format!("{}@v{version}", lineage.model),
        None => short(commit),
    }
}

fn register(
    repo: &Repo,
    registry: &Registry,
    model: Option<&str>,
    number: &Number,
    revision: Option<&str>,
) -> Result<Plan, ReleaseError> {
    let commit = named::commit(revision.unwrap_or("HEAD"))?;
    let models = named::models(repo, commit)?;
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let model = named::choose(&names, model, &format!("commit {}", short(commit)))?;
    let named = models.iter().find(|known| known.name == model).filter(|named| !named.weights.is_empty());
    let Some(named) = named else {
        let policy = models.iter().find(|known| known.name == model).and_then(|known| known.policy.as_ref());
        let patterns = policy.map(|model| model.weights.iter().map(|pattern| pattern.as_str().to_owned()).collect());
        return Err(ReleaseError::NoWeights { model, commit, patterns: patterns.unwrap_or_default() });
    };
    let lineage = registry.lineage(&model);
    let highest = lineage.versions().into_iter().next().map(|known| known.version);
    let version = match number {
        Number::Exactly(version) => version.clone(),
        Number::Bump(part) => bumped(&highest.clone().ok_or_else(|| ReleaseError::NoVersions(model.clone()))?, *part),
    };
    if let Some(there) = lineage.version(&version) {
        return Err(ReleaseError::Exists { model, version, commit: there.commit });
    }
    if let Some(there) = lineage.version_at(commit) {
        return Err(ReleaseError::Versioned { model, version: there.version, commit });
    }
    let mut warnings = Vec::new();
    if let Some(highest) = highest.filter(|highest| version < *highest) {
        warnings.push(format!("v{version} is lower than v{highest}, which stays the latest"));
    }
    if !tags::is_on_a_branch(commit)? {
        warnings.push(format!("commit {} is on no branch: nothing but its tags keeps it", short(commit)));
    }
    if revision.is_none() {
        warnings.extend(uncommitted(repo, named)?);
    }
    let message = format!("{model} v{version}");
    Ok(Plan {
        tag: TagName { model, action: Action::Register(version), counter: None },
        commit,
        message,
        warnings,
        lineage,
    })
}

/// That the weights in the work tree are not those of the commit.
fn uncommitted(repo: &Repo, named: &Named) -> Result<Option<String>, GitError> {
    if repo.work_dir().is_none() {
        return Ok(None);
    }
    let changed = changes::changed_files(&Versions::Commit("HEAD".into()), &[])?;
    let meant = changed.iter().find(|changed| named.weights.iter().any(|file| file.path == changed.path));
    Ok(meant.map(|changed| {
        format!("`{}` has changes that are not committed: they are not in this version", shown(&changed.path))
    }))
}

/// The version after this one. Of a pre-release, the release it leads to.
fn bumped(version: &Version, part: Bump) -> Version {
    let Version { major, minor, patch, .. } = *version;
    let is_early = !version.pre.is_empty();
    let (major, minor, patch) = match part {
        Bump::Patch if is_early => (major, minor, patch),
        Bump::Patch => (major, minor, patch + 1),
        Bump::Minor if is_early && patch == 0 => (major, minor, 0),
        Bump::Minor => (major, minor + 1, 0),
        Bump::Major if is_early && minor == 0 && patch == 0 => (major, 0, 0),
        Bump::Major => (major + 1, 0, 0),
    };
    Version { major, minor, patch, pre: Prerelease::EMPTY, build: BuildMetadata::EMPTY }
}

fn stage(repo: &Repo, lineage: Lineage, stage: &str, at: Option<&str>) -> Result<Plan, ReleaseError> {
    if !name::is_name(stage) {
        return Err(ReleaseError::BadStage(stage.to_owned()));
    }
    let commit = match at {
        Some(at) => place(&lineage, at)?,
        None => lineage.latest().ok_or_else(|| ReleaseError::NoVersions(lineage.model.clone()))?.commit,
    };
    let resolved = named::at(repo, &lineage, commit)?;
    if resolved.model.weights.is_empty() {
        return Err(ReleaseError::NoWeights { model: lineage.model, commit, patterns: Vec::new() });
    }
    if resolved.version.as_ref().is_some_and(|version| version.is_deprecated) {
        return Err(ReleaseError::Deprecated(resolved.name));
    }
    let held = lineage.in_stage(stage);
    if held.last() == Some(&commit) {
        return Err(ReleaseError::InStage { called: resolved.name, stage: stage.to_owned() });
    }
    let warning = resolved.version.is_none().then(|| {
        let model = &lineage.model;
        format!(
            "commit {} is no version of `{model}`; make it one with `git model tag {model} VERSION {0}`",
            short(commit)
        )
    });
    let action = Action::Assign(stage.to_owned());
    Ok(staged(lineage, action, commit, format!("{} in stage {stage}", resolved.name), warning.into_iter().collect()))
}

fn unstage(lineage: Lineage, stage: &str, at: Option<&str>) -> Result<Plan, ReleaseError> {
    let held = lineage.in_stage(stage);
    let commit = match at {
        Some(at) => place(&lineage, at)?,
        // Says which stages are held, if this one is not.
        None => named::commit_of(&lineage, &Which::Stage(stage.to_owned()))?.ok_or(NameError::Unborn)?,
    };
    let name = called(&lineage, commit);
    if !held.contains(&commit) {
        return Err(ReleaseError::NotInStage { called: name, stage: stage.to_owned() });
    }
    let before = held.iter().rfind(|other| **other != commit).filter(|_| held.last() == Some(&commit));
    let warnings = before.map(|before| format!("`{}` holds stage `{stage}` again", called(&lineage, *before)));
    let action = Action::Unassign(stage.to_owned());
    Ok(staged(lineage, action, commit, format!("{name} not in stage {stage} any more"), warnings.into_iter().collect()))
}

fn staged(lineage: Lineage, action: Action, commit: CommitId, message: String, warnings: Vec<String>) -> Plan {
    let tag = TagName { model: lineage.model.clone(), action, counter: Some(lineage.next_counter()) };
    Plan { tag, commit, message, warnings, lineage }
}

fn deprecate_version(lineage: Lineage, version: &Version) -> Result<Plan, ReleaseError> {
    let which = Which::Version(version.clone());
    let commit = named::commit_of(&lineage, &which)?.ok_or(NameError::Unborn)?;
    let name = Spec { model: lineage.model.clone(), which }.to_string();
    if lineage.version(version).is_some_and(|known| known.is_deprecated) {
        return Err(ReleaseError::Deprecated(name));
    }
    let stages: Vec<String> =
        lineage.stages().into_iter().filter(|(_, held)| *held == commit).map(|(stage, _)| stage).collect();
    let warnings = stages.iter().map(|stage| format!("`{name}` leaves stage `{stage}`")).collect();
    Ok(again(lineage, Action::Deregister(version.clone()), commit, format!("{name} deprecated"), warnings))
}

fn deprecate(lineage: Lineage) -> Result<Plan, ReleaseError> {
    if lineage.is_deprecated() {
        return Err(ReleaseError::Deprecated(lineage.model));
    }
    let commit = match lineage.last_commit() {
        Some(commit) => commit,
        None => named::commit("HEAD")?,
    };
    let message = format!("{} deprecated", lineage.model);
    Ok(again(lineage, Action::Deprecate, commit, message, Vec::new()))
}

/// A tag without a counter, unless it was made before.
fn again(lineage: Lineage, action: Action, commit: CommitId, message: String, warnings: Vec<String>) -> Plan {
    let mut tag = TagName { model: lineage.model.clone(), action, counter: None };
    if lineage.has(&tag) {
        tag.counter = Some(lineage.next_counter());
    }
    Plan { tag, commit, message, warnings, lineage }
}

/// The commit that a version, a stage or a revision names.
fn place(lineage: &Lineage, at: &str) -> Result<CommitId, ReleaseError> {
    if let Some(version) = name::version(at) {
        return Ok(named::commit_of(lineage, &Which::Version(version))?.ok_or(NameError::Unborn)?);
    }
    if let Some(spec) = Spec::parse(at).filter(|spec| spec.model == lineage.model) {
        let latest = named::commit_of(lineage, &spec.which)?;
        return latest.ok_or_else(|| ReleaseError::NoVersions(lineage.model.clone()));
    }
    match (named::commit(at), name::version_like(at)) {
        (Err(NameError::NoCommit(text)), Some(meant)) => Err(ReleaseError::NotAVersion { text, meant }),
        (found, _) => Ok(found?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_version() {
        for (from, patch, minor, major) in [
            ("1.2.3", "1.2.4", "1.3.0", "2.0.0"),
            ("1.2.3+build.5", "1.2.4", "1.3.0", "2.0.0"),
            ("1.2.3-rc.1", "1.2.3", "1.3.0", "2.0.0"),
            ("1.2.0-rc.1", "1.2.0", "1.2.0", "2.0.0"),
            ("2.0.0-rc.1", "2.0.0", "2.0.0", "2.0.0"),
            ("0.0.0", "0.0.1", "0.1.0", "1.0.0"),
        ] {
            let version = from.parse().expect("a version");
            let next = [Bump::Patch, Bump::Minor, Bump::Major].map(|part| bumped(&version, part).to_string());
            assert_eq!(next, [patch, minor, major], "{from}");
        }
    }
}
