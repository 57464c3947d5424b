//! The models: one layer, or one hidden layer and an output layer.
//!
//! As torch's `nn.Sequential` of `nn.Linear`, `nn.ReLU` or `nn.Tanh`, and `nn.Linear`: `y = x Wᵀ + b`, with `W` as
//! [out, in]. What comes out are numbers for regression, and logits for classes.

use super::matrix::{Matrix, add_scaled, dot};
use super::random::{Purpose, Random};

/// What stands behind the hidden layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(0, x)`; its slope at 0 is 0, as in torch.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

/// `y = x Wᵀ + b`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// W: [out, in].
    pub weight: Matrix,
    /// b: [out].
    pub bias: Vec<f64>,
}

/// A hidden layer, if there is one, and the output layer. Gradients have the same form.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The hidden layer.
    pub hidden: Option<(Layer, Activation)>,
    /// The output layer.
    pub output: Layer,
}

impl Activation {
    /// The name as in options and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Tanh => "tanh",
        }
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Relu, Self::Tanh].into_iter().find(|known| known.name() == name)
    }

    fn apply(self, values: &mut [f64]) {
        for value in values {
            *value = match self {
                // Not `max`, which would make a number of NaN.
                Self::Relu if *value <= 0.0 => 0.0,
                Self::Relu => *value,
                Self::Tanh => libm::tanh(*value),
            };
        }
    }

    /// Multiplies `slopes` by the derivative, told from what came out.
    fn apply_slope(self, outputs: &[f64], slopes: &mut [f64]) {
        for (slope, &output) in slopes.iter_mut().zip(outputs) {
            *slope *= match self {
                Self::Relu => f64::from(output > 0.0),
                Self::Tanh => 1.0 - output * output,
            };
        }
    }
}

impl Layer {
    /// Evenly distributed weights within ±1/√in, for the bias too: torch's default for `nn.Linear` (He et al. 2015 with
    /// a = √5), with other random numbers.
    fn random(inputs: usize, outputs: usize, random: &mut Random) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut draw = |count: usize| (0..count).map(|_| random.uniform(bound)).collect::<Vec<_>>();
        let weight = Matrix::new(inputs, draw(inputs * outputs));
        Self { weight, bias: draw(outputs) }
    }

    fn forward(&self, inputs: &Matrix) -> Matrix {
        let mut outputs = Vec::with_capacity(inputs.len() * self.bias.len());
        for input in inputs.rows() {
            outputs.extend(self.weight.rows().zip(&self.bias).map(|(weight, bias)| dot(weight, input) + bias));
        }
        Matrix::new(self.bias.len(), outputs)
    }

    /// The gradient of this layer, where `slopes` is that of what came out of it.
    fn gradient(&self, inputs: &Matrix, slopes: &Matrix) -> Self {
        let mut weight = Matrix::zeros(self.bias.len(), inputs.columns());
        let mut bias = vec![0.0; self.bias.len()];
        for (input, slopes) in inputs.rows().zip(slopes.rows()) {
            for (row, &slope) in weight.rows_mut().zip(slopes) {
                add_scaled(row, slope, input);
            }
            add_scaled(&mut bias, 1.0, slopes);
        }
        Self { weight, bias }
    }

    /// The gradient of what went into this layer.
    fn slopes_of_inputs(&self, slopes: &Matrix) -> Matrix {
        let mut inputs = Matrix::zeros(slopes.len(), self.weight.columns());
        for (input, slopes) in inputs.rows_mut().zip(slopes.rows()) {
            for (row, &slope) in self.weight.rows().zip(slopes) {
                add_scaled(input, slope, row);
            }
        }
        inputs
    }
}

impl Network {
    /// Weights to start from, for so many features and outputs.
    pub fn random(features: usize, hidden: Option<(usize, Activation)>, outputs: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, Purpose::Start);
        let hidden = hidden.map(|(width, activation)| (Layer::random(features, width, &mut random), activation));
        let inputs = hidden.as_ref().map_or(features, |(layer, _)| layer.bias.len());
        Self { hidden, output: Layer::random(inputs, outputs, &mut random) }
    }

    /// What comes out for each row of `inputs`: [rows, outputs].
    pub fn forward(&self, inputs: &Matrix) -> Matrix {
        match self.hidden_outputs(inputs) {
            Some(hidden) => self.output.forward(&hidden),
            None => self.output.forward(inputs),
        }
    }

    /// What comes out and, by `slopes_of` (of a loss with respect to that), the gradient of every weight.
    pub fn gradient(&self, inputs: &Matrix, slopes_of: impl FnOnce(&Matrix) -> Matrix) -> Self {
        let Some((hidden, (layer, activation))) = self.hidden_outputs(inputs).zip(self.hidden.as_ref()) else {
            let slopes = slopes_of(&self.output.forward(inputs));
            return Self { hidden: None, output: self.output.gradient(inputs, &slopes) };
        };
        let slopes = slopes_of(&self.output.forward(&hidden));
        let output = self.output.gradient(&hidden, &slopes);
        let mut slopes = self.output.slopes_of_inputs(&slopes);
        activation.apply_slope(hidden.values(), slopes.values_mut());
        Self { hidden: Some((layer.gradient(inputs, &slopes), *activation)), output }
    }

    fn hidden_outputs(&self, inputs: &Matrix) -> Option<Matrix> {
        self.hidden.as_ref().map(|(layer, activation)| {
            let mut outputs = layer.forward(inputs);
            activation.apply(outputs.values_mut());
            outputs
        })
    }

    /// The layers with their names, in the order in which data passes them.
    pub fn layers(&self) -> Vec<(&'static str, &Layer)> {
        match &self.hidden {
            None => vec![("linear", &self.output)],
            Some((hidden, _)) => vec![("hidden", hidden), ("output", &self.output)],
        }
    }

    /// All weights, layer by layer, the bias behind the weight.
    pub fn weights(&self) -> impl Iterator<Item = &f64> {
        self.layers().into_iter().flat_map(|(_, layer)| layer.weight.values().iter().chain(&layer.bias))
    }

    /// All weights, in the same order, to be changed.
    pub fn weights_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        let layers = self.hidden.iter_mut().map(|(layer, _)| layer).chain([&mut self.output]);
        layers.flat_map(|layer| layer.weight.values_mut().iter_mut().chain(&mut layer.bias))
    }
}
