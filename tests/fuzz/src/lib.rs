//! What holds for any bytes whatever, one function for each parser of git-model.
//!
//! A function takes the bytes of an input and panics when a property does not hold. libFuzzer calls it through
//! `fuzz_targets/`; `tests/fuzz_regressions.rs` calls it with all inputs that once broke something and with all of
//! `tests/data/hostile`, with no more than a stable compiler.

#![allow(missing_docs)]

mod codec;
mod git;
mod layout;
mod manifest;
mod merge;
mod store;

/// What must hold for all bytes; panics where it does not.
pub type Property = fn(&[u8]);

/// The targets: name and property.
pub const TARGETS: &[(&str, Property)] = &[
    ("pytorch", layout::pytorch),
    ("pickle", layout::pickle),
    ("onnx", layout::onnx),
    ("hdf5", layout::hdf5),
    ("gguf", layout::gguf),
    ("codec_round_trip", codec::round_trip),
    ("codec_decode", codec::decode),
    ("manifest", manifest::manifest),
    ("filter_protocol", git::filter_protocol),
    ("index_stat", git::index_stat),
    ("skeleton", store::skeleton),
    ("recipe", store::recipe),
    ("pack", store::pack),
    ("safetensors", layout::safetensors),
    ("npy", layout::npy),
    ("npz", layout::npz),
    ("keras", layout::keras),
    ("detect", layout::detect),
    ("merge_params", merge::merge_params),
    ("merge_rules", merge::merge_rules),
    ("merge_rebuild", merge::merge_rebuild),
];

/// Runs the target of this name.
///
/// # Panics
/// If the property does not hold, or there is no such target.
pub fn run(target: &str, bytes: &[u8]) {
    let (_, property) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target of this name");
    property(bytes);
}

/// Takes the first `N` bytes off `bytes`; zeros where there are none.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (head, rest) = bytes.split_at(N.min(bytes.len()));
    *bytes = rest;
    let mut taken = [0; N];
    taken[..head.len()].copy_from_slice(head);
    taken
}
