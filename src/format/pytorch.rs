//! PyTorch checkpoints (.pt .pth .ckpt .bin): a zip archive of a pickle and of the storages it refers to.
//!
//! Source: `torch/serialization.py` and `caffe2/serialize/inline_container.h`. An archive `<prefix>/` holds `data.pkl`,
//! the pickled object, and `data/<key>`, one member for each storage: the memory one or more tensors are views of.
//! TorchScript adds `constants.pkl` and `constants/<key>`, made alike.
//!
//! A record is a storage. Its name and shape are those of the first tensor that covers all of it in order
//! ([`tensors`]), e.g. `optimizer.state.0.exp_avg`; tensors that share a storage (tied weights) are one record. A
//! storage no tensor covers is `storage/<key>`, of one dimension. Where the pickle can not be read, all storages are
//! that, as plain bytes: the file is still cut in the right places.
//!
//! **Limitations.** Checkpoints from before PyTorch 1.6 are no archives and are not read. Transposed weights
//! (`channels_last`) and slices do not cover their storage in order, so they do not name it.

use std::collections::{HashMap, HashSet};

use super::zip::{self, Member};
use super::{HEADER_BYTES_MAX, Layout, ParseError, Record, Source, read_vec, usable_name};
use crate::tensor::Plain;
use tensors::Storage;

mod tensors;

/// What `byteorder` says on the machines of our time.
const LITTLE: &[u8] = b"little";

/// A pickle and its storages, by their places in the archive.
struct Section {
    pickle: &'static str,
    folder: &'static str,
    /// What the names of tensors start with.
    root: &'static str,
    /// What the names of storages without a tensor start with.
    unnamed: &'static str,
}

const SECTIONS: &[Section] = &[
    Section { pickle: "data.pkl", folder: "data/", root: "", unnamed: "storage/" },
    Section { pickle: "constants.pkl", folder: "constants/", root: "constants", unnamed: "constants/" },
];

pub(super) fn parse(source: &dyn Source) -> Result<Option<Layout>, ParseError> {
    let Some(members) = zip::members(source, |first| prefix(first).is_some())? else { return Ok(None) };
    let Some(prefix) = members.iter().find_map(|member| prefix(&member.name)) else { return Ok(None) };
    let members: HashMap<&str, &Member> =
        members.iter().filter_map(|member| Some((member.name.strip_prefix(prefix)?, member))).collect();

    let little_endian = match members.get("byteorder") {
        Some(member) => {
            member.len == LITTLE.len() as u64 && read_vec(source, member.offset, member.len, member.len)? == LITTLE
        }
        None => true,
    };
    let mut taken = HashSet::new();
    let mut records = Vec::new();
    let mut left_out = 0_u64;
    for section in SECTIONS {
        let mut storages = match members.get(section.pickle) {
            Some(pickle) if little_endian => read_storages(source, pickle, section.root, &mut taken)?,
            _ => HashMap::new(),
        };
        for (name, member) in &members {
            let Some(key) = name.strip_prefix(section.folder).filter(|key| usable_name(key)) else { continue };
            if member.stored {
                records.push(record(section, key, member, storages.remove(key)));
            } else {
                left_out = left_out.saturating_add(member.len);
            }
        }
    }
    zip::check_left_out(left_out, "compressed storages")?;
    Layout::new("pytorch", records, source.len()).map(Some)
}

/// `<prefix>/` if `name` is that of a checkpoint's pickle.
fn prefix(name: &str) -> Option<&str> {
    name.strip_suffix("data.pkl").filter(|prefix| prefix.len() > 1 && prefix.find('/') == Some(prefix.len() - 1))
}

/// What the pickle says of the storages; nothing if it can not be read.
fn read_storages(
    source: &dyn Source,
    pickle: &Member,
    root: &str,
    taken: &mut HashSet<String>,
) -> Result<HashMap<String, Storage>, ParseError> {
    if !pickle.stored {
        return Ok(HashMap::new());
    }
    let bytes = match read_vec(source, pickle.offset, pickle.len, HEADER_BYTES_MAX) {
        Err(ParseError::Malformed(_)) => return Ok(HashMap::new()),
        bytes => bytes?,
    };
    Ok(tensors::storages(&bytes, root, taken).unwrap_or_default())
}

fn record(section: &Section, key: &str, member: &Member, storage: Option<Storage>) -> Record {
    let (offset, len) = (member.offset, member.len);
    let unnamed = || format!("{}{key}", section.unnamed);
    // A pickle that is wrong about a size is not to be believed about the type either.
    match storage.filter(|storage| storage.byte_len() == Some(len)) {
        Some(Storage { dtype, elements, tensor }) => {
            let (name, shape) = tensor.unwrap_or_else(|| (unnamed(), vec![elements]));
            Record { name, dtype: dtype.into(), shape, offset, len }
        }
        None => Record { name: unnamed(), dtype: Plain::U8.into(), shape: vec![len], offset, len },
    }
}

#[cfg(test)]
mod tests;
