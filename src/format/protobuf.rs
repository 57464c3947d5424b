//! The wire format of Protocol Buffers, walked without a schema and without reading what is skipped.
//!
//! Source: the encoding guide of Protocol Buffers (`protobuf.dev/programming-guides/encoding`).
//!
//! **Limitations.** Groups (wire types 3 and 4, deprecated since 2008) are malformed.

use super::cursor::Cursor;
use super::{ParseError, malformed};

/// A field of a message: its number in the schema and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u64,
    pub(super) value: Value,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// An integer, an enumerator or a bool.
    Varint(u64),
    /// A number of 4 or 8 bytes, which has been skipped.
    Fixed,
    /// A string, bytes, a message or a packed list, which has been skipped.
    Bytes(Span),
}

/// A run of bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) len: u64,
}

/// The next field of the message that `cursor` spans; `None` at its end.
pub(super) fn next_field(cursor: &mut Cursor) -> Result<Option<Field>, ParseError> {
    if cursor.remaining() == 0 {
        return Ok(None);
    }
    let tag = varint(cursor)?;
    let number = tag >> 3;
    if number == 0 || number >= 1 << 29 {
        return Err(malformed(format!("protobuf field number {number} is out of range")));
    }
    let value = match tag & 7 {
        0 => Value::Varint(varint(cursor)?),
        1 => cursor.skip(8).map(|()| Value::Fixed)?,
        2 => {
            let len = varint(cursor)?;
            Value::Bytes(Span { start: cursor.place(len)?, len })
        }
        5 => cursor.skip(4).map(|()| Value::Fixed)?,
        wire_type => return Err(malformed(format!("protobuf wire type {wire_type} is unknown"))),
    };
    Ok(Some(Field { number, value }))
}

/// An integer of 7 bits per byte, lowest first.
pub(super) fn varint(cursor: &mut Cursor) -> Result<u64, ParseError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = cursor.u8()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(malformed("a protobuf integer is longer than 10 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Bytes;

    fn fields(bytes: &[u8]) -> Result<Vec<Field>, ParseError> {
        let source = Bytes(bytes);
        let mut cursor = Cursor::new(&source, 0, u64::MAX, 16);
        std::iter::from_fn(|| next_field(&mut cursor).transpose()).collect()
    }

    #[test]
    fn fields_of_all_wire_types() {
        let bytes = b"\x08\x96\x01\x12\x07testing\x1d....\x21........\xa0\x01\x00";
        let expected = [
            Field { number: 1, value: Value::Varint(150) },
            Field { number: 2, value: Value::Bytes(Span { start: 5, len: 7 }) },
            Field { number: 3, value: Value::Fixed },
            Field { number: 4, value: Value::Fixed },
            Field { number: 20, value: Value::Varint(0) },
        ];
        assert_eq!(fields(bytes).expect("well-formed"), expected);
    }

    #[test]
    fn broken_fields_are_malformed() {
        let cases: [&[u8]; 6] = [b"\x08", b"\x12\x02a", b"\x0b", b"\x00\x00", b"\x08\xff\xff", b"\x1d..."];
        for bytes in cases {
            assert!(matches!(fields(bytes), Err(ParseError::Malformed(_))), "{bytes:?}");
        }
        assert!(fields(&[&[8][..], &[0x80; 10]].concat()).is_err(), "more than 64 bits");
    }
}
