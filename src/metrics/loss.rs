//! Losses and scores of predictions, taken in piece by piece: push rows, then ask for the result.
//!
//! [`Regression`], [`Likelihood`], [`Confusion`] and [`Ranking`] each hold what their scores need and no rows; only
//! [`Ranking`] keeps numbers, one f64 for each row. Pure.
//!
//! The formulas are those of scikit-learn 1.7 (`sklearn.metrics`) and PyTorch 2 (`torch.nn.functional`), named at each; `docs/metrics.md`
//! has them for readers. Sums are compensated, so that the order and the number of rows do not show in the first twelve
//! digits.

mod confusion;
mod likelihood;
mod ranking;
mod regression;
mod sum;

pub use confusion::{Confusion, Ratio};
pub(in crate::metrics) use likelihood::argmax;
pub use likelihood::{Likelihood, binary_logit, binary_probability, class_logits, class_probability};
pub use ranking::Ranking;
pub use regression::Regression;
pub use sum::Sum;
