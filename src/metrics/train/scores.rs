//! How good a trained model is on rows with known targets, by the measures of [`crate::metrics::loss`].

use ndarray::{ArrayView1, ArrayView2};

use super::fit::Rows;
use super::kind::Kind;
use super::model::Model;
use crate::metrics::loss::{Confusion, Regression, argmax};

/// Scores by their names in a metrics file.
pub type Scores = Vec<(&'static str, f64)>;

/// For numbers `mse`, `rmse`, `mae` and `r2`; for classes `loss` (cross-entropy in nats), `accuracy` and `f1` (of several
/// classes the mean over them, `f1_macro`). A row is of the class with the highest probability; of equal ones the first.
pub fn scores(model: &Model, rows: &Rows) -> Scores {
    let outputs = model.outputs(rows.inputs.clone());
    if model.kind == Kind::Linear {
        let mut sums = Regression::new(1);
        for (predicted, target) in outputs.values().iter().zip(&rows.targets) {
            sums.push(ArrayView2::from(&[[*predicted]]), ArrayView2::from(&[[*target]]));
        }
        return vec![("mse", sums.mse()), ("rmse", sums.rmse()), ("mae", sums.mae()), ("r2", sums.r2())];
    }
    let mut confusion = Confusion::default();
    for (logits, &target) in outputs.rows().zip(&rows.targets) {
        let class = match model.kind {
            Kind::Logistic => i64::from(logits[0] > 0.0),
            _ => argmax(ArrayView1::from(logits)) as i64,
        };
        confusion.push(class, target as i64);
    }
    let f1 = if model.kind == Kind::Logistic { ("f1", confusion.f1()) } else { ("f1_macro", confusion.f1_macro()) };
    let loss = model.kind.loss().mean(&outputs, &rows.targets);
    vec![("loss", loss), ("accuracy", confusion.accuracy()), (f1.0, f1.1.value)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::train::matrix::Matrix;
    use crate::metrics::train::network::{Layer, Network};

    fn scored(kind: Kind, weights: &[f64], inputs: &[f64], targets: &[f64]) -> Scores {
        let output = Layer { weight: Matrix::new(1, weights.to_vec()), bias: vec![0.0; weights.len()] };
        let network = Network { hidden: None, output };
        let model = Model { kind, features: vec!["x".into()], target: "y".into(), scale: None, network };
        scores(&model, &Rows { inputs: Matrix::new(1, inputs.to_vec()), targets: targets.to_vec() })
    }

    #[test]
    fn known_values() {
        let line = scored(Kind::Linear, &[2.0], &[1.0, 2.0, 3.0], &[2.0, 4.0, 9.0]);
        assert_eq!(line, [("mse", 3.0), ("rmse", 3_f64.sqrt()), ("mae", 1.0), ("r2", 1.0 - 9.0 / 26.0)]);
        let two = scored(Kind::Logistic, &[1.0], &[0.0, -1.0, 5.0, 9.0], &[0.0, 1.0, 1.0, 1.0]);
        assert_eq!(two[1..], [("accuracy", 0.75), ("f1", 0.8)]);
        let three = scored(Kind::Softmax, &[-1.0, 0.0, 1.0], &[-9.0, 0.0, 9.0, 9.0], &[0.0, 0.0, 2.0, 2.0]);
        assert_eq!(three[1..], [("accuracy", 1.0), ("f1_macro", 1.0)]);
    }
}
