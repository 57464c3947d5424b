//! `git model ci`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::metrics::policy::FILE;
use crate::metrics::run;
use crate::progress::Progress;
use crate::scaffold::ci::{self, Forge};
use crate::scaffold::files::{self, Done, File};
use crate::ui::Ui;

/// Print a workflow for a forge: judge, build and test each change, deploy what reaches a branch that is deployed.
///
/// It is made for the environments that `.gitmodel.toml` names now. Change one line in it: where git-model's source is.
#[derive(clap::Args)]
pub struct Args {
    /// Whose workflow.
    forge: Forge,

    /// Write it to this file, which must not exist yet: `.github/workflows/model.yml`, `.gitlab-ci.yml`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::work_tree_context()?;
    let top = context.repo.work_dir().unwrap_or_default();
    let policy = run::policy(&top)?;
    let text = ci::workflow(args.forge, &policy).ok_or_else(|| {
        Error::failed(format!("`{FILE}` has no `[deploy.NAME]`"))
            .hint("`git model init` writes one; see docs/deploying.md")
    })?;
    let Some(path) = args.output else { return ui.print(&text) };
    match files::make(Path::new(""), &File { path: path.clone(), text })? {
        Done::Made => ui.note(&format!("made `{}`; set `GIT_MODEL_SOURCE` in it", path.display())),
        Done::Kept => {
            let diff = "see what would change: `git model ci FORGE | diff FILE -`";
            return Err(Error::new(Kind::Usage, format!("`{}` is there already", path.display())).hint(diff));
        }
    }
    Ok(())
}
