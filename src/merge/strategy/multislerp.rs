//! `multislerp`: the weighted mean of several models on a sphere.
//!
//! δᵢ = xᵢ (− base); w normalized to Σ wᵢ = 1; uᵢ = δᵢ/(‖δᵢ‖ + ε); m = Σ wᵢuᵢ, m̂ = m/‖m‖; T = Σ wᵢ(uᵢ − (uᵢ·m̂)m̂);
//! τ = ‖T‖ + ε; out = (m̂ cos τ + T sin τ/τ) · Σ wᵢ‖δᵢ‖ (+ base). With ‖m‖ < ε two models are averaged, and more are
//! refused.
//! Parameters: `weight` (1 for each model), `normalize_weights` (true), `eps` (1e-8).
//! Source: mergekit 0.1.5; Goddard 2025, "Multi-SLERP".

use super::params::{ANY, ParamError, PerModel, Taker};
use super::real::{dot, norm};
use super::{Input, Real, Refusal};

#[derive(Debug, Clone, PartialEq)]
pub struct MultiSlerp {
    weight: PerModel,
    normalize: bool,
    eps: f64,
}

impl MultiSlerp {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            weight: params.per_model("weight", 1.0, ANY)?,
            normalize: params.flag("normalize_weights", true)?,
            eps: params.number("eps", 1e-8, 0.0..=1.0)?,
        })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let mut weights: Vec<f64> = input.weights(&self.weight, "weight")?.into_iter().map(T::as_).collect();
        if let [only] = input.models {
            return Ok(only.to_vec());
        }
        let total: f64 = weights.iter().sum();
        if self.normalize {
            if total == 0.0 {
                return Err(Refusal::Degenerate("the weights add up to zero"));
            }
            weights.iter_mut().for_each(|weight| *weight /= total);
        }
        let deltas = match input.base {
            Some(base) => input.deltas(base),
            None => input.models.iter().map(|model| model.to_vec()).collect(),
        };
        let norms: Vec<f64> = deltas.iter().map(|delta| norm(delta.iter().copied())).collect();
        let unit = |model: usize, at: usize| deltas[model][at].as_() / (norms[model] + self.eps);
        let origin = |at: usize| input.base.map_or_else(T::zero, |base| base[at]);

        let models = || 0..deltas.len();
        let mut mean: Vec<f64> =
            (0..input.elements()).map(|at| models().map(|model| weights[model] * unit(model, at)).sum()).collect();
        let mean_norm = norm(mean.iter().copied());
        if mean_norm < self.eps {
            let [a, b] = &deltas[..] else {
                return Err(Refusal::Degenerate("the models cancel each other out; other weights may help"));
            };
            let (of_a, of_b) = (T::of(weights[0]), T::of(weights[1]));
            return Ok((0..input.elements()).map(|at| a[at] * of_a + b[at] * of_b + origin(at)).collect());
        }
        mean.iter_mut().for_each(|x| *x /= mean_norm);

        let along: Vec<f64> =
            models().map(|model| dot((0..mean.len()).map(|at| unit(model, at)), mean.iter().copied())).collect();
        let tangent: Vec<f64> = mean
            .iter()
            .enumerate()
            .map(|(at, &mean)| models().map(|model| weights[model] * (unit(model, at) - along[model] * mean)).sum())
            .collect();
        let angle = norm(tangent.iter().copied()) + self.eps;
        let length: f64 = norms.iter().zip(&weights).map(|(norm, weight)| norm * weight).sum();
        let (of_mean, of_tangent) = (angle.cos() * length, angle.sin() / angle * length);
        let value = |at: usize| T::of(mean[at] * of_mean + tangent[at] * of_tangent);
        Ok((0..input.elements()).map(|at| value(at) + origin(at)).collect())
    }
}
