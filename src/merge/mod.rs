//! Merging models, tensor by tensor.
//!
//! [`three_way`] plans from three manifests, without reading a tensor; [`rules`] decide about tensors that both sides have
//! changed; `execute` computes what is to be computed with a method of [`strategy`], and puts the file together.

use crate::format::rebuild::{self, Part, Side, TensorSpec};
use crate::format::{self, Skeleton};
use crate::id::ObjectId;
use crate::manifest::{Content, Manifest, Tensor};
use crate::progress::Progress;
use crate::store::{BlockReader, Cut, Ingest, ObjectSpec, Store, StoreError};

mod disagreement;
mod execute;
pub mod family;
pub mod mixed;
mod numbers;
pub mod params;
mod report;
pub mod resolve;
pub mod rules;
pub mod settings;
pub mod soup;
pub mod state;
pub mod strategy;
pub mod three_way;

pub use disagreement::{Disagreement, disagreement};
pub use report::conflict_table;

use execute::{Executed, Executor, Origin};
use rules::{Rules, Version};
use three_way::{Conflict, Lists, Plan, Why};

/// The three versions of a file.
#[derive(Debug, Clone, Copy)]
pub struct Versions<'a> {
    /// The one both sides come from, if there is one.
    pub base: Option<&'a Manifest>,
    /// The one that is merged into.
    pub ours: &'a Manifest,
    /// The one that is merged.
    pub theirs: &'a Manifest,
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The result, with our version where there are conflicts.
    pub manifest: Manifest,
    /// Tensors that could not be merged.
    pub conflicts: Vec<Conflict>,
    /// Why the file could not be merged tensor by tensor; then the result is ours.
    pub whole: Option<String>,
    /// Keys of the file's metadata that both sides have changed; ours are kept.
    pub metadata: Vec<String>,
    /// What was read for it.
    pub read: Read,
    /// How many tensors were computed.
    pub computed: usize,
}

impl Merged {
    /// Whether nothing is left to be decided.
    pub const fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.whole.is_none()
    }

    fn whole(ours: &Manifest, why: String) -> Self {
        Self {
            manifest: ours.clone(),
            conflicts: Vec::new(),
            whole: Some(why),
            metadata: Vec::new(),
            read: Read::default(),
            computed: 0,
        }
    }
}

/// Tensors that were read, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Read {
    /// Tensors of which some version was read.
    pub tensors: u64,
    /// Bytes of all versions.
    pub bytes: u64,
}

/// Why a merge could not be carried out. The versions are as they were.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A version of a tensor cannot be had.
    #[error("tensor `{tensor}` cannot be read: {source}")]
    Tensor {
        /// Its name.
        tensor: String,
        /// Why.
        source: StoreError,
    },
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What lies between the tensors is not as it was written.
    #[error("object {0} is not a skeleton")]
    Skeleton(ObjectId),
}

impl MergeError {
    /// Whether objects are missing rather than broken: fetching them may help.
    pub const fn is_missing(&self) -> bool {
        match self {
            Self::Tensor { source, .. } | Self::Store(source) => source.is_missing(),
            Self::Skeleton(_) => false,
        }
    }
}

/// Merges two versions of a file, and stores what had to be computed.
///
/// # Errors
/// Objects that are missing or damaged, and a store that cannot be written.
pub fn merge(
    store: &Store,
    workers: usize,
    versions: &Versions<'_>,
    rules: &Rules,
    progress: &dyn Progress,
) -> Result<Merged, MergeError> {
    let Versions { base, ours, theirs } = *versions;
    if let Some(taken) = three_way::take_whole(base, ours, theirs) {
        let manifest = if taken == Version::Theirs { theirs } else { ours }.clone();
        return Ok(Merged { whole: None, ..Merged::whole(&manifest, String::new()) });
    }
    let mut plan = match three_way::plan(base, ours, theirs, rules) {
        Ok(plan) => plan,
        Err(why) => return Ok(Merged::whole(ours, why.to_string())),
    };
    compute_in_one_order(store, versions, &mut plan)?;
    let lists = Lists { base: base.map_or(&[], Manifest::tensors), ours: ours.tensors(), theirs: theirs.tensors() };
    let mut ingest = Ingest::new(store, workers);
    let mut executed = Executor { store, lists, workers }.run(&plan, &mut ingest, progress)?;
    let computed = executed.origins.iter().filter(|origin| matches!(origin, Origin::Computed { .. })).count();
    let mut conflicts = plan.conflicts;
    conflicts.append(&mut executed.conflicts);

    let kept = three_way::skeleton(base, ours, theirs, &executed.tensors, computed > 0);
    let joined = match kept {
        Some(Version::Theirs) => Joined::kept(theirs, executed.tensors.len()),
        Some(_) => Joined::kept(ours, executed.tensors.len()),
        None => match join(store, versions, &executed)? {
            Ok(joined) => joined,
            Err(why) => return Ok(Merged { read: executed.read, ..Merged::whole(ours, why) }),
        },
    };
    if let Between::Made(skeleton) = &joined.between {
        ingest.bytes(ObjectSpec { word_bytes: 1, cut: Cut::Content, base: None }, &skeleton.encode());
    }
    let ingested = ingest.finish()?;
    let skeleton = match joined.between {
        Between::Kept(id) => id,
        Between::Made(_) => ingested.objects[computed],
    };
    for (tensor, origin) in executed.tensors.iter_mut().zip(&executed.origins) {
        if let Origin::Computed { object, .. } = origin {
            tensor.sha256 = ingested.objects[*object];
        }
    }
    let tensors = joined.order.into_iter().map(|at| executed.tensors[at].clone()).collect();
    let content = Content::Model { format: ours.format().into(), skeleton, tensors };
    let manifest = Manifest { size: joined.size, content, extra: ours.extra.clone() };
    Ok(Merged { manifest, conflicts, whole: None, metadata: joined.metadata, read: executed.read, computed })
}

/// A tensor whose elements stand row by row in one version and column by column in another is a conflict instead of
/// being computed.
fn compute_in_one_order(store: &Store, versions: &Versions<'_>, plan: &mut Plan) -> Result<(), MergeError> {
    let Versions { base, ours, theirs } = *versions;
    if plan.tensors.iter().all(|planned| planned.source.computed().is_none()) || !format::has_orders(ours.format()) {
        return Ok(());
    }
    let orders = |manifest: &Manifest| -> Result<Vec<bool>, MergeError> {
        Ok(format::fortran_orders(manifest.format(), &read_skeleton(&mut BlockReader::new(store), manifest)?))
    };
    let (base, ours, theirs) = (base.map(orders).transpose()?.unwrap_or_default(), orders(ours)?, orders(theirs)?);
    for planned in &mut plan.tensors {
        let Some(triple) = planned.source.computed() else { continue };
        let order = ours.get(triple.ours);
        let is_one = order == theirs.get(triple.theirs) && triple.base.is_none_or(|at| order == base.get(at));
        if !is_one {
            plan.conflicts.push(Conflict {
                tensor: planned.name.clone(),
                why: Why::Order,
                base: triple.base,
                ours: Some(triple.ours),
                theirs: Some(triple.theirs),
            });
            planned.source = three_way::Source::Taken(Version::Ours, triple.ours);
        }
    }
    Ok(())
}

fn read_skeleton(reader: &mut BlockReader, manifest: &Manifest) -> Result<Skeleton, MergeError> {
    match &manifest.content {
        Content::Model { skeleton, .. } => {
            Skeleton::decode(&reader.read_object_by_id(skeleton)?).ok_or(MergeError::Skeleton(*skeleton))
        }
        Content::Opaque { .. } => Ok(Skeleton::new()),
    }
}

/// What stands between the tensors of the result.
enum Between {
    /// A skeleton that there is.
    Kept(ObjectId),
    /// A new one.
    Made(Skeleton),
}

/// How the result's tensors make a file.
struct Joined {
    between: Between,
    /// The tensors in the order of the file.
    order: Vec<usize>,
    size: u64,
    metadata: Vec<String>,
}

impl Joined {
    /// As in a file that has the same tensors.
    fn kept(manifest: &Manifest, tensors: usize) -> Self {
        let skeleton = match &manifest.content {
            Content::Model { skeleton, .. } => *skeleton,
            Content::Opaque { sha256, .. } => *sha256,
        };
        Self {
            between: Between::Kept(skeleton),
            order: (0..tensors).collect(),
            size: manifest.size,
            metadata: Vec::new(),
        }
    }
}

fn specs(manifest: &Manifest) -> Vec<TensorSpec<'_>> {
    let tensors = manifest.tensors().iter();
    tensors.map(|Tensor { name, dtype, shape, .. }| TensorSpec { name, dtype, shape }).collect()
}

/// Makes what stands between the tensors from that of the versions; or says why that cannot be done.
fn join(store: &Store, versions: &Versions<'_>, executed: &Executed) -> Result<Result<Joined, String>, MergeError> {
    let mut reader = BlockReader::new(store);
    let mut skeleton = |manifest: &Manifest| read_skeleton(&mut reader, manifest);
    let (base, ours, theirs) =
        (versions.base.map(&mut skeleton).transpose()?, skeleton(versions.ours)?, skeleton(versions.theirs)?);
    let (our_specs, their_specs) = (specs(versions.ours), specs(versions.theirs));
    let base_specs = versions.base.map(specs).unwrap_or_default();
    let mut parts = Vec::with_capacity(executed.tensors.len());
    for (tensor, origin) in executed.tensors.iter().zip(&executed.origins) {
        let origin = match *origin {
            Origin::Taken(Version::Ours, at) => rebuild::Origin::Ours(at),
            Origin::Taken(Version::Theirs, at) => rebuild::Origin::Theirs(at),
            Origin::Computed { ours, crc32, .. } => rebuild::Origin::New { ours, crc32 },
            Origin::Taken(Version::Base, _) => {
                let ours = versions.ours.tensors();
                let by_name = ours.iter().position(|ours| ours.name == tensor.name);
                // We may have renamed it.
                let ours = by_name.or_else(|| ours.iter().position(|ours| ours.sha256 == tensor.sha256));
                let Some(ours) = ours else {
                    return Ok(Err(format!("tensor `{}` of the common version is not in ours", tensor.name)));
                };
                let bytes = reader.read_object_by_id(&tensor.sha256)?;
                rebuild::Origin::New { ours, crc32: crc32fast::hash(&bytes) }
            }
        };
        parts.push(Part { name: &tensor.name, dtype: &tensor.dtype, shape: &tensor.shape, origin });
    }
    let base = base.as_ref().map(|skeleton| Side { skeleton, tensors: &base_specs });
    let (ours, theirs) =
        (Side { skeleton: &ours, tensors: &our_specs }, Side { skeleton: &theirs, tensors: &their_specs });
    let rebuilt = rebuild::rebuild(versions.ours.format(), base.as_ref(), &ours, &theirs, &parts);
    Ok(rebuilt.map_err(|why| why.to_string()).map(|rebuilt| Joined {
        between: Between::Made(rebuilt.skeleton),
        order: rebuilt.order,
        size: rebuilt.size,
        metadata: rebuilt.conflicts,
    }))
}
