//! Writes a file from its start to its end, with holes where tensors go.

use super::{CannotRebuild, Part, Rebuilt, cannot};
use crate::format::Skeleton;

/// No file system has larger files, and no sum of positions below it is beyond 64 bits.
const FILE_BYTES_MAX: u64 = i64::MAX as u64;

/// A file that is being written.
pub(super) struct Builder<'a> {
    parts: &'a [Part<'a>],
    skeleton: Skeleton,
    gap: Vec<u8>,
    position: u64,
    order: Vec<usize>,
}

impl<'a> Builder<'a> {
    pub fn new(parts: &'a [Part<'a>]) -> Self {
        Self { parts, skeleton: Skeleton::new(), gap: Vec::new(), position: 0, order: Vec::new() }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.gap.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
    }

    /// Zeros up to a multiple of `alignment`.
    pub fn pad(&mut self, alignment: u64) {
        let padding = (alignment - self.position % alignment) % alignment;
        self.gap.resize(self.gap.len() + padding as usize, 0);
        self.position += padding;
    }

    /// A hole for the part of this index.
    pub fn part(&mut self, index: usize) -> Result<(), CannotRebuild> {
        let part = &self.parts[index];
        self.position = part
            .spec()
            .byte_len()
            .and_then(|len| self.position.checked_add(len))
            .filter(|&position| position <= FILE_BYTES_MAX)
            .ok_or_else(|| cannot(format!("tensor `{}` is larger than any file", part.name)))?;
        self.skeleton.push(&self.gap);
        self.gap.clear();
        self.order.push(index);
        Ok(())
    }

    pub fn finish(mut self, conflicts: Vec<String>) -> Rebuilt {
        self.skeleton.push(&self.gap);
        Rebuilt { skeleton: self.skeleton, order: self.order, size: self.position, conflicts }
    }
}
