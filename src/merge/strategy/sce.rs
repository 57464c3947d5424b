//! `sce`: select, calculate, erase: the elements where models differ most, weighted by how far each model moved.
//!
//! δᵢ = xᵢ − b; with `select_topk` < 1 only the int(nonzero·topk) elements of the largest population variance are kept.
//! wᵢ = mean(δᵢ²)/Σ (equal if Σ < 1e-6); signs are elected without weights; out = b + Σ' wᵢδᵢ/max(Σ' wᵢ, 1e-6), over
//! the models that have the elected sign.
//! Parameters: `select_topk` (1).
//! Paper: Wan et al. 2024, "FuseChat: Knowledge Fusion of Chat Models".

use super::election::elect;
use super::params::{ParamError, SHARE, Taker};
use super::sparsify::largest;
use super::{Input, Real, Refusal};

const SUM_MIN: f64 = 1e-6;

#[derive(Debug, Clone, PartialEq)]
pub struct Sce {
    topk: f64,
}

impl Sce {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { topk: params.number("select_topk", 1.0, SHARE)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let base = input.base()?;
        let mut deltas = input.deltas(base);
        if self.topk < 1.0 {
            self.select(&mut deltas);
        }
        let squares: Vec<f64> = deltas
            .iter()
            .map(|delta| delta.iter().map(|x| x.as_() * x.as_()).sum::<f64>() / delta.len().max(1) as f64)
            .collect();
        let total: f64 = squares.iter().sum();
        let weights: Vec<T> = squares
            .iter()
            .map(|square| T::of(if total < SUM_MIN { 1.0 / squares.len() as f64 } else { square / total }))
            .collect();
        let merged = |at: usize| {
            let changes = deltas.iter().map(|delta| delta[at]);
            let takes_part = elect(changes.clone());
            let (sum, divisor) = changes
                .zip(&weights)
                .filter(|(change, _)| takes_part(*change))
                .fold((T::zero(), T::zero()), |(sum, divisor), (change, &weight)| {
                    (sum + change * weight, divisor + weight)
                });
            base[at] + sum / divisor.max(T::of(SUM_MIN))
        };
        Ok((0..input.elements()).map(merged).collect())
    }

    fn select<T: Real>(&self, deltas: &mut [Vec<T>]) {
        let count = deltas.len() as f64;
        let elements = deltas.first().map_or(0, Vec::len);
        let variance = |at: usize| {
            let mean = deltas.iter().map(|delta| delta[at].as_()).sum::<f64>() / count;
            deltas.iter().map(|delta| (delta[at].as_() - mean).powi(2)).sum::<f64>() / count
        };
        let variances: Vec<f64> = (0..elements).map(variance).collect();
        let varying = variances.iter().filter(|&&variance| variance != 0.0).count();
        let kept = largest(&variances, (varying as f64 * self.topk) as usize);
        for delta in deltas {
            delta.iter_mut().zip(&kept).filter(|(_, kept)| !**kept).for_each(|(x, _)| *x = T::zero());
        }
    }
}
