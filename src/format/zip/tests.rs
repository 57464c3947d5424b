//! Archives built in memory, and what their directory must say.

use proptest::prelude::*;

use super::*;
use crate::format::Bytes;

/// A member to build an archive of.
#[derive(Clone)]
pub(in crate::format) struct Packed {
    name: String,
    data: Vec<u8>,
    method: u16,
}

pub(in crate::format) fn stored(name: &str, data: &[u8]) -> Packed {
    Packed { name: name.to_owned(), data: data.to_vec(), method: 0 }
}

/// Says that it is deflated; nothing here ever inflates it.
pub(in crate::format) fn deflated(name: &str, data: &[u8]) -> Packed {
    Packed { method: 8, ..stored(name, data) }
}

pub(in crate::format) fn archive(members: &[Packed]) -> Vec<u8> {
    build(members, false)
}

/// An archive as PyTorch writes it if `wide`: sizes in a zip64 field, a zip64 end record, padding before the data.
fn build(members: &[Packed], wide: bool) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let local_offset = bytes.len();
        let padding: &[u8] = if wide { b"FB\x03\x00ZZZ" } else { b"" };
        bytes.extend_from_slice(b"PK\x03\x04\x2d\x00\x08\x00");
        bytes.extend_from_slice(&member.method.to_le_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&(member.name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(padding.len() as u16).to_le_bytes());
        bytes.extend_from_slice(member.name.as_bytes());
        bytes.extend_from_slice(padding);
        bytes.extend_from_slice(&member.data);

        let plain_len = member.data.len() + usize::from(member.method != 0);
        directory.extend_from_slice(b"PK\x01\x02\x2d\x00\x2d\x00\x08\x00");
        directory.extend_from_slice(&member.method.to_le_bytes());
        directory.extend_from_slice(&[0; 8]);
        let narrow = |len: usize| if wide { u32::MAX } else { len as u32 }.to_le_bytes();
        directory.extend_from_slice(&narrow(member.data.len()));
        directory.extend_from_slice(&narrow(plain_len));
        directory.extend_from_slice(&(member.name.len() as u16).to_le_bytes());
        directory.extend_from_slice(&(if wide { 28_u16 } else { 0 }).to_le_bytes());
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&narrow(local_offset));
        directory.extend_from_slice(member.name.as_bytes());
        if wide {
            directory.extend_from_slice(b"\x01\x00\x18\x00");
            for field in [plain_len, member.data.len(), local_offset] {
                directory.extend_from_slice(&(field as u64).to_le_bytes());
            }
        }
    }
    let (start, len, count) = (bytes.len() as u64, directory.len() as u64, members.len() as u64);
    bytes.extend_from_slice(&directory);
    if wide {
        let record_offset = bytes.len() as u64;
        bytes.extend_from_slice(b"PK\x06\x06\x2c\x00\x00\x00\x00\x00\x00\x00\x2d\x00\x2d\x00\0\0\0\0\0\0\0\0");
        for field in [count, count, len, start] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        bytes.extend_from_slice(&record_offset.to_le_bytes());
        bytes.extend_from_slice(b"\x01\0\0\0");
    }
    bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    let (count, narrow) = if wide { (u16::MAX, [u32::MAX; 2]) } else { (count as u16, [len as u32, start as u32]) };
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&narrow[0].to_le_bytes());
    bytes.extend_from_slice(&narrow[1].to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

fn read(bytes: &[u8]) -> Result<Option<Vec<Member>>, ParseError> {
    members(&Bytes(bytes), |_| true)
}

fn error(bytes: &[u8]) -> String {
    read(bytes).expect_err("malformed").to_string()
}

/// Where `needle` stands last in `bytes`.
fn find_last(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).rposition(|window| window == needle).expect("there")
}

#[test]
fn members_are_where_the_directory_says() {
    let packed = [stored("a/b.bin", b"12345"), deflated("c", b"xyz"), stored("empty", b"")];
    for wide in [false, true] {
        let bytes = build(&packed, wide);
        let found = read(&bytes).expect("well-formed").expect("an archive");
        assert_eq!(found.len(), 3);
        for (member, packed) in found.iter().zip(&packed) {
            assert_eq!((&member.name, member.stored), (&packed.name, packed.method == 0));
            assert_eq!(bytes[member.offset as usize..][..member.len as usize], packed.data);
        }
    }
}

#[test]
fn a_comment_may_hold_the_signature() {
    let mut bytes = archive(&[stored("a", b"1")]);
    let comment = b"PK\x05\x06 and so on, for longer than an end record";
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    bytes.extend_from_slice(comment);
    assert_eq!(read(&bytes).expect("well-formed").expect("an archive").len(), 1);
}

#[test]
fn overlapping_members_are_malformed() {
    // The second entry points at the first member.
    let mut bytes = archive(&[stored("a", b"12345"), stored("a", b"12345")]);
    let at = find_last(&bytes, ENTRY_SIGNATURE);
    bytes[at + 42..at + 46].fill(0);
    assert!(error(&bytes).contains("overlap"));
}

#[test]
fn names_that_stand_twice_are_malformed() {
    assert!(error(&archive(&[stored("a", b"1"), stored("a", b"2")])).contains("two members"));
}

#[test]
fn broken_archives_are_malformed() {
    let bytes = archive(&[stored("a", b"12345"), stored("b", b"67890")]);
    let entry = find_last(&bytes, ENTRY_SIGNATURE);
    let end = find_last(&bytes, END_SIGNATURE);
    let cases = [
        (entry + 20, "into the directory"), // packed size
        (entry + 23, "into the directory"),
        (entry + 42, "not where"), // local offset
        (entry + 46, "not where"), // name
        (entry, "broken"),
        (entry + 28, "cut short"), // length of the name
        (end + 10, "announced"),
        (end + 4, "several parts"),
        (end + 15, "past its end"), // length of the directory
        (end + 19, "past its end"), // offset of the directory
        (end + 20, "no directory"),
    ];
    for (at, expected) in cases {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        assert!(error(&bytes).contains(expected), "byte {at}: {}", error(&bytes));
    }
    assert!(error(&bytes[..bytes.len() - 1]).contains("cut short"));
    assert_eq!(members(&Bytes(&bytes[..40]), |_| false).expect("somebody else's"), None);
}

#[test]
fn what_is_not_an_archive() {
    for bytes in [&b""[..], b"PK\x03\x04", &[0; 100]] {
        assert_eq!(read(bytes).expect("readable"), None);
    }
}

proptest! {
    #[test]
    fn damage_is_survived(
        wide: bool,
        flips in prop::collection::vec((0..400_usize, any::<u8>()), 1..4),
        cut in 0..20_usize,
    ) {
        let mut bytes = build(&[stored("a/b", b"12345"), deflated("c", b"xyz"), stored("d", &[1; 40])], wide);
        for (at, flip) in flips {
            let at = at % bytes.len();
            bytes[at] ^= flip;
        }
        bytes.truncate(bytes.len() - cut);
        if let Ok(Some(members)) = read(&bytes) {
            for member in members {
                prop_assert!(member.window(&Bytes(&bytes)).is_ok());
            }
        }
    }

    #[test]
    fn noise_is_survived(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        bytes.splice(..0, LOCAL_SIGNATURE.iter().copied());
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\x20\0\0\0\0\0");
        let _ = read(&bytes);
    }
}
