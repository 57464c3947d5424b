//! Datatypes and dataspaces: what the elements of a dataset are, and how many.
//!
//! Source: HDF5 File Format Specification 3.0, sections IV.A.2.b and IV.A.2.d.

use super::super::ParseError;
use super::super::cursor::Cursor;
use super::file::File;
use crate::tensor::Plain;

/// The limit of the HDF5 library.
const RANK_MAX: u8 = 32;

const CLASS_FIXED: u8 = 0;
const CLASS_FLOAT: u8 = 1;
const CLASS_OPAQUE: u8 = 5;

const DATASPACE_NULL: u8 = 2;

/// Element types that a record can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// A little-endian number.
    Plain(Plain),
    /// Two bytes of which nothing is said.
    Opaque16,
}

/// Floats by bytes, exponent bits and exponent bias; the fraction takes what exponent and sign leave.
const FLOATS: &[(u32, u8, u32, Plain)] = &[
    (8, 11, 1023, Plain::F64),
    (4, 8, 127, Plain::F32),
    (2, 5, 15, Plain::F16),
    (2, 8, 127, Plain::BF16),
    (1, 4, 7, Plain::F8E4M3),
    (1, 5, 15, Plain::F8E5M2),
];

/// The element type that a datatype message describes; `None` if it is not one for a record.
pub(super) fn read_element(data: &mut Cursor) -> Result<Option<Element>, ParseError> {
    let class = data.u8()? & 0x0f;
    let bits = data.array::<3>()?;
    let bytes = data.u32()?;
    Ok(match class {
        CLASS_FIXED => read_fixed(data, bits, bytes)?.map(Element::Plain),
        CLASS_FLOAT => read_float(data, bits, bytes)?.map(Element::Plain),
        CLASS_OPAQUE if bytes == 2 => Some(Element::Opaque16),
        _ => None,
    })
}

fn read_fixed(data: &mut Cursor, bits: [u8; 3], bytes: u32) -> Result<Option<Plain>, ParseError> {
    let is_big_endian = bits[0] & 1 != 0;
    let is_signed = bits[0] & 8 != 0;
    if !is_whole(data, bytes)? || is_big_endian && bytes > 1 {
        return Ok(None);
    }
    Ok(match (bytes, is_signed) {
        (1, false) => Some(Plain::U8),
        (1, true) => Some(Plain::I8),
        (2, false) => Some(Plain::U16),
        (2, true) => Some(Plain::I16),
        (4, false) => Some(Plain::U32),
        (4, true) => Some(Plain::I32),
        (8, false) => Some(Plain::U64),
        (8, true) => Some(Plain::I64),
        _ => None,
    })
}

fn read_float(data: &mut Cursor, bits: [u8; 3], bytes: u32) -> Result<Option<Plain>, ParseError> {
    let sign_at = u32::from(bits[1]);
    let is_little_endian = bits[0] & 0x41 == 0;
    if !is_whole(data, bytes)? || !is_little_endian && bytes > 1 {
        return Ok(None);
    }
    let [exponent_at, exponent_bits, fraction_at, fraction_bits] = data.array()?;
    let bias = data.u32()?;
    // The IEEE order: sign, exponent, fraction.
    let is_ieee = fraction_at == 0
        && exponent_at == fraction_bits
        && u32::from(exponent_at) + u32::from(exponent_bits) == sign_at
        && Some(sign_at + 1) == bytes.checked_mul(8);
    let float = FLOATS.iter().find(|&&(b, e, bias_of, _)| (b, e, bias_of) == (bytes, exponent_bits, bias));
    Ok(float.filter(|_| is_ieee).map(|&(.., plain)| plain))
}

/// Whether a number fills its bytes.
fn is_whole(data: &mut Cursor, bytes: u32) -> Result<bool, ParseError> {
    let (bit_offset, precision) = (data.u16()?, data.u16()?);
    Ok(bit_offset == 0 && bytes.checked_mul(8) == Some(precision.into()))
}

/// The dimensions that a dataspace message lists; `None` if there are no elements or it is of an unknown version.
pub(super) fn read_dataspace(file: &File, data: &mut Cursor) -> Result<Option<Vec<u64>>, ParseError> {
    let [version, rank, _flags, kind] = data.array()?;
    match version {
        1 => data.skip(4)?,
        2 if kind == DATASPACE_NULL => return Ok(None),
        2 => {}
        _ => return Ok(None),
    }
    if rank > RANK_MAX {
        return Ok(None);
    }
    (0..rank).map(|_| file.length(data)).collect::<Result<_, _>>().map(Some)
}
