//! The store, and the models of the work tree.

use std::collections::HashSet;

use super::{DoctorError, Finding, Report};
use crate::git::{attributes, install, path_for_user, shown};
use crate::progress::count;
use crate::store::health;
use crate::worktree::Context;
use crate::worktree::status::{self, Model, Place};

/// Paths that are shown in one finding.
const SHOWN_MAX: usize = 20;

/// Looks at the store and the models. `bytes` prints a number of bytes.
pub fn examine(report: &mut Report, context: &Context, bytes: &dyn Fn(u64) -> String) -> Result<(), DoctorError> {
    let top = context.repo.work_dir();
    report.fact("repository", context.repo.common_dir().display().to_string());
    store(report, context, bytes)?;
    let Some(top) = top else { return Ok(()) };
    report.fact("work tree", top.display().to_string());
    let models = status::models(context, &[])?;
    report.fact("models", models.len().to_string());
    let missing: HashSet<&[u8]> =
        models.iter().filter(|model| !is_stored(context, model)).map(|model| &model.path[..]).collect();
    let is_missing = |model: &&Model| missing.contains(&model.path[..]);
    let of = |is: &dyn Fn(&&Model) -> bool| models.iter().filter(is).collect::<Vec<_>>();

    report.findings.extend(finding(
        Finding::problem,
        "tensors are missing from the store, but the work tree has them",
        "git add --renormalize --",
        &of(&|model| is_missing(model) && model.place == Place::Whole),
    )?);
    report.findings.extend(finding(
        Finding::problem,
        "tensors are missing from the store",
        "git model checkout --",
        &of(&|model| is_missing(model) && model.place != Place::Whole),
    )?);
    report.findings.extend(finding(
        Finding::problem,
        "not materialized: the file holds its manifest",
        "git model checkout --",
        &of(&|model| !is_missing(model) && model.place == Place::Manifest),
    )?);
    report.findings.extend(finding(
        Finding::advice,
        "in git as it is, not tensor by tensor",
        "git add --renormalize --",
        &of(&|model| model.is_raw),
    )?);
    let paths: Vec<&[u8]> = models.iter().map(|model| &model.path[..]).collect();
    let attributes = attributes::check_in(&top, &paths)?;
    let unmerged: Vec<&Model> = models
        .iter()
        .zip(attributes)
        .filter(|(_, attributes)| attributes.merge != "model")
        .map(|(model, _)| model)
        .collect();
    report.findings.extend(finding(
        Finding::problem,
        "without `merge=model`: git would merge the manifest as text",
        "git model track --",
        &unmerged,
    )?);
    Ok(())
}

fn store(report: &mut Report, context: &Context, bytes: &dyn Fn(u64) -> String) -> Result<(), DoctorError> {
    let health = health::health(&context.store)?;
    let dir = context.store.dir();
    report.fact("store", format!("{} in {} ({})", bytes(health.bytes), count(health.packs, "pack"), dir.display()));
    for path in health.forbidden {
        let dir = install::quote(path.as_os_str());
        report.findings.push(Finding::problem(
            format!("you may not read and write `{}`", path.display()),
            format!("sudo chown -R \"$(id -u)\" {dir} && chmod -R u+rwX {dir}"),
        ));
    }
    for (_, error) in health.unreadable {
        report.findings.push(Finding::problem(error.to_string(), "git model fsck --repair"));
    }
    if !health.leftovers.is_empty() {
        let left = count(health.leftovers.len(), "file");
        report.findings.push(Finding::advice(format!("{left} left of interrupted commands"), "git model gc"));
    }
    Ok(())
}

/// Whether the store has all that the index names.
fn is_stored(context: &Context, model: &Model) -> bool {
    let is_in_index = model.blob.is_some();
    !is_in_index
        || model
            .manifest
            .as_ref()
            .is_none_or(|manifest| manifest.objects().all(|object| context.store.is_whole(&object)))
}

/// One finding about all these models, if there are any.
fn finding(
    new: impl Fn(String, String) -> Finding,
    what: &str,
    command: &str,
    models: &[&Model],
) -> Result<Option<Finding>, DoctorError> {
    if models.is_empty() {
        return Ok(None);
    }
    let mut names: Vec<String> =
        models.iter().take(SHOWN_MAX).map(|model| format!("`{}`", shown(&model.path))).collect();
    if models.len() > SHOWN_MAX {
        names.push(format!("and {} more", models.len() - SHOWN_MAX));
    }
    let mut mend = command.to_owned();
    for model in models {
        mend.push(' ');
        mend.push_str(&install::quote(&path_for_user(&model.path)?));
    }
    Ok(Some(new(format!("{}: {what}", names.join(", ")), mend)))
}
