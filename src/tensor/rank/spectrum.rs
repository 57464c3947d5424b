//! From the spectrum of a sketch to a rank.
//!
//! An update of rank r that was added to rounded weights is r directions and, in all others, the noise of rounding the
//! sum. So the singular values of a sketch fall into two groups with a gap between them, and the lower group is as the
//! theory of random matrices has it for noise (Marchenko and Pastur 1967): σ² of its largest is (1 + √(q/p))² times the
//! mean, for a p×q sketch, p ≥ q. Training all weights gives a spectrum that decays without such a step, or a lower
//! group that is far stronger than rounding. The limits below were found by experiment: with updates of rank 1 to 64,
//! gaussian, sign and power-law ones, of 10 % to 0.1 % of the weights' norm, in F32, F16 and BF16, and with the
//! checkpoints of a fine-tune. A share of energy alone (99 %, say) says nothing in BF16, where rounding has a third.

use super::Rank;

/// Energy in a lower group that is nothing but the rounding of our own sums, as a share of all.
const NEGLIGIBLE: f64 = 1e-11;
/// σ of the last direction of the upper group over the first one of the lower. Noise has below 1.05, but among its
/// first three.
const GAP_MIN: f64 = 1.15;
/// The same, from which on the lower group need not look like noise: that of rounding does not if a few rows or columns
/// have far larger weights than others.
const GAP_WIDE: f64 = 6.0;
/// The largest σ² of the lower group over what noise of its energy has. Rounding has up to 2.1, where most weights
/// stay as they were; a spectrum that decays as 1/i² or 1/i, 3 and more.
const PEAK_MAX: f64 = 2.4;
/// Energy of the upper group, as a share of all.
const SHARE_MIN: f64 = 0.5;
/// Energy of the lower group over that of rounding: 1, or 2 if the weights before were rounded from others.
const EXCESS_MAX: f64 = 2.2;
/// Energy of all over that of rounding, below which nothing can be said.
const SIGNAL_MIN: f64 = 0.5;

/// The rank of the matrix behind a sketch of `long` rows and as many columns as there are `squares` of singular values,
/// largest first. `rounding` is the energy that rounding explains, if that is known.
pub fn rank(squares: &[f64], long: usize, rounding: Option<f64>) -> Rank {
    let short = squares.len();
    // tails[r] is the energy that r directions leave.
    let mut tails: Vec<f64> = squares.iter().rev().scan(0.0, |sum, square| Some(add(sum, *square))).collect();
    tails.reverse();
    let total = tails.first().copied().unwrap_or_default();
    if !total.is_finite() || total <= 0.0 {
        return Rank::Unknown;
    }
    let ranks = 1..=short / 2;
    if let Some(r) = ranks.clone().find(|&r| tails[r] <= NEGLIGIBLE * total) {
        return Rank::Low(r as u32);
    }
    let Some(rounding) = rounding else { return Rank::Unknown };

    let gap = |r: usize| (squares[r - 1] / squares[r]).sqrt();
    // Whether what r directions leave is no more than rounding, and comes after a step.
    let is_explained = |r: usize| {
        let (p, q) = ((long - r) as f64, (short - r) as f64);
        let excess = tails[r] * (long * short) as f64 / (p * q);
        gap(r) >= GAP_MIN && total - tails[r] >= SHARE_MIN * total && excess <= EXCESS_MAX * rounding
    };
    let is_step = |r: usize| {
        let (p, q) = ((long - r) as f64, (short - r) as f64);
        let noise = tails[r] / q * (1.0 + (q / p).sqrt()).powi(2);
        is_explained(r) && (squares[r] <= PEAK_MAX * noise || gap(r) >= GAP_WIDE)
    };
    match ranks.clone().max_by(|&r, &s| gap(r).total_cmp(&gap(s))) {
        Some(r) if is_step(r) => Rank::Low(r as u32),
        // Rounding explains the rest, but the rest does not look like it.
        Some(r) if is_explained(r) => Rank::Unknown,
        // A step, but not where the spectrum falls most: what decays has met the rounding.
        _ if total < SIGNAL_MIN * rounding || ranks.clone().any(is_step) => Rank::Unknown,
        _ => Rank::Full,
    }
}

/// Whether [`rank`] would say `Full`, told without the spectrum: from a Gram matrix of `long` rows' products.
///
/// A rank r puts all energy but what rounding explains into r directions. Then the sum of the squared eigenvalues, which
/// is that of the squared entries, is at least an r-th of that energy's square (Cauchy and Schwarz). If it is less for
/// each r, none of them is the rank.
pub fn is_surely_full(gram: &[f64], short: usize, long: usize, rounding: Option<f64>) -> bool {
    let Some(rounding) = rounding else { return false };
    let total: f64 = gram.iter().step_by(short + 1).sum();
    let squares: f64 = gram.iter().map(|entry| entry * entry).sum();
    let is_excluded = |r: usize| {
        let (p, q) = ((long - r) as f64, (short - r) as f64);
        let explained = EXCESS_MAX * rounding * p * q / (long * short) as f64;
        let rest = total - explained.max(NEGLIGIBLE * total);
        rest > 0.0 && squares * (r as f64) < rest * rest
    };
    squares.is_finite() && total >= SIGNAL_MIN * rounding && (1..=short / 2).all(is_excluded)
}

/// Adds an eigenvalue, which rounding may have made a little less than zero.
fn add(sum: &mut f64, square: f64) -> f64 {
    *sum += square.max(0.0);
    *sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A p×p sketch of noise with this mean square: by the quarter circle law, (σ/2)² at quantiles.
    fn noise(p: usize, mean: f64) -> Vec<f64> {
        let quantile = |share: f64| {
            let (mut low, mut high) = (0.0_f64, 2.0_f64);
            for _ in 0..60 {
                let x = (low + high) / 2.0;
                let below = (x / 2.0 * (4.0 - x * x).sqrt() + 2.0 * (x / 2.0).asin()) / std::f64::consts::PI;
                if below < share { low = x } else { high = x }
            }
            low * low * mean
        };
        (0..p).rev().map(|i| quantile((i as f64 + 0.5) / p as f64)).collect()
    }

    fn with_spikes(spikes: &[f64], mean: f64) -> Vec<f64> {
        let mut squares = spikes.to_vec();
        squares.extend(noise(128 - spikes.len(), mean));
        squares
    }

    #[test]
    fn a_step_over_rounding_is_a_rank() {
        let squares = with_spikes(&[100.0; 7], 1.0);
        assert_eq!(rank(&squares, 128, Some(128.0)), Rank::Low(7));
        // The same step over what rounding does not explain is not.
        assert_eq!(rank(&squares, 128, Some(12.0)), Rank::Full);
        assert_eq!(rank(&squares, 128, None), Rank::Unknown);
    }

    #[test]
    fn an_exact_rank_needs_no_rounding() {
        let mut squares = vec![0.0; 128];
        squares[..5].fill(2.0);
        squares[5] = -1e-16;
        assert_eq!(rank(&squares, 512, Some(0.0)), Rank::Low(5));
        assert_eq!(rank(&squares, 512, None), Rank::Low(5));
    }

    #[test]
    fn noise_and_decay_are_full() {
        assert_eq!(rank(&noise(128, 1.0), 128, Some(1.0)), Rank::Full);
        for power in [-1, -2, -4] {
            let squares: Vec<f64> = (1..=128).map(|i| f64::from(i).powi(power)).collect();
            assert_eq!(rank(&squares, 512, Some(1e-9)), Rank::Full, "{power}");
        }
    }

    #[test]
    fn what_is_surely_full_is_full() {
        // A diagonal Gram matrix has its spectrum on the diagonal.
        let is_told = |squares: &[f64], rounding: f64| {
            let n = squares.len();
            let mut gram = vec![0.0; n * n];
            squares.iter().enumerate().for_each(|(i, square)| gram[i * (n + 1)] = *square);
            is_surely_full(&gram, n, 512, Some(rounding))
        };
        let flat = vec![1.0; 128];
        assert!(is_told(&flat, 1.0) && is_told(&flat, 20.0));
        assert_eq!(rank(&flat, 512, Some(20.0)), Rank::Full);
        // Where rounding may explain enough, the spectrum has to say.
        assert!(!is_told(&flat, 60.0) && !is_told(&flat, 300.0));
        for r in [1, 16, 64] {
            assert!(!is_told(&with_spikes(&vec![100.0; r], 1.0), 128.0), "{r}");
            let exact: Vec<f64> = (0..128).map(|i| f64::from(u8::from(i < r))).collect();
            assert!(!is_told(&exact, 0.0), "{r}");
        }
    }

    #[test]
    fn what_rounding_explains_is_unknown() {
        assert_eq!(rank(&noise(128, 1.0), 128, Some(300.0)), Rank::Unknown);
        assert_eq!(rank(&[], 0, Some(1.0)), Rank::Unknown);
        assert_eq!(rank(&[f64::NAN; 64], 64, Some(1.0)), Rank::Unknown);
    }
}
