//! Speed of what compares tensors, per element and core: `cargo bench --bench stats [-- '<name of a line>']`.
//!
//! Gaussian weights and another version of them, in pieces of 1 MiB as the store has them. "changed" is with another
//! number almost everywhere, "equal" without any.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use git_model::tensor::{ChangeStats, Dtype, RankSketch};

const ROWS: usize = 2048;
const COLS: usize = 4096;
const PIECE: usize = 1 << 20;
const ROUNDS: usize = 7;

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

fn f32_bytes(weights: &[f32]) -> Vec<u8> {
    weights.iter().flat_map(|weight| weight.to_le_bytes()).collect()
}

fn bf16_bytes(weights: &[f32]) -> Vec<u8> {
    let round = |bits: u32| ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16;
    weights.iter().flat_map(|weight| round(weight.to_bits()).to_le_bytes()).collect()
}

/// Halves between 0.5 and 1: rounding does not matter here.
fn f16_bytes(weights: &[f32]) -> Vec<u8> {
    let half = |weight: f32| 0x3800 | (weight.to_bits() >> 13 & 0x3ff) as u16;
    weights.iter().flat_map(|&weight| half(weight).to_le_bytes()).collect()
}

/// Prints the nanoseconds that `run` takes for each of `count` things, at best and in the middle.
fn report(name: &str, count: usize, mut run: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| wanted != "--bench" && !name.contains(&wanted)) {
        return;
    }
    let mut times: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64() * 1e9 / count as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:24} {:8.3} {:8.3} ns", times[0], times[ROUNDS / 2]);
}

fn change(name: &str, dtype: &str, a: &[u8], b: &[u8]) {
    let dtype = Dtype::parse(dtype).unwrap();
    let word = dtype.word_bytes();
    let run = |mut stats: ChangeStats| {
        for (i, (a, b)) in a.chunks(PIECE).zip(b.chunks(PIECE)).enumerate() {
            stats.push((i * PIECE / word) as u64, a, b);
        }
        black_box(stats.norm_delta());
    };
    report(&format!("{name} changed"), a.len() / word, || run(ChangeStats::new(&dtype, &dtype)));
    report(&format!("{name} histogram"), a.len() / word, || run(ChangeStats::new(&dtype, &dtype).with_histogram()));
}

fn equal(name: &str, dtype: &str, a: &[u8]) {
    let dtype = Dtype::parse(dtype).unwrap();
    let b = a.to_vec();
    report(&format!("{name} equal"), a.len() / dtype.word_bytes(), || {
        let mut stats = ChangeStats::new(&dtype, &dtype);
        a.chunks(PIECE).zip(b.chunks(PIECE)).for_each(|(a, b)| stats.push(0, a, b));
        black_box(stats.norm_a());
    });
}

fn sketch(name: &str, dtype: &str, a: &[u8], b: &[u8]) -> RankSketch {
    let dtype = Dtype::parse(dtype).unwrap();
    let word = dtype.word_bytes();
    let run = || {
        let mut sketch = RankSketch::new(ROWS as u64, COLS as u64, 1);
        for (i, (a, b)) in a.chunks(PIECE).zip(b.chunks(PIECE)).enumerate() {
            sketch.push_bytes((i * PIECE / word) as u64, &dtype, a, &dtype, b);
        }
        sketch
    };
    report(&format!("{name} sketch"), a.len() / word, || drop(black_box(run())));
    run()
}

fn main() {
    let mut random = Random(1);
    let a: Vec<f32> = (0..ROWS * COLS).map(|_| random.gaussian() * 0.02).collect();
    let b: Vec<f32> = a.iter().map(|&weight| weight + random.gaussian() * 0.01).collect();
    println!("{:24} {:>8} {:>8}", "per element", "best", "median");
    let (a16, b16) = (bf16_bytes(&a), bf16_bytes(&b));
    change("BF16", "BF16", &a16, &b16);
    equal("BF16", "BF16", &a16);
    change("F16", "F16", &f16_bytes(&a), &f16_bytes(&b));
    let without_nan = |bytes: &[u8]| bytes.iter().map(|byte| byte & !1).collect::<Vec<_>>();
    change("F8_E4M3", "F8_E4M3", &without_nan(&a16), &without_nan(&b16));
    change("I64", "I64", &a16, &b16);
    let (a, b) = (f32_bytes(&a), f32_bytes(&b));
    change("F32", "F32", &a, &b);
    equal("F32", "F32", &a);
    sketch("F32", "F32", &a, &b);
    let last = sketch("BF16", "BF16", &a16, &b16);
    report("estimate, a matrix", 1, || {
        black_box(last.estimate());
    });
}
