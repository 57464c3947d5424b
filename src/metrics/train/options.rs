//! What can be set for training: on the command line, and under `train` in a file of parameters.
//!
//! One list for both, so that neither has what the other lacks: field names are the file's keys, their comments the help.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::kind::Kind;
use super::network::Activation;

/// Settings as they were given; `None` is the default.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize, serde::Serialize)]
#[serde(default)]
pub struct Options {
    /// The column to predict: its name, or its number from 1. By default the last one.
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,

    /// The columns to predict it from, by default all others. What is left out need not be numbers.
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub features: Option<Vec<String>>,

    /// What to train: a number by linear, one of two classes by logistic, one of several by softmax regression. [default:
    /// linear]
    #[arg(long)]
    pub model: Option<Kind>,

    /// Put a hidden layer of so many units in front; 0 is none.
    #[arg(long, value_name = "UNITS")]
    pub hidden: Option<usize>,

    /// What stands behind the hidden layer. [default: relu]
    #[arg(long)]
    pub activation: Option<Activation>,

    /// How weights follow their gradients. [default: sgd]
    #[arg(long)]
    pub optimizer: Option<Optimizer>,

    /// Learning rate. [default: 0.01]
    #[arg(long, value_name = "RATE")]
    pub lr: Option<f64>,

    /// SGD: how much of the last step's direction stays. [default: 0.9]
    #[arg(long, value_name = "SHARE")]
    pub momentum: Option<f64>,

    /// Adam: how much of the mean of gradients stays. [default: 0.9]
    #[arg(long, value_name = "SHARE")]
    pub beta1: Option<f64>,

    /// Adam: how much of the mean of squared gradients stays. [default: 0.999]
    #[arg(long, value_name = "SHARE")]
    pub beta2: Option<f64>,

    /// Adam: what keeps its divisor from 0. [default: 1e-8]
    #[arg(long, value_name = "NUMBER")]
    pub eps: Option<f64>,

    /// Pulls weights towards 0: this much of each is added to its gradient. [default: 0]
    #[arg(long, value_name = "RATE")]
    pub weight_decay: Option<f64>,

    /// Passes over the training rows. [default: 100]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,

    /// Rows for each step. [default: 32]
    #[arg(long, value_name = "ROWS")]
    pub batch_size: Option<usize>,

    /// Decides the start weights, the order of rows and the split. [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Keep this share of the rows, chosen at random, for validation; 0 for none. [default: 0.2]
    #[arg(long, value_name = "SHARE", conflicts_with = "validation_data")]
    pub validation: Option<f64>,

    /// Validate on the rows of this file.
    #[arg(long, value_name = "FILE")]
    pub validation_data: Option<String>,

    /// Stop after so many epochs without a better loss on validation, and take the best weights; 0 for never. [default: 0]
    #[arg(long, value_name = "EPOCHS")]
    pub early_stopping: Option<u64>,

    /// How much lower the loss must be to count as better. [default: 0]
    #[arg(long, value_name = "LOSS")]
    pub min_delta: Option<f64>,

    /// Whether features, and the target of a linear model, are brought to mean 0 and deviation 1 for training.
    #[arg(skip)]
    pub standardize: Option<bool>,

    /// The rows to train on.
    #[arg(skip)]
    pub data: Option<String>,
}

/// An optimizer by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent, with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such key.
    #[error("`{key}` is no setting of `train`; the nearest is `{nearest}`")]
    Unknown {
        /// As it is written.
        key: String,
        /// One that is known.
        nearest: String,
    },
    /// A value that cannot be used.
    #[error("`{key}` {why}")]
    Value {
        /// Its key.
        key: String,
        /// What it should be.
        why: String,
    },
}

impl Options {
    /// The settings under `train`.
    ///
    /// # Errors
    /// Keys that are not known, and values of another type.
    pub fn parse(table: &Map<String, Value>) -> Result<Self, OptionError> {
        let known = match serde_json::to_value(Self::default()) {
            Ok(Value::Object(known)) => known,
            _ => Map::new(),
        };
        if let Some(key) = table.keys().find(|key| !known.contains_key(*key)) {
            let nearest = known.keys().min_by_key(|other| strsim::damerau_levenshtein(key, other));
            return Err(OptionError::Unknown { key: key.clone(), nearest: nearest.cloned().unwrap_or_default() });
        }
        for (key, value) in table {
            // One by one, for an error that names the key.
            let one = Map::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = serde_json::from_value::<Self>(one.into()) {
                return Err(OptionError::Value { key: key.clone(), why: format!("cannot be used: {error}") });
            }
        }
        serde_json::from_value(table.clone().into())
            .map_err(|error| OptionError::Value { key: "train".into(), why: format!("cannot be used: {error}") })
    }

    /// These settings, and those of `file` where there are none. What belongs to a choice of the file that is overruled
    /// here goes with it: the momentum of SGD where Adam is asked for.
    pub fn or(self, mut file: Self) -> Self {
        if self.optimizer.is_some() && self.optimizer != file.optimizer {
            (file.momentum, file.beta1, file.beta2, file.eps) = (None, None, None, None);
        }
        if self.hidden == Some(0) {
            file.activation = None;
        }
        if self.validation.is_some() || self.validation_data.is_some() {
            (file.validation, file.validation_data) = (None, None);
        }
        if self.validation == Some(0.0) {
            (file.early_stopping, file.min_delta) = (None, None);
        }
        if self.early_stopping == Some(0) {
            file.min_delta = None;
        }
        Self {
            target: self.target.or(file.target),
            features: self.features.or(file.features),
            model: self.model.or(file.model),
            hidden: self.hidden.or(file.hidden),
            activation: self.activation.or(file.activation),
            optimizer: self.optimizer.or(file.optimizer),
            lr: self.lr.or(file.lr),
            momentum: self.momentum.or(file.momentum),
            beta1: self.beta1.or(file.beta1),
            beta2: self.beta2.or(file.beta2),
            eps: self.eps.or(file.eps),
            weight_decay: self.weight_decay.or(file.weight_decay),
            epochs: self.epochs.or(file.epochs),
            batch_size: self.batch_size.or(file.batch_size),
            seed: self.seed.or(file.seed),
            validation: self.validation.or(file.validation),
            validation_data: self.validation_data.or(file.validation_data),
            early_stopping: self.early_stopping.or(file.early_stopping),
            min_delta: self.min_delta.or(file.min_delta),
            standardize: self.standardize.or(file.standardize),
            data: self.data.or(file.data),
        }
    }

    /// The settings that are not left to the default, as the file has them.
    pub fn to_json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(table)) => table.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(table: Value) -> Result<Options, String> {
        Options::parse(table.as_object().expect("a table")).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_and_types() {
        let table =
            json!({ "target": "price", "model": "softmax", "lr": 1, "optimizer": "adam", "standardize": false });
        let options = parse(table.clone()).expect("known");
        assert_eq!((options.model, options.lr), (Some(Kind::Softmax), Some(1.0)));
        let mut back = options.to_json();
        assert_eq!(back.insert("lr".into(), json!(1)), Some(json!(1.0)));
        assert_eq!(Value::Object(back), table);
        for (table, expected) in [
            (json!({ "momentun": 0.9 }), "`momentun` is no setting of `train`; the nearest is `momentum`"),
            (json!({ "learning_rate": 0.9 }), "`learning_rate` is no setting of `train`; the nearest is"),
            (json!({ "lr": "fast" }), "`lr` cannot be used: invalid type: string \"fast\", expected f64"),
            (json!({ "epochs": -1 }), "`epochs` cannot be used"),
            (json!({ "model": "forest" }), "`model` cannot be used: unknown variant `forest`"),
        ] {
            let error = parse(table).expect_err("wrong");
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn flags_win_and_take_with_them_what_belongs_together() {
        let file = parse(json!({
            "optimizer": "sgd", "momentum": 0.5, "lr": 0.1, "validation_data": "v.csv", "early_stopping": 3, "min_delta": 0.1
        }));
        let file = file.expect("known");
        let flags = Options { optimizer: Some(Optimizer::Adam), validation: Some(0.0), ..Options::default() };
        let both = flags.or(file.clone());
        assert_eq!((both.momentum, both.lr, both.validation_data), (None, Some(0.1), None));
        assert_eq!((both.early_stopping, both.min_delta), (None, None));
        let flags = Options { lr: Some(0.2), early_stopping: Some(0), ..Options::default() };
        let both = flags.or(file.clone());
        assert_eq!((both.momentum, both.lr, both.min_delta), (Some(0.5), Some(0.2), None));
        assert_eq!(Options::default().or(file.clone()), file);
    }
}
