//! The skeleton of a merged file: the bytes around tensors that come from two versions of it.
//!
//! A merge takes most tensors by their hashes and reads none of them. What it lacks then is a skeleton that makes them
//! a valid file again: a header that lists them, checksums, padding. Each format has its own way there. Whatever is not
//! certain ends in [`CannotRebuild`], and the file as a whole is a conflict.
//!
//! No skeleton is believed because it was made here: the file's own parser reads it, with zeros for the tensors, and
//! must find exactly those that were asked for.
//!
//! **Limitations.** A format that is told by the contents of a tensor (an HDF5 signature in the middle of an ONNX
//! file's weights) is not seen with zeros in its place.

use std::collections::HashMap;

use super::{Detected, Skeleton, Source, detect};
use crate::tensor::{self, Dtype};
use sparse::Sparse;
use three_way::{Which, take};

mod builder;
mod gguf;
mod npz;
mod pytorch;
mod safetensors;
mod sparse;
mod three_way;
mod whole;
mod zip;

/// What a manifest says of a tensor, but for its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorSpec<'a> {
    /// Its name, unique within the file.
    pub name: &'a str,
    /// Element type.
    pub dtype: &'a Dtype,
    /// Dimensions, outermost first.
    pub shape: &'a [u64],
}

impl TensorSpec<'_> {
    /// Bytes it takes; `None` if they are no whole number or beyond 64 bits.
    fn byte_len(&self) -> Option<u64> {
        self.dtype.byte_len(tensor::element_count(self.shape)?)
    }
}

/// One version of the file.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its gaps: one more than there are tensors.
    pub skeleton: &'a Skeleton,
    /// Its tensors in file order.
    pub tensors: &'a [TensorSpec<'a>],
}

/// Where a tensor of the merged file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is our tensor of this index.
    Ours(usize),
    /// It is their tensor of this index.
    Theirs(usize),
    /// It was computed, and stands where our tensor of an index stood.
    New {
        /// The index of our tensor.
        ours: usize,
        /// CRC-32 (as in zip archives) of the tensor's bytes.
        crc32: u32,
    },
}

/// A tensor of the merged file.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name; the tensor it comes from may have another one.
    pub name: &'a str,
    /// Element type.
    pub dtype: &'a Dtype,
    /// Dimensions, outermost first.
    pub shape: &'a [u64],
    /// Where it comes from.
    pub origin: Origin,
}

impl<'a> Part<'a> {
    fn spec(&self) -> TensorSpec<'a> {
        TensorSpec { name: self.name, dtype: self.dtype, shape: self.shape }
    }
}

/// A merged file without its tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The bytes between the tensors.
    pub skeleton: Skeleton,
    /// Indices of the parts, in the order in which they stand in the file.
    pub order: Vec<usize>,
    /// Bytes in the file, tensors included.
    pub size: u64,
    /// Keys of metadata that both sides changed in different ways; ours was kept.
    pub conflicts: Vec<String>,
}

/// Why there is no skeleton for these tensors, in words for the file's owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotRebuild(pub String);

fn cannot(why: impl Into<String>) -> CannotRebuild {
    CannotRebuild(why.into())
}

/// Makes the skeleton of the file of this `format` that has these `parts`, in whatever order they are given.
///
/// What stands between the tensors is merged three-way: what one side changed is taken from it. Without a `base` every
/// difference is a change of both sides.
///
/// # Errors
/// [`CannotRebuild`] if that can not be done, or not for certain.
pub fn rebuild(
    format: &str,
    base: Option<&Side>,
    ours: &Side,
    theirs: &Side,
    parts: &[Part],
) -> Result<Rebuilt, CannotRebuild> {
    let merge = Merge::new(base, ours, theirs, parts)?;
    let rebuilt = match format {
        "safetensors" => safetensors::rebuild(&merge),
        "gguf" => gguf::rebuild(&merge),
        "npz" => npz::rebuild(&merge),
        "pytorch" => pytorch::rebuild(&merge),
        _ => whole::rebuild(format, &merge),
    }?;
    check(format, &rebuilt, parts)?;
    Ok(rebuilt)
}

/// The file's own parser must find the parts, in their order, where the manifest would have them.
fn check(format: &str, rebuilt: &Rebuilt, parts: &[Part]) -> Result<(), CannotRebuild> {
    let specs: Vec<_> = rebuilt.order.iter().filter_map(|&part| parts.get(part)).map(Part::spec).collect();
    let file = Sparse::new("the merged file", &Side { skeleton: &rebuilt.skeleton, tensors: &specs })?;
    let layout = match detect(&file) {
        Ok(Detected::Model(layout)) if layout.format == format => layout,
        Ok(Detected::Malformed { why, .. }) => {
            return Err(cannot(format!("the merged file would be malformed: {why}")));
        }
        Ok(_) => return Err(cannot(format!("the merged file would not be read as `{format}`"))),
        Err(error) => return Err(cannot(format!("the merged file can not be read back: {error}"))),
    };
    let found = |(index, record): (usize, &super::Record)| {
        let spec = TensorSpec { name: &record.name, dtype: &record.dtype, shape: &record.shape };
        specs.get(index) == Some(&spec) && file.tensor(index).start == record.offset
    };
    // Names are unique among the parts and in a layout, so that as many of them are all of them.
    let complete = layout.records.len() == parts.len() && specs.len() == parts.len();
    if complete && layout.records.iter().enumerate().all(found) {
        return Ok(());
    }
    Err(cannot("the merged file would be read as having other tensors"))
}

/// What is merged.
struct Merge<'a> {
    base: Option<Sparse<'a>>,
    ours: Sparse<'a>,
    theirs: Sparse<'a>,
    parts: &'a [Part<'a>],
    by_name: HashMap<&'a str, usize>,
}

impl<'a> Merge<'a> {
    fn new(
        base: Option<&Side<'a>>,
        ours: &Side<'a>,
        theirs: &Side<'a>,
        parts: &'a [Part<'a>],
    ) -> Result<Self, CannotRebuild> {
        let base = base.map(|base| Sparse::new("the common ancestor", base)).transpose()?;
        let (ours, theirs) = (Sparse::new("our file", ours)?, Sparse::new("their file", theirs)?);
        let mut by_name = HashMap::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            if by_name.insert(part.name, index).is_some() {
                return Err(cannot(format!("two tensors are named `{}`", part.name)));
            }
            let origin = match part.origin {
                Origin::Ours(index) | Origin::New { ours: index, .. } => ours.tensors.get(index),
                Origin::Theirs(index) => theirs.tensors.get(index),
            };
            // A tensor may have been renamed by the other side.
            let fits = |origin: &TensorSpec| match part.origin {
                Origin::New { .. } => true,
                Origin::Ours(_) | Origin::Theirs(_) => (origin.dtype, origin.shape) == (part.dtype, part.shape),
            };
            if !origin.is_some_and(fits) {
                return Err(cannot(format!("tensor `{}` is not what it is taken from", part.name)));
            }
        }
        Ok(Self { base, ours, theirs, parts, by_name })
    }

    fn side(&self, which: Which) -> &Sparse<'a> {
        match which {
            Which::Ours => &self.ours,
            Which::Theirs => &self.theirs,
        }
    }

    /// The side to take something from that `what` finds in each version.
    fn take<T: PartialEq>(&self, what: impl Fn(&Sparse<'a>) -> T) -> Option<Which> {
        take(self.base.as_ref().map(&what).as_ref(), &what(&self.ours), &what(&self.theirs))
    }

    /// The parts that have these names.
    fn named<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<usize> {
        names.into_iter().filter_map(|name| self.by_name.get(name).copied()).collect()
    }

    /// Whether these parts are just the tensors of `side`, in the same order.
    fn is_list_of(&self, order: &[usize], side: &Sparse) -> bool {
        order.len() == self.parts.len()
            && order.iter().map(|&part| self.parts[part].spec()).eq(side.tensors.iter().copied())
    }

    /// The file that has the skeleton of `side` as it is, and its tensors in its order.
    fn whole(&self, side: &Sparse, conflicts: Vec<String>) -> Rebuilt {
        let order = self.named(side.tensors.iter().map(|spec| spec.name));
        Rebuilt { skeleton: side.skeleton.clone(), order, size: side.len(), conflicts }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
