//! Numbers of every type, and how tensors differ.

use git_model::tensor::{ChangeStats, Dtype, Plain, Quantized, TensorStats, Unit, decode, is_comparable, is_numeric};
use serde_json::Value;

/// Largest relative error of sums.
const TOLERANCE: f64 = 1e-9;

/// `expected.json` and `stats.bin`.
fn golden() -> (Value, Vec<u8>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stats");
    let text = std::fs::read(format!("{folder}/expected.json")).expect("expected.json");
    (serde_json::from_slice(&text).expect("JSON"), std::fs::read(format!("{folder}/stats.bin")).expect("stats.bin"))
}

fn piece<'a>(bin: &'a [u8], place: &Value) -> &'a [u8] {
    let [at, len] = [0, 1].map(|i| place[i].as_u64().expect("a place") as usize);
    &bin[at..at + len]
}

fn dtype(name: &Value) -> Dtype {
    Dtype::parse(name.as_str().expect("a name")).expect("a type")
}

fn float(text: &Value) -> Option<f64> {
    text.as_str().map(|text| text.parse().expect("a float"))
}

#[test]
fn numbers_are_those_of_the_formats_own_libraries() {
    let (expected, bin) = golden();
    let mut types = Vec::new();
    for entry in expected["decoded"].as_array().expect("entries") {
        let dtype = dtype(&entry["dtype"]);
        let numbers: Vec<f64> =
            piece(&bin, &entry["numbers"]).as_chunks().0.iter().map(|&word| f64::from_le_bytes(word)).collect();
        let found = decode(&dtype, piece(&bin, &entry["raw"])).expect("numbers");
        assert_eq!(found.len(), numbers.len(), "{dtype}");
        for (i, (x, y)) in found.iter().zip(&numbers).enumerate() {
            assert!(x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan(), "{dtype} {i}: {x} {y}");
        }
        types.push(dtype);
    }
    let all = Plain::ALL.iter().map(|&plain| Dtype::Plain(plain));
    let all: Vec<_> = all.chain(Quantized::ALL.iter().map(|&quantized| Dtype::Gguf(quantized))).collect();
    for dtype in all {
        assert_eq!(types.contains(&dtype), is_numeric(&dtype), "every type with numbers is tested: {dtype}");
    }
}

/// Compares in pieces of so many elements, each taken by one of three accumulators, the last one first.
fn compare_in_pieces(dtypes: [&Dtype; 2], [a, b]: [&[u8]; 2], elements: usize) -> ChangeStats {
    let sizes = dtypes.map(|dtype| elements / Unit::of(dtype).elements * Unit::of(dtype).bytes);
    let mut parts: [_; 3] = std::array::from_fn(|_| ChangeStats::new(dtypes[0], dtypes[1]).with_histogram());
    let pieces: Vec<_> = a.chunks(sizes[0]).zip(b.chunks(sizes[1])).enumerate().collect();
    for (i, (a, b)) in pieces.into_iter().rev() {
        parts[i % 3].push((i * elements) as u64, a, b);
    }
    let [mut first, second, third] = parts;
    first.merge(third);
    first.merge(second);
    first
}

fn assert_stats(stats: &ChangeStats, expected: &Value) {
    let counts = [
        ("elements", stats.elements()),
        ("changed", stats.changed()),
        ("zero_sign", stats.zero_sign()),
        ("nan_payload", stats.nan_payload()),
        ("nan_a", stats.nan_a()),
        ("nan_b", stats.nan_b()),
        ("inf_a", stats.inf_a()),
        ("inf_b", stats.inf_b()),
    ];
    for (name, count) in counts {
        assert_eq!(count, expected[name].as_u64().expect(name), "{name} of {expected}");
    }
    let max_abs = float(&expected["max_abs"]).expect("max_abs");
    // Libraries differ in the last bit of a modulus.
    let ulps = if expected["dtype_a"].as_str().is_some_and(|dtype| dtype.starts_with('C')) { 1.0 } else { 0.0 };
    let error = (stats.max_abs() - max_abs).abs();
    assert!(error <= ulps * f64::EPSILON * max_abs, "max_abs {} of {expected}", stats.max_abs());
    assert_eq!(stats.max_at(), expected["max_at"].as_u64(), "max_at of {expected}");
    let sums = [("norm_a", stats.norm_a()), ("norm_b", stats.norm_b()), ("norm_delta", stats.norm_delta())];
    for (name, norm) in sums {
        let wanted = float(&expected[name]).expect(name);
        assert!((norm - wanted).abs() <= TOLERANCE * wanted, "{name} {norm} of {expected}");
    }
    let cosine = float(&expected["cosine"]);
    assert_eq!(stats.cosine().is_some(), cosine.is_some(), "cosine of {expected}");
    let error = stats.cosine().unwrap_or_default() - cosine.unwrap_or_default();
    assert!(error.abs() <= TOLERANCE, "cosine {:?} of {expected}", stats.cosine());
}

#[test]
fn differences_are_those_of_numpy() {
    let (expected, bin) = golden();
    for entry in expected["compared"].as_array().expect("entries") {
        let (dtype_a, dtype_b) = (dtype(&entry["dtype_a"]), dtype(&entry["dtype_b"]));
        let (a, b) = (piece(&bin, &entry["a"]), piece(&bin, &entry["b"]));
        let mut stats = ChangeStats::new(&dtype_a, &dtype_b);
        stats.push(0, a, b);
        assert_stats(&stats, entry);
        assert!(!stats.as_blocks() && is_comparable(&dtype_a, &dtype_b));

        // In pieces, and on both sides of them, the same.
        for elements in [256, 1280] {
            let stats = compare_in_pieces([&dtype_a, &dtype_b], [a, b], elements);
            assert_stats(&stats, entry);
            let histogram = stats.histogram().expect("a histogram");
            let finite = histogram.zeros + histogram.buckets.iter().sum::<u64>();
            let not_finite = |stats: &ChangeStats| stats.nan_a() + stats.inf_a() + stats.nan_b() + stats.inf_b();
            assert!(finite <= stats.elements() && finite + not_finite(&stats) >= stats.elements(), "{entry}");
            let delta_zero = stats.elements() - stats.changed();
            assert!(histogram.zeros <= delta_zero && histogram.zeros + not_finite(&stats) >= delta_zero, "{entry}");
        }
    }
}

#[test]
fn relative_change() {
    let f32_bytes = |numbers: &[f32]| numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let f32 = Dtype::Plain(Plain::F32);
    let mut stats = ChangeStats::new(&f32, &f32);
    stats.push(0, &f32_bytes(&[3.0, 4.0]), &f32_bytes(&[3.0, 5.0]));
    assert_eq!((stats.relative(), stats.norm_delta(), stats.dot()), (Some(0.2), 1.0, 29.0));
    let mut stats = ChangeStats::new(&f32, &f32);
    stats.push(0, &f32_bytes(&[0.0]), &f32_bytes(&[1.0]));
    assert_eq!((stats.relative(), stats.cosine(), stats.max_at()), (None, None, Some(0)));
}

#[test]
fn the_angle_does_not_depend_on_lengths() {
    let f32 = Dtype::Plain(Plain::F32);
    let numbers: Vec<f32> = (0..4000).map(|at| ((at * 37 % 101) as f32 - 50.0) / 64.0).collect();
    let bytes = |scale: f32| numbers.iter().flat_map(|x| (x * scale).to_le_bytes()).collect::<Vec<_>>();
    for exponent in [0, 8, 24, 40, 80] {
        let scale = 2_f32.powi(exponent);
        for (from, to, expected) in [(1.0, scale, 1.0), (scale, 1.0, 1.0), (1.0, -scale, -1.0)] {
            let mut stats = ChangeStats::new(&f32, &f32);
            stats.push(0, &bytes(from), &bytes(to));
            let cosine = stats.cosine().expect("an angle");
            assert!((cosine - expected).abs() <= TOLERANCE, "{from} to {to}: {cosine}");
        }
    }
}

#[test]
fn squares_beyond_a_double_have_no_norm() {
    let f64 = Dtype::Plain(Plain::F64);
    for (a, b) in [(1e308_f64, -1e308_f64), (1e-200, 2e-200)] {
        let mut stats = ChangeStats::new(&f64, &f64);
        stats.push(0, &a.to_le_bytes(), &b.to_le_bytes());
        assert_eq!((stats.relative(), stats.cosine(), stats.max_abs()), (None, None, (b - a).abs()));
    }
}

#[test]
fn what_has_no_numbers_is_compared_as_blocks() {
    let iq = Dtype::Gguf(Quantized::IQ4_NL);
    let a = vec![7; 18 * 100];
    let mut b = a.clone();
    b[18 * 3 + 4] = 8;
    b[18 * 50] = 8;
    b[18 * 50 + 17] = 8;
    let mut stats = ChangeStats::new(&iq, &iq);
    stats.push(0, &a, &b);
    assert!(stats.as_blocks());
    assert_eq!((stats.elements(), stats.changed(), stats.max_at(), stats.norm_a()), (100, 2, None, 0.0));

    // Of types that cannot be compared all are changed.
    let (f6, f32) = (Dtype::Plain(Plain::F6E2M3), Dtype::Plain(Plain::F32));
    let mut stats = ChangeStats::new(&f6, &f32);
    stats.push(0, &[0; 12], &[0; 64]);
    assert_eq!((stats.as_blocks(), stats.elements(), stats.changed()), (true, 4, 4));
    assert!(!is_comparable(&Dtype::Plain(Plain::C64), &f32) && !is_comparable(&iq, &f32));
}

#[test]
#[should_panic(expected = "the same elements")]
fn pieces_of_other_lengths_are_refused() {
    let f32 = Dtype::Plain(Plain::F32);
    ChangeStats::new(&f32, &f32).push(0, &[0; 8], &[0; 12]);
}

#[test]
fn of_one_tensor() {
    let (expected, bin) = golden();
    for entry in expected["compared"].as_array().expect("entries") {
        let dtype = dtype(&entry["dtype_a"]);
        let a = piece(&bin, &entry["a"]);
        let mut stats = TensorStats::new(&dtype).with_histogram();
        let (head, tail) = a.split_at(a.len() / Unit::of(&dtype).bytes / 3 * Unit::of(&dtype).bytes);
        stats.push(tail);
        let mut other = TensorStats::new(&dtype).with_histogram();
        other.push(head);
        stats.merge(other);
        for (name, count) in [("elements", stats.elements()), ("nan_a", stats.nan()), ("inf_a", stats.inf())] {
            assert_eq!(count, entry[name].as_u64().expect(name), "{name} of {entry}");
        }

        let numbers = decode(&dtype, a).expect("numbers");
        let moduli: Vec<f64> = match dtype {
            Dtype::Plain(Plain::C64 | Plain::C128) => numbers.as_chunks().0.iter().map(|&[x, y]| x.hypot(y)).collect(),
            _ => numbers.clone(),
        };
        let finite: Vec<f64> = moduli.into_iter().filter(|x| x.is_finite()).collect();
        assert_eq!(stats.zeros(), finite.iter().filter(|&&x| x == 0.0).count() as u64, "{entry}");
        assert_eq!(stats.min(), finite.iter().copied().reduce(f64::min), "{entry}");
        assert_eq!(stats.max(), finite.iter().copied().reduce(f64::max), "{entry}");
        let sum: f64 = finite.iter().sum();
        let scale: f64 = finite.iter().map(|x| x.abs()).sum();
        assert_eq!(stats.mean().is_some(), !finite.is_empty());
        assert!((stats.mean().unwrap_or_default() * finite.len() as f64 - sum).abs() <= TOLERANCE * scale, "{entry}");
        let norm = finite.iter().map(|x| x * x).sum::<f64>().sqrt();
        assert!((stats.norm() - norm).abs() <= TOLERANCE * norm, "{entry}");
        let histogram = stats.histogram().expect("a histogram");
        assert_eq!(histogram.zeros, stats.zeros());
        assert_eq!(histogram.zeros + histogram.buckets.iter().sum::<u64>(), finite.len() as u64, "{entry}");
    }
}
