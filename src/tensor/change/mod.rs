//! How two tensors with the same number of elements differ.
//!
//! What the numbers of a type are is in `values.rs`; sums are in f64. Complex numbers are one element each: |Δ| is the
//! modulus of the difference, and the scalar product is the real part of Σ a̅·b.
//!
//! **Limitations.** Norms are those of f64: squares above 10^308 are infinite, as they are in numpy. Two 64-bit integers
//! are subtracted exactly, but compared with other types as f64.

mod results;

use super::Dtype;
use super::histogram::Histogram;
use super::kernel::{self, LANES, Real, Sums};
use super::values::{Numbers, Unit, read_doubles, read_integers, read_singles};

/// Elements taken at a time. Whole blocks of all quantized types, and few enough for the first-level cache.
const CHUNK: usize = 1024;

/// Accumulates how two tensors differ, from pieces of both in any order.
///
/// An element that is NaN or infinite on one side is counted, and left out of the norms, the cosine, the maximum and
/// the histogram.
#[derive(Debug, Clone)]
pub struct ChangeStats {
    dtype_a: Dtype,
    dtype_b: Dtype,
    numbers: Numbers,
    elements: u64,
    changed: u64,
    zero_sign: u64,
    nan_payload: u64,
    nan: [u64; 2],
    inf: [u64; 2],
    max_abs: f64,
    max_at: Option<u64>,
    sums: Sums,
    histogram: Option<Box<Histogram>>,
}

/// Whether tensors of these two types can be compared element by element.
pub fn is_comparable(dtype_a: &Dtype, dtype_b: &Dtype) -> bool {
    common_numbers(dtype_a, dtype_b) != Numbers::None
}

/// The numbers in which to compare.
fn common_numbers(dtype_a: &Dtype, dtype_b: &Dtype) -> Numbers {
    match (Numbers::of(dtype_a), Numbers::of(dtype_b)) {
        (a, b) if a == b => a,
        (Numbers::None | Numbers::Complex, _) | (_, Numbers::None | Numbers::Complex) => Numbers::None,
        _ => Numbers::Double,
    }
}

impl ChangeStats {
    /// For two tensors of these element types.
    ///
    /// Types that are not comparable are compared as blocks: see [`Self::as_blocks`].
    pub fn new(dtype_a: &Dtype, dtype_b: &Dtype) -> Self {
        Self {
            numbers: common_numbers(dtype_a, dtype_b),
            dtype_a: dtype_a.clone(),
            dtype_b: dtype_b.clone(),
            elements: 0,
            changed: 0,
            zero_sign: 0,
            nan_payload: 0,
            nan: [0; 2],
            inf: [0; 2],
            max_abs: 0.0,
            max_at: None,
            sums: Sums::default(),
            histogram: None,
        }
    }

    /// Also counts |Δ| by binary exponent, from the next piece on.
    pub fn with_histogram(mut self) -> Self {
        self.histogram = Some(Box::default());
        self
    }

    /// Takes the elements from flat index `first_element` on: the same ones of both tensors, whole [`Unit`]s of them.
    ///
    /// # Panics
    ///
    /// If the pieces have not the same number of elements, or something is left over.
    pub fn push(&mut self, first_element: u64, a: &[u8], b: &[u8]) {
        let (unit_a, unit_b) = (Unit::of(&self.dtype_a), Unit::of(&self.dtype_b));
        assert!(a.len().is_multiple_of(unit_a.bytes) && b.len().is_multiple_of(unit_b.bytes), "whole units");
        if self.numbers == Numbers::None {
            return self.push_blocks(a, b);
        }
        let elements = a.len() / unit_a.bytes * unit_a.elements;
        assert_eq!(elements, b.len() / unit_b.bytes * unit_b.elements, "pieces with the same elements");

        let (chunk_a, chunk_b) = (CHUNK / unit_a.elements * unit_a.bytes, CHUNK / unit_b.elements * unit_b.bytes);
        let mut buffers = Buffers::new(self.numbers);
        for (i, (a, b)) in a.chunks(chunk_a).zip(b.chunks(chunk_b)).enumerate() {
            let at = first_element + (i * CHUNK) as u64;
            let elements = CHUNK.min(elements - i * CHUNK);
            self.elements += elements as u64;
            self.push_chunk(&mut buffers, at, elements, a, b);
        }
    }

    fn push_chunk(&mut self, buffers: &mut Buffers, at: u64, elements: usize, a: &[u8], b: &[u8]) {
        let equal = self.dtype_a == self.dtype_b && a == b;
        let (dtype_a, dtype_b) = (&self.dtype_a, &self.dtype_b);
        match buffers {
            Buffers::Singles(x, y) => {
                let (x, y) = (lanes(x, elements), lanes(y, elements));
                read_singles(dtype_a, a, &mut x[..elements]);
                if equal {
                    return self.push_equal_reals(at, x, elements);
                }
                read_singles(dtype_b, b, &mut y[..elements]);
                self.push_reals(at, x, y, elements);
            }
            Buffers::Doubles(x, y) if self.numbers == Numbers::Complex => {
                let (x, y) = (&mut x[..2 * elements], &mut y[..2 * elements]);
                read_doubles(dtype_a, a, x);
                read_doubles(dtype_b, b, y);
                self.push_complex(at, x, y);
            }
            Buffers::Doubles(x, y) => {
                let (x, y) = (lanes(x, elements), lanes(y, elements));
                read_doubles(dtype_a, a, &mut x[..elements]);
                if equal {
                    return self.push_equal_reals(at, x, elements);
                }
                read_doubles(dtype_b, b, &mut y[..elements]);
                self.push_reals(at, x, y, elements);
            }
            Buffers::Integers(x, y) => {
                let (x, y) = (&mut x[..elements], &mut y[..elements]);
                read_integers(dtype_a, a, x);
                read_integers(dtype_b, b, y);
                self.push_integers(at, x, y);
            }
        }
    }

    fn push_blocks(&mut self, a: &[u8], b: &[u8]) {
        let unit = Unit::of(&self.dtype_a).bytes;
        let blocks = (a.len() / unit) as u64;
        self.elements += blocks;
        self.changed += if self.dtype_a != self.dtype_b {
            blocks
        } else {
            assert_eq!(a.len(), b.len(), "pieces with the same blocks");
            a.chunks(unit).zip(b.chunks(unit)).filter(|(a, b)| a != b).count() as u64
        };
    }

    /// Numbers whose bytes are equal on both sides. `x` is filled up to whole lanes.
    fn push_equal_reals<T: Real>(&mut self, at: u64, x: &[T], elements: usize) {
        let squares = kernel::square_sum(x);
        if !squares.is_finite() {
            return self.push_each(at, &x[..elements], &x[..elements]);
        }
        self.sums.add(&Sums { a: squares, b: squares, delta: 0.0, dot: squares });
        if let Some(histogram) = &mut self.histogram {
            histogram.zeros += elements as u64;
        }
    }

    /// Numbers, filled up to whole lanes.
    fn push_reals<T: Real>(&mut self, at: u64, x: &[T], y: &[T], elements: usize) {
        let found = kernel::compare(x, y);
        let (x, y) = (&x[..elements], &y[..elements]);
        if !(found.sums.a + found.sums.b + found.sums.delta).is_finite() {
            return self.push_each(at, x, y);
        }
        self.sums.add(&found.sums);
        self.changed += found.changed;
        // Of finite numbers only zeros are equal with other bits.
        self.zero_sign += found.bits_changed - found.changed;
        let deltas = || x.iter().zip(y).map(|(&x, &y)| (y.into() - x.into()).abs());
        if self.is_new_max(found.max_abs, at)
            && let Some(i) = deltas().position(|delta| delta == found.max_abs)
        {
            self.offer_max(found.max_abs, at + i as u64);
        }
        if let Some(histogram) = &mut self.histogram {
            deltas().for_each(|delta| histogram.add(delta));
        }
    }

    /// Numbers of which some are not finite, one by one.
    fn push_each<T: Real>(&mut self, at: u64, x: &[T], y: &[T]) {
        let mut sums = Sums::default();
        for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
            let (p, q): (f64, f64) = (x.into(), y.into());
            let same = is_same(p, q);
            self.count(same, x.bits() == y.bits(), p.is_nan() && q.is_nan());
            if self.is_finite([p, 0.0], [q, 0.0]) {
                self.push_finite(&mut sums, at + i as u64, [p, 0.0], [q, 0.0], (q - p).abs());
            }
        }
        self.sums.add(&sums);
    }

    /// Complex numbers, the real part first.
    fn push_complex(&mut self, at: u64, x: &[f64], y: &[f64]) {
        let mut sums = Sums::default();
        for (i, (&x, &y)) in x.as_chunks::<2>().0.iter().zip(y.as_chunks::<2>().0).enumerate() {
            let same = is_same(x[0], y[0]) && is_same(x[1], y[1]);
            let nan = x.iter().any(|part| part.is_nan()) && y.iter().any(|part| part.is_nan());
            self.count(same, x.map(f64::to_bits) == y.map(f64::to_bits), nan);
            if self.is_finite(x, y) {
                self.push_finite(&mut sums, at + i as u64, x, y, (y[0] - x[0]).hypot(y[1] - x[1]));
            }
        }
        self.sums.add(&sums);
    }

    fn push_integers(&mut self, at: u64, x: &[i128], y: &[i128]) {
        let mut sums = Sums::default();
        for (i, (&x, &y)) in x.iter().zip(y).enumerate() {
            self.count(x == y, x == y, false);
            let delta = (y - x).unsigned_abs() as f64;
            self.push_finite(&mut sums, at + i as u64, [x as f64, 0.0], [y as f64, 0.0], delta);
        }
        self.sums.add(&sums);
    }

    fn count(&mut self, same: bool, same_bits: bool, nan: bool) {
        self.changed += u64::from(!same);
        self.nan_payload += u64::from(same && !same_bits && nan);
        self.zero_sign += u64::from(same && !same_bits && !nan);
    }

    /// Counts what is not finite of an element; whether all of it is.
    fn is_finite(&mut self, x: [f64; 2], y: [f64; 2]) -> bool {
        let mut finite = true;
        for (side, parts) in [x, y].iter().enumerate() {
            let nan = parts.iter().any(|part| part.is_nan());
            let inf = !nan && parts.iter().any(|part| part.is_infinite());
            self.nan[side] += u64::from(nan);
            self.inf[side] += u64::from(inf);
            finite &= !nan && !inf;
        }
        finite
    }

    fn push_finite(&mut self, sums: &mut Sums, at: u64, x: [f64; 2], y: [f64; 2], delta: f64) {
        sums.add(&Sums {
            a: x[0] * x[0] + x[1] * x[1],
            b: y[0] * y[0] + y[1] * y[1],
            delta: delta * delta,
            dot: x[0] * y[0] + x[1] * y[1],
        });
        self.offer_max(delta, at);
        if let Some(histogram) = &mut self.histogram {
            histogram.add(delta);
        }
    }

    /// Whether this |Δ|, at an element from `at` on, replaces the maximum.
    fn is_new_max(&self, delta: f64, at: u64) -> bool {
        delta > self.max_abs || delta == self.max_abs && self.max_at.is_some_and(|max_at| at < max_at)
    }

    fn offer_max(&mut self, delta: f64, at: u64) {
        if self.is_new_max(delta, at) {
            self.max_abs = delta;
            self.max_at = Some(at);
        }
    }

    /// Adds what another accumulator for the same two tensors has seen of other elements.
    pub fn merge(&mut self, other: Self) {
        self.elements += other.elements;
        self.changed += other.changed;
        self.zero_sign += other.zero_sign;
        self.nan_payload += other.nan_payload;
        for side in 0..2 {
            self.nan[side] += other.nan[side];
            self.inf[side] += other.inf[side];
        }
        self.sums.add(&other.sums);
        if let Some(at) = other.max_at {
            self.offer_max(other.max_abs, at);
        }
        match (&mut self.histogram, other.histogram) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }
}

/// Whether two parts are the same number, or both none.
fn is_same(p: f64, q: f64) -> bool {
    p == q || p.is_nan() && q.is_nan()
}

/// The first `elements` of a buffer and zeros up to whole lanes.
fn lanes<T: Real>(buffer: &mut [T], elements: usize) -> &mut [T] {
    let filled = elements.next_multiple_of(LANES);
    buffer[elements..filled].fill(T::ZERO);
    &mut buffer[..filled]
}

/// Room for a chunk of each side.
enum Buffers {
    Singles(Vec<f32>, Vec<f32>),
    Doubles(Vec<f64>, Vec<f64>),
    Integers(Vec<i128>, Vec<i128>),
}

impl Buffers {
    fn new(numbers: Numbers) -> Self {
        match numbers {
            Numbers::Single | Numbers::None => Self::Singles(vec![0.0; CHUNK], vec![0.0; CHUNK]),
            Numbers::Double => Self::Doubles(vec![0.0; CHUNK], vec![0.0; CHUNK]),
            Numbers::Complex => Self::Doubles(vec![0.0; 2 * CHUNK], vec![0.0; 2 * CHUNK]),
            Numbers::Integer => Self::Integers(vec![0; CHUNK], vec![0; CHUNK]),
        }
    }
}
