//! `model_stock`: between the base and the mean of the models, the nearer to the mean the more they agree.
//!
//! c = mean over pairs of cos(xᵢ − b, xⱼ − b) (product of norms at least 1e-6); t = N·c/(1 + (N − 1)·c), 0 where that
//! denominator is below 1e-6; out = t·mean(x) + (1 − t)·b.
//! Parameters: `filter_wise` (false: one c for the tensor; true: one for each row along the last axis).
//! Paper: Jang et al. 2024, "Model Stock: All we need is just a few fine-tuned models".

use super::params::{ParamError, Taker};
use super::real::{Rows, dot};
use super::{Input, Real, Refusal};

const NORM_PRODUCT_MIN: f64 = 1e-6;
const DENOMINATOR_MIN: f64 = 1e-6;

#[derive(Debug, Clone, PartialEq)]
pub struct ModelStock {
    is_filter_wise: bool,
}

impl ModelStock {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { is_filter_wise: params.flag("filter_wise", false)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let base = input.base()?;
        input.at_least(2)?;
        let deltas = input.deltas(base);
        let count = input.models.len() as f64;
        let pairs = || (0..deltas.len()).flat_map(|a| (a + 1..deltas.len()).map(move |b| (a, b)));
        let rows = if self.is_filter_wise { Rows::last(input.shape) } else { Rows::whole(input.elements()) };
        let mut out = vec![T::zero(); input.elements()];
        for row in rows.indices() {
            let delta = |model: usize| {
                row.clone().map({
                    let delta = &deltas[model];
                    move |at| delta[at]
                })
            };
            let norms: Vec<T> = (0..deltas.len()).map(|model| product(delta(model), delta(model)).sqrt()).collect();
            let cosine = |(a, b): (usize, usize)| {
                let norms = (norms[a] * norms[b]).max(T::of(NORM_PRODUCT_MIN));
                (product(delta(a), delta(b)) / norms).max(-T::one()).min(T::one())
            };
            let sum = pairs().map(cosine).fold(T::zero(), |sum, cosine| sum + cosine);
            let mean_cosine = sum / T::of(pairs().count() as f64);
            let denominator = T::one() + T::of(count - 1.0) * mean_cosine;
            let is_singular = denominator.abs() < T::of(DENOMINATOR_MIN);
            let t = if is_singular { T::zero() } else { T::of(count) * mean_cosine / denominator };
            let (of_mean, of_base) = (t, T::one() - t);
            for at in row.clone() {
                let sum = input.models.iter().fold(T::zero(), |sum, model| sum + model[at]);
                out[at] = of_mean * (sum / T::of(count)) + of_base * base[at];
            }
        }
        Ok(out)
    }
}

/// Σ aᵢ·bᵢ. Of few elements added up as the reference does, to the bit: near 1 + c = 0 a rounding is magnified.
fn product<T: Real>(a: impl ExactSizeIterator<Item = T>, b: impl Iterator<Item = T>) -> T {
    const FEW: usize = 8;
    if a.len() > FEW { T::of(dot(a, b)) } else { a.zip(b).fold(T::zero(), |sum, (a, b)| sum + a * b) }
}
