//! The task arithmetic family: changes from a base, pruned, weighted, added up.
//!
//! δᵢ = xᵢ − b → pruned ([`sparsify`](super::sparsify), with `density`, and rescaled) → × wᵢ → signs elected
//! ([`elect`]) → Σ over those who take part → if `normalize`, ÷ Σ of their weights → × λ → + b.
//!
//! | method | election | pruning | normalize | rescale |
//! |---|---|---|---|---|
//! | `task_arithmetic` (Ilharco et al. 2022) | | | false | false |
//! | `ties` (Yadav et al. 2023) | yes | magnitude | true | false |
//! | `dare_linear`, `dare_ties` (Yu et al. 2023) | `_ties` | random | false | true |
//! | `breadcrumbs`, `breadcrumbs_ties` (Davari and Belilovsky 2023) | `_ties` | outliers | false | false |
//! | `della`, `della_linear` (Deep et al. 2024) | `della` | magprune | `della` | true |
//!
//! Parameters: `weight` (1 for each model), `lambda` (1), `normalize` (see above); where there is pruning `density` (1)
//! and `rescale` (see above); `gamma` (0.01, breadcrumbs), `epsilon` (0.15, della), `seed` (42, the random ones).

use super::election::elect;
use super::params::{ANY, ParamError, PerModel, SHARE, Taker};
use super::real::norm1;
use super::sparsify;
use super::{Input, Random, Real, Refusal};

#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pruning: Pruning,
    has_election: bool,
    weight: PerModel,
    density: PerModel,
    lambda: f64,
    normalize: bool,
    rescale: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Pruning {
    Nothing,
    Magnitude,
    Random,
    Outliers { gamma: PerModel },
    Magprune { epsilon: PerModel },
}

impl Task {
    pub(super) fn arithmetic(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Self::take(params, Pruning::Nothing, false, false, false)
    }

    pub(super) fn ties(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Self::take(params, Pruning::Magnitude, true, true, false)
    }

    pub(super) fn dare(params: &mut Taker<'_>, has_election: bool) -> Result<Self, ParamError> {
        Self::take(params, Pruning::Random, has_election, false, true)
    }

    pub(super) fn breadcrumbs(params: &mut Taker<'_>, has_election: bool) -> Result<Self, ParamError> {
        let gamma = params.per_model("gamma", 0.01, SHARE)?;
        Self::take(params, Pruning::Outliers { gamma }, has_election, false, false)
    }

    pub(super) fn della(params: &mut Taker<'_>, has_election: bool) -> Result<Self, ParamError> {
        let epsilon = params.per_model("epsilon", 0.15, SHARE)?;
        Self::take(params, Pruning::Magprune { epsilon }, has_election, has_election, true)
    }

    fn take(
        params: &mut Taker<'_>,
        pruning: Pruning,
        has_election: bool,
        normalize: bool,
        rescale: bool,
    ) -> Result<Self, ParamError> {
        let prunes = pruning != Pruning::Nothing;
        Ok(Self {
            pruning,
            has_election,
            weight: params.per_model("weight", 1.0, ANY)?,
            density: if prunes { params.per_model("density", 1.0, SHARE)? } else { PerModel::from(1.0) },
            lambda: params.number("lambda", 1.0, ANY)?,
            normalize: params.flag("normalize", normalize)?,
            rescale: prunes && params.flag("rescale", rescale)?,
        })
    }

    pub(super) const fn is_random(&self) -> bool {
        matches!(self.pruning, Pruning::Random | Pruning::Magprune { .. })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>, random: &mut [Random]) -> Result<Vec<T>, Refusal> {
        let base = input.base()?;
        let weights = input.weights(&self.weight, "weight")?;
        input.check(&self.density, "density")?;
        let mut deltas = input.deltas(base);
        for (model, delta) in deltas.iter_mut().enumerate() {
            self.prune(model, delta, input, random)?;
            delta.iter_mut().for_each(|x| *x = *x * weights[model]);
        }
        let total = weights.iter().fold(T::zero(), |total, &weight| total + weight);
        let lambda = T::of(self.lambda);
        let merged = |at: usize| {
            let changes = deltas.iter().map(|delta| delta[at]);
            let add = |sum: T, x: T| sum + x;
            let (mut sum, divisor) = if self.has_election {
                let takes_part = elect(changes.clone());
                let sum = changes.clone().filter(|&change| takes_part(change)).fold(T::zero(), add);
                let divisor = changes.zip(&weights).filter(|(change, _)| takes_part(*change));
                (sum, divisor.map(|(_, &weight)| weight).fold(T::zero(), add))
            } else {
                (changes.fold(T::zero(), add), if total.abs() < T::of(1e-8) { T::one() } else { total })
            };
            if self.normalize && divisor != T::zero() {
                sum = sum / divisor;
            }
            base[at] + sum * lambda
        };
        Ok((0..input.elements()).map(merged).collect())
    }

    fn prune<T: Real>(
        &self,
        model: usize,
        delta: &mut [T],
        input: &Input<'_, T>,
        random: &mut [Random],
    ) -> Result<(), Refusal> {
        let density = self.density.of(model);
        if density >= 1.0 {
            return Ok(());
        }
        let norm = norm1(delta);
        match &self.pruning {
            Pruning::Nothing => {}
            Pruning::Magnitude => sparsify::magnitude(delta, density),
            Pruning::Random => sparsify::random(delta, density, &mut random[model]),
            Pruning::Outliers { gamma } => {
                input.check(gamma, "gamma")?;
                sparsify::outliers(delta, density, gamma.of(model));
            }
            Pruning::Magprune { epsilon } => {
                input.check(epsilon, "epsilon")?;
                sparsify::magprune(delta, input.shape, density, epsilon.of(model), &mut random[model])?;
            }
        }
        if self.rescale {
            sparsify::rescale(delta, norm);
        }
        Ok(())
    }
}
