//! A trained model, and the safetensors file it is kept in.
//!
//! Tensors have the names that torch gives them: `linear.weight` [out, in] and `linear.bias` [out] for one layer;
//! `hidden.weight`, `hidden.bias`, `output.weight` and `output.bias` for two; all f32. `input.mean` and `input.std`
//! [features], if features are standardised, are f64: a large mean with a small deviation needs the digits.
//! `__metadata__` has `task`, `model`, `features` (a JSON list), `target`, for classes `classes` (how many), and for two
//! layers `activation`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::kind::Kind;
use super::loss::{sigmoid, softmax};
use super::matrix::Matrix;
use super::network::{Activation, Layer, Network};
use super::scale::Scale;

/// The two ends of the names of a layer's tensors.
const WEIGHT: &str = ".weight";
const BIAS: &str = ".bias";
const MEAN: &str = "input.mean";
const STD: &str = "input.std";

/// What predicts.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it predicts.
    pub kind: Kind,
    /// Names of the columns it looks at, in order.
    pub features: Vec<String>,
    /// Name of the column it predicts.
    pub target: String,
    /// How features are standardised, if they are.
    pub scale: Option<Scale>,
    /// What comes after that.
    pub network: Network,
}

/// A tensor as it is read: its dimensions and its numbers.
pub type Tensor = (Vec<u64>, Vec<f64>);

/// Why a model cannot be used for prediction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTrained {
    /// The metadata are not those of `git model train`.
    #[error("its metadata have no usable `{0}`, which `git model train` writes")]
    Metadata(&'static str),
    /// A tensor is not there or does not fit.
    #[error("tensor `{name}` is missing or is not of shape {shape}")]
    Tensor {
        /// Its name.
        name: String,
        /// The shape it should have.
        shape: String,
    },
}

impl Model {
    /// The names of all tensors that there may be.
    pub const TENSORS: [&str; 8] =
        [MEAN, STD, "linear.weight", "linear.bias", "hidden.weight", "hidden.bias", "output.weight", "output.bias"];

    /// The most numbers that there are of a row at any time.
    pub fn widest(&self) -> usize {
        self.network.layers().iter().map(|(_, layer)| layer.bias.len()).fold(self.features.len(), usize::max)
    }

    /// The model as the file has it, in f32; `None` if a weight is not finite there.
    pub fn rounded(mut self) -> Option<Self> {
        self.network.weights_mut().for_each(|weight| *weight = f64::from(*weight as f32));
        let is_finite = self.network.weights().all(|weight| weight.is_finite());
        is_finite.then_some(self)
    }

    /// Whether it has neither NaN nor an infinite number.
    pub fn is_finite(&self) -> bool {
        let mut scales = self.scale.iter().flat_map(|Scale { mean, std }| mean.iter().chain(std));
        self.network.weights().all(|weight| weight.is_finite()) && scales.all(|value| value.is_finite())
    }

    /// What comes out of the last layer for rows of features as they are in data: numbers, or logits.
    pub fn outputs(&self, mut inputs: Matrix) -> Matrix {
        if let Some(scale) = &self.scale {
            scale.apply(&mut inputs);
        }
        self.network.forward(&inputs)
    }

    /// What is predicted: a number, the probability of class 1, or the probabilities of all classes.
    pub fn predict(&self, inputs: Matrix) -> Matrix {
        let mut outputs = self.outputs(inputs);
        match self.kind {
            Kind::Linear => {}
            Kind::Logistic => outputs.values_mut().iter_mut().for_each(|logit| *logit = sigmoid(*logit)),
            Kind::Softmax => outputs.rows_mut().for_each(softmax),
        }
        outputs
    }

    /// The file. The same model gives the same bytes.
    pub fn to_safetensors(&self) -> Vec<u8> {
        let mut metadata = json!({
            "format": "pt",
            "task": self.kind.task(),
            "model": self.kind.name(),
            "features": json!(self.features).to_string(),
            "target": self.target,
        });
        if let Some(classes) = self.kind.classes(self.network.output.bias.len()) {
            metadata["classes"] = json!(classes.to_string());
        }
        if let Some((_, activation)) = &self.network.hidden {
            metadata["activation"] = json!(activation.name());
        }
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".into(), metadata);
        let mut data = Vec::new();
        let mut add = |name: String, dtype: &str, shape: &[usize], bytes: Vec<u8>| {
            let start = data.len();
            data.extend(bytes);
            header.insert(name, json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, data.len()] }));
        };
        // Those of eight bytes come first, so that all are aligned.
        if let Some(Scale { mean, std }) = &self.scale {
            for (name, values) in [(MEAN, mean), (STD, std)] {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                add(name.into(), "F64", &[values.len()], bytes);
            }
        }
        let f32s = |values: &[f64]| values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
        for (name, Layer { weight, bias }) in self.network.layers() {
            add(format!("{name}{WEIGHT}"), "F32", &[weight.len(), weight.columns()], f32s(weight.values()));
            add(format!("{name}{BIAS}"), "F32", &[bias.len()], f32s(bias));
        }
        let mut header = Value::Object(header).to_string();
        while !header.len().is_multiple_of(8) {
            header.push(' ');
        }
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
    }

    /// The model in the file with these metadata and tensors.
    ///
    /// # Errors
    /// A file that `git model train` has not written, or that was changed since.
    pub fn from_tensors(
        metadata: &HashMap<String, String>,
        mut tensors: HashMap<String, Tensor>,
    ) -> Result<Self, NotTrained> {
        let text = |key: &'static str| metadata.get(key).ok_or(NotTrained::Metadata(key));
        let kind = text("model")?;
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind).ok_or(NotTrained::Metadata("model"))?;
        let features: Vec<String> =
            serde_json::from_str(text("features")?).map_err(|_| NotTrained::Metadata("features"))?;
        let count = features.len();
        let activation = metadata.get("activation");
        let activation =
            activation.map(|name| Activation::of(name).ok_or(NotTrained::Metadata("activation"))).transpose()?;
        let hidden =
            activation.map(|activation| Ok((layer(&mut tensors, "hidden", count, None)?, activation))).transpose()?;
        let outputs = (kind != Kind::Softmax).then_some(1);
        let output = match &hidden {
            Some((hidden, _)) => layer(&mut tensors, "output", hidden.bias.len(), outputs)?,
            None => layer(&mut tensors, "linear", count, outputs)?,
        };
        let scale = match tensors.contains_key(MEAN) || tensors.contains_key(STD) {
            true => Some(Scale { mean: row(&mut tensors, MEAN, count)?, std: row(&mut tensors, STD, count)? }),
            false => None,
        };
        let target = text("target")?.clone();
        Ok(Self { kind, features, target, scale, network: Network { hidden, output } })
    }
}

fn row(tensors: &mut HashMap<String, Tensor>, name: &str, count: usize) -> Result<Vec<f64>, NotTrained> {
    match tensors.remove(name) {
        Some((shape, values)) if shape == [count as u64] && values.len() == count && count > 0 => Ok(values),
        _ => Err(NotTrained::Tensor { name: name.into(), shape: format!("[{count}]") }),
    }
}

fn layer(
    tensors: &mut HashMap<String, Tensor>,
    name: &str,
    inputs: usize,
    outputs: Option<usize>,
) -> Result<Layer, NotTrained> {
    let weight = format!("{name}{WEIGHT}");
    let fits = |shape: &[u64]| match shape {
        &[rows, columns] => columns == inputs as u64 && outputs.is_none_or(|outputs| rows == outputs as u64),
        _ => false,
    };
    match tensors.remove(&weight) {
        Some((shape, values)) if inputs > 0 && fits(&shape) && values.len() / inputs == shape[0] as usize => {
            let weight = Matrix::new(inputs, values);
            Ok(Layer { bias: row(tensors, &format!("{name}{BIAS}"), weight.len())?, weight })
        }
        _ => {
            let outputs = outputs.map_or("n".into(), |outputs| outputs.to_string());
            Err(NotTrained::Tensor { name: weight, shape: format!("[{outputs}, {inputs}]") })
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::{Bytes, Detected, detect};
    use crate::tensor::decode;

    fn read(file: &[u8]) -> (HashMap<String, String>, HashMap<String, Tensor>) {
        let Detected::Model(layout) = detect(&Bytes(file)).expect("readable") else { panic!("a model") };
        let len = u64::from_le_bytes(file[..8].try_into().expect("8 bytes")) as usize;
        let mut header: Value = serde_json::from_slice(&file[8..8 + len]).expect("JSON");
        let tensors = layout.records.into_iter().map(|record| {
            let bytes = &file[record.offset as usize..][..record.len as usize];
            (record.name, (record.shape, decode(&record.dtype, bytes).expect("numbers")))
        });
        (serde_json::from_value(header["__metadata__"].take()).expect("texts"), tensors.collect())
    }

    fn model(kind: Kind, features: usize, hidden: Option<(usize, Activation)>, is_scaled: bool, seed: u64) -> Model {
        let outputs = if kind == Kind::Softmax { 3 } else { 1 };
        let names = (0..features).map(|at| format!("feature \"{at}\""));
        let scale = Scale { mean: vec![1e9 + 1.0; features], std: vec![0.1; features] };
        Model {
            kind,
            features: names.collect(),
            target: "price".into(),
            scale: is_scaled.then_some(scale),
            network: Network::random(features, hidden, outputs, seed),
        }
    }

    proptest! {
        #[test]
        fn files_are_read_back(
            kind in prop::sample::select(&Kind::ALL[..]), features in 1..5_usize, is_scaled in any::<bool>(), seed in any::<u64>(),
            hidden in prop::sample::select(vec![None, Some((1, Activation::Relu)), Some((4, Activation::Tanh))]),
        ) {
            let model = model(kind, features, hidden, is_scaled, seed).rounded().expect("finite");
            let (metadata, tensors) = read(&model.to_safetensors());
            prop_assert_eq!(&metadata["task"], kind.task());
            prop_assert_eq!(Model::from_tensors(&metadata, tensors), Ok(model));
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let model = model(Kind::Softmax, 2, Some((4, Activation::Relu)), true, 1);
        let (metadata, tensors) = read(&model.to_safetensors());
        for name in ["hidden.weight", "hidden.bias", "output.weight", "output.bias", MEAN, STD] {
            for shape in [None, Some(vec![7]), Some(vec![4, 2, 1]), Some(vec![3, 9])] {
                let mut tensors = tensors.clone();
                match shape {
                    None => drop(tensors.remove(name)),
                    Some(shape) => tensors.get_mut(name).expect("there").0 = shape,
                }
                let error = Model::from_tensors(&metadata, tensors).expect_err("damaged").to_string();
                assert!(error.contains(name), "{error}");
            }
        }
        for key in ["model", "features", "target"] {
            let mut metadata = metadata.clone();
            metadata.remove(key);
            let error = Model::from_tensors(&metadata, tensors.clone()).expect_err("damaged");
            assert_eq!(error, NotTrained::Metadata(key));
        }
    }

    #[test]
    fn what_f32_cannot_hold_is_no_model() {
        let mut model = model(Kind::Linear, 1, None, false, 1);
        model.network.output.bias[0] = 1e300;
        assert_eq!(model.rounded(), None);
    }
}
