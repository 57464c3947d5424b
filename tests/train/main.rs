//! Training gives the numbers that torch gives, in float64, from the same start weights and the same order of rows.

use std::collections::HashMap;

use git_model::format::{Bytes, Detected, detect};
use git_model::metrics::train::fit::{Rows, epoch};
use git_model::metrics::train::kind::Kind;
use git_model::metrics::train::matrix::Matrix;
use git_model::metrics::train::network::{Activation, Layer, Network};
use git_model::metrics::train::optimizer::{Method, Optimizer};
use git_model::tensor::decode;

const BATCH: usize = 8;
/// The issue asks for 1e-6; what is computed in the same precision is as near as its rounding.
const DISTANCE_MAX: f64 = 1e-12;

type Tensors = HashMap<String, (Vec<u64>, Vec<f64>)>;

fn reference() -> Tensors {
    let file = std::fs::read("tests/data/train/reference.safetensors").expect("the reference");
    let Detected::Model(layout) = detect(&Bytes(&file)).expect("readable") else { panic!("no safetensors") };
    let tensor = |record: git_model::format::Record| {
        let bytes = &file[record.offset as usize..][..record.len as usize];
        (record.name, (record.shape, decode(&record.dtype, bytes).expect("numbers")))
    };
    layout.records.into_iter().map(tensor).collect()
}

fn matrix(tensors: &Tensors, name: &str) -> Matrix {
    let (shape, values) = &tensors[name];
    Matrix::new(shape[1] as usize, values.clone())
}

fn network(tensors: &Tensors, prefix: &str, activation: Option<Activation>) -> Network {
    let layer = |name: &str| Layer {
        weight: matrix(tensors, &format!("{prefix}/{name}.weight")),
        bias: tensors[&format!("{prefix}/{name}.bias")].1.clone(),
    };
    match activation {
        None => Network { hidden: None, output: layer("linear") },
        Some(activation) => Network { hidden: Some((layer("hidden"), activation)), output: layer("output") },
    }
}

/// As in `make_reference.py`.
fn optimizers() -> [(&'static str, Optimizer); 4] {
    let sgd = |momentum| Method::Sgd { momentum };
    let adam = |betas, eps| Method::Adam { betas, eps };
    [
        ("sgd", Optimizer::new(sgd(0.0), 0.05, 0.0)),
        ("sgd-momentum-decay", Optimizer::new(sgd(0.9), 0.02, 0.01)),
        ("adam", Optimizer::new(adam((0.9, 0.999), 1e-8), 0.01, 0.0)),
        ("adam-decay", Optimizer::new(adam((0.8, 0.99), 1e-6), 0.03, 0.05)),
    ]
}

fn distance<'a>(one: impl Iterator<Item = &'a f64>, other: impl Iterator<Item = &'a f64>) -> f64 {
    one.zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max)
}

#[test]
fn a_hundred_steps_end_where_torch_ends() {
    let tensors = reference();
    let inputs = matrix(&tensors, "inputs");
    let (shape, order) = &tensors["order"];
    let order: Vec<usize> = order.iter().map(|&row| row as usize).collect();
    assert_eq!(shape, &[20, inputs.len() as u64]);
    let mut cases = 0;
    for kind in Kind::ALL {
        let model = kind.name();
        let rows = Rows { inputs: inputs.clone(), targets: tensors[&format!("targets.{model}")].1.clone() };
        for (hidden, activation) in [("none", None), ("relu", Some(Activation::Relu)), ("tanh", Some(Activation::Tanh))]
        {
            let start = network(&tensors, &format!("{model}.{hidden}/start"), activation);
            for (name, mut optimizer) in optimizers() {
                let case = format!("{model}.{hidden}.{name}");
                let mut trained = start.clone();
                let losses: Vec<f64> = order
                    .chunks(rows.len())
                    .flat_map(|order| order.chunks(BATCH))
                    .map(|batch| epoch(&mut trained, &mut optimizer, kind.loss(), &rows, (batch, BATCH), &mut || {}))
                    .collect();
                assert_eq!((optimizer.steps(), losses.len()), (100, 100));
                let expected = network(&tensors, &format!("{case}/end"), activation);
                let weights = distance(trained.weights(), expected.weights());
                let losses = distance(losses.iter(), tensors[&format!("{case}/losses")].1.iter());
                assert!(weights <= DISTANCE_MAX && losses <= DISTANCE_MAX, "{case}: {weights:e} {losses:e}");
                assert!(distance(start.weights(), expected.weights()) > 1e-2, "{case}: nothing was trained");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 36);
}
