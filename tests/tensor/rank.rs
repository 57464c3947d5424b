//! Ranks of differences that are known by construction, and those of a real fine-tune.

use git_model::format::{self, Bytes, Detected};
use git_model::tensor::{Dtype, Plain, Rank, RankSketch};

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

    fn gaussians(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.gaussian()).collect()
    }
}

/// BA, each of its directions with a strength.
fn product(rows: usize, cols: usize, strengths: &[f32], random: &mut Random) -> Vec<f32> {
    let mut sum = vec![0.0; rows * cols];
    for &strength in strengths {
        let (left, right) = (random.gaussians(rows), random.gaussians(cols));
        for (line, x) in sum.chunks_exact_mut(cols).zip(left) {
            line.iter_mut().zip(&right).for_each(|(sum, y)| *sum += strength * x * y);
        }
    }
    sum
}

fn norm(numbers: &[f32]) -> f64 {
    numbers.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

/// Rounds to the nearest number of a type with so many bits of mantissa, ties to even.
fn rounded(number: f32, plain: Plain) -> f32 {
    let bits = number.to_bits();
    match plain {
        Plain::BF16 => f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000),
        // 1.5 · 2^23 steps of 2^-24 and more: the adder rounds to a multiple of the step of the number.
        Plain::F16 => {
            let power = f32::from_bits(bits & 0x7f80_0000).max(2.0_f32.powi(-14));
            let shifter = 1.5 * 8192.0 * power;
            number + shifter - shifter
        }
        _ => number,
    }
}

fn encode(numbers: &[f32], plain: Plain) -> Vec<u8> {
    match plain {
        Plain::BF16 => numbers.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        Plain::F16 => numbers.iter().flat_map(|&x| half(x).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// The half with the value of a small number that has been rounded to one.
fn half(number: f32) -> u16 {
    let sign = (number.to_bits() >> 31 << 15) as u16;
    let magnitude = number.abs();
    if magnitude < 2.0_f32.powi(-14) {
        return sign | (magnitude * 2.0_f32.powi(24)) as u16;
    }
    sign | ((magnitude.to_bits() - (112 << 23)) >> 13) as u16
}

/// Sketches the difference in pieces that do not end with rows, on two accumulators, the later pieces first.
fn sketched(rows: usize, cols: usize, plain: Plain, a: &[u8], b: &[u8]) -> Rank {
    let dtype = Dtype::Plain(plain);
    let word = dtype.word_bytes();
    let piece = 100_003 * word;
    let mut sketches = [1, 1].map(|seed| RankSketch::new(rows as u64, cols as u64, seed));
    let pieces: Vec<_> = a.chunks(piece).zip(b.chunks(piece)).enumerate().collect();
    for (i, (a, b)) in pieces.into_iter().rev() {
        sketches[i % 2].push_bytes((i * piece / word) as u64, &dtype, a, &dtype, b);
    }
    let [mut sketch, other] = sketches;
    sketch.merge(other);
    sketch.estimate()
}

/// The rank that is found in an update of this strength, relative to the norm of gaussian weights.
fn updated(rows: usize, cols: usize, plain: Plain, update: &[f32], strength: f64, random: &mut Random) -> Rank {
    let weights: Vec<f32> = random.gaussians(rows * cols).iter().map(|x| rounded(0.02 * x, plain)).collect();
    let scale = (strength * norm(&weights) / norm(update)) as f32;
    let changed: Vec<f32> = weights.iter().zip(update).map(|(w, d)| rounded(w + scale * d, plain)).collect();
    sketched(rows, cols, plain, &encode(&weights, plain), &encode(&changed, plain))
}

const TYPES: [Plain; 3] = [Plain::F32, Plain::F16, Plain::BF16];

#[test]
fn low_ranks_are_found() {
    let n = 1024;
    for rank in [1, 4, 8, 16, 32, 64] {
        let mut random = Random(rank as u64);
        let update = product(n, n, &vec![1.0; rank], &mut random);
        for plain in TYPES {
            for strength in [1e-1, 1e-2, 2e-3] {
                let found = updated(n, n, plain, &update, strength, &mut random);
                let expected = match (plain, rank) {
                    // Rounding has as much energy as the update, which is spread over 64 directions.
                    (Plain::BF16, 64) if strength < 1e-2 => Rank::Full,
                    _ => Rank::Low(rank as u32),
                };
                assert_eq!(found, expected, "rank {rank}, {} at {strength}", plain.name());
            }
        }
    }
}

#[test]
fn rounding_of_uneven_weights_is_still_rounding() {
    let n = 512;
    for rank in [1, 4, 16] {
        let mut random = Random(100 + rank as u64);
        let rows: Vec<f32> = random.gaussians(n).iter().map(|x| (x / 2.0).exp() * 0.02).collect();
        let weights: Vec<f32> = (0..n * n)
            .map(|i| rows[i / n] * random.gaussian() * if i % n < 5 { 20.0 } else { 1.0 })
            .map(|x| rounded(x, Plain::BF16))
            .collect();
        let update = product(n, n, &vec![1.0; rank], &mut random);
        let scale = (0.05 * norm(&weights) / norm(&update)) as f32;
        let changed: Vec<f32> = weights.iter().zip(&update).map(|(w, d)| rounded(w + scale * d, Plain::BF16)).collect();
        let [a, b] = [weights, changed].map(|numbers| encode(&numbers, Plain::BF16));
        assert_eq!(sketched(n, n, Plain::BF16, &a, &b), Rank::Low(rank as u32));
    }
}

#[test]
fn full_ones_are_full() {
    let n = 1024;
    let mut random = Random(7);
    let gaussian = random.gaussians(n * n);
    let spiked = product(n, n, &[0.1; 8], &mut random);
    let sign: Vec<f32> = gaussian.iter().zip(&spiked).map(|(x, y)| (x + y).signum()).collect();
    let power = |power: i32| (1..=200).map(|i| (i as f32).powi(power)).collect::<Vec<_>>();
    let harmonic = product(n, n, &power(-1), &mut random);
    let square = product(n, n, &power(-2), &mut random);
    for (name, update) in [("gaussian", gaussian), ("sign", sign), ("1/i", harmonic), ("1/i²", square)] {
        for plain in TYPES {
            for strength in [1e-1, 1e-2, 2e-3] {
                let found = updated(n, n, plain, &update, strength, &mut random);
                // A steep spectrum may end where rounding begins.
                let strength_hidden = match (name, plain) {
                    ("1/i", Plain::BF16) => 2e-3,
                    ("1/i²", Plain::F16 | Plain::BF16) => 1e-2,
                    _ => 0.0,
                };
                let hidden = strength <= strength_hidden && found == Rank::Unknown;
                assert!(found == Rank::Full || hidden, "{name}, {} at {strength}: {found:?}", plain.name());
            }
        }
    }
}

#[test]
fn all_shapes() {
    for (rows, cols) in [(4096, 256), (256, 4096), (200, 700), (64, 3000), (3000, 64), (513, 129), (20_000, 40)] {
        let mut random = Random((rows * cols) as u64);
        let update = product(rows, cols, &[1.0; 6], &mut random);
        let found = updated(rows, cols, Plain::BF16, &update, 2e-2, &mut random);
        assert_eq!(found, Rank::Low(6), "{rows}×{cols}");
        let update = random.gaussians(rows * cols);
        let found = updated(rows, cols, Plain::BF16, &update, 2e-2, &mut random);
        assert_eq!(found, Rank::Full, "{rows}×{cols}");
    }
}

#[test]
fn long_rows_repeat_their_signs_turned() {
    let (rows, cols) = (40, 60_000);
    let mut random = Random(5);
    let update = product(rows, cols, &[1.0; 3], &mut random);
    assert_eq!(updated(rows, cols, Plain::F32, &update, 1e-2, &mut random), Rank::Low(3));
}

#[test]
fn changed_rows_are_directions() {
    let (rows, cols) = (3000, 384);
    let mut random = Random(3);
    let weights: Vec<f32> = random.gaussians(rows * cols).iter().map(|x| rounded(0.02 * x, Plain::BF16)).collect();
    let mut changed = weights.clone();
    for row in [5, 700, 701, 1500, 2999] {
        let line = &mut changed[row * cols..][..cols];
        line.iter_mut().for_each(|x| *x = rounded(*x + 0.001 * random.gaussian(), Plain::BF16));
    }
    let found = sketched(rows, cols, Plain::BF16, &encode(&weights, Plain::BF16), &encode(&changed, Plain::BF16));
    assert_eq!(found, Rank::Low(5));
}

#[test]
fn zero_small_and_unreadable() {
    let f32 = Dtype::Plain(Plain::F32);
    let ones = encode(&[1.0; 4096], Plain::F32);
    let mut sketch = RankSketch::new(64, 64, 1);
    assert_eq!(sketch.estimate(), Rank::Zero);
    sketch.push_bytes(0, &f32, &ones, &f32, &ones);
    assert_eq!(sketch.estimate(), Rank::Zero);
    // −0 is no other number.
    let (zero, negative) = (encode(&[0.0; 64], Plain::F32), encode(&[-0.0; 64], Plain::F32));
    sketch.push_bytes(0, &f32, &zero, &f32, &negative);
    assert_eq!(sketch.estimate(), Rank::Zero);
    sketch.push(64, &[1.0, 2.0, f32::NAN, f32::INFINITY]);
    assert_eq!(sketch.estimate(), Rank::Low(1));

    let mut small = RankSketch::new(16, 1 << 40, 1);
    small.push((1 << 40) - 1, &[1.0, 1.0]);
    assert_eq!(small.estimate(), Rank::Unknown);

    let c64 = Dtype::Plain(Plain::C64);
    let mut complex = RankSketch::new(64, 64, 1);
    complex.push_bytes(0, &c64, &ones, &c64, &ones);
    assert_eq!(complex.estimate(), Rank::Zero);
    complex.push_bytes(0, &c64, &ones[..8], &c64, &[0; 8]);
    assert_eq!(complex.estimate(), Rank::Unknown);
}

#[test]
fn training_all_weights_is_full() {
    let read = |name: &str| {
        std::fs::read(format!("{}/tests/data/finetune/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))).expect(name)
    };
    for (kind, matrices) in [("f32", 4), ("bf16", 6)] {
        let [before, after] = ["060", "100"].map(|step| read(&format!("encoder-step{step}.{kind}")));
        let (before_records, after_records) = (records(&before), records(&after));
        let mut found = 0;
        for (x, y) in before_records.iter().zip(&after_records) {
            let &[rows, cols] = x.shape.as_slice() else { continue };
            let bytes =
                |file: &[u8], record: &format::Record| file[record.offset as usize..][..record.len as usize].to_vec();
            for seed in 0..8 {
                let mut sketch = RankSketch::new(rows, cols, seed);
                sketch.push_bytes(0, &x.dtype, &bytes(&before, x), &y.dtype, &bytes(&after, y));
                assert_eq!(sketch.estimate(), Rank::Full, "{} in {kind}, seed {seed}", x.name);
            }
            found += 1;
        }
        assert_eq!(found, matrices);
    }
}

fn records(file: &[u8]) -> Vec<format::Record> {
    match format::detect(&Bytes(file)) {
        Ok(Detected::Model(layout)) => layout.records,
        other => panic!("{other:?}"),
    }
}
