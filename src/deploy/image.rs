//! A commit to a container image, composed without a builder: weights, the program that serves them, and what is known of
//! them.
//!
//! An image is built from nothing. Its layers, from the bottom: the weights, which change least often and are the largest
//! part; the libraries of the program, if it is not static; the program; the metadata. Everything in it follows from the
//! commit and the program, so the same inputs give the same digests on every machine.
//!
//! Layers are never written to a file of their own. A layer is hashed as it comes out of the store, and comes out of the
//! store again when it is sent; what it is named by is kept, so that a layer that is not sent is not read either.
//!
//! - [`reference`](mod@reference): names of images. Pure.
//! - [`ignore`]: `.dockerignore`. Pure.
//! - [`context`]: what a Dockerfile gets to see of a commit.
//!
//! **Limitations.** Weights are read by one thread. Programs are 64-bit and little-endian.

mod archive;
mod cache;
mod config;
pub mod context;
mod digest;
mod elf;
mod error;
mod formats;
pub mod ignore;
mod layer;
mod program;
pub mod reference;
mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub use config::{COMMIT_LABEL, MODEL_LABEL};
pub use context::context_tar;
pub use digest::Digest;
pub use error::ImageError;
pub use layer::Layer;

use crate::git::history::{CommitId, History};
use crate::git::time::rfc3339;
use crate::metrics::check::{self, version::short};
use crate::metrics::gate::Metrics;
use crate::params::load::Tree;
use crate::progress::Progress;
use crate::store::Store;
use crate::version::named::{self, Named};
use crate::worktree::Context;
use cache::Cache;
use config::About;
use layer::{Files, Source};
use serde_json::{Map, Value, json};

/// Where the metadata is in an image.
const METADATA_PATH: &str = "model/metadata.json";
/// Everybody may read what is in an image, and nobody write.
const FILE_MODE: u32 = 0o444;

/// What an image is asked for.
pub struct Request<'r> {
    /// The commit.
    pub commit: CommitId,
    /// The model, as that commit has it.
    pub model: &'r Named,
    /// The image's name, without a tag.
    pub title: &'r str,
    /// The version that the commit is, if it is one: `v1.2.0`.
    pub version: Option<&'r str>,
    /// The port on which it serves.
    pub port: u16,
    /// The git-model that serves.
    pub binary: &'r Path,
    /// Where the repository is from: an address without a password.
    pub source: Option<&'r str>,
}

/// An image that can be written. The weights are still in the store.
pub struct Image<'c> {
    store: &'c Store,
    scratch: PathBuf,
    config: Vec<u8>,
    id: Digest,
    manifest: Vec<u8>,
    manifest_digest: Digest,
    layers: Vec<Layer>,
    labels: BTreeMap<String, String>,
}

impl Image<'_> {
    /// The digest of the configuration, by which engines name an image.
    pub const fn id(&self) -> &Digest {
        &self.id
    }

    /// The digest of the manifest, by which registries name an image.
    pub const fn manifest_digest(&self) -> &Digest {
        &self.manifest_digest
    }

    /// Bytes of all layers.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }

    /// The layers, the lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The labels.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

/// Composes an image. What layers are named by is kept in `scratch`, a private folder that is made if need be.
///
/// # Errors
/// A model without weights, weights that cannot be restored, a program that cannot run in an image.
pub fn compose<'c>(
    context: &'c Context,
    request: &Request<'_>,
    scratch: &Path,
    progress: &dyn Progress,
) -> Result<Image<'c>, ImageError> {
    let store = &context.store;
    let short = short(request.commit);
    if request.model.weights.is_empty() {
        return Err(ImageError::NoWeights { model: request.model.name.clone(), commit: short });
    }
    let version = request.version.unwrap_or(&short);
    let created = created(context, request.commit)?;
    let weights = weights::weights(context, request.model)?;
    let command = command(request, version, &weights.served);
    let program = program::program(request.binary)?;

    let mut layers = vec![weights_layer(store, weights, &Cache::new(scratch), progress)?];
    if let Some(libraries) = program.libraries {
        layers.push(Layer::new("the program's libraries", libraries, store, progress)?);
    }
    layers.push(Layer::new("the program", program.files, store, progress)?);
    layers.push(Layer::new("metadata", metadata(context, request, version)?, store, progress)?);

    let about = About {
        title: request.title,
        version,
        model: &request.model.name,
        commit: request.commit.to_string(),
        created: &created,
        source: request.source,
    };
    let config = config::config(&about, program.architecture, &layers, &command, request.port);
    let manifest = config::manifest(&config, &layers);
    let (id, manifest_digest) = (Digest::of(&config), Digest::of(&manifest));
    let scratch = scratch.to_owned();
    Ok(Image { store, scratch, config, id, manifest, manifest_digest, layers, labels: about.labels() })
}

/// The weights; not read if their layer's name is known.
fn weights_layer(
    store: &Store,
    weights: weights::Weights,
    cache: &Cache<'_>,
    progress: &dyn Progress,
) -> Result<Layer, ImageError> {
    const ABOUT: &str = "weights";
    if let Some(diff_id) = cache.get(&weights.key) {
        return Ok(Layer::known(ABOUT, weights.files, diff_id));
    }
    let layer = Layer::new(ABOUT, weights.files, store, progress)?;
    if let Err(error) = cache.put(&weights.key, &layer.diff_id) {
        progress.warn(&format!("cannot note the name of the weights' layer: {error}; it will be read again next time"));
    }
    Ok(layer)
}

/// When the commit was made; nothing of when the image is.
fn created(context: &Context, commit: CommitId) -> Result<String, ImageError> {
    let seconds = seconds(context, commit)?;
    Ok(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// When the commit was made, in seconds since 1970.
fn seconds(context: &Context, commit: CommitId) -> Result<u64, ImageError> {
    Ok(u64::try_from(History::new(&context.repo)?.commit(commit)?.seconds).unwrap_or(0))
}

/// What the program is told: which weights to serve under which names, and where.
fn command(request: &Request<'_>, version: &str, served: &[(String, String)]) -> Vec<String> {
    let port = request.port.to_string();
    // A name may begin with a dash.
    let options = ["--version", version, "--address", "0.0.0.0", "--port", &port, "--"];
    let files = served.iter().map(|(name, path)| format!("{name}=/{path}"));
    options.into_iter().map(str::to_owned).chain(files).collect()
}

fn metadata(context: &Context, request: &Request<'_>, version: &str) -> Result<Files, ImageError> {
    let mut about = json!({
        "name": request.model.name, "version": version, "commit": request.commit.to_string(),
        "weights": request.model.paths(),
    });
    if let Some(metrics) = metrics(context, request)? {
        about["metrics"] = metrics;
    }
    // Plain structures of text and numbers always serialize.
    let text = serde_json::to_string_pretty(&about).unwrap_or_default() + "\n";
    let mut files = Files::default();
    files.put(METADATA_PATH.as_bytes(), FILE_MODE, Source::Bytes(text.into_bytes()));
    Ok(files)
}

/// The numbers of the model's file of metrics; none where there is none, or it cannot be read.
fn metrics(context: &Context, request: &Request<'_>) -> Result<Option<Value>, ImageError> {
    let path = request.model.policy.as_ref().and_then(|policy| policy.metrics.as_ref());
    let Some(path) = path else { return Ok(None) };
    let Metrics::Read(tree) = check::metrics(&context.repo, &named::version_of(request.commit), path)? else {
        return Ok(None);
    };
    let number = |(name, value): (String, &Tree)| match value {
        Tree::Number(number) => Some((name, serde_json::Number::from_f64(*number)?.into())),
        _ => None,
    };
    Ok(Some(Value::Object(tree.leaves().into_iter().filter_map(number).collect::<Map<_, _>>())))
}
