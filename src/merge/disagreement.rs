//! How far, and how differently, two sides have moved a tensor.

use super::MergeError;
use super::three_way::{Conflict, Lists};
use crate::manifest::Tensor;
use crate::store::{BlockReader, Store};
use crate::tensor;

/// The changes of two sides, ΔO = ours − base and ΔT = theirs − base, compared. Sums are in f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disagreement {
    /// ‖ΔO‖, the Euclidean norm.
    pub ours: f64,
    /// ‖ΔT‖.
    pub theirs: f64,
    /// The cosine of the angle between ΔO and ΔT; NaN if one of them is zero.
    pub cosine: f64,
    /// Of the elements that both have moved, the share that they moved in opposite directions; NaN if there are none.
    pub opposite: f64,
}

impl Disagreement {
    /// Compares three versions of equal length.
    pub fn of(base: &[f64], ours: &[f64], theirs: &[f64]) -> Self {
        let (mut squares, mut product, mut both, mut opposite) = ([0.0; 2], 0.0, 0_u64, 0_u64);
        for ((base, ours), theirs) in base.iter().zip(ours).zip(theirs) {
            let (ours, theirs) = (ours - base, theirs - base);
            squares[0] += ours * ours;
            squares[1] += theirs * theirs;
            product += ours * theirs;
            both += u64::from(ours != 0.0 && theirs != 0.0);
            opposite += u64::from(ours > 0.0 && theirs < 0.0 || ours < 0.0 && theirs > 0.0);
        }
        let [ours, theirs] = squares.map(f64::sqrt);
        Self { ours, theirs, cosine: product / (ours * theirs), opposite: opposite as f64 / both as f64 }
    }
}

/// The numbers of a conflict; `None` where the versions cannot be compared element by element.
///
/// # Errors
/// A version that cannot be read.
pub fn disagreement(store: &Store, lists: &Lists<'_>, conflict: &Conflict) -> Result<Option<Disagreement>, MergeError> {
    let (Some(base), Some(ours), Some(theirs)) = (conflict.base, conflict.ours, conflict.theirs) else {
        return Ok(None);
    };
    let (base, ours, theirs) = (&lists.base[base], &lists.ours[ours], &lists.theirs[theirs]);
    let is_alike = |tensor: &Tensor| tensor.dtype == base.dtype && tensor.shape == base.shape;
    if !is_alike(ours) || !is_alike(theirs) || !tensor::is_numeric(&base.dtype) {
        return Ok(None);
    }
    let mut reader = BlockReader::new(store);
    let mut numbers = |tensor: &Tensor| {
        let bytes = reader.read_object_by_id(&tensor.sha256);
        let bytes = bytes.map_err(|source| MergeError::Tensor { tensor: tensor.name.clone(), source })?;
        Ok::<_, MergeError>(tensor::decode(&tensor.dtype, &bytes))
    };
    let (base, ours, theirs) = (numbers(base)?, numbers(ours)?, numbers(theirs)?);
    Ok(base.zip(ours).zip(theirs).map(|((base, ours), theirs)| Disagreement::of(&base, &ours, &theirs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_compared() {
        let base = [1.0, 1.0, 1.0, 1.0];
        let compared = Disagreement::of(&base, &[4.0, 1.0, 1.0, 5.0], &[-2.0, 1.0, 9.0, 5.0]);
        assert_eq!((compared.ours, compared.opposite), (5.0, 0.5));
        assert!((compared.theirs - 89.0_f64.sqrt()).abs() < 1e-12);
        assert!((compared.cosine - 7.0 / (5.0 * 89.0_f64.sqrt())).abs() < 1e-12);
        assert!(Disagreement::of(&base, &base, &[2.0; 4]).cosine.is_nan());
    }
}
