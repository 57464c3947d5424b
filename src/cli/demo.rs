//! `git model demo`.

use std::io;
use std::path::{Path, PathBuf};

use crate::demo::{self, DemoError};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::ui::Ui;

/// Show on a small model what git-model does.
///
/// Makes a repository and a model of 16 MB in a folder of its own, commits two versions of it, goes back and forth and
/// shows the space they take. Needs no network and changes nothing elsewhere.
#[derive(clap::Args)]
pub struct Args {
    /// Show how two branches of a model are merged.
    #[arg(long)]
    merge: bool,

    /// Keep the repository in this folder, which must not exist yet; without it, nothing is kept.
    dir: Option<PathBuf>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let show = |dir: &Path| {
        let mut out = io::stdout().lock();
        if args.merge { demo::run_merge(dir, &mut out) } else { demo::run(dir, &mut out, &|count| ui.bytes(count)) }
    };
    let Some(dir) = &args.dir else {
        let dir = tempfile::Builder::new()
            .prefix("git-model-demo-")
            .tempdir()
            .map_err(|error| Error::failed(format!("cannot make a temporary folder: {error}")))?;
        show(dir.path()).or_else(error)?;
        ui.note("\nnothing was kept; `git model demo DIR` keeps the repository in DIR");
        return Ok(());
    };
    let shown = dir.display();
    std::fs::create_dir(dir).map_err(|error| {
        Error::new(Kind::Usage, format!("cannot make `{shown}`: {error}")).hint("name a folder that does not exist yet")
    })?;
    show(dir).or_else(error)?;
    ui.note(&format!("\nthe repository is in `{shown}`"));
    Ok(())
}

fn error(error: DemoError) -> Result {
    match error {
        // Whoever read the transcript has seen enough.
        DemoError::Transcript(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        DemoError::Git(error) => Err(error.into()),
        error => Err(Error::failed(error.to_string()).hint("run `git model doctor`")),
    }
}
