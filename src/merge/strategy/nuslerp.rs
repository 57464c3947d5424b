//! `nuslerp`: slerp with weights, of the tensors as a whole or row by row, and of the changes where there is a base.
//!
//! t = w₂/(w₁ + w₂), 0.5 if |w₁ + w₂| < 1e-6. a, b: the tensors, less the base if there is one; θ their angle (norms
//! are at least 1e-7). out = (sin((1 − t)θ)·a + sin(tθ)·b)/sin θ (+ base); where 1 − cos² θ ≤ 1e-16,
//! (1 − t)·a + t·b (+ base).
//! Parameters: `weight` (1 for each model), `nuslerp_flatten` (true: one angle for the whole tensor),
//! `nuslerp_row_wise` (false: without flattening, rows are along the last axis; true: along the first).
//! Source: mergekit 0.1.5.

use super::params::{ANY, ParamError, PerModel, Taker};
use super::real::{Rows, dot, norm};
use super::{Input, Real, Refusal};

const NORM_MIN: f64 = 1e-7;
const SINE_SQUARE_MIN: f64 = 1e-16;
const WEIGHT_MIN: f64 = 1e-6;

#[derive(Debug, Clone, PartialEq)]
pub struct NuSlerp {
    weight: PerModel,
    is_flat: bool,
    is_row_wise: bool,
}

impl NuSlerp {
    pub(super) fn take(params: &mut Taker<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            weight: params.per_model("weight", 1.0, ANY)?,
            is_flat: params.flag("nuslerp_flatten", true)?,
            is_row_wise: params.flag("nuslerp_row_wise", false)?,
        })
    }

    pub(super) fn merge<T: Real>(&self, input: &Input<'_, T>) -> Result<Vec<T>, Refusal> {
        let [a, b] = input.exactly()?;
        input.check(&self.weight, "weight")?;
        let total = self.weight.of(0) + self.weight.of(1);
        let t = if total.abs() < WEIGHT_MIN { 0.5 } else { self.weight.of(1) / total };
        let origin = |at: usize| input.base.map_or_else(T::zero, |base| base[at]);
        let rows = if self.is_flat {
            Rows::whole(input.elements())
        } else if self.is_row_wise {
            Rows::along(input.shape, 0)
        } else {
            Rows::last(input.shape)
        };
        let mut out = vec![T::zero(); input.elements()];
        for row in rows.indices() {
            let a = |at: usize| a[at] - origin(at);
            let b = |at: usize| b[at] - origin(at);
            let length = |x: &dyn Fn(usize) -> T| norm(row.clone().map(x)).max(NORM_MIN);
            let cosine = dot(row.clone().map(a), row.clone().map(b)) / (length(&a) * length(&b));
            // Rounded: whether two vectors are parallel is a question of the precision they are given in.
            let cosine = T::of(cosine.clamp(-1.0, 1.0));
            let is_parallel = (T::one() - cosine * cosine).as_() <= SINE_SQUARE_MIN;
            let angle = cosine.as_().acos();
            let (of_a, of_b, divisor) = if is_parallel {
                (1.0 - t, t, 1.0)
            } else {
                (((1.0 - t) * angle).sin(), (t * angle).sin(), angle.sin())
            };
            let (of_a, of_b, divisor) = (T::of(of_a), T::of(of_b), T::of(divisor));
            for at in row.clone() {
                out[at] = origin(at) + (of_a * a(at) + of_b * b(at)) / divisor;
            }
        }
        Ok(out)
    }
}
