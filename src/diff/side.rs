//! Where the tensors of a version are read from: the store, or the file in the work tree.

use std::io;

use crate::id::BlockId;
use crate::manifest::{Manifest, Tensor};
use crate::store::{BlockReader, Recipe, Store, StoreError};
use crate::worktree::loose::Loose;

/// One version of a file.
pub enum Side {
    /// There is no such file.
    Absent,
    /// A file that is no model: its length in bytes.
    Raw(u64),
    /// A link or a submodule.
    Other,
    /// A model whose tensors are in the store.
    Stored(Manifest),
    /// A model in the work tree.
    Loose(Loose),
}

impl Side {
    /// The tensors, if it is a model.
    pub const fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Absent | Self::Raw(_) | Self::Other => None,
            Self::Stored(manifest) => Some(manifest),
            Self::Loose(loose) => Some(&loose.manifest),
        }
    }

    /// Where the bytes of a tensor of this version are.
    ///
    /// # Errors
    /// A tensor that the store does not have.
    pub(super) fn locate<'a>(&'a self, store: &Store, tensor: &'a Tensor) -> Result<Place<'a>, ReadError> {
        match self {
            Self::Loose(loose) => Ok(Place::File { loose, name: &tensor.name, len: tensor.byte_len().unwrap_or(0) }),
            Self::Absent | Self::Raw(_) | Self::Other | Self::Stored(_) => {
                Ok(Place::Blocks(store.recipe(&tensor.sha256)?))
            }
        }
    }
}

/// Why a tensor's bytes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// From the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// From the work tree.
    #[error("cannot read the file: {0}")]
    File(#[from] io::Error),
}

impl ReadError {
    /// Whether the bytes are missing rather than broken.
    pub const fn is_missing(&self) -> bool {
        match self {
            Self::Store(error) => error.is_missing(),
            Self::File(_) => false,
        }
    }
}

/// Where a tensor's bytes are.
pub(super) enum Place<'a> {
    Blocks(Recipe),
    File { loose: &'a Loose, name: &'a str, len: u64 },
}

impl Place<'_> {
    /// Bytes of the tensor.
    pub(super) const fn len(&self) -> u64 {
        match self {
            Self::Blocks(recipe) => recipe.len,
            Self::File { len, .. } => *len,
        }
    }

    /// The block that is exactly these bytes, if one is.
    fn block_at(&self, start: u64, len: usize) -> Option<BlockId> {
        let Self::Blocks(recipe) = self else { return None };
        let (_, id, offset, block_len) = find(recipe, start)?;
        (offset == start && block_len == len).then_some(id)
    }
}

/// The block that holds the byte at `start`: its number, name, offset and length.
fn find(recipe: &Recipe, start: u64) -> Option<(usize, BlockId, u64, usize)> {
    // All blocks but the last have the same length, unless the object was cut by content.
    let first = u64::from(recipe.blocks.first()?.1);
    let guess = (start / first.max(1)) as usize;
    if let Some((&(id, len), before)) = recipe.blocks.get(..=guess).and_then(<[_]>::split_last)
        && before.iter().all(|&(_, len)| u64::from(len) == first)
        && start < guess as u64 * first + u64::from(len)
    {
        return Some((guess, id, guess as u64 * first, len as usize));
    }
    let mut offset = 0;
    for (at, &(id, len)) in recipe.blocks.iter().enumerate() {
        if start < offset + u64::from(len) {
            return Some((at, id, offset, len as usize));
        }
        offset += u64::from(len);
    }
    None
}

/// Reads ranges of tensors; keeps the block it has decoded last.
pub(super) struct RangeReader {
    blocks: BlockReader,
    held: Option<BlockId>,
    block: Vec<u8>,
    range: Vec<u8>,
    bytes_read: u64,
}

/// Bytes, and the block they are if they are exactly one.
pub(super) type Piece<'a> = (Option<BlockId>, &'a [u8]);

impl RangeReader {
    pub(super) fn new(store: &Store) -> Self {
        Self { blocks: BlockReader::new(store), held: None, block: Vec::new(), range: Vec::new(), bytes_read: 0 }
    }

    /// Bytes that were decoded or read from a file since this was last asked.
    pub(super) fn take_bytes_read(&mut self) -> u64 {
        std::mem::take(&mut self.bytes_read)
    }

    /// `len` bytes from `start` on. `beside` is the same range of the other version: it saves decoding what this one is
    /// a delta of, or reading what is the same.
    pub(super) fn read(
        &mut self,
        place: &Place<'_>,
        start: u64,
        len: usize,
        beside: Option<Piece<'_>>,
    ) -> Result<Piece<'_>, ReadError> {
        if let Place::File { loose, name, .. } = place {
            self.range.resize(len, 0);
            loose.read(name, start, &mut self.range)?;
            self.bytes_read += len as u64;
            return Ok((None, &self.range));
        }
        if let Some(id) = place.block_at(start, len) {
            self.hold(id, len, beside)?;
            return Ok((Some(id), &self.block));
        }
        let Place::Blocks(recipe) = place else { return Err(io::Error::from(io::ErrorKind::InvalidInput).into()) };
        let mut range = std::mem::take(&mut self.range);
        range.clear();
        while range.len() < len {
            let position = start + range.len() as u64;
            let (_, id, offset, block_len) =
                find(recipe, position).ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
            self.hold(id, block_len, None)?;
            let skip = (position - offset) as usize;
            let take = (len - range.len()).min(block_len - skip);
            range.extend_from_slice(&self.block[skip..skip + take]);
        }
        self.range = range;
        Ok((None, &self.range))
    }

    fn hold(&mut self, id: BlockId, len: usize, beside: Option<Piece<'_>>) -> Result<(), StoreError> {
        if self.held == Some(id) {
            return Ok(());
        }
        self.held = None;
        self.block.resize(len, 0);
        match beside {
            Some((Some(known), bytes)) if known == id && bytes.len() == len => self.block.copy_from_slice(bytes),
            Some((Some(known), bytes)) => {
                self.blocks.read_beside(&id, (&known, bytes), &mut self.block)?;
                self.bytes_read += len as u64;
            }
            _ => {
                self.blocks.read(&id, &mut self.block)?;
                self.bytes_read += len as u64;
            }
        }
        self.held = Some(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ObjectId;

    /// A tensor may share its recipe with a file that was cut by content.
    #[test]
    fn blocks_are_found_however_they_are_cut() {
        for lens in [&[4, 4, 4, 2][..], &[4, 4, 1, 7, 3], &[4, 1, 1, 9], &[1, 20], &[9, 1, 1], &[5]] {
            let blocks: Vec<(BlockId, u32)> =
                lens.iter().zip(0_u8..).map(|(&len, at)| (BlockId::of(&[at]), len)).collect();
            let len = lens.iter().map(|&len| u64::from(len)).sum();
            let recipe = Recipe { id: ObjectId::from_bytes([0; 32]), len, blocks };
            let mut start = 0;
            for (at, &(id, len)) in recipe.blocks.iter().enumerate() {
                let len = len as usize;
                for inside in 0..len {
                    assert_eq!(find(&recipe, start + inside as u64), Some((at, id, start, len)), "{lens:?}");
                }
                start += len as u64;
            }
            assert_eq!(find(&recipe, start), None);
        }
    }
}
