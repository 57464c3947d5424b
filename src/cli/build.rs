//! `git model build`.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::atomic_file::write_whole;
use crate::deploy::docker::{Engine, EngineError};
use crate::deploy::image::{self, COMMIT_LABEL, Image, ImageError, MODEL_LABEL, Request, reference};
use crate::error::{Error, Kind, Result};
use crate::git::history::CommitId;
use crate::metrics::check::version::short;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::ui::Ui;
use crate::version::named::{self, Named};
use crate::worktree::Context;

/// Where the server in the image listens.
const PORT: u16 = 8080;
/// What stands for standard output.
const STDOUT: &str = "-";

/// Make a container image of a version of a model: its weights and the program that serves them.
///
/// The image is composed from nothing, without a builder and without anything from a registry; the same commit and the same
/// program give the same image on every machine. It goes into the container engine that answers (Docker, or Podman through
/// its socket), or into a file with `-o`, for which no engine is needed. Weights come from the store, not from the work tree.
#[derive(clap::Args)]
pub struct Args {
    /// The version: a revision, `MODEL@v1.2.0` or `MODEL#prod`.
    #[arg(default_value = "HEAD")]
    revision: String,

    /// The model, where the version has several.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// The image's name: by default the model's, and its version or else the commit.
    #[arg(long, value_name = "NAME:TAG")]
    tag: Option<String>,

    /// Write the image to a file (`-` for standard output) in place of an engine.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What to write: an archive for `docker load` and `podman load`, or a layout of the OCI.
    #[arg(long, value_enum, default_value = "docker", requires = "output")]
    format: Format,

    /// The git-model to put into the image; by default this one. A static one needs no libraries.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,

    /// Have the engine build this Dockerfile of the version in place of the built-in image.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "binary"])]
    dockerfile: Option<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// What `docker save` writes.
    Docker,
    /// An OCI image layout as a tar archive.
    Oci,
}

/// What is to be built.
struct Job {
    context: Context,
    commit: CommitId,
    model: Named,
    version: Option<String>,
    /// The whole name of the image.
    name: String,
}

impl Job {
    fn new(args: &Args) -> Result<Self> {
        let context = super::context()?;
        let (commit, asked) = version(&context, args)?;
        let models = named::models(&context.repo, commit)?;
        let names: Vec<String> = models.iter().map(|model| model.name.clone()).collect();
        let place = format!("`{}`", args.revision);
        let chosen = named::choose(&names, asked.as_deref(), &place).map_err(|error| several(error, args))?;
        // One of the names was chosen.
        let model = models.into_iter().find(|model| model.name == chosen);
        let model = model.ok_or_else(|| Error::failed(format!("there is no model `{chosen}`")))?;
        let registered = Registry::read(None)?.lineage(&model.name).version_at(commit);
        let version = registered.map(|registered| format!("v{}", registered.version));
        let tag = version.clone().unwrap_or_else(|| short(commit));
        let name = args.tag.clone().unwrap_or_else(|| reference::reference(&model.name, &tag));
        if reference::split(&name).is_none() {
            return Err(Error::new(Kind::Usage, format!("`{name}` is no name of an image"))
                .hint("such a name is in lowercase: `house-pricing:v1.2.0`"));
        }
        // Engines do not all add the tag that everybody means.
        let name = reference::split(&name).map(|(name, tag)| format!("{name}:{tag}")).unwrap_or(name);
        Ok(Self { context, commit, model, version, name })
    }

    fn compose(&self, args: &Args, ui: &Ui) -> Result<Image<'_>> {
        let binary = match &args.binary {
            Some(path) => path.clone(),
            None => std::env::current_exe()
                .map_err(|error| Error::failed(format!("cannot tell which program this is: {error}")))?,
        };
        let origin = self.context.repo.config_string("remote.origin.url");
        let source = origin.as_deref().and_then(reference::source);
        // `split` has seen the name.
        let title = reference::split(&self.name).map_or(&*self.name, |(title, _)| title);
        let request = Request {
            commit: self.commit,
            model: &self.model,
            title,
            version: self.version.as_deref(),
            port: PORT,
            binary: &binary,
            source: source.as_deref(),
        };
        let scratch = self.context.repo.common_dir().join("model/deploy/images");
        Ok(image::compose(&self.context, &request, &scratch, ui)?)
    }
}

/// The commit, and the model that is asked for.
fn version(context: &Context, args: &Args) -> Result<(CommitId, Option<String>)> {
    if args.revision.contains(['@', '#'])
        && let Some(resolved) = named::resolve(&context.repo, &args.revision)?
    {
        let model = args.model.clone().unwrap_or(resolved.model.name);
        return Ok((resolved.commit, Some(model)));
    }
    Ok((named::commit(&args.revision)?, args.model.clone()))
}

fn several(error: named::NameError, args: &Args) -> Error {
    match error {
        named::NameError::Several { ref names } => {
            let example = names.first().cloned().unwrap_or_default();
            Error::from(error).hint(format!("as in `git model build {} --model {example}`", args.revision))
        }
        error => error.into(),
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    if args.output.as_ref().is_some_and(|path| path.as_os_str() == STDOUT) {
        if io::stdout().is_terminal() {
            return Err(Error::new(Kind::Usage, "an image is no text for a terminal")
                .hint("write it to a file with `-o image.tar`, or into a pipe"));
        }
        if args.json {
            return Err(Error::new(Kind::Usage, "standard output cannot have both the image and JSON"));
        }
    }
    let job = Job::new(&args)?;
    match (&args.dockerfile, &args.output) {
        (Some(dockerfile), _) => build(&job, dockerfile, &args, ui),
        (None, Some(path)) => write(&job, path, &args, ui),
        (None, None) => load(&job, &args, ui),
    }
}

/// Composes the image and puts it into the engine.
fn load(job: &Job, args: &Args, ui: &Ui) -> Result {
    // Without an engine, nothing else need be done.
    let engine = Engine::connect()?;
    let image = job.compose(args, ui)?;
    let loaded = engine.load(&image, &job.name, &mut io::sink(), ui)?;
    if args.json {
        let mut told = as_json(job, &image);
        told["engine"] = engine.name().into();
        told["id"] = loaded.id.into();
        told["sent"] = loaded.sent.into();
        told["full"] = loaded.full.into();
        return ui.print(&super::json(&told));
    }
    let (size, sent) = (ui.bytes(image.size()), ui.bytes(loaded.sent));
    ui.print(&format!("{} {} {size}, {sent} sent\n", job.name, loaded.id))
}

/// Composes the image and writes it to a file.
fn write(job: &Job, path: &Path, args: &Args, ui: &Ui) -> Result {
    let image = job.compose(args, ui)?;
    let len = match args.format {
        Format::Docker => image.docker_archive_len(Some(&job.name), &HashSet::new()),
        Format::Oci => image.oci_layout_len(Some(&job.name)),
    };
    if path.as_os_str() == STDOUT {
        write_to(&image, job, args, io::stdout().lock())?;
        return Ok(());
    }
    let write = |file: &File| write_to(&image, job, args, file);
    write_whole(path, write).map_err(|error| match error {
        ImageError::Write(error) => Error::failed(format!("cannot write `{}`: {error}", path.display())),
        error => error.into(),
    })?;
    if args.json {
        let mut told = as_json(job, &image);
        told["file"] = path.to_string_lossy().into();
        told["full"] = len.into();
        return ui.print(&super::json(&told));
    }
    let (size, len) = (ui.bytes(image.size()), ui.bytes(len));
    ui.print(&format!("{} {} {size}, {len} written to `{}`\n", job.name, image.id(), path.display()))
}

fn write_to(image: &Image<'_>, job: &Job, args: &Args, out: impl Write) -> std::result::Result<(), ImageError> {
    let mut out = BufWriter::with_capacity(1 << 20, out);
    match args.format {
        Format::Docker => image.write_docker_archive(Some(&job.name), &HashSet::new(), &mut out)?,
        Format::Oci => image.write_oci_layout(Some(&job.name), &mut out)?,
    }
    Ok(out.flush()?)
}

/// Has the engine build a Dockerfile.
fn build(job: &Job, dockerfile: &str, args: &Args, ui: &Ui) -> Result {
    let engine = Engine::connect()?;
    let mut context =
        |out: &mut dyn Write| image::context_tar(&job.context, job.commit, dockerfile, out).map_err(io::Error::other);
    let labels = BTreeMap::from([
        (MODEL_LABEL.to_owned(), job.model.name.clone()),
        (COMMIT_LABEL.to_owned(), job.commit.to_string()),
    ]);
    let mut log = Lines { ui, line: Vec::new() };
    let id = engine.build(&mut context, dockerfile, &job.name, &labels, &mut log, ui)?;
    if args.json {
        return ui.print(&super::json(&json!({
            "image": job.name, "id": id, "model": job.model.name, "commit": job.commit.to_string(),
            "version": job.version, "engine": engine.name(), "labels": labels,
        })));
    }
    ui.print(&format!("{} {id}\n", job.name))
}

fn as_json(job: &Job, image: &Image<'_>) -> serde_json::Value {
    let layer = |layer: &image::Layer| json!({ "about": layer.about, "digest": layer.diff_id.to_string(), "bytes": layer.size });
    json!({
        "image": job.name, "id": image.id().to_string(), "digest": image.manifest_digest().to_string(),
        "model": job.model.name, "commit": job.commit.to_string(), "version": job.version, "bytes": image.size(),
        "layers": image.layers().iter().map(layer).collect::<Vec<_>>(), "labels": image.labels(),
    })
}

/// Shows a log line by line.
struct Lines<'u> {
    ui: &'u Ui,
    line: Vec<u8>,
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte == b'\n' {
                self.ui.note(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            } else {
                self.line.push(byte);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        let failure = Self::failed(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let failure = Self::failed(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
