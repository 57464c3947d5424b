//! Object headers: what an object is, in a list of messages.
//!
//! Source: HDF5 File Format Specification 3.0, section IV.A. Messages that do not say where data or links are, are
//! skipped without reading them.

use super::super::cursor::Cursor;
use super::super::{Bytes, ParseError, malformed};
use super::datatype::{self, Element};
use super::dense::DenseLinks;
use super::file::File;
use super::group::{self, Link, SymbolTable};

const DATASPACE: u16 = 0x01;
const LINK_INFO: u16 = 0x02;
const DATATYPE: u16 = 0x03;
const LINK: u16 = 0x06;
const DATA_LAYOUT: u16 = 0x08;
const ATTRIBUTE: u16 = 0x0c;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;

/// A message's flag: its data are elsewhere, shared by several objects.
const SHARED: u8 = 0x02;
const MESSAGE_BYTES_MAX: u64 = u16::MAX as u64;
/// Of an attribute only the start is read, which holds its name.
const ATTRIBUTE_BYTES_MAX: u64 = 64;

/// Data layout class of values in one piece.
const CONTIGUOUS: u8 = 1;

/// What is known of an object.
#[derive(Default)]
pub(super) struct Object {
    /// The links that stand in the header itself.
    pub(super) links: Vec<Link>,
    /// Where the links of an old-style group are.
    pub(super) symbol_table: Option<SymbolTable>,
    /// Where the links of a new-style group are when they are many.
    pub(super) dense_links: Option<DenseLinks>,
    /// Dimensions of a dataset.
    pub(super) shape: Option<Vec<u64>>,
    /// Element type of a dataset, if it is one that a record can have.
    pub(super) element: Option<Element>,
    /// Where the values of a contiguous dataset are.
    pub(super) data: Option<Contiguous>,
    /// Whether there is an attribute named `dtype`.
    pub(super) has_dtype_attribute: bool,
}

/// Values in one piece.
#[derive(Clone, Copy)]
pub(super) struct Contiguous {
    pub(super) address: u64,
    /// Old layout messages do not tell.
    pub(super) len: Option<u64>,
}

/// How messages are framed.
#[derive(Clone, Copy)]
enum Framing {
    V1,
    V2 { has_creation_order: bool },
}

/// Reads the object whose header is at `address`.
pub(super) fn read(file: &File, address: u64) -> Result<Object, ParseError> {
    let mut object = Object::default();
    let (framing, first_block) = read_prefix(file, address)?;
    let mut blocks = vec![first_block];
    while let Some(mut block) = blocks.pop() {
        file.spend(0)?;
        while let Some((kind, data)) = next_message(file, framing, &mut block)? {
            let data = Bytes(&data);
            let mut data = Cursor::new(&data, 0, u64::MAX, 0);
            if kind == CONTINUATION {
                blocks.push(read_continuation(file, framing, &mut data)?);
            } else {
                object.take(file, kind, &mut data)?;
            }
        }
    }
    Ok(object)
}

/// How the messages of the header at `address` are framed, and its first block of them.
fn read_prefix<'a>(file: &File<'a>, address: u64) -> Result<(Framing, Cursor<'a>), ParseError> {
    let mut prefix = file.cursor(address);
    let start = prefix.array::<4>()?;
    if start[0] == 1 {
        prefix.skip(4)?;
        let len = prefix.u32()?;
        prefix.skip(4)?;
        return Ok((Framing::V1, file.part(prefix.position(), len.into())?));
    }
    let mut prefix = file.structure(address, b"OHDR", 2)?;
    let flags = prefix.u8()?;
    if flags & 0x20 != 0 {
        prefix.skip(16)?; // four times of day
    }
    if flags & 0x10 != 0 {
        prefix.skip(4)?; // when attributes move to dense storage
    }
    let len = prefix.uint(1 << (flags & 3))?;
    let framing = Framing::V2 { has_creation_order: flags & 0x04 != 0 };
    Ok((framing, file.part(prefix.position(), len)?))
}

fn read_continuation<'a>(file: &File<'a>, framing: Framing, data: &mut Cursor) -> Result<Cursor<'a>, ParseError> {
    let address = file.address(data)?.ok_or_else(|| malformed("an HDF5 object header continues nowhere"))?;
    let len = file.length(data)?;
    let mut block = file.part(address, len)?;
    if let Framing::V2 { .. } = framing {
        if &block.array()? != b"OCHK" {
            return Err(malformed(format!("there is no HDF5 structure `OCHK` at address {address}")));
        }
        let without_checksum = block.remaining().saturating_sub(4);
        block = file.part(block.position(), without_checksum)?;
    }
    Ok(block)
}

/// The next message in the block that is of use here, and its data.
fn next_message(file: &File, framing: Framing, block: &mut Cursor) -> Result<Option<(u16, Vec<u8>)>, ParseError> {
    let header_bytes = match framing {
        Framing::V1 => 8,
        Framing::V2 { has_creation_order } => 4 + if has_creation_order { 2 } else { 0 },
    };
    // A block may end in a few bytes that no message fits in.
    while block.remaining() >= header_bytes {
        file.spend(0)?;
        let kind = match framing {
            Framing::V1 => block.u16()?,
            Framing::V2 { .. } => block.u8()?.into(),
        };
        let len = u64::from(block.u16()?);
        let flags = block.u8()?;
        block.skip(match framing {
            Framing::V1 => 3,
            Framing::V2 { .. } => header_bytes - 4,
        })?;
        let wanted = match kind {
            ATTRIBUTE => len.min(ATTRIBUTE_BYTES_MAX),
            DATASPACE | LINK_INFO | DATATYPE | LINK | DATA_LAYOUT | CONTINUATION | SYMBOL_TABLE => len,
            _ => 0,
        };
        if wanted == 0 || flags & SHARED != 0 {
            block.skip(len)?;
            continue;
        }
        let data = block.bytes(wanted, MESSAGE_BYTES_MAX)?;
        block.skip(len - wanted)?;
        return Ok(Some((kind, data)));
    }
    Ok(None)
}

impl Object {
    /// Notes what a message says.
    fn take(&mut self, file: &File, kind: u16, data: &mut Cursor) -> Result<(), ParseError> {
        match kind {
            DATASPACE => self.shape = datatype::read_dataspace(file, data)?,
            DATATYPE => self.element = datatype::read_element(data)?,
            DATA_LAYOUT => self.data = read_data_layout(file, data)?,
            ATTRIBUTE => self.has_dtype_attribute |= is_dtype_attribute(data)?,
            LINK => {
                if let Some(link) = group::read_link(file, data)? {
                    file.spend(link.name.len())?;
                    self.links.push(link);
                }
            }
            LINK_INFO => self.dense_links = DenseLinks::read(file, data)?,
            SYMBOL_TABLE => self.symbol_table = SymbolTable::read(file, data)?,
            _ => {}
        }
        Ok(())
    }
}

/// Where the values are, if in one piece and written at all.
fn read_data_layout(file: &File, data: &mut Cursor) -> Result<Option<Contiguous>, ParseError> {
    let version = data.u8()?;
    match version {
        1 | 2 => {
            data.skip(1)?; // dimensionality
            let class = data.u8()?;
            if class != CONTIGUOUS {
                return Ok(None);
            }
            data.skip(5)?;
            Ok(file.address(data)?.map(|address| Contiguous { address, len: None }))
        }
        3..=5 if data.u8()? == CONTIGUOUS => {
            let Some(address) = file.address(data)? else { return Ok(None) };
            Ok(Some(Contiguous { address, len: Some(file.length(data)?) }))
        }
        _ => Ok(None),
    }
}

/// Whether an attribute is named `dtype`.
fn is_dtype_attribute(data: &mut Cursor) -> Result<bool, ParseError> {
    let version = data.u8()?;
    data.skip(1)?;
    let name_len = data.u16()?;
    data.skip(4)?; // sizes of datatype and dataspace
    if version >= 3 {
        data.skip(1)?; // character set
    }
    let name = b"dtype\0";
    Ok(usize::from(name_len) == name.len() && &data.array()? == name)
}
