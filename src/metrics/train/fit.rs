//! Epochs of mini-batches, until there were enough or validation gets no better.
//!
//! Early stopping: Prechelt 1998, "Early stopping — but when?"; the weights kept are those of the best epoch.

use super::loss::Loss;
use super::matrix::Matrix;
use super::network::Network;
use super::optimizer::Optimizer;
use super::random::{Purpose, Random};

/// Inputs, and a target for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// [rows, features].
    pub inputs: Matrix,
    /// One for each row.
    pub targets: Vec<f64>,
}

/// How long to train, and in what portions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Passes over all rows at most.
    pub epochs: u64,
    /// Rows for each step; the last batch of an epoch may have fewer.
    pub batch_size: usize,
    /// Decides the order of rows.
    pub seed: u64,
    /// When to stop before.
    pub stopping: Option<Stopping>,
}

/// When validation gets no better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopping {
    /// Stop after so many epochs in a row without a better one.
    pub patience: u64,
    /// Better is what is below the best loss by more than this.
    pub min_delta: f64,
}

/// What is told of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A step was taken.
    Step,
    /// An epoch has ended.
    Epoch {
        /// Its number, from 1.
        number: u64,
        /// Mean loss of its batches, each before its step.
        train: f64,
        /// Loss on the validation rows after it.
        validation: Option<f64>,
    },
}

/// The result of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Trained.
    pub network: Network,
    /// Epochs done.
    pub epochs: u64,
    /// The epoch that `network` is from.
    pub best_epoch: u64,
    /// Steps taken.
    pub steps: u64,
}

/// The loss is no number any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the loss became NaN or infinite in epoch {epoch}")]
pub struct Diverged {
    /// The epoch, from 1.
    pub epoch: u64,
}

impl Rows {
    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The rows at these places, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        let targets = places.iter().map(|&place| self.targets[place]).collect();
        Self { inputs: self.inputs.select(places), targets }
    }

    /// Two parts, each with its rows in their old order: for training, and `share` of the rows, chosen at random, for
    /// validation. Each has at least one row if there are two, and if `share` is not 0.
    pub fn split(&self, share: f64, seed: u64) -> (Self, Self) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        Random::new(seed, Purpose::Split).shuffle(&mut order);
        let wanted = (self.len() as f64 * share).round() as usize;
        let count = if share > 0.0 { wanted.clamp(1, self.len().saturating_sub(1).max(1)) } else { 0 };
        let (validation, train) = order.split_at_mut(count.min(self.len()));
        validation.sort_unstable();
        train.sort_unstable();
        (self.select(train), self.select(validation))
    }
}

/// One step for each batch of rows, in this order; returns the mean loss of the batches, each before its step, weighted by
/// their rows. NaN as soon as one is not finite.
pub fn epoch(
    network: &mut Network,
    optimizer: &mut Optimizer,
    loss: Loss,
    rows: &Rows,
    (order, batch_size): (&[usize], usize),
    on_step: &mut dyn FnMut(),
) -> f64 {
    let mut sum = 0.0;
    for places in order.chunks(batch_size.max(1)) {
        let batch = rows.select(places);
        let mut mean = f64::NAN;
        let gradient = network.gradient(&batch.inputs, |outputs| {
            mean = loss.mean(outputs, &batch.targets);
            loss.slopes(outputs, &batch.targets)
        });
        if !mean.is_finite() {
            return f64::NAN;
        }
        sum += mean * places.len() as f64;
        optimizer.step(network, &gradient);
        on_step();
    }
    sum / order.len() as f64
}

/// Trains; `on_event` hears of every step and epoch.
///
/// # Errors
/// A loss that is NaN or infinite, on either part.
pub fn fit(
    mut network: Network,
    mut optimizer: Optimizer,
    loss: Loss,
    (train, validation): (&Rows, &Rows),
    schedule: &Schedule,
    on_event: &mut dyn FnMut(Event),
) -> Result<Fitted, Diverged> {
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut random = Random::new(schedule.seed, Purpose::Order);
    let mut best: Option<(f64, u64, Network)> = None;
    let mut epochs = 0;
    while epochs < schedule.epochs {
        epochs += 1;
        random.shuffle(&mut order);
        let on_step = &mut || on_event(Event::Step);
        let mean = epoch(&mut network, &mut optimizer, loss, train, (&order, schedule.batch_size), on_step);
        let validated =
            (!validation.is_empty()).then(|| loss.mean(&network.forward(&validation.inputs), &validation.targets));
        let is_finite = mean.is_finite()
            && validated.is_none_or(f64::is_finite)
            && network.weights().all(|weight| weight.is_finite());
        if !is_finite {
            return Err(Diverged { epoch: epochs });
        }
        on_event(Event::Epoch { number: epochs, train: mean, validation: validated });
        let Some((stopping, validated)) = schedule.stopping.zip(validated) else { continue };
        match &best {
            Some((least, since, _)) if validated >= least - stopping.min_delta => {
                if epochs - since >= stopping.patience {
                    break;
                }
            }
            _ => best = Some((validated, epochs, network.clone())),
        }
    }
    let steps = optimizer.steps();
    Ok(match best {
        Some((_, best_epoch, network)) => Fitted { network, epochs, best_epoch, steps },
        None => Fitted { network, epochs, best_epoch: epochs, steps },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::train::network::Activation;
    use crate::metrics::train::optimizer::Method;

    const SGD: Method = Method::Sgd { momentum: 0.9 };

    fn schedule(epochs: u64) -> Schedule {
        Schedule { epochs, batch_size: 8, seed: 1, stopping: None }
    }

    fn run(rows: &Rows, network: Network, loss: Loss, schedule: &Schedule) -> (Fitted, Vec<f64>) {
        let mut losses = Vec::new();
        let optimizer = Optimizer::new(SGD, 0.05, 0.0);
        let empty = rows.select(&[]);
        let fitted = fit(network, optimizer, loss, (rows, &empty), schedule, &mut |event| {
            if let Event::Epoch { train, .. } = event {
                losses.push(train);
            }
        });
        (fitted.expect("finite"), losses)
    }

    /// Points on both sides of a line, none within ½ of it; classes 0 and 1.
    fn separable(seed: u64, count: usize) -> Rows {
        let mut random = Random::new(seed, Purpose::Start);
        let (mut values, mut targets) = (Vec::new(), Vec::new());
        while targets.len() < count {
            let (x, y) = (random.uniform(3.0), random.uniform(3.0));
            if (x + y).abs() > 0.5 {
                values.extend([x, y]);
                targets.push(f64::from(x + y > 0.0));
            }
        }
        Rows { inputs: Matrix::new(2, values), targets }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn separable_classes_are_learned(
            seed in any::<u64>(), is_soft in any::<bool>(), hidden in prop::sample::select(vec![None, Some(Activation::Relu), Some(Activation::Tanh)])
        ) {
            let rows = separable(seed, 60);
            let (loss, outputs) =
                if is_soft { (Loss::CrossEntropy, 2) } else { (Loss::BinaryCrossEntropy, 1) };
            let network = Network::random(2, hidden.map(|activation| (6, activation)), outputs, seed);
            let before = loss.mean(&network.forward(&rows.inputs), &rows.targets);
            let (fitted, losses) = run(&rows, network.clone(), loss, &schedule(60));
            let after = loss.mean(&fitted.network.forward(&rows.inputs), &rows.targets);
            prop_assert!(after < 0.3 * before && after < 0.25, "{before} {losses:?}");
            prop_assert_eq!(fitted.steps, 60 * 8);
            // The same seed, the same bits.
            prop_assert_eq!(run(&rows, network, loss, &schedule(60)).0, fitted);
        }
    }

    #[test]
    fn every_bit_is_the_same_on_every_machine() {
        let rows = separable(2, 50);
        let train = |activation, method| {
            let network = Network::random(2, Some((5, activation)), 2, 4);
            let optimizer = Optimizer::new(method, 0.05, 0.01);
            let empty = rows.select(&[]);
            let fitted = fit(network, optimizer, Loss::CrossEntropy, (&rows, &empty), &schedule(20), &mut |_| {});
            let bits = |weight: &f64| weight.to_bits();
            fitted.expect("finite").network.weights().map(bits).fold(0_u64, |hash, bits| hash.rotate_left(7) ^ bits)
        };
        let adam = Method::Adam { betas: (0.9, 0.999), eps: 1e-8 };
        // Written down once, on x86-64 with AVX2.
        assert_eq!(
            [train(Activation::Tanh, adam), train(Activation::Relu, SGD)],
            [11_668_792_514_223_016_635, 11_055_198_043_293_053_312]
        );
    }

    #[test]
    fn a_line_is_found() {
        let inputs: Vec<f64> = (0..40).map(|at| f64::from(at) / 20.0 - 1.0).collect();
        let targets = inputs.iter().map(|x| 3.0 * x - 2.0).collect();
        let rows = Rows { inputs: Matrix::new(1, inputs), targets };
        let (fitted, _) = run(&rows, Network::random(1, None, 1, 0), Loss::MeanSquaredError, &schedule(200));
        let weights: Vec<f64> = fitted.network.weights().copied().collect();
        assert!((weights[0] - 3.0).abs() < 1e-6 && (weights[1] + 2.0).abs() < 1e-6, "{weights:?}");
    }

    #[test]
    fn stops_early_with_the_best_weights() {
        // Validation wants the opposite of what training learns: its first epoch is its best.
        let train = separable(1, 40);
        let mut validation = train.clone();
        validation.targets.iter_mut().for_each(|target| *target = 1.0 - *target);
        let network = Network::random(2, None, 1, 3);
        let stopping = Some(Stopping { patience: 3, min_delta: 0.0 });
        let schedule = Schedule { stopping, ..schedule(50) };
        let optimizer = Optimizer::new(SGD, 0.05, 0.0);
        let loss = Loss::BinaryCrossEntropy;
        let mut losses = Vec::new();
        let fitted = fit(network, optimizer, loss, (&train, &validation), &schedule, &mut |event| {
            if let Event::Epoch { validation: Some(loss), .. } = event {
                losses.push(loss);
            }
        });
        let fitted = fitted.expect("finite");
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let best = losses.iter().position(|&loss| loss == least).expect("a best") as u64 + 1;
        assert_eq!((fitted.best_epoch, fitted.epochs), (best, best + 3), "{losses:?}");
        assert_eq!(loss.mean(&fitted.network.forward(&validation.inputs), &validation.targets), least);
    }

    #[test]
    fn what_diverges_is_told() {
        let rows = separable(1, 40);
        let empty = rows.select(&[]);
        let network = Network::random(2, None, 1, 3);
        let optimizer = Optimizer::new(SGD, 1e6, 0.0);
        let result = fit(network, optimizer, Loss::MeanSquaredError, (&rows, &empty), &schedule(500), &mut |_| {});
        assert!(result.is_err_and(|error| (1..500).contains(&error.epoch)));
    }

    #[test]
    fn parts_are_disjoint_and_whole() {
        let targets: Vec<f64> = (0..10).map(f64::from).collect();
        let rows = Rows { inputs: Matrix::new(1, targets.clone()), targets };
        for (share, expected) in [(0.0, 0), (0.01, 1), (0.25, 3), (0.999, 9)] {
            let (train, validation) = rows.split(share, 5);
            assert_eq!((train.len(), validation.len()), (10 - expected, expected));
            assert_eq!(train.inputs.values(), train.targets);
            let mut all = [train.targets, validation.targets].concat();
            all.sort_by(f64::total_cmp);
            assert_eq!(all, rows.targets);
        }
    }
}
