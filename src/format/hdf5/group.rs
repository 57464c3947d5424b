//! Groups: the links of an object, in whichever of the three ways they are stored.
//!
//! Source: HDF5 File Format Specification 3.0, sections III.A.1 (B-trees), III.B (symbol table nodes), III.D (local
//! heaps) and IV.A.2.g (link messages). Soft and external links lead to no bytes of their own and are left out.

use super::super::cursor::Cursor;
use super::super::{ParseError, malformed};
use super::file::File;
use super::object_header::Object;

/// Objects with longer names stay in the gaps.
const NAME_BYTES_MAX: u64 = 4 << 10;

/// A hard link: a name and the object header it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) address: u64,
}

/// All links of a group; none if `object` is not one.
pub(super) fn children(file: &File, object: &Object) -> Result<Vec<Link>, ParseError> {
    let mut links = object.links.clone();
    if let Some(table) = &object.symbol_table {
        table.append_links(file, &mut links)?;
    }
    if let Some(dense) = &object.dense_links {
        dense.append_links(file, &mut links)?;
    }
    Ok(links)
}

/// The link that a link message holds, if it is a hard one with a usable name.
pub(super) fn read_link(file: &File, data: &mut Cursor) -> Result<Option<Link>, ParseError> {
    let [version, flags] = data.array()?;
    if version != 1 {
        return Ok(None);
    }
    let is_hard = flags & 0x08 == 0 || data.u8()? == 0;
    if flags & 0x04 != 0 {
        data.skip(8)?; // creation order
    }
    if flags & 0x10 != 0 {
        data.skip(1)?; // character set
    }
    let name_len = data.uint(1 << (flags & 3))?;
    if !is_hard || name_len > NAME_BYTES_MAX {
        return Ok(None);
    }
    let name = String::from_utf8(data.bytes(name_len, NAME_BYTES_MAX)?).ok();
    let address = file.address(data)?;
    Ok(name.zip(address).map(|(name, address)| Link { name, address }))
}

/// An old-style group: a B-tree over nodes of links, and a heap with their names.
#[derive(Debug, Clone, Copy)]
pub(super) struct SymbolTable {
    tree: u64,
    heap: u64,
}

impl SymbolTable {
    /// What a symbol table message holds.
    pub(super) fn read(file: &File, data: &mut Cursor) -> Result<Option<Self>, ParseError> {
        let tree = file.address(data)?;
        let heap = file.address(data)?;
        Ok(tree.zip(heap).map(|(tree, heap)| Self { tree, heap }))
    }

    fn append_links(&self, file: &File, links: &mut Vec<Link>) -> Result<(), ParseError> {
        let heap = LocalHeap::read(file, self.heap)?;
        let mut nodes = vec![(self.tree, None)];
        while let Some((address, level_expected)) = nodes.pop() {
            let mut node = file.structure(address, b"TREE", 0)?; // node type 0: of a group
            let level = node.u8()?;
            if level_expected.is_some_and(|expected| level != expected) {
                return Err(malformed(format!("the HDF5 B-tree node at address {address} is on a wrong level")));
            }
            let entries = node.u16()?;
            node.skip(2 * file.address_bytes())?; // siblings
            let first_child = nodes.len();
            for _ in 0..entries {
                node.skip(file.length_bytes())?; // key
                let Some(child) = file.address(&mut node)? else { continue };
                match level.checked_sub(1) {
                    Some(below) => {
                        file.spend(0)?;
                        nodes.push((child, Some(below)));
                    }
                    None => append_leaf_links(file, &heap, child, links)?,
                }
            }
            nodes[first_child..].reverse();
        }
        Ok(())
    }
}

/// Appends the links of the symbol table node at `address`.
fn append_leaf_links(file: &File, heap: &LocalHeap, address: u64, links: &mut Vec<Link>) -> Result<(), ParseError> {
    let mut node = file.structure(address, b"SNOD", 1)?;
    node.skip(1)?;
    let symbols = node.u16()?;
    for _ in 0..symbols {
        let name_offset = node.uint(file.address_bytes() as usize)?;
        let header = file.address(&mut node)?;
        node.skip(4 + 4 + 16)?; // cache type, reserved, scratch pad
        // A soft link has no header.
        let Some(address) = header else { continue };
        if let Some(name) = heap.name(file, name_offset)? {
            file.spend(name.len())?;
            links.push(Link { name, address });
        }
    }
    Ok(())
}

/// The names of a symbol table.
struct LocalHeap {
    address: u64,
    len: u64,
}

impl LocalHeap {
    fn read(file: &File, address: u64) -> Result<Self, ParseError> {
        let mut header = file.structure(address, b"HEAP", 0)?;
        header.skip(3)?;
        let len = file.length(&mut header)?;
        header.skip(file.length_bytes())?; // free list
        let address = file.address(&mut header)?.ok_or_else(|| malformed("an HDF5 heap of names has no data"))?;
        Ok(Self { address, len })
    }

    /// The NUL-terminated name at `offset`; `None` if it is not UTF-8 or too long.
    fn name(&self, file: &File, offset: u64) -> Result<Option<String>, ParseError> {
        let mut data = file.part(self.address, self.len)?;
        data.skip(offset)?;
        let mut name = Vec::new();
        loop {
            match data.u8()? {
                0 => return Ok(String::from_utf8(name).ok()),
                _ if name.len() as u64 == NAME_BYTES_MAX => return Ok(None),
                byte => name.push(byte),
            }
        }
    }
}
