//! HDF5 files. Not read yet: every file is of some other format.

use super::{Layout, ParseError, Source};

pub(super) fn parse(_source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    Ok(None)
}
