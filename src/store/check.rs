//! Whether an entry of a pack is what was written.

use super::pack::{Entry, EntryId, Kind, Record};
use super::{BlockReader, Recipe};
use crate::id::{BlockId, ObjectId};

/// Whether these bytes are the entry that `record` names; if not, what is wrong.
pub fn check_entry(reader: &mut BlockReader, record: &Record, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), String> {
    let name = || entry_name((record.id, record.kind));
    let entry = Entry::parse(bytes)
        .filter(|entry| entry.agrees_with(record))
        .ok_or_else(|| format!("the header of {} is not what was written", name()))?;
    match record.kind {
        Kind::Block => reader
            .decode_block(&BlockId::from_bytes(record.id), &entry, bytes, plain)
            .map_err(|error| format!("{}: {error}", name())),
        Kind::Recipe => Recipe::decode(ObjectId::from_bytes(record.id), &bytes[entry.payload])
            .map(drop)
            .ok_or_else(|| format!("{} is not what was written", name())),
    }
}

/// How an entry is called in messages.
pub fn entry_name((id, kind): (EntryId, Kind)) -> String {
    match kind {
        Kind::Block => format!("block {}", BlockId::from_bytes(id)),
        Kind::Recipe => format!("the recipe of object {}", ObjectId::from_bytes(id)),
    }
}
