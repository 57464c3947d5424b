//! .npz: a zip archive of .npy files, one for each array.
//!
//! Source: numpy's `numpy.savez`. An archive is one of numpy's if its first member is named `*.npy`; as for `numpy.load`,
//! others may be among them.
//!
//! **Limitations.** Arrays that are compressed (`numpy.savez_compressed`) or of a dtype that [`npy`] does not read stay
//! between the records, as do members that are no arrays; when they are more than 1 MiB in all, the file has no layout.

use super::zip::{self, Member};
use super::{Layout, ParseError, Record, Source, malformed, npy, usable_name};

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let Some(members) = zip::members(source, |first| first.ends_with(".npy"))? else { return Ok(None) };
    if !members.first().is_some_and(|member| member.name.ends_with(".npy")) {
        return Ok(None);
    }
    let mut records = Vec::new();
    let mut left_out = 0_u64;
    for member in members {
        let window = member.window(source)?;
        let name = member.name.strip_suffix(".npy").filter(|name| usable_name(name));
        let array = if member.stored { npy::read_array(&window) } else { Ok(None) };
        match (array, name) {
            (Ok(Some(array)), Some(name)) => records.push(Record {
                name: name.to_owned(),
                dtype: array.dtype,
                shape: array.shape,
                offset: member.offset + array.offset,
                len: array.len,
            }),
            (Ok(_) | Err(ParseError::Malformed(_)), _) => left_out = left_out.saturating_add(member.len),
            (Err(error), _) => return Err(error),
        }
    }
    zip::check_left_out(left_out, "compressed or unsupported members")?;
    if records.is_empty() {
        return Err(malformed("no array of the archive is stored uncompressed in a supported dtype"));
    }
    Layout::new("npz", records, source.len()).map(Some)
}

/// The arrays of an archive, compressed or not, by the names that `numpy.load` gives them; `None` if this is no archive.
///
/// # Errors
/// A broken archive.
pub fn arrays(source: &dyn Source) -> Result<Option<Vec<Member>>, ParseError> {
    let members = zip::members(source, |_| true)?;
    let array = |mut member: Member| {
        member.name = member.name.strip_suffix(".npy")?.to_owned();
        Some(member)
    };
    Ok(members.map(|members| members.into_iter().filter_map(array).collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::zip::tests::{Packed, archive, deflated, stored};
    use crate::format::{Bytes, Detected, detect, npy, tests::check_survives};

    const HEADER: &str = "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n";
    const OBJECTS: &str = "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n";

    fn array() -> Vec<u8> {
        npy::tests::file(HEADER, b"\x01\x02\x03\x04")
    }

    fn detect_members(members: &[Packed]) -> Detected {
        detect(&Bytes(&archive(members))).expect("readable")
    }

    #[test]
    fn stored_arrays_are_records() {
        let bytes = archive(&[
            stored("b.npy", &array()),
            deflated("small.npy", &[7; 100]),
            stored("dir/a.npy", &array()),
            stored("objects.npy", &npy::tests::file(OBJECTS, b"pickled")),
            stored("README.md", b"hello"),
        ]);
        let layout = parse(&Bytes(&bytes)).expect("well-formed").expect("npz");
        let names: Vec<_> = layout.records.iter().map(|record| record.name.as_str()).collect();
        assert_eq!((layout.format, names), ("npz", vec!["b", "dir/a"]));
        for record in &layout.records {
            assert_eq!(bytes[record.offset as usize..][..record.len as usize], *b"\x01\x02\x03\x04");
        }
    }

    #[test]
    fn arrays_are_listed_compressed_or_not() {
        let bytes = archive(&[stored("b.npy", &array()), deflated("c.npy", &[7; 100]), stored("README.md", b"hello")]);
        let listed = arrays(&Bytes(&bytes)).expect("well-formed").expect("an archive");
        let listed: Vec<_> = listed.iter().map(|m| (&*m.name, m.stored, m.deflated, m.len, m.plain_len)).collect();
        let len = array().len() as u64;
        assert_eq!(listed, [("b", true, false, len, len), ("c", false, true, 100, 101)]);
        assert_eq!(arrays(&Bytes(b"1,2\n")).expect("read"), None);
    }

    #[test]
    fn large_compressed_arrays_are_not_worth_a_layout() {
        let large = vec![7; (1 << 20) + 1];
        let cases = [
            (detect_members(&[stored("a.npy", &array()), deflated("b.npy", &large)]), "compressed"),
            (detect_members(&[deflated("b.npy", &[7; 9])]), "no array"),
        ];
        for (detected, expected) in cases {
            match detected {
                Detected::Malformed { format: "npz", why } => assert!(why.0.contains(expected), "{why}"),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_archives_are_unknown() {
        let others = [vec![], vec![stored("README.md", b"hello"), stored("a.npy", &array())]];
        for members in others {
            assert_eq!(detect_members(&members), Detected::Unknown);
        }
    }

    proptest! {
        #[test]
        fn damage_is_survived(at in 0..400_usize, flip in 1..=255_u8, len in 0..500_usize) {
            let mut bytes = archive(&[stored("a.npy", &array()), deflated("b.npy", b"x"), stored("c.npy", &array())]);
            let at = at % bytes.len();
            bytes[at] ^= flip;
            check_survives(&bytes)?;
            bytes.truncate(len);
            check_survives(&bytes)?;
        }
    }
}
