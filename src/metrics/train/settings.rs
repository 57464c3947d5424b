//! Options, once checked: what training trusts.

use super::fit::{Schedule, Stopping};
use super::kind::Kind;
use super::network::Activation;
use super::optimizer::Method;
use super::options::{Optimizer, OptionError, Options};

/// A hidden layer of more units is a typing error.
const HIDDEN_MAX: usize = 65_536;

/// All that training needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The model.
    pub kind: Kind,
    /// Units and activation of the hidden layer.
    pub hidden: Option<(usize, Activation)>,
    /// The optimizer.
    pub method: Method,
    /// Its learning rate.
    pub learning_rate: f64,
    /// Its weight decay.
    pub weight_decay: f64,
    /// Epochs, batches, seed, stopping.
    pub schedule: Schedule,
    /// Share of the rows kept for validation, if they are not in a file of their own.
    pub validation: f64,
    /// Whether features are standardised.
    pub standardizes: bool,
}

impl Settings {
    /// Checks each option, and whether they go together. Returns the options too, with the defaults that were taken.
    ///
    /// # Errors
    /// Options out of their range, and options that belong to what was not chosen.
    pub fn of(mut options: Options) -> Result<(Self, Options), OptionError> {
        let kind = *options.model.get_or_insert(Kind::Linear);
        let hidden = match *options.hidden.get_or_insert(0) {
            0 => {
                refuse("activation", options.activation.is_some(), "needs a hidden layer: set `hidden`")?;
                None
            }
            units => {
                check("hidden", units <= HIDDEN_MAX, &format!("must be at most {HIDDEN_MAX}"))?;
                Some((units, *options.activation.get_or_insert(Activation::Relu)))
            }
        };
        let method = method(&mut options)?;
        let learning_rate = *options.lr.get_or_insert(0.01);
        check("lr", learning_rate > 0.0 && learning_rate.is_finite(), "must be above 0")?;
        let weight_decay = *options.weight_decay.get_or_insert(0.0);
        check("weight_decay", weight_decay >= 0.0 && weight_decay.is_finite(), "must be 0 or more")?;
        let epochs = *options.epochs.get_or_insert(100);
        check("epochs", epochs > 0, "must be 1 or more")?;
        let batch_size = *options.batch_size.get_or_insert(32);
        check("batch_size", batch_size > 0, "must be 1 or more")?;
        let seed = *options.seed.get_or_insert(0);
        let validation = validation(&mut options)?;
        let stopping = stopping(&mut options, validation > 0.0)?;
        let standardizes = *options.standardize.get_or_insert(true);
        let schedule = Schedule { epochs, batch_size, seed, stopping };
        Ok((Self { kind, hidden, method, learning_rate, weight_decay, schedule, validation, standardizes }, options))
    }
}

fn method(options: &mut Options) -> Result<Method, OptionError> {
    let is_share = |share: f64| (0.0..1.0).contains(&share);
    match *options.optimizer.get_or_insert(Optimizer::Sgd) {
        Optimizer::Sgd => {
            let given = [("beta1", options.beta1), ("beta2", options.beta2), ("eps", options.eps)];
            for (key, value) in given {
                refuse(key, value.is_some(), "belongs to adam: set `optimizer`")?;
            }
            let momentum = *options.momentum.get_or_insert(0.9);
            check("momentum", is_share(momentum), "must be from 0 to below 1")?;
            Ok(Method::Sgd { momentum })
        }
        Optimizer::Adam => {
            refuse("momentum", options.momentum.is_some(), "belongs to sgd; adam has `beta1`")?;
            let betas = (*options.beta1.get_or_insert(0.9), *options.beta2.get_or_insert(0.999));
            check("beta1", is_share(betas.0), "must be from 0 to below 1")?;
            check("beta2", is_share(betas.1), "must be from 0 to below 1")?;
            let eps = *options.eps.get_or_insert(1e-8);
            check("eps", eps > 0.0 && eps.is_finite(), "must be above 0")?;
            Ok(Method::Adam { betas, eps })
        }
    }
}

/// The share of rows for validation; 1 if they are in a file of their own.
fn validation(options: &mut Options) -> Result<f64, OptionError> {
    if options.validation_data.is_some() {
        refuse("validation", options.validation.is_some(), "is not needed where there is `validation_data`")?;
        return Ok(1.0);
    }
    let share = *options.validation.get_or_insert(0.2);
    check("validation", (0.0..1.0).contains(&share), "must be from 0 to below 1")?;
    Ok(share)
}

fn stopping(options: &mut Options, is_validated: bool) -> Result<Option<Stopping>, OptionError> {
    let patience = *options.early_stopping.get_or_insert(0);
    if patience == 0 {
        refuse("min_delta", options.min_delta.is_some(), "needs `early_stopping`")?;
        return Ok(None);
    }
    check("early_stopping", is_validated, "needs rows for validation: set `validation` or `validation_data`")?;
    let min_delta = *options.min_delta.get_or_insert(0.0);
    check("min_delta", min_delta >= 0.0 && min_delta.is_finite(), "must be 0 or more")?;
    Ok(Some(Stopping { patience, min_delta }))
}

fn check(key: &str, is_right: bool, why: &str) -> Result<(), OptionError> {
    if is_right { Ok(()) } else { Err(OptionError::Value { key: key.into(), why: why.into() }) }
}

fn refuse(key: &str, is_given: bool, why: &str) -> Result<(), OptionError> {
    check(key, !is_given, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_written_down() {
        let (settings, options) = Settings::of(Options::default()).expect("the defaults");
        assert_eq!(settings.method, Method::Sgd { momentum: 0.9 });
        assert_eq!((settings.learning_rate, settings.validation, settings.hidden), (0.01, 0.2, None));
        assert_eq!(Settings::of(options.clone()).expect("the same"), (settings, options));
    }

    #[test]
    fn what_is_out_of_range_or_does_not_go_together() {
        type Case = (fn(&mut Options), &'static str);
        let cases: [Case; 15] = [
            (|options| options.lr = Some(0.0), "`lr` must be above 0"),
            (|options| options.lr = Some(f64::NAN), "`lr` must be above 0"),
            (|options| options.momentum = Some(1.0), "`momentum` must be from 0 to below 1"),
            (|options| options.eps = Some(1.0), "`eps` belongs to adam: set `optimizer`"),
            (|options| options.weight_decay = Some(-1.0), "`weight_decay` must be 0 or more"),
            (|options| options.epochs = Some(0), "`epochs` must be 1 or more"),
            (|options| options.batch_size = Some(0), "`batch_size` must be 1 or more"),
            (|options| options.hidden = Some(1 << 20), "`hidden` must be at most 65536"),
            (|options| options.activation = Some(Activation::Tanh), "`activation` needs a hidden layer: set `hidden`"),
            (|options| options.validation = Some(1.0), "`validation` must be from 0 to below 1"),
            (|options| options.min_delta = Some(0.1), "`min_delta` needs `early_stopping`"),
            (
                |options| (options.early_stopping, options.validation) = (Some(3), Some(0.0)),
                "`early_stopping` needs rows for validation: set `validation` or `validation_data`",
            ),
            (
                |options| (options.validation_data, options.validation) = (Some("v".into()), Some(0.1)),
                "`validation` is not needed where there is `validation_data`",
            ),
            (
                |options| (options.optimizer, options.momentum) = (Some(Optimizer::Adam), Some(0.1)),
                "`momentum` belongs to sgd; adam has `beta1`",
            ),
            (
                |options| (options.optimizer, options.beta2) = (Some(Optimizer::Adam), Some(1.0)),
                "`beta2` must be from 0 to below 1",
            ),
        ];
        for (change, expected) in cases {
            let mut options = Options::default();
            change(&mut options);
            assert_eq!(Settings::of(options).expect_err(expected).to_string(), expected);
        }
    }
}
