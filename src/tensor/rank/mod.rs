//! The rank of the difference of two matrices, estimated from a sketch.
//!
//! A sketch of a matrix is S·Δ·T, where S and T have one random sign in each column or row: CountSketch (Charikar, Chen
//! and Farach-Colton 2002; as an embedding, Clarkson and Woodruff 2013). It costs one addition per element, fits a
//! cache, and keeps the singular values of a matrix of low rank, nearly. `spectrum.rs` reads a rank from them.
//!
//! **Limitations.** Ranks above 64 are full. Of a few changed rows or columns, two may fall into one place of the
//! sketch and count as one. Where rounding swallowed most of an update the answer is `Unknown` or `Full`.

mod eigen;
mod rounding;
mod spectrum;

use multiversion::multiversion;

use rounding::Grid;

use super::Dtype;
use super::values::{Numbers, Unit, read_doubles, read_singles};

/// Rows of a sketch. More rows than columns cost no more per element, and separate noise better.
const SKETCH_ROWS: usize = 512;
/// Columns of a sketch: twice the highest rank that is told apart.
const SKETCH_COLS: usize = 128;
/// Smaller matrices have too few singular values to tell two groups of them apart.
const DIM_MIN: u64 = 32;
/// Columns with a sign of their own; longer rows repeat these, turned as a whole.
const SIGNS: usize = 1 << 14;
/// Elements taken at a time: whole blocks of all quantized types.
const CHUNK: usize = 1024;

/// What a sketch says about the rank of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// All elements are zero.
    Zero,
    /// About this many directions, and nothing else but what rounding explains.
    Low(u32),
    /// More directions than a sketch can tell apart.
    Full,
    /// The matrix is too small, its elements are not real numbers, or rounding hides them.
    Unknown,
}

/// Accumulates a random sketch of a matrix of differences, from pieces of it in any order.
///
/// It takes 256 KiB, whatever the matrix.
#[derive(Debug, Clone)]
pub struct RankSketch {
    rows: u64,
    cols: u64,
    seed: u64,
    /// `SKETCH_ROWS` or fewer rows of `SKETCH_COLS` numbers; empty as long as all was zero.
    sketch: Vec<f32>,
    /// The sign bits of columns.
    signs: Vec<u32>,
    /// Expected energy of rounding; `None` if something was pushed of which it is not known.
    rounding: Option<f64>,
    /// Whether something was pushed that is no real number.
    unreadable: bool,
    nonzero: bool,
}

impl RankSketch {
    /// For a matrix of this size; flatten tensors of more dimensions to [first, rest]. Equal seeds give equal sketches.
    pub fn new(rows: u64, cols: u64, seed: u64) -> Self {
        Self {
            rows,
            cols,
            seed,
            sketch: Vec::new(),
            signs: Vec::new(),
            rounding: Some(0.0),
            unreadable: false,
            nonzero: false,
        }
    }

    /// Takes differences from flat element `first_element` on (row-major). None of them is explained by rounding.
    /// What is not finite counts as zero.
    pub fn push(&mut self, first_element: u64, deltas: &[f32]) {
        self.push_inspected(first_element, deltas, inspect(deltas));
    }

    fn push_inspected(&mut self, first_element: u64, deltas: &[f32], (nonzero, finite): (bool, bool)) {
        self.nonzero |= nonzero;
        if !nonzero || self.is_small() {
            return;
        }
        if !finite {
            let finite = deltas.iter().map(|&delta| if delta.is_finite() { delta } else { 0.0 });
            return self.push(first_element, &finite.collect::<Vec<_>>());
        }
        if self.sketch.is_empty() {
            self.sketch = vec![0.0; self.sketch_rows() * SKETCH_COLS];
            let len = SIGNS.min(self.cols as usize).next_multiple_of(SKETCH_COLS);
            self.signs = (0..len as u64).map(|col| self.random(Use::ColumnSign, col) as u32 & SIGN).collect();
        }
        let (mut at, mut deltas) = (first_element, deltas);
        while !deltas.is_empty() {
            let (row, col) = (at / self.cols, at % self.cols);
            let len = deltas.len().min((self.cols - col).try_into().unwrap_or(usize::MAX));
            let (run, rest) = deltas.split_at(len);
            self.add(row, col, run);
            at += len as u64;
            deltas = rest;
        }
    }

    /// Takes the differences b − a of elements from `first_element` on, whole units on both sides, and how much of them
    /// the rounding of the coarser type explains.
    ///
    /// # Panics
    ///
    /// If the pieces have not the same number of elements, or something is left over.
    pub fn push_bytes(&mut self, first_element: u64, dtype_a: &Dtype, a: &[u8], dtype_b: &Dtype, b: &[u8]) {
        let (unit_a, unit_b) = (Unit::of(dtype_a), Unit::of(dtype_b));
        assert!(a.len().is_multiple_of(unit_a.bytes) && b.len().is_multiple_of(unit_b.bytes), "whole units");
        let elements = a.len() / unit_a.bytes * unit_a.elements;
        assert_eq!(elements, b.len() / unit_b.bytes * unit_b.elements, "pieces with the same elements");

        let (numbers_a, numbers_b) = (Numbers::of(dtype_a), Numbers::of(dtype_b));
        if [numbers_a, numbers_b].iter().any(|numbers| matches!(numbers, Numbers::None | Numbers::Complex)) {
            self.unreadable |= dtype_a != dtype_b || a != b;
            return;
        }
        let singles = numbers_a == Numbers::Single && numbers_b == Numbers::Single;
        let grid = Grid::coarser(dtype_a, dtype_b);
        let (chunk_a, chunk_b) = (CHUNK / unit_a.elements * unit_a.bytes, CHUNK / unit_b.elements * unit_b.bytes);
        let (mut x, mut y) = ([0.0_f32; CHUNK], [0.0_f32; CHUNK]);
        let mut wide = if singles { Vec::new() } else { vec![0.0_f64; 2 * CHUNK] };
        for (i, (a, b)) in a.chunks(chunk_a).zip(b.chunks(chunk_b)).enumerate() {
            if dtype_a == dtype_b && a == b {
                continue;
            }
            let len = CHUNK.min(elements - i * CHUNK);
            let (x, y) = (&mut x[..len], &mut y[..len]);
            let inspected = if singles {
                read_singles(dtype_a, a, x);
                read_singles(dtype_b, b, y);
                subtract_from(y, x)
            } else {
                let (p, q) = wide.split_at_mut(CHUNK);
                read_doubles(dtype_a, a, &mut p[..len]);
                read_doubles(dtype_b, b, &mut q[..len]);
                for ((x, y), (p, q)) in x.iter_mut().zip(&mut *y).zip(p.iter().zip(&*q)) {
                    (*x, *y) = ((q - p) as f32, *q as f32);
                }
                inspect(x)
            };
            let at = first_element + (i * CHUNK) as u64;
            // A quarter of the numbers, another one each time, says enough of all.
            let sample =
                if len == CHUNK { &y[self.random(Use::Sample, at) as usize % 4 * len / 4..][..len / 4] } else { y };
            let energy = grid.energy(sample).map(|energy| energy * len as f64 / sample.len() as f64);
            self.rounding = self.rounding.zip(energy).map(|(sum, more)| sum + more);
            self.push_inspected(at, x, inspected);
        }
    }

    /// Adds what another sketch of the same matrix has seen of other elements.
    ///
    /// # Panics
    ///
    /// If the other one is of another size or seed.
    pub fn merge(&mut self, other: Self) {
        assert_eq!((self.rows, self.cols, self.seed), (other.rows, other.cols, other.seed), "sketches of one matrix");
        self.rounding = self.rounding.zip(other.rounding).map(|(sum, more)| sum + more);
        self.unreadable |= other.unreadable;
        self.nonzero |= other.nonzero;
        if self.sketch.is_empty() {
            (self.sketch, self.signs) = (other.sketch, other.signs);
        } else {
            self.sketch.iter_mut().zip(&other.sketch).for_each(|(sum, more)| *sum += more);
        }
    }

    /// The rank, from all that was pushed.
    pub fn estimate(&self) -> Rank {
        if self.unreadable {
            return Rank::Unknown;
        }
        if !self.nonzero {
            return Rank::Zero;
        }
        if self.is_small() {
            return Rank::Unknown;
        }
        let rows = self.sketch_rows();
        let cols = SKETCH_COLS.min(self.cols as usize);
        let line = |row: usize| self.sketch[row * SKETCH_COLS..][..cols].iter();
        let (short, sketch): (_, Vec<f64>) = if cols == SKETCH_COLS && cols <= rows {
            (cols, self.sketch.iter().copied().map(f64::from).collect())
        } else if cols <= rows {
            (cols, (0..rows).flat_map(line).map(|&x| f64::from(x)).collect())
        } else {
            let entries = (0..cols).flat_map(|col| (0..rows).map(move |row| (row, col)));
            (rows, entries.map(|(row, col)| f64::from(self.sketch[row * SKETCH_COLS + col])).collect())
        };
        let (gram, long) = (eigen::gram(&sketch, short), rows.max(cols));
        if spectrum::is_surely_full(&gram, short, long, self.rounding) {
            return Rank::Full;
        }
        spectrum::rank(&eigen::eigenvalues(gram, short), long, self.rounding)
    }

    fn is_small(&self) -> bool {
        self.rows.min(self.cols) < DIM_MIN
    }

    fn sketch_rows(&self) -> usize {
        SKETCH_ROWS.min(self.rows.try_into().unwrap_or(usize::MAX))
    }

    /// Adds a run of one row to the sketch.
    fn add(&mut self, row: u64, col: u64, run: &[f32]) {
        let (line, sign) = self.place(row);
        if self.cols <= SKETCH_COLS as u64 {
            // Each column has its own.
            let line = &mut self.sketch[line * SKETCH_COLS + col as usize..][..run.len()];
            line.iter_mut().zip(run).for_each(|(sum, delta)| *sum += flip(*delta, sign));
            return;
        }
        // Columns go to the sketch's in groups of its width, each group rotated. Room for two widths spares the loop
        // over a group the turn at the end.
        let mut sums = [0.0_f32; 2 * SKETCH_COLS];
        let (mut col, mut run) = (col, run);
        while !run.is_empty() {
            let within = (col % SKETCH_COLS as u64) as usize;
            let (group, rest) = run.split_at(run.len().min(SKETCH_COLS - within));
            let rotation = self.random(Use::ColumnPlace, col / SKETCH_COLS as u64) as usize % SKETCH_COLS;
            let turn = self.random(Use::ColumnTurn, col / SIGNS as u64) as u32 & SIGN;
            let signs = &self.signs[(col % SIGNS as u64) as usize..][..group.len()];
            let sums = &mut sums[rotation + within..][..group.len()];
            add_signed(sums, group, signs, turn);
            col += group.len() as u64;
            run = rest;
        }
        let (low, high) = sums.split_at(SKETCH_COLS);
        let line = &mut self.sketch[line * SKETCH_COLS..][..SKETCH_COLS];
        for ((sum, low), high) in line.iter_mut().zip(low).zip(high) {
            *sum += flip(low + high, sign);
        }
    }

    /// The row of the sketch that a row goes to, and its sign. Rows go in groups of the sketch's height, each group
    /// permuted, so that all rows of the sketch get equally many.
    fn place(&self, row: u64) -> (usize, u32) {
        let sign = self.random(Use::RowSign, row) as u32 & SIGN;
        if self.rows <= SKETCH_ROWS as u64 {
            return (row as usize, sign);
        }
        let (group, within) = (row / SKETCH_ROWS as u64, row % SKETCH_ROWS as u64);
        let random = self.random(Use::RowPlace, group);
        // An odd factor permutes the residues of a power of two.
        let place = (random | 1).wrapping_mul(within).wrapping_add(random >> 32) % SKETCH_ROWS as u64;
        (place as usize, sign)
    }

    /// A random number for each use and index: SplitMix64 (Steele, Lea and Flood 2014) at a point of its sequence.
    fn random(&self, usage: Use, index: u64) -> u64 {
        let stream = mix(self.seed.wrapping_add((usage as u64).wrapping_mul(GOLDEN)));
        mix(stream.wrapping_add(index.wrapping_mul(GOLDEN)))
    }
}

/// The sign bit of an f32.
const SIGN: u32 = 1 << 31;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What random numbers are for.
#[derive(Clone, Copy)]
enum Use {
    RowPlace = 1,
    RowSign,
    ColumnPlace,
    ColumnSign,
    ColumnTurn,
    Sample,
}

/// Whether one of the numbers is not zero, and whether all are finite.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn inspect(numbers: &[f32]) -> (bool, bool) {
    let mut found = Found::default();
    numbers.iter().for_each(|&number| found.look(number));
    found.is()
}

/// Puts y − x in the place of each x, and says what [`inspect`] does of these differences.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn subtract_from(y: &[f32], x: &mut [f32]) -> (bool, bool) {
    let mut found = Found::default();
    for (x, y) in x.iter_mut().zip(y) {
        *x = y - *x;
        found.look(*x);
    }
    found.is()
}

/// The bits of numbers, together.
#[derive(Default)]
struct Found {
    any: u32,
    carry: u32,
}

impl Found {
    #[inline(always)]
    fn look(&mut self, number: f32) {
        const EXPONENT_ONE: u32 = 1 << 23;
        let magnitude = number.to_bits() & !SIGN;
        self.any |= magnitude;
        // An exponent of ones alone overflows into the sign.
        self.carry |= magnitude + EXPONENT_ONE;
    }

    #[inline(always)]
    const fn is(&self) -> (bool, bool) {
        (self.any != 0, self.carry & SIGN == 0)
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_signed(sums: &mut [f32], deltas: &[f32], signs: &[u32], turn: u32) {
    for ((sum, delta), sign) in sums.iter_mut().zip(deltas).zip(signs) {
        *sum += flip(*delta, sign ^ turn);
    }
}

#[inline(always)]
fn flip(number: f32, sign: u32) -> f32 {
    f32::from_bits(number.to_bits() ^ sign)
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
