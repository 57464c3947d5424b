//! What differs between two lists of tensors, told from names, types, shapes and hashes alone.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::manifest::Tensor;
use crate::tensor;

/// How a tensor of one version stands to the other version.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Only the new version has it.
    Added(Tensor),
    /// Only the old version has it.
    Removed(Tensor),
    /// The same type, shape and content under another name.
    Renamed {
        /// Its name in the old version.
        from: String,
        /// As it is now.
        new: Tensor,
    },
    /// The same name, type and shape with another content.
    Values(Pair),
    /// Another element type, the same shape.
    Cast(Pair),
    /// The same type; the first dimension has grown or shrunk, the others are the same.
    Rows(Pair),
    /// Another shape of as many elements of the same type.
    Reshaped(Pair),
    /// Another type or shape, and nothing that could be compared.
    Replaced(Pair),
}

/// One tensor in two versions.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// In the old version.
    pub old: Tensor,
    /// In the new version.
    pub new: Tensor,
}

impl Change {
    /// The tensor's name, in the new version if it is there.
    pub fn name(&self) -> &str {
        &self.newest().name
    }

    /// The tensor as it is in the new version, or was in the old one.
    pub const fn newest(&self) -> &Tensor {
        match self {
            Self::Added(tensor) | Self::Removed(tensor) | Self::Renamed { new: tensor, .. } => tensor,
            Self::Values(pair) | Self::Cast(pair) | Self::Rows(pair) | Self::Reshaped(pair) | Self::Replaced(pair) => {
                &pair.new
            }
        }
    }

    /// Both versions and how many elements of them, from the first on, stand for each other; `None` where there is
    /// nothing to compare number by number.
    pub fn comparable(&self) -> Option<(&Pair, u64)> {
        let pair = match self {
            Self::Values(pair) | Self::Cast(pair) | Self::Rows(pair) | Self::Reshaped(pair) => pair,
            Self::Added(_) | Self::Removed(_) | Self::Renamed { .. } | Self::Replaced(_) => return None,
        };
        if pair.old.sha256 == pair.new.sha256 && pair.old.dtype == pair.new.dtype {
            return None;
        }
        let elements = |tensor: &Tensor| tensor::element_count(&tensor.shape);
        Some((pair, elements(&pair.old)?.min(elements(&pair.new)?)))
    }
}

/// All changes, in the order of the new version; what was removed stands behind what it followed.
pub fn changes(old: &[Tensor], new: &[Tensor]) -> Vec<Change> {
    let old_by_name: HashMap<&str, &Tensor> = old.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let new_names: HashSet<&str> = new.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut gone: HashMap<_, VecDeque<&Tensor>> = HashMap::new();
    for tensor in old.iter().filter(|tensor| !new_names.contains(tensor.name.as_str())) {
        gone.entry((tensor.sha256, &tensor.dtype, &tensor.shape)).or_default().push_back(tensor);
    }
    let mut renamed = HashSet::new();
    let mut all: Vec<Change> = new
        .iter()
        .filter_map(|new| match old_by_name.get(new.name.as_str()) {
            Some(old) => between(old, new),
            None => {
                let from = gone.get_mut(&(new.sha256, &new.dtype, &new.shape)).and_then(VecDeque::pop_front);
                Some(match from {
                    Some(from) => {
                        renamed.insert(from.name.as_str());
                        Change::Renamed { from: from.name.clone(), new: new.clone() }
                    }
                    None => Change::Added(new.clone()),
                })
            }
        })
        .collect();
    let removed = old
        .iter()
        .filter(|tensor| !new_names.contains(tensor.name.as_str()) && !renamed.contains(tensor.name.as_str()));
    all.extend(removed.cloned().map(Change::Removed));
    all
}

fn between(old: &Tensor, new: &Tensor) -> Option<Change> {
    let pair = || Pair { old: old.clone(), new: new.clone() };
    if old.dtype != new.dtype {
        return Some(if old.shape == new.shape { Change::Cast(pair()) } else { Change::Replaced(pair()) });
    }
    if old.shape == new.shape {
        return (old.sha256 != new.sha256).then(|| Change::Values(pair()));
    }
    let is_rows = old.shape.len() == new.shape.len() && old.shape.get(1..) == new.shape.get(1..);
    Some(if is_rows && !old.shape.contains(&0) && !new.shape.contains(&0) {
        Change::Rows(pair())
    } else if tensor::element_count(&old.shape) == tensor::element_count(&new.shape) {
        Change::Reshaped(pair())
    } else {
        Change::Replaced(pair())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::id::ObjectId;
    use crate::tensor::{Dtype, Plain};

    fn tensor(name: &str, dtype: Plain, shape: &[u64], content: &str) -> Tensor {
        let sha256 = ObjectId::of(content.as_bytes());
        Tensor { name: name.into(), dtype: Dtype::from(dtype), shape: shape.into(), sha256, extra: Map::new() }
    }

    fn told(old: &[Tensor], new: &[Tensor]) -> Vec<String> {
        let tell = |change: &Change| {
            let kind = match change {
                Change::Added(_) => "+",
                Change::Removed(_) => "-",
                Change::Renamed { .. } => "R",
                Change::Values(_) => "~",
                Change::Cast(_) => "cast",
                Change::Rows(_) => "rows",
                Change::Reshaped(_) => "shape",
                Change::Replaced(_) => "replaced",
            };
            let compared = change.comparable().map_or_else(String::new, |(_, count)| format!(" {count}"));
            format!("{kind} {}{compared}", change.name())
        };
        changes(old, new).iter().map(tell).collect()
    }

    #[test]
    fn every_kind() {
        use Plain::{BF16, F32};
        let old = [
            tensor("same", BF16, &[2], "same"),
            tensor("values", BF16, &[2, 3], "one"),
            tensor("cast", F32, &[4], "two"),
            tensor("rows", F32, &[4, 2], "three"),
            tensor("shape", F32, &[4, 2], "four"),
            tensor("shape only", F32, &[4, 2], "five"),
            tensor("replaced", F32, &[4, 2], "six"),
            tensor("old name", F32, &[1], "seven"),
            tensor("gone", F32, &[1], "eight"),
        ];
        let new = [
            tensor("new", F32, &[2], "nine"),
            tensor("values", BF16, &[2, 3], "1"),
            tensor("cast", BF16, &[4], "2"),
            tensor("rows", F32, &[6, 2], "3"),
            tensor("shape", F32, &[2, 4], "4"),
            tensor("shape only", F32, &[8], "five"),
            tensor("replaced", BF16, &[3], "6"),
            tensor("new name", F32, &[1], "seven"),
            tensor("same", BF16, &[2], "same"),
        ];
        let expected = [
            "+ new",
            "~ values 6",
            "cast cast 4",
            "rows rows 8",
            "shape shape 8",
            "shape shape only",
            "replaced replaced",
            "R new name",
            "- gone",
        ];
        assert_eq!(told(&old, &new), expected);
        assert!(told(&new, &new).is_empty());
    }

    #[test]
    fn each_of_several_equal_tensors_is_renamed_once() {
        let old = [tensor("a", Plain::F32, &[1], "x"), tensor("b", Plain::F32, &[1], "x")];
        let new = ["c", "d", "e"].map(|name| tensor(name, Plain::F32, &[1], "x"));
        assert_eq!(told(&old, &new), ["R c", "R d", "+ e"]);
        assert_eq!(told(&new, &old), ["R a", "R b", "- e"]);
    }

    #[test]
    fn empty_and_scalar_tensors() {
        let old = [tensor("s", Plain::F32, &[], "x"), tensor("e", Plain::F32, &[0, 4], "")];
        let new = [tensor("s", Plain::F32, &[], "y"), tensor("e", Plain::F32, &[2, 4], "z")];
        assert_eq!(told(&old, &new), ["~ s 1", "replaced e"]);
    }
}
