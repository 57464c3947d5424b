//! `git model merge`.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::atomic_file::write_whole;
use crate::error::{Error, Kind, Result};
use crate::git::shown;
use crate::merge::rules::Decision;
use crate::merge::soup::{Soup, SoupError};
use crate::progress::Progress;
use crate::ui::{Ui, count};
use crate::version::find;
use crate::worktree::put;

/// Merge whole models into one, whatever their history: a model soup.
///
/// Tensor by tensor, with one method for all. What `git merge` does is another thing: that takes what either side has
/// changed, and computes only what both have.
#[derive(clap::Args)]
pub struct Args {
    /// `FILE`, `REVISION:FILE`, or a revision with one model; two or more.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<OsString>,

    /// The method, with its parameters: `'ties density=0.5 weight=0.3,0.7'`.
    #[arg(short, long, value_name = "METHOD")]
    method: String,

    /// The model that the others come from, for methods that merge what has changed.
    #[arg(long, value_name = "MODEL")]
    base: Option<OsString>,

    /// The file to write; by default that of the first model, if it has no changes.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write over a file that is there.
    #[arg(short, long)]
    force: bool,

    /// Only tell what would be done.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let method = match Decision::parse(&args.method) {
        Ok(Decision::Merge(method)) => method,
        Ok(Decision::Take(_) | Decision::Conflict) => {
            return Err(Error::new(Kind::Usage, format!("`{}` computes nothing", args.method)).hint(known_methods()));
        }
        Err(error) => return Err(Error::new(Kind::Usage, error.to_string()).hint(known_methods())),
    };
    let found = args.models.iter().map(|spec| find::find_only(spec)).collect::<std::result::Result<Vec<_>, _>>()?;
    let base = args.base.as_deref().map(find::find_only).transpose()?;
    let base = base.as_ref().map(|(model, _)| model);
    let soup = Soup::plan(found.iter().map(|(model, _)| model).collect(), base, &method)?;
    let output = output(&args, found[0].1.as_deref(), ui)?;
    let (computed, taken) = soup.counts();
    let of = count(args.models.len(), "model");
    let what = format!("{of} by {method}: {} computed, {taken} as in the first", count(computed, "tensor"));
    let shown = output.display();
    if args.dry_run {
        ui.note(&format!("would write `{shown}` ({}): {what}", ui.bytes(soup.size())));
        return Ok(());
    }
    let workers = crate::parallel::cores();
    write_whole(&output, |file| soup.write(file, workers, ui))?;
    ui.note(&format!("wrote `{shown}` ({}): {what}", ui.bytes(soup.size())));
    Ok(())
}

/// Where the result goes: never over what nobody has a copy of.
fn output(args: &Args, first: Option<&[u8]>, ui: &Ui) -> Result<PathBuf> {
    if let Some(output) = &args.output {
        if !args.force && !args.dry_run && output.symlink_metadata().is_ok() {
            return Err(
                Error::failed(format!("`{}` is there already", output.display())).hint("write over it with `--force`")
            );
        }
        return Ok(output.clone());
    }
    let Some(path) = first else {
        return Err(Error::new(Kind::Usage, "there is no file to write").hint("name one with `-o FILE`"));
    };
    let context = super::work_tree_context()?;
    // A path that is not one from the top leads who knows where.
    let is_from_top = path.split(|&byte| byte == b'/').all(|part| ![&b""[..], b".", b".."].contains(&part));
    let file = context.file_path(path).filter(|_| is_from_top);
    let file = file.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{}` is no path from the top of the work tree", shown(path)))
            .hint("name the file to write with `-o FILE`")
    })?;
    let staged: Vec<_> = context.repo.merged_index_blob(path).into_iter().collect();
    if !args.force && !args.dry_run && !put::is_known(&context, path, &staged, ui)? {
        return Err(Error::failed(format!("`{}` has changes that git does not have", shown(path)))
            .hint("commit or stash it, write to another file with `-o FILE`, or over it with `--force`"));
    }
    Ok(file)
}

fn known_methods() -> String {
    format!("methods are: {}", crate::merge::strategy::Method::names().collect::<Vec<_>>().join(", "))
}

impl From<SoupError> for Error {
    fn from(error: SoupError) -> Self {
        let message = error.to_string();
        let failure = Self::failed(message);
        match error {
            SoupError::NoBase(_) => failure.hint("name it with `--base MODEL`"),
            SoupError::Unlike(_) => failure.hint("`git model diff A:FILE B:FILE` shows how two of them differ"),
            SoupError::Refused { .. } | SoupError::NotFinite { .. } => {
                failure.hint("another method or other parameters may have a result")
            }
            SoupError::Tensor { .. } | SoupError::Skeleton(_) => {
                failure.hint("run `git model fsck` to see what is missing or damaged")
            }
            SoupError::Rebuild(_) | SoupError::Write(_) => failure,
        }
    }
}
