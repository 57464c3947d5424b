//! How weights follow their gradients: SGD and Adam, as torch has them.
//!
//! Sources: the pseudo-code of `torch.optim.SGD` and `torch.optim.Adam` (PyTorch 2 documentation), for `dampening=0`,
//! `nesterov=False`, `amsgrad=False`; Sutskever et al. 2013, "On the importance of initialization and momentum in deep
//! learning"; Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1. Weight decay is L2, added to
//! the gradient, for biases too.

use super::network::Network;

/// Which way, and with what numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Stochastic gradient descent: `b ← μ b + g`, `w ← w − η b`.
    Sgd {
        /// μ: how much of the last step's direction stays.
        momentum: f64,
    },
    /// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `w ← w − η m̂ / (√v̂ + ε)`, where `m̂ = m / (1 − β₁ᵗ)` and
    /// `v̂ = v / (1 − β₂ᵗ)` in step t.
    Adam {
        /// β₁ and β₂.
        betas: (f64, f64),
        /// ε.
        eps: f64,
    },
}

/// A method with what it remembers of earlier steps.
#[derive(Debug, Clone)]
pub struct Optimizer {
    method: Method,
    learning_rate: f64,
    weight_decay: f64,
    steps: u64,
    /// For each weight: b or m, and v.
    memory: Vec<(f64, f64)>,
}

impl Optimizer {
    /// At its first step. η is `learning_rate`; `weight_decay` times the weight is added to each gradient.
    pub const fn new(method: Method, learning_rate: f64, weight_decay: f64) -> Self {
        Self { method, learning_rate, weight_decay, steps: 0, memory: Vec::new() }
    }

    /// How many steps were taken.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// One step of all weights. The network must be the same in each step.
    pub fn step(&mut self, network: &mut Network, gradient: &Network) {
        self.steps += 1;
        if self.memory.is_empty() {
            self.memory.resize(gradient.weights().count(), (0.0, 0.0));
        }
        let each = network.weights_mut().zip(gradient.weights()).zip(&mut self.memory);
        let each = each.map(|((weight, &gradient), memory)| {
            let gradient = gradient + self.weight_decay * *weight;
            (weight, gradient, memory)
        });
        match self.method {
            Method::Sgd { momentum } => {
                for (weight, gradient, (direction, _)) in each {
                    *direction = momentum * *direction + gradient;
                    *weight -= self.learning_rate * *direction;
                }
            }
            Method::Adam { betas: (beta1, beta2), eps } => {
                let steps = self.steps as f64;
                let step = self.learning_rate / (1.0 - libm::pow(beta1, steps));
                let second_correction = (1.0 - libm::pow(beta2, steps)).sqrt();
                for (weight, gradient, (first, second)) in each {
                    *first += (1.0 - beta1) * (gradient - *first);
                    *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                    *weight -= step * *first / (second.sqrt() / second_correction + eps);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::train::matrix::Matrix;
    use crate::metrics::train::network::Layer;

    fn one(weight: f64) -> Network {
        Network { hidden: None, output: Layer { weight: Matrix::new(1, vec![weight]), bias: vec![0.0] } }
    }

    fn weight(network: &Network) -> f64 {
        network.output.weight.values()[0]
    }

    #[test]
    fn momentum_gathers() {
        let (mut network, mut sgd) = (one(1.0), Optimizer::new(Method::Sgd { momentum: 0.5 }, 0.1, 0.0));
        for expected in [0.9, 0.75, 0.575] {
            sgd.step(&mut network, &one(1.0));
            assert!((weight(&network) - expected).abs() < 1e-15, "{network:?}");
        }
        assert_eq!(sgd.steps(), 3);
    }

    #[test]
    fn the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient() {
        for gradient in [1e-3, -5.0, 1e6] {
            let method = Method::Adam { betas: (0.9, 0.999), eps: 1e-12 };
            let (mut network, mut adam) = (one(1.0), Optimizer::new(method, 0.1, 0.0));
            adam.step(&mut network, &one(gradient));
            assert!((weight(&network) - (1.0 - 0.1 * gradient.signum())).abs() < 1e-8, "{network:?}");
        }
    }

    #[test]
    fn decay_alone_shrinks() {
        let (mut network, mut sgd) = (one(1.0), Optimizer::new(Method::Sgd { momentum: 0.0 }, 0.1, 0.5));
        sgd.step(&mut network, &one(0.0));
        assert!((weight(&network) - 0.95).abs() < 1e-15);
    }
}
