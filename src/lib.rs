//! git-model makes stock git understand AI models.
//!
//! The map of the crate, in reading order:
//!
//! - [`id`]: the names of things, each a type of its own.
//! - [`tensor`]: element types and shapes.
//! - [`mod@format`]: one file per weight format: bytes to a [`format::Layout`].
//! - [`store`]: objects as blocks in packs.

pub mod format;
pub mod id;
pub mod store;
pub mod tensor;
