//! How good a model is, and whether it is sound.

pub mod health;
