//! What is served: anything that makes outputs of inputs.

use super::protocol::{Input, Output, TensorInfo};

/// Numbers in one answer at most, so that a small request cannot ask for a huge one.
pub const OUTPUT_VALUES_MAX: u64 = 1 << 22;

/// A model that can be asked from several threads.
pub trait Predictor: Send + Sync {
    /// The protocol's `platform`: what the model runs on.
    fn platform(&self) -> &'static str;

    /// What it takes.
    fn inputs(&self) -> Vec<TensorInfo>;

    /// What it gives.
    fn outputs(&self) -> Vec<TensorInfo>;

    /// All outputs for these inputs.
    ///
    /// # Errors
    /// Inputs that do not fit, for the client.
    fn infer(&self, inputs: Vec<Input>) -> Result<Inferred, String>;
}

/// What a model makes of a request.
#[derive(Debug, PartialEq)]
pub struct Inferred {
    /// Rows of the request.
    pub rows: u64,
    /// The outputs, in the order of [`Predictor::outputs`].
    pub outputs: Vec<Output>,
}
