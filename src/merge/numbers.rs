//! From the bytes of a tensor's versions to those of the merged one.

use super::strategy::{Input, Method, Random, Real, Refusal};
use crate::id::ObjectId;
use crate::tensor::{self, Dtype, Plain};

/// What came of it.
pub(super) enum Combined {
    /// The merged tensor, in the type and shape of the versions.
    Bytes(Vec<u8>),
    /// The method has no result.
    Refused(Refusal),
    /// The result has a NaN or an infinity where no version has one.
    NotFinite,
}

/// Merges versions of a tensor: its name, element type (a floating-point one) and shape, its bytes where all come from,
/// and in each version.
pub(super) fn combine(
    method: &Method,
    (name, dtype, shape): (&str, &Dtype, &[u64]),
    base: Option<&[u8]>,
    versions: &[&[u8]],
) -> Combined {
    let mut random: Vec<Random> = versions
        .iter()
        .map(|bytes| match method.is_random() {
            true => Random::for_tensor(method.seed(), name, &ObjectId::of(bytes)),
            false => Random::new(method.seed()),
        })
        .collect();
    let shape: Vec<usize> = shape.iter().map(|&dim| dim as usize).collect();
    let all = || base.into_iter().chain(versions.iter().copied());
    if *dtype == Dtype::Plain(Plain::F64) {
        let numbers: Option<Vec<_>> = all().map(|bytes| tensor::decode(dtype, bytes)).collect();
        let write = |numbers: &[f64]| Some(numbers.iter().flat_map(|number| number.to_le_bytes()).collect());
        merge(method, &shape, base.is_some(), numbers, &mut random, write, |bytes| tensor::decode(dtype, bytes))
    } else {
        let numbers: Option<Vec<_>> = all().map(|bytes| tensor::decode_singles(dtype, bytes)).collect();
        let write = |numbers: &[f32]| tensor::encode(dtype, numbers);
        merge(method, &shape, base.is_some(), numbers, &mut random, write, |bytes| tensor::decode_singles(dtype, bytes))
    }
}

/// `numbers` are those of the base, if `has_base`, and of the versions.
fn merge<T: Real>(
    method: &Method,
    shape: &[usize],
    has_base: bool,
    numbers: Option<Vec<Vec<T>>>,
    random: &mut [Random],
    write: impl Fn(&[T]) -> Option<Vec<u8>>,
    read: impl Fn(&[u8]) -> Option<Vec<T>>,
) -> Combined {
    let no_numbers = Combined::Refused(Refusal::Degenerate("its elements are no floating-point numbers"));
    let Some(numbers) = numbers else { return no_numbers };
    let all: Vec<&[T]> = numbers.iter().map(Vec::as_slice).collect();
    let (base, models) = all.split_at(usize::from(has_base));
    let input = Input { shape, base: base.first().copied(), models };
    let merged = match method.merge(&input, random) {
        Ok(merged) => merged,
        Err(refusal) => return Combined::Refused(refusal),
    };
    // What is too large for a narrow type shows only in what is written.
    let Some(bytes) = write(&merged) else { return no_numbers };
    let Some(written) = read(&bytes) else { return no_numbers };
    let was_finite = |at: usize| all.iter().all(|version| version[at].is_finite());
    if written.iter().enumerate().any(|(at, number)| !number.is_finite() && was_finite(at)) {
        return Combined::NotFinite;
    }
    Combined::Bytes(bytes)
}
