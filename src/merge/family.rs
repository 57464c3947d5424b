//! Tensors that belong together, told by their names. Pure.
//!
//! Parts of one thing (the two factors of an adapter, quantized values and their scales) make no sense from different
//! sides. The state of an optimizer belongs to the weights it was made with. Counters are numbers but no weights.
//!
//! Sources of the names: PEFT and kohya (LoRA, DoRA), GPTQ and AWQ (`qweight`), compressed-tensors and DeepSeek-V3
//! (`weight_scale`, `weight_scale_inv`), PyTorch (`weight_norm`, `num_batches_tracked`, optimizers).

use crate::tensor::{Dtype, Plain};

const ADAPTER: &[&str] = &[
    "lora_A",
    "lora_B",
    "lora_a",
    "lora_b",
    "lora_up",
    "lora_down",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_magnitude_vector",
    "dora_scale",
];
const QUANTIZED: &[&str] = &["qweight", "qzeros", "scales", "g_idx"];
const SCALES: &[&str] = &["weight_scale", "weight_scale_inv", "weight_scale_2", "input_scale", "weight_zero_point"];
const WEIGHT_NORM: &[&str] = &["weight_g", "weight_v", "original0", "original1"];
const OPTIMIZER: &[&str] = &["optimizer", "optim", "optimizer_state_dict", "optimizer_states", "optimizers"];
const MOMENTS: &[&str] =
    &["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta", "grad_avg", "exp_inf"];
const COUNTERS: &[&str] = &["num_batches_tracked", "step", "steps", "global_step", "epoch"];

fn parts(name: &str) -> impl DoubleEndedIterator<Item = &str> {
    name.split(['.', '/'])
}

/// What this tensor is a part of; tensors with equal answers belong together. `None` for one that stands alone.
pub fn group(name: &str, dtype: &Dtype) -> Option<String> {
    let is_one_of = |known: &[&str]| parts(name).find(|part| known.contains(part));
    // The name without what tells the parts apart, and without what follows it.
    let before = |part: &str| name.split(part).next().unwrap_or_default().to_owned();
    if let Some(part) = is_one_of(ADAPTER) {
        return Some(format!("{}adapter", before(part)));
    }
    let last = parts(name).next_back().unwrap_or_default();
    let module = name.strip_suffix(last).unwrap_or_default();
    if QUANTIZED.contains(&last) {
        return Some(format!("{module}quantized"));
    }
    if SCALES.contains(&last) || last == "weight" && is_scaled(dtype) {
        return Some(format!("{module}scaled"));
    }
    if WEIGHT_NORM.contains(&last) {
        return Some(format!("{module}norm"));
    }
    None
}

/// Types that are used with scales beside them.
const fn is_scaled(dtype: &Dtype) -> bool {
    matches!(
        dtype,
        Dtype::Plain(
            Plain::F8E4M3 | Plain::F8E5M2 | Plain::F8E4M3Fnuz | Plain::F8E5M2Fnuz | Plain::I8 | Plain::U8 | Plain::F4
        )
    )
}

/// Whether the tensor is part of an optimizer's state.
pub fn is_optimizer_state(name: &str) -> bool {
    parts(name).any(|part| OPTIMIZER.contains(&part) || MOMENTS.contains(&part))
}

/// Whether `name`, of an optimizer's state, has the name of the weight it belongs to in it.
pub fn belongs_to(name: &str, weight: &str) -> bool {
    let is_border = |byte: Option<&u8>| byte.is_none_or(|byte| b"./".contains(byte));
    name.match_indices(weight).any(|(at, _)| {
        let (before, after) = (name.as_bytes()[..at].last(), name.as_bytes().get(at + weight.len()));
        is_border(before) && is_border(after)
    })
}

/// Whether arithmetic on the tensor makes sense: floating-point weights.
pub fn is_numeric(name: &str, dtype: &Dtype) -> bool {
    let is_float = crate::tensor::is_float(dtype) || *dtype == Dtype::Plain(Plain::F64);
    is_float && !parts(name).next_back().is_some_and(|last| COUNTERS.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: Dtype = Dtype::Plain(Plain::F32);

    #[test]
    fn parts_of_one_thing() {
        let fp8 = Dtype::Plain(Plain::F8E4M3);
        let together = [
            [("m.q.lora_A.default.weight", &F32), ("m.q.lora_B.default.weight", &F32)],
            [("m.q.qweight", &F32), ("m.q.scales", &F32)],
            [("m.q.weight", &fp8), ("m.q.weight_scale_inv", &F32)],
            [("m.q.weight_g", &F32), ("m.q.weight_v", &F32)],
        ];
        for [a, b] in together {
            assert!(group(a.0, a.1).is_some(), "{}", a.0);
            assert_eq!(group(a.0, a.1), group(b.0, b.1));
        }
        assert_ne!(group("m.q.lora_A.weight", &F32), group("m.k.lora_A.weight", &F32));
        assert_eq!(group("m.q.weight", &F32), None);
    }

    #[test]
    fn state_and_its_weights() {
        assert!(is_optimizer_state("optimizer.state.0.exp_avg"));
        assert!(is_optimizer_state("layers.0.weight.exp_avg_sq"));
        assert!(!is_optimizer_state("layers.0.weight"));
        assert!(belongs_to("optimizer.layers.0.weight.exp_avg", "layers.0.weight"));
        assert!(!belongs_to("optimizer.layers.10.weight.exp_avg", "layers.1"));
    }

    #[test]
    fn counters_are_no_weights() {
        assert!(is_numeric("bn.weight", &F32));
        assert!(!is_numeric("optimizer.state.0.step", &F32));
        assert!(!is_numeric("bn.num_batches_tracked", &Dtype::Plain(Plain::I64)));
    }
}
