//! Models by their names: those that a version has, and what a name such as `house@v1.2.0` or `house#prod` stands for.
//!
//! A model is named in `.gitmodel.toml`. Without that, each weight file is a model, named like the file without its
//! extension; where two files would have the same name, by their paths.

mod error;

pub use error::NameError;

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};

use crate::git::history::CommitId;
use crate::git::tree::{self, File};
use crate::git::{GitError, Repo, revision, shown};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, CheckError};
use crate::metrics::policy::{self, Policy};
use crate::registry::Registry;
use crate::registry::lineage::{Lineage, Registered};
use crate::registry::spec::{Spec, Which};

/// A model that a commit has.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its weight files.
    pub weights: Vec<File>,
    /// What the policy says of it, if that names it.
    pub policy: Option<policy::Model>,
}

/// A version of a model, found by its name.
pub struct Resolved {
    /// How it may be named: `house@v1.2.0`.
    pub name: String,
    /// The model in that commit.
    pub model: Named,
    /// The commit.
    pub commit: CommitId,
    /// The version that the commit is.
    pub version: Option<Registered>,
    /// The stages it holds.
    pub stages: Vec<String>,
}

/// The commit that a revision names.
///
/// # Errors
/// It names none, or is `HEAD` before the first commit.
pub fn commit(name: &str) -> Result<CommitId, NameError> {
    match revision::commit(OsStr::new(name))? {
        Some(id) => Ok(id),
        None if name == "HEAD" => Err(NameError::Unborn),
        None => Err(NameError::NoCommit(name.to_owned())),
    }
}

/// The models that a commit has; those that the policy names without having weights for them too.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn models(repo: &Repo, commit: CommitId) -> Result<Vec<Named>, CheckError> {
    let policy = check::policy(repo, &version_of(commit))?.unwrap_or_default();
    let files = tree::files(&commit.to_string())?;
    Ok(if policy.models.is_empty() { by_files(manifests(repo, files)?) } else { by_policy(policy, &files) })
}

/// A commit as a version whose gates can be judged.
pub fn version_of(commit: CommitId) -> Version {
    Version::Commit { id: commit, name: check::version::short(commit) }
}

fn by_policy(policy: Policy, files: &[File]) -> Vec<Named> {
    let of = |model: &policy::Model| -> Vec<File> {
        files.iter().filter(|file| model.has_weights(&String::from_utf8_lossy(&file.path))).cloned().collect()
    };
    let named = |model: policy::Model| Named { name: model.name.clone(), weights: of(&model), policy: Some(model) };
    policy.models.into_iter().map(named).collect()
}

/// Those that are weights stored by git-model.
///
/// # Errors
/// What git cannot read.
pub fn manifests(repo: &Repo, files: Vec<File>) -> Result<Vec<File>, GitError> {
    let mut models = Vec::new();
    for file in files {
        if repo.blob_len(file.blob)? <= BYTES_MAX && Manifest::looks_like(&repo.blob(file.blob)?) {
            models.push(file);
        }
    }
    Ok(models)
}

fn by_files(files: Vec<File>) -> Vec<Named> {
    let mut stems: HashMap<String, usize> = HashMap::new();
    for file in &files {
        *stems.entry(stem(&file.path, false)).or_default() += 1;
    }
    let mut models: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        let stem = stem(&file.path, false);
        let name = if stems.get(&stem) == Some(&1) { stem } else { self::stem(&file.path, true) };
        models.entry(name).or_default().push(file);
    }
    models.into_iter().map(|(name, weights)| Named { name, weights, policy: None }).collect()
}

/// The name of a file without its extension, with or without its folders; what a name cannot have is a `-`.
fn stem(path: &[u8], has_folders: bool) -> String {
    let path = String::from_utf8_lossy(path);
    let start = if has_folders { 0 } else { path.rfind('/').map_or(0, |slash| slash + 1) };
    let name = &path[start..];
    let end = name.rfind('.').filter(|&dot| dot > 0 && !name[dot..].contains('/')).unwrap_or(name.len());
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_/".contains(c) { c } else { '-' };
    let name: String = name[..end].chars().map(plain).collect();
    let name = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

/// The model that is meant: the one of this name, or the only one. `place` is where `names` are from.
///
/// # Errors
/// There is none, or more than one.
pub fn choose(names: &[String], asked: Option<&str>, place: &str) -> Result<String, NameError> {
    match (asked, names) {
        (Some(asked), names) if names.iter().any(|name| name == asked) => Ok(asked.to_owned()),
        (Some(asked), _) => {
            Err(NameError::Unknown { name: asked.to_owned(), place: place.to_owned(), known: names.to_vec() })
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(NameError::None(place.to_owned())),
        (None, names) => Err(NameError::Several { names: names.to_vec() }),
    }
}

/// All names of models: those with tags, and those at `HEAD`.
///
/// # Errors
/// A policy that cannot be read, what git cannot say.
pub fn all(repo: &Repo, registry: &Registry) -> Result<Vec<String>, CheckError> {
    let mut names: Vec<String> = match revision::commit(OsStr::new("HEAD"))? {
        Some(head) => models(repo, head)?.into_iter().map(|model| model.name).collect(),
        None => Vec::new(),
    };
    let tagged: Vec<String> = registry.models().map(|lineage| lineage.model.clone()).collect();
    names.extend(tagged.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
    Ok(names)
}

/// The commit that `which` version of a model is; `None` for the latest of a model without versions.
///
/// # Errors
/// There is no such version, or nothing in the stage.
pub fn commit_of(lineage: &Lineage, which: &Which) -> Result<Option<CommitId>, NameError> {
    let model = lineage.model.clone();
    match which {
        Which::Latest => Ok(lineage.latest().map(|latest| latest.commit)),
        Which::Version(version) => match lineage.version(version) {
            Some(found) => Ok(Some(found.commit)),
            None => {
                let latest = lineage.latest().map(|latest| latest.version);
                Err(NameError::NoVersion { model, version: version.clone(), latest })
            }
        },
        Which::Stage(stage) => match lineage.in_stage(stage).pop() {
            Some(commit) => Ok(Some(commit)),
            None => {
                let held = lineage.stages().into_keys().collect();
                Err(NameError::NoStage { model, stage: stage.clone(), held })
            }
        },
    }
}

/// The version of a model that a name stands for: `house`, `house@v1.2.0`, `house@latest`, `house#prod`. `None` if there is
/// no model of this name.
///
/// # Errors
/// A version that the model does not have.
pub fn resolve(repo: &Repo, name: &str) -> Result<Option<Resolved>, NameError> {
    let Some(spec) = Spec::parse(name) else { return Ok(None) };
    let registry = Registry::read(None)?;
    let lineage = registry.lineage(&spec.model);
    if lineage.last_commit().is_none() && !all(repo, &registry)?.contains(&spec.model) {
        return Ok(None);
    }
    let commit = match commit_of(&lineage, &spec.which)? {
        Some(commit) => commit,
        None => commit("HEAD")?,
    };
    at(repo, &lineage, commit).map(Some)
}

/// The model with these tags, in a commit.
///
/// # Errors
/// The commit does not have it.
pub fn at(repo: &Repo, lineage: &Lineage, commit: CommitId) -> Result<Resolved, NameError> {
    let models = models(repo, commit)?;
    let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
    let place = format!("commit {}", check::version::short(commit));
    let name = choose(&names, Some(&lineage.model), &place)?;
    let model = models.into_iter().find(|model| model.name == name).ok_or(NameError::None(place))?;
    let version = lineage.version_at(commit);
    let stages = lineage.stages().into_iter().filter(|(_, held)| *held == commit).map(|(stage, _)| stage).collect();
    let name = match &version {
        Some(version) => format!("{}@v{}", lineage.model, version.version),
        None => check::version::short(commit),
    };
    Ok(Resolved { name, model, commit, version, stages })
}

/// A revision in which models may be named: what git does not know by that name, and is the version of a model, is its
/// commit; in `A..B` either end. All else stays as it is.
///
/// # Errors
/// What git cannot say; a version that a model does not have.
pub fn revision(name: &OsStr) -> Result<OsString, NameError> {
    let Some(text) = name.to_str().filter(|text| text.contains(['@', '#'])) else { return Ok(name.to_owned()) };
    if let Some((from, to)) = text.split_once("..").filter(|(_, to)| !to.contains("..")) {
        let (dot, to) = to.strip_prefix('.').map_or(("", to), |to| (".", to));
        let [from, to] = [revision(OsStr::new(from))?, revision(OsStr::new(to))?];
        return Ok([from, "..".into(), dot.into(), to].into_iter().collect());
    }
    let Some(spec) = Spec::parse(text) else { return Ok(name.to_owned()) };
    if std::path::Path::new(name).exists() || revision::look_up(name)?.is_some() {
        return Ok(name.to_owned());
    }
    let registry = Registry::read(None)?;
    if registry.models().all(|lineage| lineage.model != spec.model) {
        return Ok(name.to_owned());
    }
    let commit = commit_of(&registry.lineage(&spec.model), &spec.which)?;
    Ok(commit.map_or_else(|| name.to_owned(), |commit| commit.to_string().into()))
}

impl Named {
    /// The paths of its weights, to be shown.
    pub fn paths(&self) -> Vec<String> {
        self.weights.iter().map(|file| shown(&file.path)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_paths() {
        for (path, short, long) in [
            ("house.safetensors", "house", "house"),
            ("models/house v2.0.bin", "house-v2-0", "models/house-v2-0"),
            ("a.b/weights", "weights", "a-b/weights"),
            (".hidden", "hidden", "hidden"),
            ("模型.gguf", "model", "model"),
        ] {
            assert_eq!(
                (stem(path.as_bytes(), false).as_str(), stem(path.as_bytes(), true).as_str()),
                (short, long),
                "{path}"
            );
        }
    }

    #[test]
    fn files_of_one_name_are_told_apart_by_their_folders() {
        let file = |path: &str| File { path: path.into(), blob: "a".repeat(40).parse().expect("an id") };
        let models = by_files(vec![file("a/model.bin"), file("b/model.bin"), file("other.bin")]);
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["a/model", "b/model", "other"]);
    }

    #[test]
    fn which_model_is_meant() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(choose(&names(&["a"]), None, "here").expect("the only one"), "a");
        assert_eq!(choose(&names(&["a", "b"]), Some("b"), "here").expect("named"), "b");
        let hint = |known: &[&str], asked| choose(&names(known), asked, "here").expect_err("refused").hint();
        assert_eq!(hint(&["a", "b"], None).as_deref(), Some("one of `a`, `b`"));
        assert_eq!(hint(&["house", "b"], Some("hause")).as_deref(), Some("did you mean `house`?"));
        assert!(hint(&[], None).is_some());
    }
}
