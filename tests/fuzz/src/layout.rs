//! Weight formats: a layout is sound, depends on nothing but the bytes that were read, and makes a manifest.

use std::cell::RefCell;
use std::io;

use git_model::format::{self, Bytes, Detected, Layout, Source};
use git_model::id::ObjectId;
use git_model::manifest::{Content, Manifest, Tensor};

/// Reading more than this for an input of at most a megabyte means running in circles.
const READ_BYTES_MAX: u64 = 1 << 30;

/// Keeps account of what is read.
struct Metered<'a> {
    bytes: Bytes<'a>,
    reads: RefCell<Vec<(usize, usize)>>,
    total: RefCell<u64>,
}

impl<'a> Metered<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: Bytes(bytes), reads: RefCell::default(), total: RefCell::new(0) }
    }

    /// The bytes with all that was not read turned over.
    fn turned_over(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.bytes.0.iter().map(|byte| !byte).collect();
        for &(start, len) in self.reads.borrow().iter() {
            bytes[start..start + len].copy_from_slice(&self.bytes.0[start..start + len]);
        }
        bytes
    }
}

impl Source for Metered<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut total = self.total.borrow_mut();
        *total += buf.len() as u64;
        assert!(*total <= READ_BYTES_MAX, "the parser runs in circles");
        self.bytes.read_at(offset, buf)?;
        self.reads.borrow_mut().push((offset as usize, buf.len()));
        Ok(())
    }
}

fn check(parse: impl Fn(&dyn Source) -> io::Result<Detected>, bytes: &[u8]) {
    let source = Metered::new(bytes);
    let detected = parse(&source).expect("nothing is read outside the file");
    let Detected::Model(layout) = &detected else { return };

    let again = Layout::new(layout.format, layout.records.clone(), bytes.len() as u64).expect("a sound layout");
    assert_eq!(&again, layout, "records stand in file order");

    let other = source.turned_over();
    let from_reads = parse(&Bytes(&other)).expect("nothing is read outside the file");
    assert_eq!(from_reads, detected, "the layout follows from the bytes that were read");

    check_manifest(layout, bytes);
}

/// The manifest of a file in this layout is one that parses, and is the same one.
fn check_manifest(layout: &Layout, bytes: &[u8]) {
    let tensors = layout.records.iter().map(|record| Tensor {
        name: record.name.clone(),
        dtype: record.dtype.clone(),
        shape: record.shape.clone(),
        sha256: ObjectId::from_bytes([0x5a; 32]),
        extra: Default::default(),
    });
    let content = Content::Model {
        format: layout.format.into(),
        skeleton: ObjectId::from_bytes([0xa5; 32]),
        tensors: tensors.collect(),
    };
    let manifest = Manifest { size: bytes.len() as u64, content, extra: Default::default() };
    assert_eq!(Manifest::parse(&manifest.print()).expect("a manifest"), manifest);
}

macro_rules! formats {
    ($($name:ident),*) => {
        $(pub fn $name(bytes: &[u8]) {
            check(|source| format::parse_as(stringify!($name), source), bytes);
        })*
    };
}

formats!(safetensors, npy, npz, pytorch, keras, gguf, onnx, hdf5);

/// All formats, as `git add` asks for them.
pub fn detect(bytes: &[u8]) {
    check(format::detect, bytes);
}

/// A PyTorch archive around a pickle: its lengths are right whatever becomes of the pickle.
pub fn pickle(bytes: &[u8]) {
    let storage = [0x3f; 96];
    let mut members: Vec<(&str, &[u8])> = vec![("x/data.pkl", bytes), ("x/byteorder", b"little")];
    members.extend(["x/data/0", "x/data/1", "x/data/2", "x/data/12"].map(|name| (name, &storage[..])));
    pytorch(&zip(&members));
}

/// A zip archive of stored members. The checksums are zeros: no reader of layouts looks at them.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut common = Vec::new();
        for field in [0_u16, 0, 0, 0x21] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        for field in [0, bytes.len() as u32, bytes.len() as u32] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);

        directory.extend_from_slice(b"PK\x01\x02\x14\0\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&(out.len() as u32).to_le_bytes());
        directory.extend_from_slice(name.as_bytes());

        out.extend_from_slice(b"PK\x03\x04\x14\0");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
    }
    let directory_at = out.len() as u32;
    let count = (members.len() as u16).to_le_bytes();
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count);
    out.extend_from_slice(&count);
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&directory_at.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

#[test]
fn the_archive_around_a_pickle_is_one() {
    // An empty dictionary: all storages are records of their own.
    let bytes = zip(&[("x/data.pkl", b"\x80\x02}."), ("x/data/0", &[1; 96]), ("x/data/1", &[2; 96])]);
    let Detected::Model(layout) = format::parse_as("pytorch", &Bytes(&bytes)).expect("readable") else {
        panic!("an archive of PyTorch");
    };
    assert_eq!(layout.records.len(), 2);
}
