//! How good a model is, and whether it is sound.

pub mod data;
pub mod health;
pub mod loss;
pub mod train;
