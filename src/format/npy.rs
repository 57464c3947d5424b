//! .npy: one array of numpy: magic, version, a header that is a Python dict in text, then the elements.
//!
//! Source: numpy's `numpy.lib.format` (versions 1.0, 2.0 and 3.0 of the format).
//!
//! **Limitations.** Plain little-endian numbers and booleans only; structured, object, text, date and big-endian arrays
//! are malformed here. With `fortran_order`, the shape is that of the header, and the bytes stay in their order.
//! Of several arrays in one file the first is a record.

use super::{Layout, ParseError, Record, Source, malformed, read_vec, zip};
use crate::tensor::{self, Dtype, Plain};

const MAGIC: &[u8] = b"\x93NUMPY";
/// numpy itself refuses headers of more than 10,000 bytes unless told otherwise.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// What a .npy header says.
#[derive(Debug, PartialEq, Eq)]
pub struct Array {
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions as in the header.
    pub shape: Vec<u64>,
    /// Where the elements start.
    pub offset: u64,
    /// Bytes they take.
    pub len: u64,
    /// The elements stand column by column, not row by row.
    pub is_by_column: bool,
}

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let Some(Array { dtype, shape, offset, len, .. }) = read_array(source)? else { return Ok(None) };
    zip::check_left_out(source.len() - offset - len, "further arrays")?;
    let record = Record { name: "array".to_owned(), dtype, shape, offset, len };
    Layout::new("npy", vec![record], source.len()).map(Some)
}

/// The array at the start of `source`, wholly within it; `None` if it is not a .npy file.
///
/// # Errors
/// A broken header, an element type that is not read, an array that reaches past the end.
pub fn read_array(source: &dyn Source) -> Result<Option<Array>, ParseError> {
    if source.len() < 12 {
        return Ok(None);
    }
    let mut start = [0; 12];
    source.read_at(0, &mut start)?;
    if !start.starts_with(MAGIC) {
        return Ok(None);
    }
    let (header_offset, header_len) = match start[6] {
        1 => (10, u64::from(u16::from_le_bytes([start[8], start[9]]))),
        2 | 3 => (12, u64::from(u32::from_le_bytes([start[8], start[9], start[10], start[11]]))),
        version => return Err(malformed(format!("npy version {version} is unknown"))),
    };
    let header = read_vec(source, header_offset, header_len, HEADER_BYTES_MAX)?;
    let header = str::from_utf8(&header).map_err(|_| malformed("the npy header is not text"))?;
    let (dtype, shape, is_by_column) = Literal { rest: header }.header()?;
    let offset = header_offset + header_len;
    let len = tensor::element_count(&shape)
        .and_then(|elements| dtype.byte_len(elements))
        .filter(|&len| len <= source.len() - offset)
        .ok_or_else(|| malformed("the array reaches past the end of the file"))?;
    Ok(Some(Array { dtype, shape, offset, len, is_by_column }))
}

/// Whether the header that `gap` ends with, as numpy writes it, says that the elements stand column by column.
pub(super) fn has_fortran_order(gap: &[u8]) -> bool {
    let Some(start) = gap.windows(MAGIC.len()).rposition(|window| window == MAGIC) else { return false };
    let header = String::from_utf8_lossy(&gap[start..]);
    let value = header.split_once("fortran_order").map(|(_, value)| value.trim_start_matches(['\'', '"', ':', ' ']));
    value.is_some_and(|value| value.starts_with("True"))
}

fn dtype(descr: &str) -> Option<Dtype> {
    let plain = match descr.strip_prefix(['<', '|'])? {
        "f2" => Plain::F16,
        "f4" => Plain::F32,
        "f8" => Plain::F64,
        "i1" => Plain::I8,
        "i2" => Plain::I16,
        "i4" => Plain::I32,
        "i8" => Plain::I64,
        "u1" => Plain::U8,
        "u2" => Plain::U16,
        "u4" => Plain::U32,
        "u8" => Plain::U64,
        "b1" => Plain::BOOL,
        "c8" => Plain::C64,
        "c16" => Plain::C128,
        _ => return None,
    };
    // `|` says that byte order has no meaning: true of single bytes only.
    (descr.starts_with('<') || plain.bits() == 8).then(|| plain.into())
}

/// The little of Python's literals that numpy writes: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<(Dtype, Vec<u64>, bool), ParseError> {
        let broken = || malformed("the npy header is broken");
        let (mut descr, mut order, mut shape) = (None, None, None);
        self.token("{").ok_or_else(broken)?;
        while self.token("}").is_none() {
            let key = self.text().ok_or_else(broken)?;
            self.token(":").ok_or_else(broken)?;
            let fresh = match key {
                "descr" if self.rest.trim_start().starts_with('[') => {
                    return Err(malformed("arrays of structured dtype are not supported"));
                }
                "descr" => descr.replace(self.text().ok_or_else(broken)?).is_none(),
                "fortran_order" => order.replace(self.boolean().ok_or_else(broken)?).is_none(),
                "shape" => shape.replace(self.shape().ok_or_else(broken)?).is_none(),
                _ => false,
            };
            if !fresh {
                return Err(broken());
            }
            if self.token(",").is_none() {
                self.token("}").ok_or_else(broken)?;
                break;
            }
        }
        let (Some(descr), Some(is_by_column), Some(shape)) = (descr, order, shape) else { return Err(broken()) };
        if !self.rest.trim().is_empty() {
            return Err(broken());
        }
        let dtype = dtype(descr)
            .ok_or_else(|| malformed(format!("arrays of dtype `{}` are not supported", descr.escape_debug())))?;
        Ok((dtype, shape, is_by_column))
    }

    fn token(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    fn text(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let quote = rest.chars().next().filter(|&quote| quote == '\'' || quote == '"')?;
        let (text, rest) = rest[1..].split_once(quote)?;
        self.rest = rest;
        Some(text)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.token("True").map(|()| true).or_else(|| self.token("False").map(|()| false))
    }

    fn shape(&mut self) -> Option<Vec<u64>> {
        let mut shape = Vec::new();
        self.token("(")?;
        while self.token(")").is_none() {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit())?;
            let (dim, rest) = self.rest.split_at(digits);
            shape.push(dim.parse().ok()?);
            // Python 2 wrote long integers as `3L`.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if self.token(",").is_none() {
                self.token(")")?;
                break;
            }
        }
        Some(shape)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::{Bytes, Detected, detect, tests::check_survives};

    pub(in crate::format) fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    #[test]
    fn the_array_is_one_record() {
        let header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }     \n";
        let bytes = file(header, &[0; 24]);
        let layout = parse(&Bytes(&bytes)).expect("well-formed").expect("npy");
        let record = Record {
            name: "array".to_owned(),
            dtype: Plain::F32.into(),
            shape: vec![2, 3],
            offset: 10 + header.len() as u64,
            len: 24,
        };
        assert_eq!((layout.format, layout.records), ("npy", vec![record]));
    }

    #[test]
    fn later_versions_have_a_wider_length() {
        let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (3L,)}\n";
        for version in [2, 3] {
            let mut bytes = b"\x93NUMPY".to_vec();
            bytes.extend_from_slice(&[version, 0]);
            bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(&[1, 0, 1]);
            let array = read_array(&Bytes(&bytes)).expect("well-formed").expect("npy");
            assert_eq!((array.shape, array.len), (vec![3], 3));
        }
    }

    #[test]
    fn scalars_and_empty_arrays() {
        for (shape, len) in [("()", 8), ("(0,)", 0), ("(3, 0, 2)", 0)] {
            let header = format!("{{'descr': '<c8', 'fortran_order': False, 'shape': {shape}, }}\n");
            let array = read_array(&Bytes(&file(&header, &[0; 8]))).expect("well-formed").expect("npy");
            assert_eq!(array.len, len);
        }
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let cases = [
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "structured"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "`|O`"),
            ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "`>f4`"),
            ("{'descr': '|f4', 'fortran_order': False, 'shape': (1,)}", "`|f4`"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "past the end"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551615, 2)}", "past the end"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "broken"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "broken"),
            ("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "broken"),
            ("{'descr': '<f4', 'shape': (1,)}", "broken"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} or else", "broken"),
            ("{'descr': '<f4", "broken"),
            ("", "broken"),
        ];
        for (header, expected) in cases {
            match detect(&Bytes(&file(header, &[0; 8]))).expect("readable") {
                Detected::Malformed { format: "npy", why } => assert!(why.0.contains(expected), "{header}: {why}"),
                other => panic!("{header}: {other:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in r"\{?('(descr|fortran_order|shape|<f4|é)'|[:, (){}]|True|False|[0-9]L?){0,24}") {
            check_survives(&file(&header, &[0; 64]))?;
        }

        #[test]
        fn damage_is_survived(at in 0..80_usize, flip in 1..=255_u8, len in 0..100_usize) {
            let mut bytes = file("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } \n", &[0; 24]);
            bytes[at] ^= flip;
            bytes.truncate(len);
            check_survives(&bytes)?;
        }
    }
}
