//! Models of `git model train` as they are served.
//!
//! One input with all features, [n, features], or one input [n] or [n, 1] for each feature, by its name. Outputs are
//! `predict`, in f64 as `git model predict` computes it: [n] for a number and for the probability of class 1, [n, classes]
//! for probabilities; and for classes `label`, the most probable.

use super::predictor::{Inferred, OUTPUT_VALUES_MAX, Predictor};
use super::protocol::{Datatype, Elements, Input, Output, TensorInfo};
use crate::metrics::train::kind::Kind;
use crate::metrics::train::matrix::Matrix;
use crate::metrics::train::model::Model;
use crate::metrics::train::table::listed;

/// Numbers that are held for a layer at a time.
const VALUES_MAX: usize = 1 << 16;
/// The name of the input with all features.
const INPUT: &str = "input";
const PREDICT: &str = "predict";
const LABEL: &str = "label";

impl Predictor for Model {
    fn platform(&self) -> &'static str {
        "git-model"
    }

    fn inputs(&self) -> Vec<TensorInfo> {
        vec![info(INPUT, Datatype::Fp64, &[-1, self.features.len() as i64])]
    }

    fn outputs(&self) -> Vec<TensorInfo> {
        let predict = match self.kind {
            Kind::Linear | Kind::Logistic => info(PREDICT, Datatype::Fp64, &[-1]),
            Kind::Softmax => info(PREDICT, Datatype::Fp64, &[-1, self.network.output.bias.len() as i64]),
        };
        let label = (self.kind != Kind::Linear).then(|| info(LABEL, Datatype::Int64, &[-1]));
        [predict].into_iter().chain(label).collect()
    }

    fn infer(&self, inputs: Vec<Input>) -> Result<Inferred, String> {
        let (rows, matrix) = rows(self, inputs)?;
        let columns = self.network.output.bias.len() as u64;
        if rows.checked_mul(columns).is_none_or(|count| count > OUTPUT_VALUES_MAX) {
            return Err(format!("at most {OUTPUT_VALUES_MAX} numbers are predicted at a time; ask for fewer rows"));
        }
        let predicted = in_pieces(self, matrix);
        if let Some(at) = predicted.iter().position(|value| !value.is_finite()) {
            return Err(format!("the prediction of row {} is NaN or infinite", at as u64 / columns.max(1)));
        }
        let label = (self.kind != Kind::Linear).then(|| Output {
            name: LABEL.into(),
            shape: vec![rows],
            datatype: Datatype::Int64,
            data: Elements::Integers(labels(self.kind, &predicted, columns as usize)),
        });
        let predict = Output {
            name: PREDICT.into(),
            shape: if self.kind == Kind::Softmax { vec![rows, columns] } else { vec![rows] },
            datatype: Datatype::Fp64,
            data: Elements::Doubles(predicted),
        };
        Ok(Inferred { rows, outputs: [predict].into_iter().chain(label).collect() })
    }
}

fn info(name: &str, datatype: Datatype, shape: &[i64]) -> TensorInfo {
    TensorInfo { name: name.into(), datatype, shape: shape.into() }
}

/// The rows of features in the model's order, and how many.
fn rows(model: &Model, mut inputs: Vec<Input>) -> Result<(u64, Matrix), String> {
    let features = model.features.len();
    if let [only] = &mut inputs[..] {
        match only.shape[..] {
            [rows, columns] if columns == features as u64 => {
                return Ok((rows, Matrix::new(features, std::mem::take(&mut only.data.values))));
            }
            [rows] if features == 1 => return Ok((rows, Matrix::new(1, std::mem::take(&mut only.data.values)))),
            _ if !model.features.contains(&only.name) || features == 1 => {
                let Input { name, shape, .. } = only;
                let features = listed(&model.features);
                return Err(format!(
                    "input `{name}` has shape {shape:?}, not [n, {}]: {features}",
                    model.features.len()
                ));
            }
            _ => {}
        }
    }
    by_name(model, &inputs)
}

/// The rows of inputs that are a feature each.
fn by_name(model: &Model, inputs: &[Input]) -> Result<(u64, Matrix), String> {
    let is_unknown = |input: &&Input| !model.features.contains(&input.name);
    if let Some(input) = inputs.iter().find(is_unknown) {
        let features = listed(&model.features);
        return Err(format!("there is no input `{}`; features are {features}", input.name));
    }
    if inputs.len() > model.features.len() {
        return Err(format!("there are {} inputs, and the model has {} features", inputs.len(), model.features.len()));
    }
    let column = |feature: &String| {
        let mut named = inputs.iter().filter(|input| input.name == *feature);
        match (named.next(), named.next()) {
            (None, _) => Err(format!("there is no input `{feature}`, a feature of the model")),
            (Some(_), Some(_)) => Err(format!("there are several inputs `{feature}`")),
            (Some(input), None) => match input.shape[..] {
                [_] | [_, 1] => Ok(input),
                _ => Err(format!("input `{feature}` has shape {:?}, not [n] or [n, 1]", input.shape)),
            },
        }
    };
    let columns = model.features.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let rows = columns.first().map_or(0, |input| input.data.values.len());
    if let Some(input) = columns.iter().find(|input| input.data.values.len() != rows) {
        let (first, name, len) = (&columns[0].name, &input.name, input.data.values.len());
        return Err(format!("input `{first}` has {rows} rows, and `{name}` has {len}"));
    }
    let values = (0..rows).flat_map(|row| columns.iter().map(move |input| input.data.values[row])).collect();
    Ok((rows as u64, Matrix::new(model.features.len(), values)))
}

/// Predictions for all rows, some at a time: a wide hidden layer would need much memory for all.
fn in_pieces(model: &Model, matrix: Matrix) -> Vec<f64> {
    let rows_max = (VALUES_MAX / model.widest().max(1)).max(1);
    if matrix.len() <= rows_max {
        return model.predict(matrix).values().to_vec();
    }
    let pieces = matrix.values().chunks(rows_max * matrix.columns());
    pieces.flat_map(|piece| model.predict(Matrix::new(matrix.columns(), piece.to_vec())).values().to_vec()).collect()
}

/// The most probable class of each row, of equals the first.
fn labels(kind: Kind, predicted: &[f64], columns: usize) -> Vec<i64> {
    let most = |row: &[f64]| {
        let best = row.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (class, &probability)| {
            if probability > best.1 { (class, probability) } else { best }
        });
        best.0 as i64
    };
    match kind {
        Kind::Linear | Kind::Logistic => predicted.iter().map(|&probability| i64::from(probability > 0.5)).collect(),
        Kind::Softmax => predicted.chunks_exact(columns.max(1)).map(most).collect(),
    }
}
