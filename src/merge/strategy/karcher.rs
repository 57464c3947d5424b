//! `karcher`: the mean of several models on a sphere by which the squared arcs to them are least, times their mean norm.
//!
//! uᵢ = xᵢ/‖xᵢ‖. Starting from m = Σ αuᵢ, normalized: T = Σ α·θᵢ/sin θᵢ·(uᵢ − cos θᵢ·m), with θᵢ the angle between m and
//! uᵢ; m ← cos ‖T‖·m + sin ‖T‖·T/‖T‖, normalized; until ‖T‖ < tol or after `max_iter` rounds. out = (Σ ‖xᵢ‖/N)·m.
//! Models of a norm ≤ tol have no direction and count in the scale alone.
//! Parameters: `max_iter` (10), `tol` (1e-5).
//! Paper: Karcher 1977, "Riemannian center of mass and mollifier smoothing"; as in mergekit 0.1.5.

use super::params::{ParamError, Taker};
use super::real::{dot, norm};
use super::{Input, Real, Refusal};

#[derive(Debug, Clone, PartialEq)]
pub struct Karcher {
    rounds_max: u32,
    tol: f64,
}

impl Karcher {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            rounds_max: params.number("max_iter", 10.0, 0.0..=1000.0)? as u32,
            tol: params.number("tol", 1e-5, 0.0..=1.0)?,
        })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        if let [only] = input.models {
            return Ok(only.to_vec());
        }
        let length = |x: &[T]| norm(x.iter().copied());
        let norms: Vec<f64> = input.models.iter().map(|model| length(model)).collect();
        let with_direction = || input.models.iter().zip(&norms).filter(|&(_, &norm)| norm > self.tol);
        let units: Vec<Vec<T>> =
            with_direction().map(|(model, &norm)| model.iter().map(|&x| x / T::of(norm)).collect()).collect();
        let Some(first) = units.first() else { return Ok(vec![T::zero(); input.elements()]) };

        let share = T::of(1.0 / units.len() as f64);
        let mut mean = vec![T::zero(); input.elements()];
        units.iter().for_each(|unit| add(&mut mean, share, unit));
        let mean_norm = length(&mean);
        if mean_norm < self.tol {
            mean.clone_from(first);
        } else {
            scale(&mut mean, 1.0 / mean_norm);
        }
        let mut tangent = vec![T::zero(); input.elements()];
        for _ in 0..self.rounds_max {
            tangent.fill(T::zero());
            for unit in &units {
                let cosine = dot(mean.iter().copied(), unit.iter().copied()).clamp(-1.0, 1.0);
                let angle = cosine.acos();
                if angle < self.tol {
                    continue;
                }
                let (factor, cosine) = (share * T::of(angle / angle.sin()), T::of(cosine));
                for ((tangent, &unit), &mean) in tangent.iter_mut().zip(unit).zip(&mean) {
                    *tangent = *tangent + factor * (unit - cosine * mean);
                }
            }
            let step = length(&tangent);
            if step < self.tol {
                break;
            }
            scale(&mut mean, step.cos());
            add(&mut mean, T::of(step.sin() / step), &tangent);
            let mean_norm = length(&mean);
            if mean_norm > self.tol {
                scale(&mut mean, 1.0 / mean_norm);
            }
        }
        scale(&mut mean, norms.iter().sum::<f64>() / norms.len() as f64);
        Ok(mean)
    }
}

fn add<T: Real>(sum: &mut [T], factor: T, x: &[T]) {
    sum.iter_mut().zip(x).for_each(|(sum, &x)| *sum = *sum + factor * x);
}

fn scale<T: Real>(x: &mut [T], factor: f64) {
    let factor = T::of(factor);
    x.iter_mut().for_each(|x| *x = *x * factor);
}
