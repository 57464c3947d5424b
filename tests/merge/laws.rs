//! What holds for merging any two versions of a tensor.

use git_model::id::ObjectId;
use git_model::merge::strategy::{Input, Method, Params, Random, Value};
use proptest::prelude::*;

/// Methods that ask no questions about sides, with parameters that make them do all they can.
const SYMMETRIC: [(&str, &[(&str, f64)]); 16] = [
    ("linear", &[]),
    ("slerp", &[]),
    ("nuslerp", &[]),
    ("multislerp", &[]),
    ("karcher", &[]),
    ("task_arithmetic", &[("lambda", 0.5)]),
    ("ties", &[("density", 0.6)]),
    ("dare_linear", &[("density", 0.6)]),
    ("dare_ties", &[("density", 0.6)]),
    ("della", &[("density", 0.6)]),
    ("della_linear", &[("density", 0.6)]),
    ("breadcrumbs", &[("density", 0.6), ("gamma", 0.1)]),
    ("breadcrumbs_ties", &[("density", 0.6), ("gamma", 0.1)]),
    ("model_stock", &[]),
    ("sce", &[("select_topk", 0.5)]),
    ("ram", &[]),
];

fn method(name: &str, values: &[(&str, f64)]) -> Method {
    let mut params = Params::default();
    values.iter().for_each(|(name, value)| params.set(*name, Value::Number(*value)));
    Method::new(name, &params).expect("a method")
}

fn merge(method: &Method, base: &[f32], models: &[&[f32]]) -> Option<Vec<f32>> {
    let stream = |model: &&[f32]| {
        let bytes: Vec<u8> = model.iter().flat_map(|number| number.to_le_bytes()).collect();
        Random::for_tensor(method.seed(), "layer.weight", &ObjectId::of(&bytes))
    };
    let mut random: Vec<Random> = models.iter().map(stream).collect();
    method.merge(&Input { shape: &[4, 6], base: Some(base), models }, &mut random).ok()
}

/// 24 weights.
fn weights() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-800_i16..800).prop_map(|number| f32::from(number) / 256.0), 24)
}

proptest! {
    #[test]
    fn it_does_not_matter_which_side_is_ours(base in weights(), a in weights(), b in weights()) {
        for (name, values) in SYMMETRIC {
            let method = method(name, values);
            let (one, other) = (merge(&method, &base, &[&a, &b]), merge(&method, &base, &[&b, &a]));
            // Sums of the same two numbers in another order have the same bits; of what is made of them, nearly.
            let is_near = match (&one, &other) {
                (Some(one), Some(other)) => one.iter().zip(other).all(|(one, other)| (one - other).abs() <= 1e-5),
                _ => one == other,
            };
            prop_assert!(is_near, "{name}: {one:?} {other:?}");
        }
    }

    #[test]
    fn what_both_agree_upon_stays(base in weights(), a in weights()) {
        for name in ["linear", "slerp", "nuslerp", "karcher", "ties", "model_stock", "sce", "ram", "nearswap", "arcee_fusion"] {
            let merged = merge(&method(name, &[]), &base, &[&a, &a]).expect("a result");
            // Changes too small for `ram` to see are dropped.
            let is_near = merged.iter().zip(&a).all(|(merged, a)| (merged - a).abs() <= 2e-5 + 1e-5 * a.abs());
            prop_assert!(is_near, "{name}: {merged:?} {a:?}");
        }
    }

    #[test]
    fn any_numbers_are_survived(base in weights(), a in prop::collection::vec(any::<f32>(), 24), b in weights()) {
        for name in Method::names() {
            if let Some(merged) = merge(&method(name, &[]), &base, &[&a, &b]) {
                prop_assert_eq!(merged.len(), 24);
            }
        }
    }
}
