//! What is in one tensor.

use super::Dtype;
use super::histogram::Histogram;
use super::values::{Numbers, Unit, read_doubles};

/// Elements taken at a time: whole blocks of all quantized types.
const CHUNK: usize = 1024;

/// Accumulates what is in a tensor, from pieces of it in any order.
///
/// Of complex numbers the moduli are counted. NaN and infinite elements are counted, and left out of the rest.
/// 64-bit integers are rounded to f64.
#[derive(Debug, Clone)]
pub struct TensorStats {
    dtype: Dtype,
    elements: u64,
    nan: u64,
    inf: u64,
    min: f64,
    max: f64,
    sum: f64,
    squares: f64,
    zeros: u64,
    histogram: Option<Box<Histogram>>,
}

impl TensorStats {
    /// For a tensor of this element type. Of a type that is not numeric nothing is counted but its elements.
    pub fn new(dtype: &Dtype) -> Self {
        Self {
            dtype: dtype.clone(),
            elements: 0,
            nan: 0,
            inf: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            squares: 0.0,
            zeros: 0,
            histogram: None,
        }
    }

    /// Also counts the numbers by binary exponent, from the next piece on.
    pub fn with_histogram(mut self) -> Self {
        self.histogram = Some(Box::default());
        self
    }

    /// Takes more elements: whole [`Unit`]s of them.
    ///
    /// # Panics
    ///
    /// If something is left over.
    pub fn push(&mut self, bytes: &[u8]) {
        let unit = Unit::of(&self.dtype);
        assert!(bytes.len().is_multiple_of(unit.bytes), "whole units");
        self.elements += (bytes.len() / unit.bytes * unit.elements) as u64;
        let parts = match Numbers::of(&self.dtype) {
            Numbers::None => return,
            Numbers::Complex => 2,
            _ => 1,
        };
        let mut numbers = vec![0.0; CHUNK * parts];
        for bytes in bytes.chunks(CHUNK / unit.elements * unit.bytes) {
            let numbers = &mut numbers[..bytes.len() / unit.bytes * unit.elements * parts];
            read_doubles(&self.dtype, bytes, numbers);
            if parts == 2 {
                self.add(numbers.as_chunks::<2>().0.iter().map(modulus));
            } else {
                self.add(numbers.iter().copied());
            }
        }
    }

    fn add(&mut self, numbers: impl Iterator<Item = f64>) {
        let (mut sum, mut squares) = (0.0, 0.0);
        for number in numbers {
            if !number.is_finite() {
                self.nan += u64::from(number.is_nan());
                self.inf += u64::from(number.is_infinite());
                continue;
            }
            self.zeros += u64::from(number == 0.0);
            self.min = self.min.min(number);
            self.max = self.max.max(number);
            sum += number;
            squares += number * number;
            if let Some(histogram) = &mut self.histogram {
                histogram.add(number);
            }
        }
        // Sums of sums, so that the rounding of a long tensor does not add up.
        self.sum += sum;
        self.squares += squares;
    }

    /// Adds what another accumulator for the same tensor has seen of other elements.
    pub fn merge(&mut self, other: Self) {
        self.elements += other.elements;
        self.nan += other.nan;
        self.inf += other.inf;
        self.zeros += other.zeros;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.squares += other.squares;
        match (&mut self.histogram, other.histogram) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
    }

    /// Elements seen.
    pub fn elements(&self) -> u64 {
        self.elements
    }

    /// Elements that are NaN, or have a part that is.
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// Elements that are infinite.
    pub fn inf(&self) -> u64 {
        self.inf
    }

    /// Elements that are 0 or −0.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// The smallest finite number, if there is one.
    pub fn min(&self) -> Option<f64> {
        self.min.is_finite().then_some(self.min)
    }

    /// The largest finite number, if there is one.
    pub fn max(&self) -> Option<f64> {
        self.max.is_finite().then_some(self.max)
    }

    /// The mean of the finite numbers, if there is one.
    pub fn mean(&self) -> Option<f64> {
        self.max().map(|_| self.sum / (self.elements - self.nan - self.inf) as f64)
    }

    /// The square root of the sum of the squares of the finite numbers.
    pub fn norm(&self) -> f64 {
        self.squares.sqrt()
    }

    /// The finite numbers by binary exponent, if asked for.
    pub fn histogram(&self) -> Option<&Histogram> {
        self.histogram.as_deref()
    }
}

/// NaN if a part is, as in [`super::ChangeStats`]; `hypot` would let infinity prevail.
fn modulus(&[re, im]: &[f64; 2]) -> f64 {
    if re.is_nan() || im.is_nan() { f64::NAN } else { re.hypot(im) }
}
