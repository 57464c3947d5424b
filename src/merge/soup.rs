//! Several whole models into one, tensor by tensor: a model soup.
//!
//! Every model must have the same tensors. Floating-point weights are computed; everything else is taken from the first
//! model. Memory: the versions of the tensors at work, which together are bounded.
//!
//! Paper: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
//! increasing inference time".

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::execute::{COPIES, MEMORY_BYTES};
use super::family;
use super::numbers::{Combined, combine};
use super::strategy::{Method, Refusal};
use crate::format::rebuild::{self, Origin, Part, Side, TensorSpec};
use crate::format::{self, Skeleton};
use crate::parallel::{self, Budget};
use crate::progress::Progress;
use crate::version::find::{Model, Reading, SkeletonError, Tensor, TensorError};

/// What is to be done.
pub struct Soup<'a> {
    /// What reads the models; the result is made like the first.
    models: Vec<Reading<'a>>,
    base: Option<Reading<'a>>,
    method: &'a Method,
    tensors: Vec<Planned<'a>>,
    format: &'a str,
    size: u64,
    skeleton: Skeleton,
}

/// A tensor of the result.
struct Planned<'a> {
    /// The tensor in each model.
    versions: Vec<&'a Tensor>,
    base: Option<&'a Tensor>,
    is_computed: bool,
}

/// Why models cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum SoupError {
    /// They have different tensors.
    #[error("the models are not alike: {0}")]
    Unlike(String),
    /// The method needs a base.
    #[error("`{0}` needs the model that the others come from")]
    NoBase(&'static str),
    /// The method has no result.
    #[error("tensor `{tensor}`: `{method}` cannot merge it: {refusal}")]
    Refused {
        /// The tensor.
        tensor: String,
        /// The method.
        method: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// The result would not be finite.
    #[error("tensor `{tensor}`: `{method}` made NaN or infinity of finite numbers")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The method.
        method: &'static str,
    },
    /// A tensor cannot be read.
    #[error("tensor `{tensor}` cannot be read: {source}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// Why.
        source: TensorError,
    },
    /// What lies between the tensors cannot be read.
    #[error(transparent)]
    Skeleton(#[from] SkeletonError),
    /// The result's file cannot be put together.
    #[error("the merged file cannot be put together: {0}")]
    Rebuild(#[from] rebuild::CannotRebuild),
    /// The result cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// For each tensor by its name, whether it is stored column by column.
fn orders<'m>(model: &'m Model, skeleton: &Skeleton) -> HashMap<&'m str, bool> {
    let orders = format::fortran_orders(&model.format, skeleton);
    model.tensors.iter().map(|tensor| &*tensor.name).zip(orders).collect()
}

impl<'a> Soup<'a> {
    /// Looks whether the models are alike, and what is to be computed.
    ///
    /// # Errors
    /// Models with different tensors, or no base where the method needs one.
    pub fn plan(models: Vec<&'a Model>, base: Option<&'a Model>, method: &'a Method) -> Result<Self, SoupError> {
        if method.needs_base() && base.is_none() {
            return Err(SoupError::NoBase(method.name()));
        }
        let Some((first, others)) = models.split_first() else {
            return Err(SoupError::Unlike("there are none".into()));
        };
        let by_name: Vec<HashMap<&str, &Tensor>> = others.iter().copied().chain(base).map(names).collect();
        if let Some((model, by_name)) =
            others.iter().zip(&by_name).find(|(model, _)| model.tensors.len() != first.tensors.len())
        {
            let missing = first.tensors.iter().find(|tensor| !by_name.contains_key(&*tensor.name));
            let name = missing.map_or("", |tensor| &tensor.name);
            let counts = format!("{} tensors in the first, {} in another", first.tensors.len(), model.tensors.len());
            return Err(SoupError::Unlike(if name.is_empty() {
                counts
            } else {
                format!("{counts}; `{name}` is not there")
            }));
        }
        let mut tensors = Vec::with_capacity(first.tensors.len());
        for tensor in &first.tensors {
            let mut versions = vec![tensor];
            for by_name in &by_name {
                let other = by_name.get(&*tensor.name).copied();
                let other =
                    other.ok_or_else(|| SoupError::Unlike(format!("`{}` is not in all of them", tensor.name)))?;
                if (&other.dtype, &other.shape) != (&tensor.dtype, &tensor.shape) {
                    let described = |tensor: &Tensor| format!("{} {:?}", tensor.dtype, tensor.shape);
                    let (one, other) = (described(tensor), described(other));
                    return Err(SoupError::Unlike(format!(
                        "`{}` is {one} in the first and {other} in another",
                        tensor.name
                    )));
                }
                versions.push(other);
            }
            let base = base.and_then(|_| versions.pop());
            let is_computed = family::is_numeric(&tensor.name, &tensor.dtype);
            tensors.push(Planned { versions, base, is_computed });
        }
        let skeleton = first.skeleton()?;
        let order = orders(first, &skeleton);
        for other in others.iter().copied().chain(base) {
            let other = orders(other, &other.skeleton()?);
            if let Some(name) = first.tensors.iter().map(|tensor| &*tensor.name).find(|name| order[name] != other[name])
            {
                return Err(SoupError::Unlike(format!(
                    "`{name}` is stored row by row in one of them and column by column in another"
                )));
            }
        }
        Ok(Self {
            format: &first.format,
            size: first.size,
            skeleton,
            models: models.iter().map(|model| model.reading()).collect(),
            base: base.map(Model::reading),
            method,
            tensors,
        })
    }

    /// How many tensors are computed, and how many taken from the first model.
    pub fn counts(&self) -> (usize, usize) {
        let computed = self.tensors.iter().filter(|tensor| tensor.is_computed).count();
        (computed, self.tensors.len() - computed)
    }

    /// Bytes of the result.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Writes the result into `file`, which is empty.
    ///
    /// # Errors
    /// Tensors that cannot be read or merged, and a file that cannot be written.
    pub fn write(&self, file: &File, workers: usize, progress: &dyn Progress) -> Result<(), SoupError> {
        let firsts: Vec<&Tensor> = self.tensors.iter().map(|planned| planned.versions[0]).collect();
        let mut offsets = Vec::with_capacity(firsts.len());
        let mut position = 0;
        for (gap, tensor) in self.skeleton.gaps().zip(&firsts) {
            position += gap.len() as u64;
            offsets.push(position);
            position += tensor.len;
        }
        file.set_len(self.size)?;
        progress.begin("merging", Some(self.size));
        let budget = Budget::new(MEMORY_BYTES);
        let versions = (self.models.len() + usize::from(self.base.is_some())) as u64;
        let checksums = parallel::for_each(
            workers,
            firsts.len(),
            || (),
            |(), at| {
                let _held = budget.take(firsts[at].len * COPIES * versions);
                let written = self.merged(at).and_then(|bytes| {
                    file.write_all_at(&bytes, offsets[at])?;
                    Ok(crc32fast::hash(&bytes))
                });
                progress.advance(firsts[at].len);
                vec![written]
            },
        );
        progress.end();
        let checksums: Vec<u32> = checksums.into_iter().collect::<Result<_, _>>()?;
        let rebuilt = self.frame(&firsts, &checksums)?;
        let mut position = 0;
        for (at, gap) in rebuilt.gaps().enumerate() {
            file.write_all_at(gap, position)?;
            position += gap.len() as u64 + firsts.get(at).map_or(0, |tensor| tensor.len);
        }
        Ok(())
    }

    /// What stands between the tensors of the result: that of the first model, with the checksums of the new ones.
    fn frame(&self, firsts: &[&Tensor], checksums: &[u32]) -> Result<Skeleton, SoupError> {
        let specs: Vec<TensorSpec<'_>> = firsts
            .iter()
            .map(|tensor| TensorSpec { name: &tensor.name, dtype: &tensor.dtype, shape: &tensor.shape })
            .collect();
        let part = |(ours, (&TensorSpec { name, dtype, shape }, &crc32))| Part {
            name,
            dtype,
            shape,
            origin: Origin::New { ours, crc32 },
        };
        let parts: Vec<Part<'_>> = specs.iter().zip(checksums).enumerate().map(part).collect();
        let side = Side { skeleton: &self.skeleton, tensors: &specs };
        let rebuilt = rebuild::rebuild(self.format, Some(&side), &side, &side, &parts)?;
        if !rebuilt.order.iter().copied().eq(0..parts.len()) {
            return Err(rebuild::CannotRebuild("the tensors would stand in another order".into()).into());
        }
        Ok(rebuilt.skeleton)
    }

    /// The bytes of a tensor of the result.
    fn merged(&self, at: usize) -> Result<Vec<u8>, SoupError> {
        let planned = &self.tensors[at];
        let bytes = |model: &Reading<'_>, tensor: &Tensor| {
            model.bytes(tensor).map_err(|source| SoupError::Tensor { tensor: tensor.name.clone(), source })
        };
        let tensor = planned.versions[0];
        if !planned.is_computed {
            return bytes(&self.models[0], tensor);
        }
        let versions = self.models.iter().zip(&planned.versions).map(|(model, tensor)| bytes(model, tensor));
        let versions: Vec<Vec<u8>> = versions.collect::<Result<_, _>>()?;
        let base = self.base.as_ref().zip(planned.base).map(|(model, tensor)| bytes(model, tensor)).transpose()?;
        let versions: Vec<&[u8]> = versions.iter().map(Vec::as_slice).collect();
        let (name, method) = (tensor.name.clone(), self.method.name());
        match combine(self.method, (&tensor.name, &tensor.dtype, &tensor.shape), base.as_deref(), &versions) {
            Combined::Bytes(bytes) => Ok(bytes),
            Combined::Refused(refusal) => Err(SoupError::Refused { tensor: name, method, refusal }),
            Combined::NotFinite => Err(SoupError::NotFinite { tensor: name, method }),
        }
    }
}

fn names(model: &Model) -> HashMap<&str, &Tensor> {
    model.tensors.iter().map(|tensor| (&*tensor.name, tensor)).collect()
}
