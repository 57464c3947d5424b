//! `git model metrics plot`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::atomic_file::write_whole;
use crate::cli::context;
use crate::diff::html::today;
use crate::error::{Error, Kind, Result};
use crate::metrics::plot::terminal::{self, Charset};
use crate::metrics::plot::{Figure, html, png, svg};
use crate::progress::Progress;
use crate::ui::{Ui, is_utf8};
use crate::version::{models, series};

/// Plot metrics over history.
///
/// Along the first parents of `HEAD`, of a revision, or of a range `A..B`: a point for each commit that changed the file of
/// metrics, with the limits of gates. In the terminal, or with `-o` as a file: SVG, PNG, or a page for a browser.
///
/// What metrics files say is kept in `.git/model/cache/metrics`, so that the next plot need not read them again.
#[derive(clap::Args)]
pub struct Args {
    /// Metrics, and at the end perhaps a revision or a range.
    #[arg(value_name = "METRIC", required = true)]
    metrics: Vec<String>,

    /// A revision or a range. What stands last behind metrics is taken for one if git knows it by that name.
    #[arg(long, value_name = "REV|RANGE")]
    revision: Option<OsString>,

    /// Only this model.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,

    /// All branches, each from where it leaves the current one.
    #[arg(long)]
    all: bool,

    /// Write this file: `.svg`, `.png` or `.html`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy)]
enum Kinds {
    Svg,
    Png,
    Html,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let output = args.output.map(|path| kind(&path).map(|kind| (path, kind))).transpose()?;
    let context = context()?;
    let (metrics, revision) = series::split(args.metrics, args.revision)?;
    let lines = series::lines(revision.as_deref(), args.all)?;
    let models = models::find(&context, &series::tips(&lines)?, args.model.as_deref())?;
    let (figure, warnings) = series::figure(&context, &metrics, &models, &lines)?;
    warnings.iter().for_each(|warning| ui.warn(warning));
    let Some((path, kind)) = output else {
        let charset = if is_utf8() { Charset::Unicode } else { Charset::Ascii };
        return ui.page(&terminal::draw(&figure, &ui.style(), charset));
    };
    let bytes = drawn(&figure, kind)?;
    write_whole(&path, |mut file| file.write_all(&bytes)).map_err(|error| unwritten(&path, &error))?;
    ui.note(&format!("wrote `{}` ({})", path.display(), ui.bytes(bytes.len() as u64)));
    Ok(())
}

fn drawn(figure: &Figure, kind: Kinds) -> Result<Vec<u8>> {
    Ok(match kind {
        Kinds::Svg => svg::svg(figure).into_bytes(),
        Kinds::Html => html::page(figure, &today()).into_bytes(),
        Kinds::Png => png::png(figure).map_err(|error| Error::failed(error.to_string()))?,
    })
}

fn kind(path: &Path) -> Result<Kinds> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        "svg" => Ok(Kinds::Svg),
        "png" => Ok(Kinds::Png),
        "html" | "htm" => Ok(Kinds::Html),
        _ => Err(Error::new(Kind::Usage, format!("cannot tell from its name what `{}` should be", path.display()))
            .hint("let it end with `.svg`, `.png` or `.html`")),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let failed = Error::failed(format!("cannot write `{}`: {error}", path.display()));
    match path.parent() {
        Some(folder) if error.kind() == io::ErrorKind::NotFound => {
            failed.hint(format!("make the folder: `mkdir -p {}`", folder.display()))
        }
        _ => failed,
    }
}
