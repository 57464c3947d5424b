//! Versions of a model: finding one, looking into it, taking things out of it.

pub mod export;
pub mod find;
pub mod npy;
pub mod tree;
pub mod verify;
