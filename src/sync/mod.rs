//! Tensors to and from other repositories.
//!
//! **Limitations.** Only repositories on the same file system can be fetched from as yet.

pub mod fetch;
pub mod unpushed;
