//! .keras: a zip archive of a Keras 3 model; its member `model.weights.h5` holds the weights as HDF5.
//!
//! Source: `keras.saving.saving_lib`. The member is stored, so its datasets are runs of bytes of the archive.
//!
//! **Limitations.** A compressed weights member has no layout. Weights in several files (shards) and assets stay
//! between the records.

use super::{Layout, ParseError, Parser, Source, hdf5, malformed, zip};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    parse_with(source, hdf5::parse)
}

fn parse_with(source: &dyn Source, parse_weights: Parser) -> Result<Option<Layout>, ParseError> {
    // The first member is `metadata.json`, a name that says nothing.
    let Some(members) = zip::members(source, |_| false)? else { return Ok(None) };
    let Some(weights) = members.iter().find(|member| member.name == WEIGHTS) else { return Ok(None) };
    if !members.iter().any(|member| member.name == CONFIG) {
        return Ok(None);
    }
    if !weights.stored {
        return Err(malformed(format!("`{WEIGHTS}` is compressed")));
    }
    let inner = parse_weights(&weights.window(source)?)?
        .ok_or_else(|| malformed(format!("`{WEIGHTS}` is not an HDF5 file that can be read")))?;
    let mut records = inner.records;
    for record in &mut records {
        record.offset += weights.offset;
    }
    Layout::new("keras", records, source.len()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::zip::tests::{archive, deflated, stored};
    use crate::format::{Bytes, Record};
    use crate::tensor::Plain;

    /// Stands in for HDF5: bytes 2 to 4 of a file that starts with `h5`.
    fn fake_hdf5(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
        let mut start = [0; 2];
        source.read_at(0, &mut start)?;
        let record = Record { name: "layers/w".to_owned(), dtype: Plain::U8.into(), shape: vec![2], offset: 2, len: 2 };
        Ok((&start == b"h5").then_some(Layout { format: "hdf5", records: vec![record] }))
    }

    #[test]
    fn offsets_are_those_in_the_archive() {
        let bytes =
            archive(&[stored("metadata.json", b"{}"), stored(CONFIG, b"{}"), stored(WEIGHTS, b"h5\x08\x09 and so on")]);
        let layout = parse_with(&Bytes(&bytes), fake_hdf5).expect("well-formed").expect("keras");
        assert_eq!(layout.format, "keras");
        assert_eq!(bytes[layout.records[0].offset as usize..][..2], [8, 9]);
    }

    #[test]
    fn weights_that_can_not_be_read_are_malformed() {
        for weights in [deflated(WEIGHTS, b"h5\x08\x09"), stored(WEIGHTS, b"no")] {
            let bytes = archive(&[stored(CONFIG, b"{}"), weights]);
            assert!(matches!(parse_with(&Bytes(&bytes), fake_hdf5), Err(ParseError::Malformed(_))));
        }
    }

    #[test]
    fn other_archives_are_not_keras() {
        let others = [vec![stored(CONFIG, b"{}")], vec![stored(WEIGHTS, b"h5\x08\x09")]];
        for members in others {
            let bytes = archive(&members);
            assert_eq!(parse_with(&Bytes(&bytes), fake_hdf5).expect("readable"), None);
        }
    }
}
