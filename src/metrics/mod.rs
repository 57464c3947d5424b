//! How good a model is, and whether it is sound.

pub mod data;
pub mod document;
pub mod evaluate;
pub mod fresh;
pub mod health;
pub mod loss;
pub mod output;
pub mod predict;
pub mod train;
pub mod training;
