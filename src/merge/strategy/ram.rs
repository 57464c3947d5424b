//! `ram` and `ramplus_tl`: what one model alone changed is kept whole, what several changed is averaged.
//!
//! δᵢ = xᵢ − b, those of |δᵢ| ≤ ε left out; of one δ left: λᵢ·δᵢ, of several: their mean; out = that + b.
//! `ram`: λ = 1. `ramplus_tl`: λᵢ = 1 + r·min(shared/unique, α), over the elements of the tensor that model i changed
//! together with others, and alone.
//! Parameters: `epsilon` (1e-5); `ramplus_tl` also `r` (0.1) and `alpha` (0.2).
//! Paper: "Reinforced Agent Merging", arXiv 2601.13572; as in mergekit 0.1.5.

use super::params::{ParamError, Taker};
use super::{Input, Real, Refusal};

#[derive(Debug, Clone, PartialEq)]
pub struct Ram {
    epsilon: f64,
    /// r and α of `ramplus_tl`.
    boost: Option<(f64, f64)>,
}

impl Ram {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { epsilon: params.number("epsilon", 1e-5, 0.0..=f64::MAX)?, boost: None })
    }

    pub(super) fn take_plus(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        let (r, alpha) = (params.number("r", 0.1, 0.0..=f64::MAX)?, params.number("alpha", 0.2, 0.0..=f64::MAX)?);
        Ok(Self { boost: Some((r, alpha)), ..Self::take(params)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let base = input.base()?;
        let epsilon = T::of(self.epsilon);
        let deltas = input.deltas(base);
        let is_changed = |delta: &Vec<T>, at: usize| delta[at].abs() > epsilon;
        let counts: Vec<usize> =
            (0..input.elements()).map(|at| deltas.iter().filter(|delta| is_changed(delta, at)).count()).collect();
        let factors: Vec<T> = deltas
            .iter()
            .map(|delta| match self.boost {
                None => T::one(),
                Some((r, alpha)) => {
                    let among = |wanted: &dyn Fn(usize) -> bool| {
                        (0..counts.len()).filter(|&at| is_changed(delta, at) && wanted(counts[at])).count() as f64
                    };
                    let (shared, unique) = (among(&|count| count > 1), among(&|count| count == 1));
                    T::of(1.0 + r * (shared / unique.max(self.epsilon)).min(alpha))
                }
            })
            .collect();
        let merged = |at: usize| {
            let count = counts[at];
            deltas.iter().zip(&factors).filter(|(delta, _)| is_changed(delta, at)).fold(
                T::zero(),
                |sum, (delta, &factor)| {
                    sum + if count == 1 { delta[at] * factor } else { delta[at] / T::of(count as f64) }
                },
            )
        };
        Ok((0..input.elements()).map(|at| base[at] + merged(at)).collect())
    }
}
