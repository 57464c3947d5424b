//! Where training takes its random numbers from: the same for the same seed, on every machine.
//!
//! MT19937 (Matsumoto and Nishimura 1998), seeded by key with the two halves of the seed and a number for the purpose:
//! the split into training and validation does not change the start weights.

use rand_mt::Mt;

/// What numbers are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Which rows are for validation.
    Split = 1,
    /// The weights to start from.
    Start = 2,
    /// The order of the rows in each epoch.
    Order = 3,
}

/// A stream of numbers.
pub struct Random(Mt);

impl Random {
    /// The stream of this seed for this purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self(Mt::new_with_key([seed as u32, (seed >> 32) as u32, purpose as u32]))
    }

    /// Evenly from −`bound` to `bound`, by 53 bits.
    pub fn uniform(&mut self, bound: f64) -> f64 {
        let unit = (self.word() >> 11) as f64 / (1_u64 << 53) as f64;
        bound * (2.0 * unit - 1.0)
    }

    /// Each number below `bound` equally likely: words that would favour some are drawn again.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let excess = (u64::MAX % bound + 1) % bound;
        loop {
            let word = self.word();
            if word <= u64::MAX - excess {
                return (word % bound) as usize;
            }
        }
    }

    fn word(&mut self) -> u64 {
        let low = u64::from(self.0.next_u32());
        u64::from(self.0.next_u32()) << 32 | low
    }

    /// Puts `items` into a random order (Fisher and Yates; Durstenfeld 1964).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(seed: u64, purpose: Purpose, count: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..count).collect();
        Random::new(seed, purpose).shuffle(&mut items);
        items
    }

    #[test]
    fn orders_are_those_of_the_seed() {
        // By NumPy's MT19937. Whoever changes them changes what every seed gives.
        assert_eq!(shuffled(0, Purpose::Order, 10), [7, 4, 9, 0, 5, 2, 6, 8, 1, 3]);
        assert_eq!(shuffled(7, Purpose::Split, 10), shuffled(7, Purpose::Split, 10));
        assert_ne!(shuffled(7, Purpose::Split, 100), shuffled(7, Purpose::Order, 100));
        assert_ne!(shuffled(7, Purpose::Split, 100), shuffled(7 << 32, Purpose::Split, 100));
        let mut sorted = shuffled(1, Purpose::Order, 1000);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut random = Random::new(3, Purpose::Order);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn numbers_fill_their_range() {
        let mut random = Random::new(1, Purpose::Start);
        let values: Vec<f64> = (0..10_000).map(|_| random.uniform(0.5)).collect();
        let mean = values.iter().sum::<f64>() / 10_000.0;
        let variance = values.iter().map(|value| value * value).sum::<f64>() / 10_000.0;
        assert!(values.iter().all(|value| (-0.5..0.5).contains(value)));
        assert!(mean.abs() < 0.01 && (variance - 1.0 / 12.0).abs() < 0.005, "{mean} {variance}");
    }
}
