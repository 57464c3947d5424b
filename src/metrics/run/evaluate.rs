//! The commands that evaluate models, run where they are trusted.

use std::ffi::OsString;
use std::path::Path;

use super::files::Files;
use super::process::{self, Signals};
use super::{RunError, commit, models, policy};
use crate::metrics::policy::FILE;
use crate::metrics::trust::{self, Command};
use crate::progress::Progress;
use crate::worktree::Context;

/// Why nothing was evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// No model has a command for it.
    #[error("no model in `{FILE}` has a command `evaluate`")]
    NoCommand,
    /// A command that the user has not allowed.
    #[error("`{0}` is not trusted in this clone")]
    Untrusted(String),
    /// As for other runs.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs the commands of all models, at the top of the work tree, and writes into the metrics files which weights they
/// are of. Ends with the first that fails; its exit code, else 0.
///
/// # Errors
/// A command that is not trusted, before any is run; one that cannot be started.
pub fn evaluate(context: &Context, top: &Path, progress: &dyn Progress) -> Result<u8, EvaluateError> {
    let policy = policy(top)?;
    let models = models(&policy, None)?;
    let commands = trust::commands(&models).map_err(RunError::from)?;
    if commands.is_empty() {
        return Err(EvaluateError::NoCommand);
    }
    if let Some(command) = commands.iter().find(|command| !command.is_trusted) {
        return Err(EvaluateError::Untrusted(command.shown()));
    }
    let mut signals = Signals::watch().map_err(RunError::from)?;
    for command in &commands {
        let code = one(context, top, &models, command, &mut signals, progress)?;
        if code != 0 {
            return Ok(code);
        }
    }
    Ok(0)
}

fn one(
    context: &Context,
    top: &Path,
    models: &[&crate::metrics::policy::Model],
    command: &Command,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<u8, RunError> {
    let models = models.iter().copied().filter(|model| model.name == command.model).collect();
    let files = Files { context, top: top.to_owned(), models };
    let stamps = files.stamps();
    progress.note(&format!("$ {}", command.shown()));
    let argv: Vec<OsString> = command.argv.iter().map(OsString::from).collect();
    let ended = process::run(&argv, top, signals, progress)?;
    if ended.exit_code() != 0 {
        return Ok(ended.exit_code());
    }
    let written = files.written(&stamps);
    for path in files.metrics().difference(&written) {
        progress.warn(&format!("the command has not written `{path}`"));
    }
    commit::record_freshness(&files, &written, &files.weights(progress)?, progress);
    Ok(0)
}
