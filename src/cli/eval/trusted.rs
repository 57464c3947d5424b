//! `git model eval` without files: the commands that `.gitmodel.toml` names.

use crate::cli::work_tree_context;
use crate::error::{Error, Kind, Result};
use crate::metrics::policy::FILE;
use crate::metrics::run::evaluate::{self, EvaluateError};
use crate::progress::Progress;
use crate::ui::Ui;

/// Runs those that are trusted; none if one is not.
pub fn run(ui: &Ui) -> Result {
    let context = work_tree_context()?;
    let top = context.repo.work_dir().unwrap_or_default();
    match evaluate::evaluate(&context, &top, ui)? {
        0 => {
            ui.note("evaluated");
            Ok(())
        }
        code => Err(Error::new(Kind::Failed, format!("the command failed with exit code {code}")).with_code(code)),
    }
}

impl From<EvaluateError> for Error {
    fn from(error: EvaluateError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            EvaluateError::NoCommand => failure
                .hint("to compute metrics from files: `git model eval PREDICTIONS TARGETS`")
                .hint(format!("a command: `evaluate = [\"python\", \"evaluate.py\"]` in `[model.NAME]` of `{FILE}`")),
            EvaluateError::Untrusted(_) => failure.hint("look at what it runs, then allow it: `git model trust`"),
            EvaluateError::Run(error) => error.into(),
        }
    }
}
