//! The loops over elements that must be fast. Without branches and in several lanes, so that they become vector code
//! on any processor of the architecture; compiled a second time for those with wide vectors. The lanes are the same, and
//! so are the results.

use multiversion::multiversion;

/// Lanes of a loop. Four accumulators of two vectors each fit the registers of the smallest x86-64.
pub const LANES: usize = 8;

/// Numbers that the loops can read.
pub trait Real: Copy + PartialEq + Into<f64> {
    /// Zero, with which the last lanes are filled up.
    const ZERO: Self;

    /// The number's representation.
    fn bits(self) -> u64;

    /// Whether the representations differ.
    fn differs(self, other: Self) -> bool;
}

impl Real for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    #[inline(always)]
    fn differs(self, other: Self) -> bool {
        self.to_bits() != other.to_bits()
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits()
    }

    #[inline(always)]
    fn differs(self, other: Self) -> bool {
        self.to_bits() != other.to_bits()
    }
}

/// Sums over the elements that are finite on both sides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Σ a².
    pub a: f64,
    /// Σ b².
    pub b: f64,
    /// Σ (b − a)².
    pub delta: f64,
    /// Σ a·b.
    pub dot: f64,
}

impl Sums {
    /// Adds those of other elements.
    pub fn add(&mut self, other: &Self) {
        self.a += other.a;
        self.b += other.b;
        self.delta += other.delta;
        self.dot += other.dot;
    }
}

/// How two short runs of numbers differ, if all are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The sums; not finite if a number is not.
    pub sums: Sums,
    /// The largest |b − a|.
    pub max_abs: f64,
    /// Pairs of different numbers.
    pub changed: u64,
    /// Pairs of different bits.
    pub bits_changed: u64,
}

#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    lanes.into_iter().sum()
}

/// Σ x² of a multiple of `LANES` numbers; not finite if one is not.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn square_sum<T: Real>(x: &[T]) -> f64 {
    let mut lanes = [[0.0; LANES]; 2];
    let (pairs, rest) = x.as_chunks::<{ 2 * LANES }>();
    for x in pairs {
        for i in 0..2 * LANES {
            let x: f64 = x[i].into();
            lanes[i / LANES][i % LANES] += x * x;
        }
    }
    for (lane, &x) in lanes[0].iter_mut().zip(rest) {
        *lane += x.into() * x.into();
    }
    total(lanes[0]) + total(lanes[1])
}

/// Beyond this ratio of ‖a‖² and ‖b‖², the smaller one is lost in the rounding of their sum: of 16 digits, 12 are left.
const NORM_SQUARES_RATIO_MAX: f64 = 1e8;

/// Σ x·y.
fn products<T: Real>(x: &[T], y: &[T]) -> f64 {
    x.iter().zip(y).map(|(&x, &y)| x.into() * y.into()).sum()
}

/// Compares two runs of one length, a multiple of `LANES`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn compare<T: Real>(x: &[T], y: &[T]) -> Comparison {
    let mut sums = [[0.0; LANES]; 3];
    let mut max = [0.0; LANES];
    let (mut changed, mut bits_changed) = ([0_u32; LANES], [0_u32; LANES]);
    for (a, b) in x.as_chunks::<LANES>().0.iter().zip(y.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            changed[i] += u32::from(a[i] != b[i]);
            bits_changed[i] += u32::from(a[i].differs(b[i]));
            let (a, b): (f64, f64) = (a[i].into(), b[i].into());
            let delta = (b - a).abs();
            sums[0][i] += a * a;
            sums[1][i] += b * b;
            sums[2][i] += delta * delta;
            max[i] = if delta > max[i] { delta } else { max[i] };
        }
    }
    let [a, b, delta] = sums.map(total);
    // The scalar product follows from the three sums, and costs nothing per element. What rounding leaves of its
    // precision is relative to ‖a‖·‖b‖, as it is for a sum of products, if neither is much longer than the other.
    let dot = if a.max(b) > NORM_SQUARES_RATIO_MAX * a.min(b) { products(x, y) } else { (a + b - delta) / 2.0 };
    Comparison {
        sums: Sums { a, b, delta, dot },
        max_abs: max.into_iter().fold(0.0, f64::max),
        changed: changed.into_iter().map(u64::from).sum(),
        bits_changed: bits_changed.into_iter().map(u64::from).sum(),
    }
}
