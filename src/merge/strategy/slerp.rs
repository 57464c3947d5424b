//! `slerp`: along the arc between two models; the first one is ours.
//!
//! a, b: the two tensors as vectors; θ the angle between them (norms ≤ 1e-8 count as 1).
//! out = sin((1 − t)θ)/sin θ · a + sin(tθ)/sin θ · b; where |cos θ| > 0.9995, (1 − t)·a + t·b.
//! Parameters: `t` (0.5), from 0 (ours) to 1 (theirs).
//! Source: Shoemake 1985, "Animating rotation with quaternion curves".

use super::params::{ParamError, SHARE, Taker};
use super::real::{dot, norm};
use super::{Input, Real, Refusal};

/// Vectors this close to parallel are interpolated along a line.
const COSINE_MAX: f64 = 0.9995;
const NORM_MIN: f64 = 1e-8;

#[derive(Debug, Clone, PartialEq)]
pub struct Slerp {
    t: f64,
}

impl Slerp {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self { t: params.number("t", 0.5, SHARE)? })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let [a, b] = input.exactly()?;
        let length = |x: &[T]| Some(norm(x.iter().copied())).filter(|&norm| norm > NORM_MIN).unwrap_or(1.0);
        let cosine = dot(a.iter().copied(), b.iter().copied()) / (length(a) * length(b));
        let (of_a, of_b) = if cosine.abs() > COSINE_MAX {
            (1.0 - self.t, self.t)
        } else {
            let angle = cosine.acos();
            (((1.0 - self.t) * angle).sin() / angle.sin(), (self.t * angle).sin() / angle.sin())
        };
        let (of_a, of_b) = (T::of(of_a), T::of(of_b));
        Ok(a.iter().zip(b).map(|(&a, &b)| of_a * a + of_b * b).collect())
    }
}
