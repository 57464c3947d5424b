//! Dense links: a new-style group with many of them keeps them in a fractal heap, indexed by a B-tree.
//!
//! Source: HDF5 File Format Specification 3.0, sections III.A.2 (version 2 B-trees), III.G (fractal heaps) and IV.A.2.c
//! (link info). The B-tree's records are hashes of names with the places of link messages in the heap.
//!
//! **Limitations.** Filtered heaps are skipped, and so are links in "tiny" and "huge" objects: no link is as short as
//! the former, and only names of some KiB are as long as the latter.

use super::super::cursor::Cursor;
use super::super::{ParseError, malformed};
use super::file::File;
use super::group::{Link, read_link};

/// Signature, version, type and checksum of a B-tree node.
const NODE_OVERHEAD_BYTES: u64 = 4 + 1 + 1 + 4;
/// B-tree records of link names: a hash of 4 bytes, then a heap id.
const TREE_TYPE_LINK_NAMES: u8 = 5;
const HASH_BYTES: u64 = 4;
/// A tree of this depth holds more links than fit in any file.
const TREE_DEPTH_MAX: u16 = 16;

/// Where the dense links of a group are.
#[derive(Debug, Clone, Copy)]
pub(super) struct DenseLinks {
    heap: u64,
    names: u64,
}

impl DenseLinks {
    /// What a link info message holds; `None` if the links are not dense.
    pub(super) fn read(file: &File, data: &mut Cursor) -> Result<Option<Self>, ParseError> {
        let [version, flags] = data.array()?;
        if version != 0 {
            return Ok(None);
        }
        if flags & 0x01 != 0 {
            data.skip(8)?; // highest creation index
        }
        let heap = file.address(data)?;
        let names = file.address(data)?;
        Ok(heap.zip(names).map(|(heap, names)| Self { heap, names }))
    }

    /// Appends the links in the order of their names' hashes.
    pub(super) fn append_links(&self, file: &File, links: &mut Vec<Link>) -> Result<(), ParseError> {
        let Some(heap) = FractalHeap::read(file, self.heap)? else { return Ok(()) };
        let Some(tree) = Tree::read(file, self.names)? else { return Ok(()) };
        let mut nodes = vec![tree.root];
        while let Some(node) = nodes.pop() {
            let signature = if node.depth == 0 { b"BTLF" } else { b"BTIN" };
            let mut cursor = file.structure(node.address, signature, 0)?;
            cursor.skip(1)?; // type
            for _ in 0..node.records {
                let id = cursor.place(tree.record_bytes)? + HASH_BYTES;
                file.spend(0)?;
                if let Some(mut message) = heap.object(file, id)?
                    && let Some(link) = read_link(file, &mut message)?
                {
                    file.spend(link.name.len())?;
                    links.push(link);
                }
            }
            if node.depth > 0 {
                tree.append_children(file, &node, &mut cursor, &mut nodes)?;
            }
        }
        Ok(())
    }
}

/// A node of the B-tree.
#[derive(Debug, Clone, Copy)]
struct Node {
    address: u64,
    records: u64,
    depth: u16,
}

/// A version 2 B-tree.
struct Tree {
    root: Node,
    record_bytes: u64,
    /// Width of a count of records in one node.
    count_bytes: usize,
    /// Width of a count of records below a node, by the node's depth; unused for leaves.
    total_bytes: Vec<usize>,
}

impl Tree {
    /// The tree at `address`; `None` if it is empty.
    fn read(file: &File, address: u64) -> Result<Option<Self>, ParseError> {
        let mut header = file.structure(address, b"BTHD", 0)?;
        let kind = header.u8()?;
        let node_bytes = u64::from(header.u32()?);
        let record_bytes = u64::from(header.u16()?);
        let depth = header.u16()?;
        header.skip(2)?; // when nodes split and merge
        let root = file.address(&mut header)?;
        let records = header.u16()?.into();
        if kind != TREE_TYPE_LINK_NAMES || record_bytes <= HASH_BYTES || depth > TREE_DEPTH_MAX {
            return Err(malformed(format!("the HDF5 B-tree at address {address} is not one of links")));
        }
        let Some(root) = root.map(|address| Node { address, records, depth }) else { return Ok(None) };
        let leaf_records = node_bytes.saturating_sub(NODE_OVERHEAD_BYTES) / record_bytes;
        let count_bytes = bytes_to_count(leaf_records);
        let (mut total_bytes, mut total) = (vec![0], leaf_records);
        for _ in 0..depth {
            let below = total_bytes.last().copied().unwrap_or_default();
            let pointer_bytes = file.address_bytes() + (count_bytes + below) as u64;
            let node_records =
                node_bytes.saturating_sub(NODE_OVERHEAD_BYTES + pointer_bytes) / (record_bytes + pointer_bytes);
            total = (node_records + 1).saturating_mul(total).saturating_add(node_records);
            total_bytes.push(bytes_to_count(total));
        }
        Ok(Some(Self { root, record_bytes, count_bytes, total_bytes }))
    }

    /// Appends the children of `node`, whose pointers start at `cursor`.
    fn append_children(
        &self,
        file: &File,
        node: &Node,
        cursor: &mut Cursor,
        nodes: &mut Vec<Node>,
    ) -> Result<(), ParseError> {
        let depth = node.depth - 1;
        for _ in 0..=node.records {
            file.spend(0)?;
            let address = file.address(cursor)?;
            let records = cursor.uint(self.count_bytes)?;
            cursor.skip(self.total_bytes[usize::from(depth)] as u64)?;
            nodes.extend(address.map(|address| Node { address, records, depth }));
        }
        Ok(())
    }
}

/// Bytes that hold any number up to `max`.
fn bytes_to_count(max: u64) -> usize {
    (max.max(1).ilog2() / 8 + 1) as usize
}

/// A heap of objects in blocks that double in size row by row.
struct FractalHeap {
    table: DoublingTable,
    /// Width of an offset in the heap.
    offset_bytes: usize,
    /// Width of an object's length.
    len_bytes: usize,
    root: u64,
    /// Rows of the root block if it is an indirect one; 0 if it is a direct one.
    root_rows: u32,
}

impl FractalHeap {
    /// The heap at `address`; `None` if it has no blocks or filtered ones.
    fn read(file: &File, address: u64) -> Result<Option<Self>, ParseError> {
        let mut header = file.structure(address, b"FRHP", 0)?;
        header.skip(2)?; // length of a heap id
        let filters_len = header.u16()?;
        header.skip(1)?; // flags
        let object_bytes_max = header.u32()?;
        // Sizes, counts and managers of free space and of huge and tiny objects.
        header.skip(10 * file.length_bytes() + 2 * file.address_bytes())?;
        let width = header.u16()?.into();
        let start_bytes = file.length(&mut header)?;
        let direct_bytes_max = file.length(&mut header)?;
        let heap_bits = header.u16()?;
        header.skip(2)?; // rows at first
        let root = file.address(&mut header)?;
        let root_rows = header.u16()?.into();
        let table = DoublingTable { width, start_bytes, direct_bytes_max };
        if !table.is_sound() || heap_bits > 64 {
            return Err(malformed(format!("the HDF5 heap at address {address} has blocks of impossible sizes")));
        }
        let Some(root) = root.filter(|_| filters_len == 0) else { return Ok(None) };
        Ok(Some(Self {
            table,
            offset_bytes: usize::from(heap_bits).div_ceil(8),
            len_bytes: bytes_to_count(object_bytes_max.into()).min(direct_bytes_max.ilog2().div_ceil(8) as usize),
            root,
            root_rows,
        }))
    }

    /// The object whose heap id stands at `id` in the file, if it is one in a block.
    fn object<'a>(&self, file: &File<'a>, id: u64) -> Result<Option<Cursor<'a>>, ParseError> {
        let mut id = file.cursor(id);
        let kind = id.u8()? >> 4;
        if kind != 0 {
            return Ok(None);
        }
        let mut offset = id.uint(self.offset_bytes)?;
        let len = id.uint(self.len_bytes)?;
        let (mut block, mut rows) = (self.root, self.root_rows);
        // Every step leads to a block of fewer rows, the last one to a direct block, which has none.
        while rows > 0 {
            let place = self.table.place(offset);
            if place.row >= rows {
                return Err(malformed(format!("an HDF5 heap has nothing at offset {offset}")));
            }
            let mut entries = file.structure(block, b"FHIB", 0)?;
            entries.skip(file.address_bytes() + self.offset_bytes as u64)?; // heap header, block offset
            let index = u64::from(place.row) * self.table.width + place.column;
            entries.skip(index * file.address_bytes())?;
            block = file.address(&mut entries)?.ok_or_else(|| malformed("an HDF5 heap lacks a block"))?;
            offset = place.offset;
            let rows_below = self.table.rows_of_child(place.row);
            if rows_below >= rows {
                return Err(malformed("the blocks of an HDF5 heap do not shrink"));
            }
            rows = rows_below;
        }
        let address = block.checked_add(offset).ok_or_else(|| malformed("an HDF5 heap object lies nowhere"))?;
        file.part(address, len).map(Some)
    }
}

/// The sizes of a heap's blocks: rows of `width` blocks; the first two rows of `start_bytes` each, then doubling.
struct DoublingTable {
    width: u64,
    start_bytes: u64,
    direct_bytes_max: u64,
}

/// Where an offset in an indirect block leads.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    row: u32,
    column: u64,
    /// The offset in the child block.
    offset: u64,
}

impl DoublingTable {
    fn is_sound(&self) -> bool {
        let Self { width, start_bytes, direct_bytes_max } = *self;
        width.is_power_of_two()
            && start_bytes.is_power_of_two()
            && direct_bytes_max.is_power_of_two()
            && start_bytes <= direct_bytes_max
            && width.checked_mul(start_bytes).is_some()
    }

    fn place(&self, offset: u64) -> Place {
        let row_0_bytes = self.width * self.start_bytes;
        let (row, row_start) = match (offset / row_0_bytes).checked_ilog2() {
            None => (0, 0),
            Some(doublings) => (doublings + 1, row_0_bytes << doublings),
        };
        let block_bytes = self.start_bytes << row.saturating_sub(1);
        let in_row = offset - row_start;
        Place { row, column: in_row / block_bytes, offset: in_row % block_bytes }
    }

    /// Rows of an indirect block in `row`; 0 if the blocks there are direct ones.
    fn rows_of_child(&self, row: u32) -> u32 {
        let direct_rows = self.direct_bytes_max.ilog2() - self.start_bytes.ilog2() + 2;
        if row < direct_rows {
            return 0;
        }
        // The rows below add up to the block's size: row 0 and 1 make 2 × width × start, each further one doubles it.
        (row - 1).saturating_sub(self.width.ilog2()) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_fall_into_doubling_blocks() {
        let table = DoublingTable { width: 4, start_bytes: 512, direct_bytes_max: 65536 };
        let cases = [
            (0, (0, 0, 0)),
            (513, (0, 1, 1)),
            (2048, (1, 0, 0)),
            (2048 + 512 + 7, (1, 1, 7)),
            (4096, (2, 0, 0)),
            (4096 + 3 * 1024, (2, 3, 0)),
            (8192 + 2048, (3, 1, 0)),
        ];
        for (offset, (row, column, rest)) in cases {
            assert_eq!(table.place(offset), Place { row, column, offset: rest }, "{offset}");
        }
        let last = table.place(u64::MAX);
        assert!(last.column < table.width, "{last:?}");
    }

    #[test]
    fn rows_of_indirect_blocks() {
        let table = DoublingTable { width: 4, start_bytes: 512, direct_bytes_max: 65536 };
        assert_eq!(table.rows_of_child(8), 0, "of 64 KiB, the largest direct block");
        // A block of 128 KiB: rows of 2, 2, 4, 8, 16, 32 and 64 KiB.
        assert_eq!(table.rows_of_child(9), 7);
        let rows = [2, 2, 4, 8, 16, 32, 64];
        assert_eq!(rows.iter().sum::<u64>(), 128);
    }

    #[test]
    fn widths_of_counts() {
        let cases = [(0, 1), (255, 1), (256, 2), (65535, 2), (65536, 3), (u64::MAX, 8)];
        for (max, bytes) in cases {
            assert_eq!(bytes_to_count(max), bytes, "{max}");
        }
    }
}
