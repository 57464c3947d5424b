//! Files cut into skeletons and tensors, and put together again, for the tests.

use super::{CannotRebuild, Origin, Part, Rebuilt, Side, TensorSpec, rebuild};
use crate::format::{Bytes, Detected, Layout, Skeleton, detect, zip};

macro_rules! data {
    ($name:literal) => {
        $crate::format::rebuild::testing::Cut::new(include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/",
            $name
        )))
    };
}
pub(super) use data;

/// A file and how it is cut.
#[derive(Clone)]
pub(super) struct Cut {
    pub bytes: Vec<u8>,
    pub layout: Layout,
    pub skeleton: Skeleton,
}

impl Cut {
    pub fn new(bytes: &[u8]) -> Self {
        let Detected::Model(layout) = detect(&Bytes(bytes)).expect("readable") else { panic!("a weight file") };
        let mut skeleton = Skeleton::new();
        let mut position = 0;
        for record in &layout.records {
            skeleton.push(&bytes[position..record.offset as usize]);
            position = (record.offset + record.len) as usize;
        }
        skeleton.push(&bytes[position..]);
        Self { bytes: bytes.to_vec(), layout, skeleton }
    }

    pub fn specs(&self) -> Vec<TensorSpec<'_>> {
        let records = self.layout.records.iter();
        records.map(|record| TensorSpec { name: &record.name, dtype: &record.dtype, shape: &record.shape }).collect()
    }

    pub fn len(&self) -> usize {
        self.layout.records.len()
    }

    pub fn index(&self, name: &str) -> usize {
        self.layout.records.iter().position(|record| record.name == name).expect("a tensor")
    }

    pub fn tensor(&self, index: usize) -> &[u8] {
        let record = &self.layout.records[index];
        &self.bytes[record.offset as usize..][..record.len as usize]
    }

    pub fn is_archive(&self) -> bool {
        matches!(self.layout.format, "npz" | "pytorch" | "keras")
    }

    /// The file with the bytes of a tensor flipped.
    pub fn flipped(&self, index: usize) -> Self {
        let record = &self.layout.records[index];
        self.edited(|bytes| {
            bytes[record.offset as usize..][..record.len as usize].iter_mut().for_each(|byte| *byte ^= 0x11)
        })
    }

    /// The file with other bytes, of the same length, in place of `old`.
    pub fn with(&self, old: &str, new: &str) -> Self {
        assert_eq!(old.len(), new.len());
        self.edited(|bytes| assert!(replace(bytes, old.as_bytes(), new.as_bytes()) > 0, "`{old}` is there"))
    }

    /// The file after an edit, with the checksums that this makes.
    pub fn edited(&self, edit: impl FnOnce(&mut [u8])) -> Self {
        let mut bytes = self.bytes.clone();
        edit(&mut bytes);
        for member in members(&self.bytes).iter().filter(|member| member.stored) {
            let data = member.offset as usize..(member.offset + member.len) as usize;
            let (old, new) = (crc32fast::hash(&self.bytes[data.clone()]), crc32fast::hash(&bytes[data]));
            if old != new {
                replace(&mut bytes, &old.to_le_bytes(), &new.to_le_bytes());
            }
        }
        Self::new(&bytes)
    }
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let places: Vec<_> = (0..bytes.len() - old.len() + 1).filter(|&at| bytes[at..].starts_with(old)).collect();
    places.iter().for_each(|&at| bytes[at..at + new.len()].copy_from_slice(new));
    places.len()
}

pub(super) fn members(bytes: &[u8]) -> Vec<zip::Member> {
    zip::members(&Bytes(bytes), |_| false).expect("readable").unwrap_or_default()
}

/// All tensors of a file, from one side.
pub(super) fn all(file: &Cut, origin: fn(usize) -> Origin) -> Vec<Origin> {
    (0..file.len()).map(origin).collect()
}

/// A merged file.
#[derive(Debug)]
pub(super) struct Merged {
    pub bytes: Vec<u8>,
    pub rebuilt: Rebuilt,
}

impl Merged {
    pub fn names(&self) -> Vec<String> {
        Cut::new(&self.bytes).layout.records.into_iter().map(|record| record.name).collect()
    }
}

/// Merges files, tensors given by their origins; those that are computed have the bytes `new`. What comes of it is read
/// back and has to have the tensors asked for, and right checksums.
pub(super) fn merge(
    base: Option<&Cut>,
    ours: &Cut,
    theirs: &Cut,
    origins: &[Origin],
    new: &[u8],
) -> Result<Merged, CannotRebuild> {
    let (our_specs, their_specs) = (ours.specs(), theirs.specs());
    let part = |&origin: &Origin| {
        let spec = match origin {
            Origin::Ours(index) | Origin::New { ours: index, .. } => our_specs[index],
            Origin::Theirs(index) => their_specs[index],
        };
        Part { name: spec.name, dtype: spec.dtype, shape: spec.shape, origin }
    };
    let parts: Vec<_> = origins.iter().map(part).collect();
    let base_specs = base.map(Cut::specs).unwrap_or_default();
    let base_side = base.map(|base| Side { skeleton: &base.skeleton, tensors: &base_specs });
    let our_side = Side { skeleton: &ours.skeleton, tensors: &our_specs };
    let their_side = Side { skeleton: &theirs.skeleton, tensors: &their_specs };
    let rebuilt = rebuild(ours.layout.format, base_side.as_ref(), &our_side, &their_side, &parts)?;

    let contents = |part: usize| match origins[part] {
        Origin::Ours(index) => ours.tensor(index),
        Origin::Theirs(index) => theirs.tensor(index),
        Origin::New { .. } => new,
    };
    let mut bytes = Vec::new();
    for (index, gap) in rebuilt.skeleton.gaps().enumerate() {
        bytes.extend_from_slice(gap);
        bytes.extend_from_slice(rebuilt.order.get(index).map_or(&[], |&part| contents(part)));
    }
    assert_eq!(bytes.len() as u64, rebuilt.size);
    let file = Cut::new(&bytes);
    assert_eq!((file.layout.format, &file.skeleton), (ours.layout.format, &rebuilt.skeleton));
    for (index, &part) in rebuilt.order.iter().enumerate() {
        assert_eq!(file.specs()[index], parts[part].spec());
        assert_eq!(file.tensor(index), contents(part));
    }
    if file.is_archive() {
        check_checksums(&bytes);
    }
    Ok(Merged { bytes, rebuilt })
}

/// Every stored member must have the checksum that stands in the directory and at the member itself.
fn check_checksums(bytes: &[u8]) {
    for member in members(bytes).iter().filter(|member| member.stored) {
        let data = member.offset as usize..(member.offset + member.len) as usize;
        let crc32 = crc32fast::hash(&bytes[data.clone()]).to_le_bytes();
        let named = |header: usize| header.checked_sub(member.name.len());
        let name_ends = (0..=bytes.len()).filter(|&end| bytes[..end].ends_with(member.name.as_bytes()));
        let starts: Vec<_> = name_ends.filter_map(named).collect();
        let header = |len: usize, signature: &[u8]| {
            let mut headers = starts.iter().filter_map(|start| start.checked_sub(len));
            headers.find(|&at| bytes[at..].starts_with(signature)).expect("a header")
        };
        let entry = header(46, b"PK\x01\x02");
        assert_eq!(bytes[entry + 16..entry + 20], crc32, "`{}` in the directory", member.name);
        let local = header(30, b"PK\x03\x04");
        if bytes[local + 6] & 8 == 0 {
            assert_eq!(bytes[local + 14..local + 18], crc32, "`{}` in its header", member.name);
        } else {
            assert_eq!(bytes[data.end..data.end + 4], *b"PK\x07\x08");
            assert_eq!(bytes[data.end + 4..data.end + 8], crc32, "`{}` in its descriptor", member.name);
        }
    }
}
