use std::cell::Cell;
use std::io;

use super::super::Bytes;
use super::super::hostile::{self, reason};
use super::*;

const UNDEFINED: u64 = u64::MAX;
const SUPERBLOCK_BYTES: usize = 96;

/// A file under construction, from its leaves to its root.
struct Image(Vec<u8>);

impl Image {
    fn new() -> Self {
        Self(vec![0; SUPERBLOCK_BYTES])
    }

    /// Appends a structure; returns its address.
    fn push(&mut self, bytes: &[u8]) -> u64 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = self.0.len() as u64;
        self.0.extend_from_slice(bytes);
        address
    }

    fn header_v1(&mut self, messages: &[(u16, Vec<u8>)]) -> u64 {
        let block = block_v1(messages);
        let prefix = [&[1, 0][..], &le(messages.len() as u16), &le(1_u32), &le(block.len() as u32), &[0; 4]].concat();
        self.push(&[prefix, block].concat())
    }

    fn header_v2(&mut self, messages: &[(u16, Vec<u8>)]) -> u64 {
        let block = block_v2(messages);
        let prefix = [&b"OHDR\x02\x01"[..], &le(block.len() as u16)].concat();
        self.push(&[&prefix[..], &block, &[0; 4]].concat())
    }

    fn group_v1(&mut self, children: &[(&str, u64)]) -> u64 {
        let mut names = vec![0; 8];
        let mut symbols = [&b"SNOD\x01\x00"[..], &le(children.len() as u16)].concat();
        for (name, address) in children {
            symbols.extend([le(names.len() as u64), le(*address), vec![0; 24]].concat());
            names.extend_from_slice(name.as_bytes());
            names.resize((names.len() + 1).next_multiple_of(8), 0);
        }
        let leaf = self.push(&symbols);
        let names_at = self.push(&names);
        let heap = [&b"HEAP\0\0\0\0"[..], &le(names.len() as u64), &le(UNDEFINED), &le(names_at)].concat();
        let heap = self.push(&heap);
        let node = |level: u8, child: u64| {
            let siblings = [le(UNDEFINED), le(UNDEFINED)].concat();
            [&b"TREE\0"[..], &[level], &le(1_u16), &siblings, &le(0_u64), &le(child), &le(8_u64)].concat()
        };
        let below = self.push(&node(0, leaf));
        let tree = self.push(&node(1, below));
        self.header_v1(&[(0x11, [le(tree), le(heap)].concat())])
    }

    /// A group whose links stand in one block of a fractal heap.
    fn group_dense(&mut self, children: &[(&str, u64)]) -> u64 {
        let block_overhead = 4 + 1 + 8 + 4;
        let (mut objects, mut records) = (Vec::new(), Vec::new());
        for (name, address) in children {
            let message = link(name, *address);
            let offset = le((block_overhead + objects.len()) as u32);
            records.extend([&le(0_u32)[..], &[0], &offset, &le(message.len() as u16)].concat());
            objects.extend(message);
        }
        let block = self.push(&[&b"FHDB\0"[..], &le(UNDEFINED), &[0; 4], &objects].concat());
        let heap = [
            &b"FRHP\0"[..],
            &le(7_u16),
            &le(0_u16),
            &[0],
            &le(4096_u32),
            &[0; 12 * 8],
            &le(4_u16),
            &le(512_u64),
            &le(65536_u64),
            &le(32_u16),
            &le(1_u16),
            &le(block),
            &le(0_u16),
        ];
        let heap = self.push(&heap.concat());
        let leaf = self.push(&[&b"BTLF\0\x05"[..], &records].concat());
        let count = le(children.len() as u16);
        let index = [&b"BTHD\0\x05"[..], &le(512_u32), &le(11_u16), &le(0_u16), &[100, 40], &le(leaf), &count];
        let index = self.push(&index.concat());
        self.header_v2(&[(0x02, [&[0, 0][..], &le(heap), &le(index)].concat())])
    }

    /// Writes the superblock.
    fn finish(mut self, version: u8, root: u64) -> Vec<u8> {
        let len = le(self.0.len() as u64);
        let superblock = match version {
            0 => [
                &SIGNATURE[..],
                &[0, 0, 0, 0, 0, 8, 8, 0, 4, 0, 16, 0, 0, 0, 0, 0],
                &le(0_u64),
                &le(UNDEFINED),
                &len,
                &le(UNDEFINED),
                &le(0_u64),
                &le(root),
            ]
            .concat(),
            _ => [&SIGNATURE[..], &[version, 8, 8, 0], &le(0_u64), &le(UNDEFINED), &len, &le(root), &[0; 4]].concat(),
        };
        self.0[..superblock.len()].copy_from_slice(&superblock);
        self.0
    }
}

trait LittleEndian {
    fn bytes(self) -> Vec<u8>;
}

macro_rules! little_endian {
    ($($number:ty)*) => { $(impl LittleEndian for $number {
        fn bytes(self) -> Vec<u8> { self.to_le_bytes().into() }
    })* };
}

little_endian! { u16 u32 u64 }

fn le(number: impl LittleEndian) -> Vec<u8> {
    number.bytes()
}

fn block_v1(messages: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let frame = |(kind, data): &(u16, Vec<u8>)| {
        let len = data.len().next_multiple_of(8);
        let padding = vec![0; len - data.len()];
        [&le(*kind)[..], &le(len as u16), &[0; 4], data, &padding].concat()
    };
    messages.iter().flat_map(frame).collect()
}

fn block_v2(messages: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let frame = |(kind, data): &(u16, Vec<u8>)| [&[*kind as u8][..], &le(data.len() as u16), &[0], data].concat();
    messages.iter().flat_map(frame).collect()
}

fn link(name: &str, address: u64) -> Vec<u8> {
    [&[1, 0, name.len() as u8][..], name.as_bytes(), &le(address)].concat()
}

fn shape_message(shape: &[u64]) -> (u16, Vec<u8>) {
    let dims = shape.iter().flat_map(|&dim| le(dim)).collect::<Vec<u8>>();
    (0x01, [&[1, shape.len() as u8, 0, 0, 0, 0, 0, 0][..], &dims].concat())
}

fn fixed_message(bytes: u32, flags: u8) -> (u16, Vec<u8>) {
    (0x03, [&[0x10, flags, 0, 0][..], &le(bytes), &le(0_u16), &le(8 * bytes as u16)].concat())
}

fn float_message(bytes: u32, exponent_bits: u8, bias: u32) -> (u16, Vec<u8>) {
    let sign_at = 8 * bytes as u8 - 1;
    let fraction_bits = sign_at - exponent_bits;
    let layout = [fraction_bits, exponent_bits, 0, fraction_bits];
    (0x03, [&[0x11, 0x20, sign_at, 0][..], &le(bytes), &le(0_u16), &le(8 * bytes as u16), &layout, &le(bias)].concat())
}

fn data_message(address: u64, len: u64) -> (u16, Vec<u8>) {
    (0x08, [&[3, CONTIGUOUS][..], &le(address), &le(len)].concat())
}

const CONTIGUOUS: u8 = 1;

/// An old-style file with `dense/kernel:0`, `dense/bias:0` (too small) and a second name for `dense`.
fn old_style() -> Vec<u8> {
    let mut image = Image::new();
    let data = image.push(&[7; 2048]);
    let rest = block_v1(&[data_message(data, 2048), (0x0c, b"an attribute".to_vec())]);
    let rest_at = image.push(&rest);
    let kernel = image.header_v1(&[
        shape_message(&[16, 32]),
        (0x10, [le(rest_at), le(rest.len() as u64)].concat()),
        float_message(4, 8, 127),
    ]);
    let bias = image.push(&[8; 128]);
    let bias = image.header_v1(&[shape_message(&[32]), float_message(4, 8, 127), data_message(bias, 128)]);
    let dense = image.group_v1(&[("bias:0", bias), ("kernel:0", kernel), ("gone", UNDEFINED)]);
    let root = image.group_v1(&[("dense", dense), ("dense again", dense)]);
    image.finish(0, root)
}

/// A new-style file with links in headers and in a heap, a continued header, and a cycle.
fn new_style() -> Vec<u8> {
    let mut image = Image::new();
    let data = image.push(&[7; 1024]);
    let rest = block_v2(&[data_message(data, 1024)]);
    let rest = [&b"OCHK"[..], &rest, &[0; 4]].concat();
    let rest_at = image.push(&rest);
    let continuation = (0x10, [le(rest_at), le(rest.len() as u64)].concat());
    let kernel = image.header_v2(&[shape_message(&[1024]), fixed_message(1, 8), continuation]);
    let data = image.push(&[8; 1024]);
    let attribute = [&[3, 0][..], &le(6_u16), &[0; 4], &[0], b"dtype\0"].concat();
    let opaque = (0x03, [&[0x15, 0, 0, 0][..], &le(2_u32)].concat());
    let bf16 = image.header_v2(&[shape_message(&[2, 256]), opaque, (0x0c, attribute), data_message(data, 1024)]);
    let dense = image.group_dense(&[("kernel", kernel), ("bf16", bf16)]);
    let root = image.0.len().next_multiple_of(8) as u64;
    assert_eq!(root, image.header_v2(&[(0x06, link("vars", dense)), (0x06, link("self", root))]));
    image.finish(3, root)
}

fn layout(file: &[u8]) -> Option<Layout> {
    parse(&Bytes(file)).expect("well-formed")
}

/// Where a run of `len` equal bytes starts.
fn place(file: &[u8], byte: u8, len: usize) -> u64 {
    file.windows(len).position(|window| window.iter().all(|&b| b == byte)).expect("in the file") as u64
}

#[test]
fn old_style_groups() {
    let file = old_style();
    let expected = Record {
        name: "dense/kernel:0".into(),
        dtype: Plain::F32.into(),
        shape: vec![16, 32],
        offset: place(&file, 7, 2048),
        len: 2048,
    };
    assert_eq!(layout(&file), Some(Layout { format: "hdf5", records: vec![expected] }));
}

#[test]
fn new_style_groups() {
    let file = new_style();
    let expected = [("vars/kernel", Plain::I8, vec![1024], 7), ("vars/bf16", Plain::BF16, vec![2, 256], 8)];
    let records = expected.map(|(name, dtype, shape, byte)| Record {
        name: name.into(),
        dtype: dtype.into(),
        shape,
        offset: place(&file, byte, 1024),
        len: 1024,
    });
    assert_eq!(layout(&file), Some(Layout { format: "hdf5", records: records.into() }));
}

#[test]
fn a_user_block_may_stand_before() {
    let mut file = vec![0; 512];
    file.extend(old_style());
    let records = layout(&file).expect("HDF5").records;
    assert_eq!(records[0].offset, place(&file, 7, 2048));
    let mut file = vec![0; 640];
    file.extend(old_style());
    assert_eq!(layout(&file), None, "not at a power of two");
}

fn with_dataset(messages: impl FnOnce(u64) -> Vec<(u16, Vec<u8>)>) -> Vec<u8> {
    let mut image = Image::new();
    let data = image.push(&[7; 1024]);
    let dataset = image.header_v1(&messages(data));
    let root = image.group_v1(&[("x", dataset)]);
    image.finish(0, root)
}

#[test]
fn element_types() {
    let cases = [
        (fixed_message(1, 0), Plain::U8),
        (fixed_message(2, 8), Plain::I16),
        (fixed_message(4, 0), Plain::U32),
        (fixed_message(8, 8), Plain::I64),
        (float_message(1, 4, 7), Plain::F8E4M3),
        (float_message(1, 5, 15), Plain::F8E5M2),
        (float_message(2, 5, 15), Plain::F16),
        (float_message(2, 8, 127), Plain::BF16),
        (float_message(8, 11, 1023), Plain::F64),
    ];
    for (message, expected) in cases {
        let count = 1024 * 8 / expected.bits();
        let file = with_dataset(|data| vec![shape_message(&[count]), message, data_message(data, 1024)]);
        assert_eq!(layout(&file).expect("HDF5").records[0].dtype, expected.into());
    }
}

#[test]
fn what_cannot_be_cut_stays_in_the_gaps() {
    let big_endian = fixed_message(2, 1);
    let string = (0x03, [&[0x13, 0, 0, 0][..], &le(2_u32)].concat());
    let opaque = (0x03, [&[0x15, 0, 0, 0][..], &le(2_u32)].concat());
    let odd_float = float_message(2, 6, 31);
    let shape = || shape_message(&[512]);
    let cases = [
        with_dataset(|data| vec![shape(), big_endian, data_message(data, 1024)]),
        with_dataset(|data| vec![shape(), string, data_message(data, 1024)]),
        with_dataset(|data| vec![shape(), opaque, data_message(data, 1024)]),
        with_dataset(|data| vec![shape(), odd_float, data_message(data, 1024)]),
        with_dataset(|data| vec![shape(), fixed_message(2, 0), data_message(data, 1023)]),
        with_dataset(|_| vec![shape(), fixed_message(2, 0), data_message(UNDEFINED, 1024)]),
        with_dataset(|_| vec![shape(), fixed_message(2, 0), (0x08, vec![3, 2, 0])]),
        with_dataset(|data| vec![fixed_message(2, 0), data_message(data, 1024)]),
    ];
    for (index, case) in cases.iter().enumerate() {
        assert_eq!(layout(case), None, "case {index}");
    }
}

#[test]
fn old_layout_messages() {
    let message = |data| (0x08, [&[1, 2, CONTIGUOUS, 0, 0, 0, 0, 0][..], &le(data)].concat());
    let file = with_dataset(|data| vec![shape_message(&[512]), fixed_message(2, 0), message(data)]);
    assert_eq!(layout(&file).expect("HDF5").records[0].len, 1024);
}

/// A header that goes on with itself.
fn endless() -> Vec<u8> {
    let mut image = Image::new();
    let at = image.0.len() as u64;
    image.header_v1(&[(0x10, [le(at + 16), le(24_u64)].concat())]);
    image.finish(0, at)
}

#[test]
fn broken_files_are_malformed() {
    let mut version = old_style();
    version[8] = 9;
    let mut widths = old_style();
    widths[13] = 16;
    let past_end =
        with_dataset(|_| vec![shape_message(&[512]), fixed_message(2, 0), data_message(UNDEFINED - 1, 1024)]);
    let truncated = old_style();
    let mut tree = Image::new();
    let at = tree.0.len() as u64;
    let symbols = tree.header_v1(&[(0x11, [le(at + 32 + 8), le(at)].concat())]);
    let cases = [
        (version, "version 9"),
        (widths, "16 bytes"),
        (past_end, "past the end"),
        (truncated[..truncated.len() - 8].to_vec(), "past"),
        (endless(), "cycle"),
        (tree.finish(0, symbols), "no HDF5 structure `HEAP`"),
        (Image::new().finish(3, UNDEFINED), "no root"),
        (Image::new().finish(3, 0), "no HDF5 structure `OHDR`"),
    ];
    for (file, expected) in cases {
        let why = reason(parse(&Bytes(&file)));
        assert!(why.contains(expected), "{expected}: {why}");
    }
}

/// A file that counts how often it is read.
struct Counted<'a>(Bytes<'a>, Cell<usize>);

impl Source for Counted<'_> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.1.set(self.1.get() + 1);
        self.0.read_at(offset, buf)
    }
}

#[test]
fn a_small_file_that_goes_in_circles_is_left_soon() {
    let file = endless();
    let file = Counted(Bytes(&file), Cell::default());
    assert!(reason(parse(&file)).contains("cycle"));
    assert!(file.1.get() < 50_000, "{}", file.1.get());
}

#[test]
fn damage_is_survived() {
    hostile::check(parse, &old_style());
    hostile::check(parse, &new_style());
}
