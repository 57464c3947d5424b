//! `nearswap`: theirs where it is near to ours, ours where it is not.
//!
//! w = clamp(t/max(|a − b|, 1e-6), 0, 1); out = w·b + (1 − w)·a, with a ours and b theirs.
//! Parameters: `t` (0.001): differences up to it are taken whole.
//! Source: alchemonaut 2024, "QuartetAnemoi"; as in mergekit 0.1.5.

use super::params::{ParamError, Taker};
use super::{Input, Real, Refusal};

const DIFFERENCE_MIN: f64 = 1e-6;

#[derive(Debug, Clone, PartialEq)]
pub struct NearSwap {
    t: f64,
}

impl NearSwap {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { t: params.number("t", 0.001, 0.0..=f64::MAX)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let [a, b] = input.exactly()?;
        let (t, least) = (T::of(self.t), T::of(DIFFERENCE_MIN));
        let pick = |(&a, &b): (&T, &T)| {
            // As the reference divides a number by a tensor: through the reciprocal.
            let weight = ((a - b).abs().max(least).recip() * t).min(T::one()).max(T::zero());
            weight * b + (T::one() - weight) * a
        };
        Ok(a.iter().zip(b).map(pick).collect())
    }
}
