//! Merging models.
//!
//! **Limitations.** Tensors that changed on both sides are conflicts; merge strategies do not exist yet.

pub mod three_way;
