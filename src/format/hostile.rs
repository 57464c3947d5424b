//! What every parser must survive: the tests' random damage to files, and the limits on what it may cost.

use std::cell::Cell;
use std::io;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::{Bytes, HEADER_BYTES_MAX, Layout, ParseError, Parser, Source};

/// Reading more than this for a file of a few KiB means running in circles.
const READ_BYTES_MAX: u64 = 1 << 30;

/// Counts what a parser reads.
struct Metered<'a> {
    bytes: Bytes<'a>,
    read: Cell<u64>,
}

impl Source for Metered<'_> {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read.set(self.read.get() + buf.len() as u64);
        self.bytes.read_at(offset, buf)
    }
}

/// Parses random bytes, and truncations and byte changes of `valid`: a layout that comes back must be a sound one.
pub(super) fn check(parse: Parser, valid: &[u8]) {
    let sound = |bytes: &[u8]| {
        let source = Metered { bytes: Bytes(bytes), read: Cell::new(0) };
        match parse(&source) {
            Ok(Some(Layout { format, records })) => {
                let again = Layout::new(format, records.clone(), bytes.len() as u64).expect("a sound layout");
                assert_eq!(again.records, records, "in file order");
            }
            Ok(None) | Err(ParseError::Malformed(_)) => {}
            Err(ParseError::Io(error)) => panic!("read outside the file: {error}"),
        }
        assert!(source.read.get() <= READ_BYTES_MAX, "{} bytes read", source.read.get());
    };
    assert!(matches!(parse(&Bytes(valid)), Ok(Some(_))), "the file to damage is a good one");
    const { assert!(READ_BYTES_MAX > HEADER_BYTES_MAX) };

    // The start is kept in half of the cases: else few would get past the signature.
    let random = (vec(any::<u8>(), 0..600), any::<bool>(), any::<Index>());
    let flips = vec((any::<Index>(), prop_oneof![any::<u8>(), Just(0), Just(1), Just(0xff)]), 1..6);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    runner
        .run(&(random, flips, any::<Index>()), |((noise, keep_start, keep), flips, cut)| {
            sound(&noise);
            if keep_start {
                sound(&[&valid[..keep.index(valid.len().min(200))], &noise[..]].concat());
            }
            sound(&valid[..cut.index(valid.len())]);
            let mut flipped = valid.to_vec();
            for (index, byte) in flips {
                flipped[index.index(valid.len())] = byte;
            }
            sound(&flipped);
            Ok(())
        })
        .expect("every damaged file is survived");
}

/// Why a file is malformed.
pub(super) fn reason(parsed: Result<Option<Layout>, ParseError>) -> String {
    match parsed {
        Err(ParseError::Malformed(why)) => why.0,
        other => panic!("malformed, not {other:?}"),
    }
}
