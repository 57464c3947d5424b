//! What a run has made, as a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::files::Files;
use super::record::Record;
use super::steps::Steps;
use super::trailers::{self, Measured};
use super::{Request, RunError};
use crate::git::{Git, git_version};
use crate::metrics::fresh::Weights;
use crate::metrics::output::Output;
use crate::metrics::policy::Policy;
use crate::params::Syntax;
use crate::params::load::{Tree, load};
use crate::progress::Progress;

/// The first git whose `commit` knows `--trailer`.
const TRAILER_SINCE: (u32, u32) = (2, 32);

/// Stages all changes of tracked files and the models' files, new ones too.
pub fn stage(files: &Files, steps: &Steps) -> Result<bool, RunError> {
    if !steps.git(&["add", "--update", ":/"])? {
        return Ok(false);
    }
    let known = Git::new(["ls-files", "-z"]).current_dir(&files.top).output()?;
    let known: BTreeSet<&[u8]> = known.split(|&byte| byte == 0).collect();
    let mut new = files.present()?;
    new.retain(|path| !known.contains(path.as_bytes()));
    add(files, steps, &new)
}

/// Stages these files.
pub fn add(files: &Files, steps: &Steps, paths: &[String]) -> Result<bool, RunError> {
    if paths.is_empty() {
        return Ok(true);
    }
    let args = ["add", "--"].map(OsString::from).into_iter().chain(files.pathspecs(paths, steps.folder));
    Ok(steps.run(&args.collect::<Vec<_>>())?)
}

/// Whether the index has something to commit.
pub fn is_anything_staged() -> Result<bool, RunError> {
    Ok(!Git::new(["diff", "--cached", "--quiet", "--ignore-submodules=none"]).succeeds()?)
}

/// Writes into the metrics files that the run has written which weights they were computed from; which files were changed by
/// that. What cannot be written is told.
pub fn record_freshness(
    files: &Files,
    written: &BTreeSet<&str>,
    weights: &BTreeMap<String, String>,
    progress: &dyn Progress,
) -> Vec<String> {
    let mut changed = Vec::new();
    for &path in written {
        let models: Vec<_> = files.models.iter().filter(|model| model.metrics.as_deref() == Some(path)).collect();
        let theirs: Vec<Weights> = weights
            .iter()
            .filter(|(path, _)| models.iter().any(|model| model.has_weights(path)))
            .map(|(path, digest)| Weights { path: path.as_bytes().to_vec(), digest: digest.clone() })
            .collect();
        if theirs.is_empty() {
            continue;
        }
        match record_in(files, path, &theirs) {
            Ok(true) => changed.push(path.to_owned()),
            Ok(false) => {}
            Err(why) => {
                progress.warn(&format!("`{path}` does not tell which weights it was computed from: {why}"));
            }
        }
    }
    changed
}

fn record_in(files: &Files, path: &str, weights: &[Weights]) -> Result<bool, String> {
    if Syntax::of(path) != Some(Syntax::Json) {
        return Err("that is written into files of JSON only".into());
    }
    let before = files.read_metrics(path)?;
    let mut output = Output::open(&files.top.join(path)).map_err(|error| error.to_string())?;
    output.record_only(weights);
    output.write().map_err(|error| error.to_string())?;
    Ok(files.read_metrics(path)? != before)
}

/// The command that commits what is staged.
///
/// # Errors
/// Git does not tell its version.
pub fn command(
    files: &Files,
    policy: &Policy,
    request: &Request,
    record: &Record,
    written: &BTreeSet<&str>,
) -> Result<Vec<OsString>, RunError> {
    let message = request.message.clone().unwrap_or_else(|| trailers::subject(&record.name, &record.command));
    let measured: Vec<(&str, Tree)> = files
        .models
        .iter()
        .filter_map(|model| {
            let path = model.metrics.as_deref().filter(|path| written.contains(path))?;
            let bytes = files.read_metrics(path).ok()??;
            Some((model.name.as_str(), load(Syntax::of(path)?, &bytes).ok()?))
        })
        .collect();
    let measured: Vec<Measured> = measured.iter().map(|(model, metrics)| Measured { model, metrics }).collect();
    let mut trailers = vec![format!("{}: {}", trailers::RUN, record.name)];
    trailers
        .extend(trailers::metrics(policy, &measured).iter().map(|metric| format!("{}: {metric}", trailers::METRIC)));
    Ok(commit(&message, &trailers, git_version()? >= TRAILER_SINCE))
}

fn commit(message: &str, trailers: &[String], knows_trailers: bool) -> Vec<OsString> {
    let mut args = vec!["commit".to_owned(), "--quiet".into(), "-m".into(), message.into()];
    if knows_trailers {
        args.extend(trailers.iter().flat_map(|trailer| ["--trailer".to_owned(), trailer.clone()]));
    } else {
        args.extend(["-m".to_owned(), trailers.join("\n")]);
    }
    args.into_iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_git_gets_trailers_as_a_paragraph() {
        let trailers = ["A: 1".to_owned(), "B: 2".to_owned()];
        let words = |knows| commit("x", &trailers, knows).join("|".as_ref());
        assert_eq!(words(true), "commit|--quiet|-m|x|--trailer|A: 1|--trailer|B: 2");
        assert_eq!(words(false), "commit|--quiet|-m|x|-m|A: 1\nB: 2");
    }
}
