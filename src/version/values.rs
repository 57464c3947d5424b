//! The numbers in files of metrics, by blob: each is read once.

use std::collections::HashMap;

use super::notes::Notes;
use crate::git::{BlobId, GitError, Repo};
use crate::metrics::check::METRICS_BYTES_MAX;
use crate::params::Syntax;
use crate::params::load::{Tree, load};
use crate::text::Units;

/// Begins the key of a note about a metrics file.
const KIND: u8 = b'm';
/// Begins a note of values, and one of why there are none.
const GOOD: u8 = 0;
const BAD: u8 = 1;

/// The numbers of a file, by dotted path, in its order; or why it cannot be read.
pub type Values = Result<Vec<(String, f64)>, String>;

/// What metrics files say.
pub struct Reader<'r> {
    repo: &'r Repo,
    notes: Notes,
    read: HashMap<(BlobId, u8), Values>,
}

impl<'r> Reader<'r> {
    /// Reads blobs of `repo`, those that `notes` have not.
    pub fn new(repo: &'r Repo, notes: Notes) -> Self {
        Self { repo, notes, read: HashMap::new() }
    }

    /// The numbers in a blob.
    ///
    /// # Errors
    /// A blob that is missing.
    pub fn values(&mut self, blob: BlobId, syntax: Syntax) -> Result<&Values, GitError> {
        let known = (blob, syntax as u8);
        if !self.read.contains_key(&known) {
            let key = [&[KIND, syntax as u8], blob.as_bytes()].concat();
            let values = match self.notes.get(&key).and_then(decode) {
                Some(values) => values,
                None => {
                    let values = self.parse(blob, syntax)?;
                    if let Some(value) = encode(&values) {
                        self.notes.add(&key, &value);
                    }
                    values
                }
            };
            self.read.insert(known, values);
        }
        Ok(&self.read[&known])
    }

    fn parse(&self, blob: BlobId, syntax: Syntax) -> Result<Values, GitError> {
        let len = self.repo.blob_len(blob)?;
        if len > METRICS_BYTES_MAX {
            return Ok(Err(too_long(len)));
        }
        Ok(numbers(&self.repo.blob(blob)?, syntax))
    }

    /// The notes, with what came to be known.
    pub fn into_notes(self) -> Notes {
        self.notes
    }
}

/// That a file of this many bytes is not read.
pub fn too_long(len: u64) -> String {
    format!("it has {}, and at most {} are read", Units::Si.bytes(len), Units::Si.bytes(METRICS_BYTES_MAX))
}

/// The numbers in a file.
pub fn numbers(bytes: &[u8], syntax: Syntax) -> Values {
    let tree = load(syntax, bytes).map_err(|error| error.to_string())?;
    let number = |(path, leaf): (String, &Tree)| match leaf {
        Tree::Number(value) => Some((path, *value)),
        _ => None,
    };
    Ok(tree.leaves().into_iter().filter_map(number).collect())
}

/// A value of a list of values.
pub fn get(values: &[(String, f64)], name: &str) -> Option<f64> {
    values.iter().find(|(other, _)| other == name).map(|&(_, value)| value)
}

/// One byte for the kind; of values, for each: the name's length (2 bytes, little-endian), the name, the 8 bytes of the
/// value. Nothing for what has no room.
fn encode(values: &Values) -> Option<Vec<u8>> {
    match values {
        Err(why) => Some([&[BAD], why.as_bytes()].concat()),
        Ok(values) => {
            let mut bytes = vec![GOOD];
            for (name, value) in values {
                bytes.extend(u16::try_from(name.len()).ok()?.to_le_bytes());
                bytes.extend(name.as_bytes());
                bytes.extend(value.to_le_bytes());
            }
            Some(bytes)
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Values> {
    let (&kind, mut rest) = bytes.split_first()?;
    if kind == BAD {
        return String::from_utf8(rest.to_vec()).ok().map(Err);
    }
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(u16::from_le_bytes(*len).into())?;
        let (value, after) = after.split_first_chunk::<8>()?;
        values.push((String::from_utf8(name.to_vec()).ok()?, f64::from_le_bytes(*value)));
        rest = after;
    }
    Some(Ok(values))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn notes_keep_every_bit(values in prop::collection::vec((".{0,12}", any::<u64>().prop_map(f64::from_bits)), 0..8)) {
            let bytes = encode(&Ok(values.clone())).expect("room");
            let read = decode(&bytes).expect("whole").expect("values");
            prop_assert_eq!(values.len(), read.len());
            for ((name, value), (other, read)) in values.into_iter().zip(read) {
                prop_assert_eq!((name, value.to_bits()), (other, read.to_bits()));
            }
        }

        #[test]
        fn any_note_is_read(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn numbers_and_nothing_else() {
        let text = br#"{"test": {"mse": 1.5, "name": "x", "nan": NaN, "ok": true}, "list": [1, 2]}"#;
        let values = numbers(text, Syntax::Json).expect("metrics");
        assert_eq!(values[0], ("test.mse".into(), 1.5));
        assert!(values.len() == 2 && values[1].0 == "test.nan" && values[1].1.is_nan());
        assert!(numbers(b"{", Syntax::Json).is_err());
        let bad = Err("line 1".to_owned());
        assert_eq!(decode(&encode(&bad).expect("room")), Some(bad));
    }
}
