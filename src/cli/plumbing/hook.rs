//! `git-model hook NAME`: what our hooks run before they hand on to the user's own.

use std::ffi::OsString;
use std::io::Read;

use crate::cli::reconcile;
use crate::config::SmudgeMode;
use crate::deploy::record;
use crate::error::{Error, Result};
use crate::git::changes::Changed;
use crate::git::{merging, push, revision, shown};
use crate::merge::{mixed, state};
use crate::metrics::check::version::Version;
use crate::metrics::check::{self, Question, Scope};
use crate::metrics::gate::Outcome;
use crate::metrics::health::{self, Finding, Trouble};
use crate::metrics::policy::FILE;
use crate::metrics::{receive, report};
use crate::progress::Progress;
use crate::text::Style;
use crate::ui::{Ui, count};
use crate::worktree::materialize::{self, Report};
use crate::worktree::recover;
use crate::worktree::{Context, models};

/// A longer list tells nobody more.
const NAMED_MAX: usize = 10;

#[derive(clap::Args)]
pub struct Args {
    /// The hook's name.
    name: String,
    /// What git passed to it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// A hook after the fact never fails: whatever cannot be done now is done when the filter ends. One before a commit does
/// if the commit would hide something.
pub fn run(args: Args, ui: &Ui) -> Result {
    let context = match crate::cli::context() {
        Ok(context) => context,
        // What cannot be judged does not go in.
        Err(error) if args.name.starts_with("pre-") && args.name != "pre-push" => return Err(error),
        Err(_) => return Ok(()),
    };
    match args.name.as_str() {
        "post-checkout" | "post-merge" => {
            let mut report = recover::recover(&context, recover::Scope::All, ui);
            if args.name == "post-merge" {
                after_octopus(&context, &mut report, ui);
            }
            crate::cli::checkout::tell(&report, ui);
            reconcile::after(&context, &args.name, None, ui);
            Ok(())
        }
        // `post-commit` has run for it already.
        "post-rewrite" if args.args.first().is_some_and(|what| what == "amend") => Ok(()),
        "post-commit" | "post-rewrite" => {
            reconcile::after(&context, &args.name, None, ui);
            Ok(())
        }
        "post-receive" => {
            reconcile::after(&context, &args.name, user().as_deref(), ui);
            Ok(())
        }
        "pre-commit" | "pre-merge-commit" => {
            nothing_open(&context)?;
            // What cannot be told is no reason not to commit.
            mixed::warnings(&context.repo).unwrap_or_default().iter().for_each(|warning| ui.warn(warning));
            let changed = Version::Index.changed(&context.repo)?;
            let is_sound = sound(&context, &changed, ui);
            gates(&context, &changed, ui)?;
            is_sound
        }
        "pre-push" => {
            share(&args.args, ui);
            Ok(())
        }
        "pre-receive" => receive(&context, ui),
        // `git am` and `git rebase --apply` run no other hook before a commit.
        "pre-applypatch" => nothing_open(&context),
        // `git rebase --continue` leaves out the hooks before a commit.
        "prepare-commit-msg" if merging::is_rebasing(&context.repo) => nothing_open(&context),
        _ => Ok(()),
    }
}

/// A merge of three branches or more writes manifests into the work tree, past all filters.
fn after_octopus(context: &Context, report: &mut Report, ui: &Ui) {
    let is_octopus = revision::look_up("HEAD^3".as_ref()).is_ok_and(|third| third.is_some());
    if !is_octopus || context.settings.smudge == SmudgeMode::Skip {
        return;
    }
    if let Ok(pending) = models::unmaterialized(context, &[]) {
        let more = materialize::materialize(context, &pending, ui);
        report.failed.extend(more.failed);
        report.index_error = report.index_error.take().or(more.index_error);
    }
}

/// Added as the merge has left them, tensors in conflict would silently be ours.
fn nothing_open(context: &Context) -> Result {
    let open = state::open(&context.repo)?;
    let Some(first) = open.first() else { return Ok(()) };
    let tensors: usize = open.iter().map(|state| state.open.len()).sum();
    let lines: Vec<String> = open
        .iter()
        .flat_map(|state| state.open.iter().map(move |open| (state, open)))
        .take(NAMED_MAX)
        .map(|(state, open)| {
            let tensor = open.tensor.as_deref().unwrap_or("the whole file");
            format!("\n  {}: {tensor}: {}", shown(state.path.as_bytes()), open.why)
        })
        .collect();
    let more =
        if tensors > lines.len() { format!("\n  … and {} more", tensors - lines.len()) } else { String::new() };
    let path = shown(first.path.as_bytes());
    Err(Error::failed(format!("{} still in conflict:{}{more}", count(tensors, "tensor"), lines.concat()))
        .hint(format!("decide with `git model resolve {path} --take ours|theirs|METHOD`"))
        .hint("to keep ours in all of them is a decision too: `--take ours`"))
}

/// The records of deployments go along with a push. A remote that does not take them is no reason not to push.
fn share(args: &[OsString], ui: &Ui) {
    let Some(remote) = args.first().and_then(|remote| remote.to_str()) else { return };
    match record::share::push(remote) {
        Ok(true) => ui.note(&format!("the record of deployments was sent to `{remote}` as well")),
        Ok(false) => {}
        Err(error) => ui.warn(&format!("`{remote}` did not take the record of deployments: {error}")),
    }
}

/// Who pushes, where the server says so.
fn user() -> Option<String> {
    receive::USER_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}

/// What a push brings to protected branches and tags is judged; git relays what is said to whoever pushes.
fn receive(context: &Context, ui: &Ui) -> Result {
    let mut input = Vec::new();
    std::io::stdin().lock().read_to_end(&mut input)?;
    let input = String::from_utf8_lossy(&input);
    let user = user();
    let updates = push::updates(&input);
    let findings = receive::check(&context.repo, &context.store, &updates, user.as_deref())?;
    findings.warnings.iter().take(NAMED_MAX).for_each(|warning| ui.warn(warning));
    if findings.refusals.is_empty() {
        return Ok(());
    }
    for refusal in findings.refusals.iter().take(NAMED_MAX) {
        ui.talk(&format!("refused: {}: {}", refusal.what, refusal.why));
        if let Some(report) = &refusal.report {
            ui.talk(report::text(report, &Style::PLAIN).trim_end());
        }
    }
    let more = findings.refusals.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Err(Error::failed(format!("this push is refused for {}{more}", count(findings.refusals.len(), "reason")))
        .hint("`git model check REV` judges a commit where you work; what is protected stands in `.gitmodel.toml`"))
}

/// A model that is worse than the policy allows stops a commit, and so does one that cannot be judged.
fn gates(context: &Context, changed: &[Changed], ui: &Ui) -> Result {
    let version = Version::Index;
    let question = Question { version: &version, policy: None, base: None, scope: Scope::Changed, tags: &[] };
    let report = check::check(&context.repo, &question, changed)?;
    report.warnings.iter().for_each(|warning| ui.warn(warning));
    if report.verdicts.is_empty() {
        return Ok(());
    }
    if report.outcome() == Outcome::Passed {
        ui.note(&format!("gates: {}", report::summary(&report)));
        return Ok(());
    }
    ui.talk(report::text(&report, &ui.style()).trim_end());
    if !report.outcome().stops() {
        return Ok(());
    }
    Err(Error::failed(format!("gates: {}", report::summary(&report)))
        .hint("train or evaluate again and `git add` the results; `git model check` judges what is staged")
        .hint(format!(
            "what is allowed stands in `{FILE}`; `git commit --no-verify` (`git merge --no-verify`) passes over it"
        )))
}

/// NaN or infinity that has come into weights, or a broken manifest, stops a commit; other shapes and types are mentioned.
fn sound(context: &Context, changed: &[Changed], ui: &Ui) -> Result {
    let findings = match health::check(&context.repo, &context.store, changed, context.settings.workers, ui) {
        Ok(findings) => findings,
        Err(error) => {
            // What cannot be read is no reason not to commit it.
            ui.warn(&format!("the weights to be committed could not be checked: {error}"));
            return Ok(());
        }
    };
    let (grave, others): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.trouble.is_grave());
    for finding in others.iter().take(NAMED_MAX) {
        ui.warn(&finding.to_string());
    }
    if grave.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = grave.iter().take(NAMED_MAX).map(|finding| format!("\n  {finding}")).collect();
    let more = if grave.len() > lines.len() {
        format!("\n  … and {} more", grave.len() - lines.len())
    } else {
        String::new()
    };
    let (broken, not_finite): (Vec<&Finding>, Vec<&Finding>) =
        grave.iter().partition(|finding| matches!(finding.trouble, Trouble::Broken(_)));
    let what = match (broken.len(), not_finite.len()) {
        (0, tensors) => format!("NaN or infinity in {} that had none", count(tensors, "tensor")),
        (files, 0) => format!("{} of weights cannot be restored", count(files, "file")),
        (files, tensors) => {
            format!(
                "{} of weights cannot be restored, and NaN or infinity in {}",
                count(files, "file"),
                count(tensors, "tensor")
            )
        }
    };
    Err(Error::failed(format!("{what}:{}{more}", lines.concat()))
        .hint("`git model diff --cached` shows what has changed")
        .hint("if it is meant: `git commit --no-verify` (`git merge --no-verify`)"))
}
