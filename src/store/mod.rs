//! The store: objects as blocks in packs.

pub mod codec;
