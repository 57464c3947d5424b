//! Recipes: the list of blocks that make an object.
//!
//! Payload: a byte that says how the object was cut (0: every [`BLOCK_BYTES`]; 1: lengths follow), varint object length,
//! varint block count, the lengths if they follow, the BLAKE3 ids of the blocks, and the first 16 bytes of the BLAKE3 of
//! all that, which guards the list against bit rot.

use crate::id::{BlockId, ObjectId};
use crate::varint;

/// Tensors are cut every so many bytes; no block is longer.
pub const BLOCK_BYTES: usize = 1 << 20;
const CHECK_LEN: usize = 16;

/// The blocks of an object, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// The object.
    pub id: ObjectId,
    /// Its length.
    pub len: u64,
    /// Its blocks and their lengths.
    pub blocks: Vec<(BlockId, u32)>,
}

impl Recipe {
    /// The bytes that go into a pack.
    pub fn encode(&self) -> Vec<u8> {
        let even = is_even(self.len, self.blocks.iter().map(|&(_, len)| len));
        let mut out = vec![u8::from(!even)];
        varint::write(&mut out, self.len);
        varint::write(&mut out, self.blocks.len() as u64);
        if !even {
            for &(_, len) in &self.blocks {
                varint::write(&mut out, u64::from(len));
            }
        }
        for (id, _) in &self.blocks {
            out.extend_from_slice(id.as_bytes());
        }
        let check = BlockId::of(&out);
        out.extend_from_slice(&check.as_bytes()[..CHECK_LEN]);
        out
    }

    /// Reads a payload; `None` if it is not what was written.
    pub fn decode(id: ObjectId, payload: &[u8]) -> Option<Self> {
        let (body, check) = payload.split_at_checked(payload.len().checked_sub(CHECK_LEN)?)?;
        if BlockId::of(body).as_bytes()[..CHECK_LEN] != *check {
            return None;
        }
        let (&cut, mut rest) = body.split_first()?;
        let len = varint::read(&mut rest)?;
        let count = usize::try_from(varint::read(&mut rest)?).ok()?;
        if count > rest.len() / 32 {
            return None;
        }
        let lens = match cut {
            0 => even_lens(len, count)?,
            1 => (0..count).map(|_| varint::read(&mut rest)?.try_into().ok()).collect::<Option<Vec<u32>>>()?,
            _ => return None,
        };
        let total = lens.iter().try_fold(0_u64, |sum, &len| sum.checked_add(u64::from(len)))?;
        // Whoever reads an object makes room for a block before the block can be checked.
        let fits = lens.iter().all(|&len| len as usize <= BLOCK_BYTES);
        if total != len || rest.len() != count * 32 || !fits {
            return None;
        }
        let ids = rest.as_chunks::<32>().0.iter().map(|&id| BlockId::from_bytes(id));
        Some(Self { id, len, blocks: ids.zip(lens).collect() })
    }
}

fn even_lens(len: u64, count: usize) -> Option<Vec<u32>> {
    if len.div_ceil(BLOCK_BYTES as u64) != count as u64 {
        return None;
    }
    let mut lens = vec![BLOCK_BYTES as u32; count];
    if let Some(last) = lens.last_mut() {
        *last = (len - (count as u64 - 1) * BLOCK_BYTES as u64) as u32;
    }
    Some(lens)
}

fn is_even(len: u64, lens: impl ExactSizeIterator<Item = u32>) -> bool {
    even_lens(len, lens.len()).is_some_and(|even| even.into_iter().eq(lens))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recipe(lens: &[u32]) -> Recipe {
        let blocks = lens.iter().enumerate().map(|(at, &len)| (BlockId::of(&[at as u8]), len)).collect();
        Recipe { id: ObjectId::of(b"x"), len: lens.iter().map(|&len| u64::from(len)).sum(), blocks }
    }

    proptest! {
        #[test]
        fn decodes_what_it_encoded(lens in prop::collection::vec(0..=BLOCK_BYTES as u32, 0..20)) {
            let recipe = recipe(&lens);
            prop_assert_eq!(Recipe::decode(recipe.id, &recipe.encode()), Some(recipe));
        }

        #[test]
        fn notices_a_flipped_bit(at in 0_usize..120, bit in 0_u32..8) {
            let recipe = recipe(&[BLOCK_BYTES as u32, BLOCK_BYTES as u32, 7]);
            let mut payload = recipe.encode();
            let at = at % payload.len();
            payload[at] ^= 1_u8 << bit;
            prop_assert_eq!(Recipe::decode(recipe.id, &payload), None);
        }
    }

    #[test]
    fn blocks_are_no_longer_than_the_store_makes_them() {
        let recipe = recipe(&[BLOCK_BYTES as u32 + 1]);
        assert_eq!(Recipe::decode(recipe.id, &recipe.encode()), None);
    }

    #[test]
    fn even_cuts_take_no_lengths() {
        assert_eq!(recipe(&[BLOCK_BYTES as u32, 5]).encode().len(), 1 + 3 + 1 + 64 + CHECK_LEN);
        assert_eq!(recipe(&[]).encode()[0], 0);
    }
}
