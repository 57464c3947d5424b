//! The skeleton of a weight file: what is left of it when the tensors are cut out.
//!
//! `GMSK`, a version byte, varint n, n varint gap lengths, then all gap bytes. n is the number of tensors plus one: gap
//! i stands before tensor i, the last one after the end.

use crate::varint;

const MAGIC: &[u8; 4] = b"GMSK";
const VERSION: u8 = 1;

/// The gaps of a file, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skeleton {
    gap_lens: Vec<u64>,
    bytes: Vec<u8>,
}

impl Default for Skeleton {
    fn default() -> Self {
        Self::new()
    }
}

impl Skeleton {
    /// A skeleton without gaps yet.
    pub const fn new() -> Self {
        Self { gap_lens: Vec::new(), bytes: Vec::new() }
    }

    /// Appends the next gap.
    pub fn push(&mut self, gap: &[u8]) {
        self.gap_lens.push(gap.len() as u64);
        self.bytes.extend_from_slice(gap);
    }

    /// How many gaps there are: tensors plus one.
    pub fn gap_count(&self) -> usize {
        self.gap_lens.len()
    }

    /// The gaps in file order.
    pub fn gaps(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        self.gap_lens.iter().map(move |&len| {
            let (gap, tail) = rest.split_at(len as usize);
            rest = tail;
            gap
        })
    }

    /// Bytes in all gaps together.
    pub fn gap_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The object's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes.len() + self.gap_lens.len() * 2 + 16);
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        varint::write(&mut out, self.gap_lens.len() as u64);
        for &len in &self.gap_lens {
            varint::write(&mut out, len);
        }
        out.extend_from_slice(&self.bytes);
        out
    }

    /// Reads an object's bytes; `None` if they are not a skeleton of a version this program knows.
    pub fn decode(object: &[u8]) -> Option<Self> {
        let mut rest = object.strip_prefix(MAGIC)?.strip_prefix(&[VERSION])?;
        let count = varint::read(&mut rest)?;
        if count > rest.len() as u64 {
            return None;
        }
        let gap_lens = (0..count).map(|_| varint::read(&mut rest)).collect::<Option<Vec<_>>>()?;
        let total = gap_lens.iter().try_fold(0_u64, |sum, &len| sum.checked_add(len))?;
        (total == rest.len() as u64).then(|| Self { gap_lens, bytes: rest.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decodes_what_it_encoded(gaps: Vec<Vec<u8>>) {
            let mut skeleton = Skeleton::new();
            gaps.iter().for_each(|gap| skeleton.push(gap));
            let decoded = Skeleton::decode(&skeleton.encode());
            prop_assert_eq!(decoded.as_ref(), Some(&skeleton));
            prop_assert_eq!(skeleton.gaps().collect::<Vec<_>>(), gaps);
        }

        #[test]
        fn takes_any_bytes(mut bytes: Vec<u8>) {
            bytes.splice(0..0, *b"GMSK\x01");
            Skeleton::decode(&bytes);
        }
    }
}
