//! Versions of a model: finding one, looking into it, taking things out of it, and where each tensor comes from.
//!
//! - [`find`]: from what a user writes to a model; [`tree`], [`npy`], [`export`] and [`verify`] do something with it.
//! - [`named`]: models by their names, `house@v1.2.0`; [`release`] names versions, [`catalog`] lists them.
//! - [`predict`](mod@predict): rows of numbers through a version of a small model.
//! - [`parameters`]: files of parameters in a version.
//! - [`blame`](mod@blame): which commit last changed each tensor.
//! - [`models`]: the models of a repository; [`values`]: what their metrics files say; [`log`] and [`series`]: their
//!   versions as lines and as pictures; [`difference`]: two versions' metrics side by side. [`notes`] spares working it out twice.
//! - [`compare`](mod@compare): which lines two manifests share. Pure.
//! - [`collapse`](mod@collapse): many names in few words. Pure.

pub mod blame;
pub mod catalog;
pub mod collapse;
pub mod compare;
pub mod difference;
pub mod export;
pub mod find;
pub mod log;
pub mod models;
pub mod named;
pub mod notes;
pub mod npy;
pub mod parameters;
pub mod predict;
pub mod release;
pub mod series;
pub mod tags;
pub mod tree;
pub mod values;
pub mod verify;
