//! Speed and ratio of the block codec, per core: `cargo bench --bench codec [-- '<name of a line>']`.
//!
//! Synthetic weights are gaussian with a scale per tensor, as trained layers are; the fine-tunes are 1 MiB blocks with
//! few or all elements changed a little. The real ones are the checkpoints in `tests/data/finetune`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use git_model::format::{self, Bytes, Detected, Source};
use git_model::store::codec::{Codec, Decoder, Encoder};

const BLOCK: usize = 1 << 20;
const BYTES: usize = 32 << 20;
const ROUNDS: usize = 15;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn uniform(&mut self) -> f32 {
        ((self.next() >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    /// Box and Muller 1958.
    fn gaussian(&mut self) -> f32 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f32::consts::TAU * self.uniform()).cos()
    }
}

fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// Weights of tensors of 4 to 32 MiB with standard deviations between 0.005 and 0.08.
fn weights(bytes: usize, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut weights = Vec::with_capacity(bytes);
    while weights.len() < bytes {
        let scale = 0.005 * (16.0_f32).powf(random.uniform());
        let len = (2 + random.next() % 14) << 20;
        weights.extend((0..len).map(|_| random.gaussian() * scale));
    }
    weights.truncate(bytes);
    weights
}

fn changed(weights: &[f32], share: f32, step: f32, seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let change = |&weight: &f32| if random.uniform() < share { weight + step * random.gaussian() } else { weight };
    weights.iter().map(change).collect()
}

fn bytes_bf16(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|&weight| bf16(weight).to_le_bytes()).collect()
}

fn bytes_f32(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

/// Tensors as (word, bytes) of a checkpoint.
fn tensors(path: &str) -> Vec<(usize, Vec<u8>)> {
    let file = std::fs::read(format!("{}/tests/data/finetune/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let Detected::Model(layout) = format::detect(&Bytes(&file)).unwrap() else { panic!("{path}") };
    let read = |record: &format::Record| {
        let mut bytes = vec![0; record.len as usize];
        Bytes(&file).read_at(record.offset, &mut bytes).unwrap();
        (record.dtype.word_bytes(), bytes)
    };
    layout.records.iter().map(read).collect()
}

/// Which way of encoding is measured.
#[derive(Clone, Copy)]
enum How {
    /// That of `git add`.
    Add,
    /// That of `git model gc --aggressive`.
    Aggressive,
}

/// Encodes and decodes all blocks [`ROUNDS`] times; prints the sum of each block's best times, which a noisy machine
/// disturbs least.
fn measure(how: How, name: &str, tensors: &[(usize, Vec<u8>)], bases: Option<&[(usize, Vec<u8>)]>) {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| wanted != name) {
        return;
    }
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut back = vec![0; BLOCK];
    let mut best: Vec<(Duration, Duration)> = Vec::new();
    let (mut plain, mut stored, mut raw) = (0, 0, 0);
    for _ in 0..ROUNDS {
        (plain, stored, raw) = (0, 0, 0);
        let mut blocks = 0;
        for (index, (word, tensor)) in tensors.iter().enumerate() {
            for (number, block) in tensor.chunks(BLOCK).enumerate() {
                let base = bases.map(|bases| &bases[index].1[number * BLOCK..number * BLOCK + block.len()]);
                out.clear();
                let start = Instant::now();
                let encoded = match how {
                    How::Add => encoder.encode(block, *word, base, &mut out),
                    How::Aggressive => encoder.encode_smallest(block, *word, base, &mut out),
                };
                let encode = start.elapsed();
                let back = &mut back[..block.len()];
                let start = Instant::now();
                decoder.decode(encoded.codec, &out, base, back).unwrap();
                let decode = start.elapsed();
                assert!(back == block);
                plain += block.len();
                stored += out.len();
                raw += usize::from(encoded.codec == Codec::Raw);
                match best.get_mut(blocks) {
                    Some(best) => *best = (best.0.min(encode), best.1.min(decode)),
                    None => best.push((encode, decode)),
                }
                blocks += 1;
            }
        }
    }
    let encode_best: Duration = best.iter().map(|best| best.0).sum();
    let decode_best: Duration = best.iter().map(|best| best.1).sum();
    let speed = |time: Duration| plain as f64 / 1e9 / time.as_secs_f64();
    let ratio = 100.0 * stored as f64 / plain as f64;
    println!(
        "{name:36} {:5.1} MB  {ratio:6.2} %  encode {:5.2} GB/s ({:4.2} s/GiB)  decode {:5.2} GB/s  raw blocks {raw}",
        plain as f64 / 1e6,
        speed(encode_best),
        1.073_741_824 / speed(encode_best),
        speed(decode_best),
    );
}

fn main() {
    for kind in ["bf16", "f32"] {
        let old = tensors(&format!("encoder-step060.{kind}.safetensors"));
        let new = tensors(&format!("encoder-step100.{kind}.safetensors"));
        measure(How::Add, &format!("{kind} real"), &new, None);
        measure(How::Add, &format!("{kind} real, delta"), &new, Some(&old));
        measure(How::Aggressive, &format!("{kind} real, thorough"), &new, None);
        measure(How::Aggressive, &format!("{kind} real, thorough delta"), &new, Some(&old));
    }
    let weights = weights(BYTES / 2, 1);
    let dense = changed(&weights, 1.0, 1e-4, 2);
    let sparse = changed(&weights, 0.02, 1e-3, 3);
    let base = [(2, bytes_bf16(&weights))];
    measure(How::Add, "bf16 gaussian", &base, None);
    measure(How::Add, "bf16 gaussian, dense delta", &[(2, bytes_bf16(&dense))], Some(&base));
    measure(How::Add, "bf16 gaussian, sparse delta", &[(2, bytes_bf16(&sparse))], Some(&base));
    measure(How::Aggressive, "bf16 gaussian, thorough dense delta", &[(2, bytes_bf16(&dense))], Some(&base));
    measure(How::Aggressive, "bf16 gaussian, thorough sparse delta", &[(2, bytes_bf16(&sparse))], Some(&base));
    let half = weights.len() / 2;
    let base = [(4, bytes_f32(&weights[..half]))];
    measure(How::Add, "f32 gaussian", &base, None);
    measure(How::Add, "f32 gaussian, dense delta", &[(4, bytes_f32(&dense[..half]))], Some(&base));
    let mut random = Random(4);
    let noise: Vec<u8> = (0..BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    measure(How::Add, "noise, word 1", &[(1, noise)], None);
}
