//! Where random methods take their numbers from.
//!
//! MT19937 (Matsumoto and Nishimura 1998) seeded with one 32-bit word; of each 32-bit output the lower 24 bits, divided
//! by 2²⁴: what PyTorch 2 does on a CPU, so that one and the same seed prunes the same elements there.

use rand_mt::Mt;

use crate::id::{BlockId, ObjectId};

/// A stream of numbers.
pub struct Random(Mt);

impl Random {
    /// The stream of this seed.
    pub fn new(seed: u32) -> Self {
        Self(Mt::new(seed))
    }

    /// The stream for one model's version of a tensor. It depends on what the tensor is, not on which side it is on:
    /// merging the other way round, as a rebase does, gives the same.
    pub fn for_tensor(seed: u32, name: &str, content: &ObjectId) -> Self {
        let hash = BlockId::of(&[&seed.to_le_bytes(), name.as_bytes(), &content.as_bytes()[..]].concat());
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self::new(u32::from_le_bytes([a, b, c, d]))
    }

    /// Whether the next number, from 0 to 1, is below `probability`.
    pub fn is_below(&mut self, probability: f32) -> bool {
        const BITS: u32 = (1 << 24) - 1;
        (((self.0.next_u32() & BITS) as f32) / (1 << 24) as f32) < probability
    }
}
