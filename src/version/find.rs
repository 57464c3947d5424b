//! From what a user writes (`FILE`, `REV:FILE`, `:FILE`, `MODEL@v1.2.0`, `MODEL#prod`) to a model.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::named::{self, Resolved};
use crate::format::{self, Skeleton};
use crate::git::revision::{self, Named};
use crate::git::{BlobId, Repo, shown, tree};
use crate::id::ObjectId;
use crate::manifest::{BYTES_MAX, Content, Manifest, ParseError};
use crate::store::{BlockReader, Store};
use crate::tensor::Dtype;
use crate::worktree::assemble::{fetch_missing, read_skeleton};
use crate::worktree::{Context, loose, models};

mod errors;

pub use errors::{FindError, SkeletonError, TensorError};

/// A tensor, wherever it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first.
    pub shape: Vec<u64>,
    /// Bytes.
    pub len: u64,
    /// Its name in the store; unknown for a file that nobody has added.
    pub sha256: Option<ObjectId>,
    offset: u64,
}

/// A model, in some version.
pub struct Model {
    /// The format's name; `opaque` for a file without tensors.
    pub format: String,
    /// Bytes of the file.
    pub size: u64,
    /// Its tensors, in file order.
    pub tensors: Vec<Tensor>,
    place: Place,
}

enum Place {
    Store(Box<Context>, Manifest),
    File(File),
}

/// What a user has named.
pub enum Found {
    /// A file.
    File(Box<Model>),
    /// A version of a model, and its files.
    Named(Box<Resolved>, Vec<(Vec<u8>, Model)>),
}

/// The model that `spec` names. A file in the work tree is taken as it is now, whether git knows it or not.
///
/// # Errors
/// There is none, or it is no model; a version of a model that has several files.
pub fn find(spec: &OsStr) -> Result<Model, FindError> {
    match find_all(spec)? {
        Found::File(model) => Ok(*model),
        Found::Named(resolved, mut files) => match files.pop() {
            Some((_, only)) if files.is_empty() => Ok(only),
            _ => Err(FindError::NotOne { revision: resolved.name, paths: resolved.model.paths() }),
        },
    }
}

/// As [`find`], with all files of a version that is named by its model, and what is known of it.
///
/// # Errors
/// There is no such model, or it is none.
pub fn find_all(spec: &OsStr) -> Result<Found, FindError> {
    let (revision, path) = revision::split(spec);
    let Some(revision) = revision else { return find_here(Path::new(&path)) };
    let context = Context::discover()?;
    let blob = revision::blob(&named::revision(&revision)?, &path)?;
    in_git(context, blob, spec).map(Box::new).map(Found::File)
}

/// As [`find`]; a revision alone is its one model. Returns its path as git has it, too, if it is in git.
///
/// # Errors
/// Those of [`find`]; a revision with several models, or none.
pub fn find_only(spec: &OsStr) -> Result<(Model, Option<Vec<u8>>), FindError> {
    let is_revision = || revision::commit(spec).ok().flatten().is_some();
    if spec.as_encoded_bytes().contains(&b':') || Path::new(spec).exists() || !is_revision() {
        let path = match revision::split(spec) {
            (Some(revision), path) => {
                // Looked for in the current folder, too, it may be somewhere else than it says.
                let strict = revision::look_up(&[&revision, OsStr::new(":"), &path].into_iter().collect::<OsString>())?;
                matches!(strict, Some(Named::Blob(_))).then(|| path.into_encoded_bytes())
            }
            (None, _) => None,
        };
        return Ok((find(spec)?, path));
    }
    let context = Context::discover()?;
    if spec.as_encoded_bytes().contains(&b'@')
        && let Some(Found::Named(_, mut files)) = find_named(&context.repo, spec)?
        && files.len() == 1
        && let Some((path, only)) = files.pop()
    {
        return Ok((only, Some(path)));
    }
    let revision = spec.to_string_lossy().into_owned();
    let models = named::manifests(&context.repo, tree::files(&revision)?)?;
    match &models[..] {
        [only] => Ok((in_git(context, only.blob, spec)?, Some(only.path.clone()))),
        several => {
            let paths = several.iter().map(|file| shown(&file.path)).collect();
            Err(FindError::NotOne { revision, paths })
        }
    }
}

/// The files of a version of a model, if this is the name of one.
fn find_named(repo: &Repo, spec: &OsStr) -> Result<Option<Found>, FindError> {
    let Some(resolved) = spec.to_str().map(|name| named::resolve(repo, name)).transpose()?.flatten() else {
        return Ok(None);
    };
    let files = resolved.model.weights.iter();
    let files = files.map(|file| Ok((file.path.clone(), in_git(Context::discover()?, file.blob, spec)?)));
    let files = files.collect::<Result<_, FindError>>()?;
    Ok(Some(Found::Named(Box::new(resolved), files)))
}

fn find_here(path: &Path) -> Result<Found, FindError> {
    let shown = || path.display().to_string();
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let context = Context::discover().map_err(|_| FindError::NoFile(shown()))?;
            return match revision::blob(OsStr::new(""), path.as_os_str()) {
                Ok(blob) => in_git(context, blob, path.as_os_str()).map(Box::new).map(Found::File),
                Err(_) => find_named(&context.repo, path.as_os_str())?.ok_or_else(|| FindError::NoFile(shown())),
            };
        }
        Err(source) => return Err(FindError::File { path: shown(), source }),
        Ok(metadata) if metadata.is_dir() => {
            // Weights often lie in a folder that is named like the model.
            if let Ok(context) = Context::discover()
                && let Some(found) = find_named(&context.repo, path.as_os_str())?
            {
                return Ok(found);
            }
            return Err(FindError::NotAModel { spec: shown(), why: "it is a folder".into() });
        }
        Ok(_) => {}
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    if let Some(text) = models::manifest_at(&absolute) {
        return from_text(Context::discover()?, &text, path.as_os_str()).map(Box::new).map(Found::File);
    }
    in_file(path).map(Box::new).map(Found::File)
}

/// The model in a file on disk, whether there is a repository or not.
///
/// # Errors
/// A file that cannot be read, or is no model.
pub fn in_file(path: &Path) -> Result<Model, FindError> {
    let shown = || path.display().to_string();
    let failed = |source| FindError::File { path: shown(), source };
    let (file, size, layout) = loose::layout(path).map_err(failed)?;
    let Some(layout) = layout else {
        let why = match models::manifest_at(path) {
            Some(_) => "it holds a manifest, and the weights are in the store",
            None => "no format that git-model divides into tensors",
        };
        return Err(FindError::NotAModel { spec: shown(), why: why.into() });
    };
    let tensors = layout.records.into_iter().map(|record| Tensor {
        name: record.name,
        dtype: record.dtype,
        shape: record.shape,
        len: record.len,
        sha256: None,
        offset: record.offset,
    });
    let (format, tensors) = (layout.format.into(), tensors.collect());
    Ok(Model { format, size, tensors, place: Place::File(file) })
}

fn in_git(context: Context, blob: BlobId, spec: &OsStr) -> Result<Model, FindError> {
    let len = context.repo.blob_len(blob)?;
    let not = |why: String| FindError::NotAModel { spec: spec.to_string_lossy().into_owned(), why };
    if len > BYTES_MAX {
        return Err(not("git has the file as it is, not tensor by tensor".into()));
    }
    let text = context.repo.blob(blob)?;
    from_text(context, &text, spec)
}

fn from_text(context: Context, text: &[u8], spec: &OsStr) -> Result<Model, FindError> {
    let not = |why: String| FindError::NotAModel { spec: spec.to_string_lossy().into_owned(), why };
    let manifest = Manifest::parse(text).map_err(|error| match error {
        ParseError::NotAManifest => not("git has the file as it is, not tensor by tensor".into()),
        error => not(format!("its manifest cannot be read ({error})")),
    })?;
    let tensors = manifest.tensors().iter().map(|tensor| Tensor {
        name: tensor.name.clone(),
        dtype: tensor.dtype.clone(),
        shape: tensor.shape.clone(),
        len: tensor.byte_len().unwrap_or(0),
        sha256: Some(tensor.sha256),
        offset: 0,
    });
    let (format, size, tensors) = (manifest.format().to_owned(), manifest.size, tensors.collect());
    Ok(Model { format, size, tensors, place: Place::Store(Box::new(context), manifest) })
}

impl Model {
    /// The whole file's name in the store, if it is an opaque one.
    pub fn opaque(&self) -> Option<ObjectId> {
        match &self.place {
            Place::Store(_, Manifest { content: Content::Opaque { sha256, .. }, .. }) => Some(*sha256),
            Place::Store(..) | Place::File(_) => None,
        }
    }

    /// The repository and the manifest, if the model is in one.
    pub fn stored(&self) -> Option<(&Context, &Manifest)> {
        match &self.place {
            Place::Store(context, manifest) => Some((context, manifest)),
            Place::File(_) => None,
        }
    }

    /// What lies between the tensors.
    ///
    /// # Errors
    /// What the store does not have or cannot read; a file that cannot be read.
    pub fn skeleton(&self) -> Result<Skeleton, SkeletonError> {
        match &self.place {
            Place::Store(context, manifest @ Manifest { content: Content::Model { skeleton, .. }, .. }) => {
                fetch_missing(context, manifest);
                Ok(read_skeleton(&context.store, skeleton)?)
            }
            Place::Store(..) => Ok(Skeleton::new()),
            Place::File(file) => {
                let mut skeleton = Skeleton::new();
                let mut position = 0;
                let ends = self.tensors.iter().map(|tensor| (tensor.offset, tensor.len)).chain([(self.size, 0)]);
                for (offset, len) in ends {
                    let mut gap = vec![0; offset.saturating_sub(position) as usize];
                    file.read_exact_at(&mut gap, position)?;
                    skeleton.push(&gap);
                    position = offset + len;
                }
                Ok(skeleton)
            }
        }
    }

    /// Whether the elements of a tensor of this model stand column by column.
    ///
    /// # Errors
    /// Those of [`Model::skeleton`].
    pub fn is_by_column(&self, tensor: &Tensor) -> Result<bool, SkeletonError> {
        if !format::has_orders(&self.format) {
            return Ok(false);
        }
        let at = self.tensors.iter().position(|other| other.name == tensor.name);
        let orders = format::fortran_orders(&self.format, &self.skeleton()?);
        Ok(at.and_then(|at| orders.get(at).copied()).unwrap_or(false))
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// There is none; the error has names like it.
    pub fn tensor(&self, name: &str) -> Result<&Tensor, TensorError> {
        const SIMILAR_MAX: usize = 3;
        self.tensors.iter().find(|tensor| tensor.name == name).ok_or_else(|| {
            let similar = self.tensors.iter().map(|tensor| &tensor.name);
            let similar = similar.filter(|other| other.contains(name) || name.contains(other.as_str()));
            TensorError::Unknown { name: name.into(), similar: similar.take(SIMILAR_MAX).cloned().collect() }
        })
    }

    /// The bytes of a tensor of this model.
    ///
    /// # Errors
    /// What the store does not have or cannot read.
    pub fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, TensorError> {
        self.reading().bytes(tensor)
    }

    /// What reads the tensors, from several threads if need be.
    pub fn reading(&self) -> Reading<'_> {
        match &self.place {
            Place::Store(context, manifest) => {
                fetch_missing(context, manifest);
                Reading::Store(context.store.clone())
            }
            Place::File(file) => Reading::File(file),
        }
    }
}

/// Where a model's tensors are read.
pub enum Reading<'a> {
    /// In the store.
    Store(Store),
    /// In a file.
    File(&'a File),
}

impl Reading<'_> {
    /// The bytes of a tensor of the model.
    ///
    /// # Errors
    /// What the store does not have or cannot read.
    pub fn bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, TensorError> {
        match (self, &tensor.sha256) {
            (Self::Store(store), Some(id)) => Ok(BlockReader::new(store).read_object_by_id(id)?),
            (Self::File(file), _) => {
                let mut bytes = vec![0; tensor.len as usize];
                file.read_exact_at(&mut bytes, tensor.offset)?;
                Ok(bytes)
            }
            (Self::Store(_), None) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
        }
    }
}
