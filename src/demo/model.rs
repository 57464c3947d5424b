//! A small language model, made up: layers of normally distributed bf16 weights in a safetensors file. Pure.
//!
//! The weights say nothing, but they are spread as trained ones are: that is what decides how well they can be stored.

use std::fmt::Write;

/// Number of layers.
pub const LAYERS: usize = 12;
const WIDTH: usize = 224;
const VOCABULARY: usize = 4096;
/// Spread of fresh weights, as GPT-2 has it.
const SPREAD: f32 = 0.02;
/// Spread of what fine-tuning adds: a few units in the last place of a bf16.
const TUNED_SPREAD: f32 = 0.0001;

struct Tensor {
    name: String,
    shape: Vec<usize>,
    /// What the weights scatter around: 1 for the scales of a norm.
    center: f32,
}

impl Tensor {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

fn tensors() -> Vec<Tensor> {
    let tensor = |name: String, shape: &[usize], center| Tensor { name, shape: shape.to_vec(), center };
    let mut all = vec![tensor("embed_tokens.weight".into(), &[VOCABULARY, WIDTH], 0.0)];
    for layer in 0..LAYERS {
        let matrices = [
            ("self_attn.q_proj", WIDTH, WIDTH),
            ("self_attn.k_proj", WIDTH, WIDTH),
            ("self_attn.v_proj", WIDTH, WIDTH),
            ("self_attn.o_proj", WIDTH, WIDTH),
            ("mlp.up_proj", 4 * WIDTH, WIDTH),
            ("mlp.down_proj", WIDTH, 4 * WIDTH),
        ];
        for (name, rows, columns) in matrices {
            all.push(tensor(format!("layers.{layer}.{name}.weight"), &[rows, columns], 0.0));
        }
        for name in ["input_layernorm", "post_attention_layernorm"] {
            all.push(tensor(format!("layers.{layer}.{name}.weight"), &[WIDTH], 1.0));
        }
    }
    all
}

/// Layers that were trained further, and a number that tells one training from another.
#[derive(Debug, Clone, Copy)]
pub struct Tuning<'a> {
    /// The layers.
    pub layers: &'a [usize],
    /// The training's number.
    pub run: u64,
}

impl Tuning<'_> {
    /// The model as it was made.
    pub const NONE: Self = Self { layers: &[], run: 0 };
}

/// The model as the bytes of a safetensors file; the layers that were tuned differ a little from those without.
pub fn safetensors(tuning: Tuning<'_>) -> Vec<u8> {
    let tensors = tensors();
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    let mut end = 0;
    for tensor in &tensors {
        let start = end;
        end += tensor.elements() * 2;
        let (name, shape) = (&tensor.name, &tensor.shape);
        // Writing to a string cannot fail.
        let _ =
            write!(header, ",\"{name}\":{{\"dtype\":\"BF16\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}");
    }
    header.push('}');
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut file = Vec::with_capacity(8 + header.len() + end);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    for (seed, tensor) in tensors.iter().enumerate() {
        let is_tuned = tuning.layers.iter().any(|layer| tensor.name.starts_with(&format!("layers.{layer}.")));
        let mut weights = Normal::new(seed as u64);
        let mut changes = Normal::new(!(seed as u64) ^ tuning.run << 32);
        for _ in 0..tensor.elements() {
            let mut weight = round(tensor.center + SPREAD * weights.next());
            if is_tuned {
                weight = round(weight + TUNED_SPREAD * changes.next());
            }
            file.extend_from_slice(&((weight.to_bits() >> 16) as u16).to_le_bytes());
        }
    }
    file
}

/// The nearest bf16.
fn round(value: f32) -> f32 {
    f32::from_bits((value.to_bits() + 0x7fff + (value.to_bits() >> 16 & 1)) & 0xffff_0000)
}

/// Numbers near enough to the standard normal distribution: sums of four uniform ones (Irwin-Hall), scaled to a variance
/// of 1. The same for the same seed (SplitMix64).
struct Normal(u64);

impl Normal {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        let sum = (word & 0xffff) + (word >> 16 & 0xffff) + (word >> 32 & 0xffff) + (word >> 48);
        (sum as f32 / 65_536.0 - 2.0) * 3_f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Bytes, Detected, detect};

    #[test]
    fn is_a_model_and_tuning_changes_the_layers_named() {
        let (base, tuned) = (safetensors(Tuning::NONE), safetensors(Tuning { layers: &[3], run: 0 }));
        let Ok(Detected::Model(layout)) = detect(&Bytes(&base)) else { panic!("no model") };
        assert_eq!((layout.format, layout.records.len()), ("safetensors", 1 + 8 * LAYERS));
        assert_eq!(base.len(), tuned.len());
        for record in layout.records {
            let range = record.offset as usize..(record.offset + record.len) as usize;
            let is_changed = base[range.clone()] != tuned[range];
            let is_tuned = record.name.starts_with("layers.3.");
            // A norm's few weights stand near 1, where bf16 may round so small a change away.
            let must_change = is_tuned && record.shape.len() == 2;
            assert!(if is_changed { is_tuned } else { !must_change }, "{}", record.name);
        }
    }

    #[test]
    fn weights_scatter_as_they_should() {
        let mut normal = Normal::new(1);
        let values: Vec<f32> = (0..100_000).map(|_| normal.next()).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }
}
