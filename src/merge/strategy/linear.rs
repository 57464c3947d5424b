//! `linear` and `passthrough`: weighted sums of whole models.
//!
//! `linear`: out = Σ wᵢ·xᵢ, divided by Σ wᵢ unless `normalize = false`. Accumulated with fused multiply-add.
//! Parameters: `weight` (1 for each model), `normalize` (true).
//! Paper: Wortsman et al. 2022, "Model soups".
//!
//! `passthrough`: out = `scale`·x, of one model. Parameters: `scale` (1).

use super::params::{ANY, ParamError, PerModel, Taker};
use super::{Input, Real, Refusal};

#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    weight: PerModel,
    normalize: bool,
}

impl Linear {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { weight: params.per_model("weight", 1.0, ANY)?, normalize: params.flag("normalize", true)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let weights = input.weights(&self.weight, "weight")?;
        let mut sum = vec![T::zero(); input.elements()];
        for (model, &weight) in input.models.iter().zip(&weights) {
            sum.iter_mut().zip(*model).for_each(|(sum, &x)| *sum = x.mul_add(weight, *sum));
        }
        if self.normalize {
            let total = weights.into_iter().fold(T::zero(), |total, weight| total + weight);
            if total == T::zero() {
                return Err(Refusal::Degenerate("the weights add up to zero"));
            }
            sum.iter_mut().for_each(|sum| *sum = *sum / total);
        }
        Ok(sum)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Passthrough {
    scale: f64,
}

impl Passthrough {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { scale: params.number("scale", 1.0, ANY)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let [model] = input.exactly()?;
        let scale = T::of(self.scale);
        Ok(model.iter().map(|&x| x * scale).collect())
    }
}
