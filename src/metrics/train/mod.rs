//! Training of small models: linear, logistic and softmax regression, each with a hidden layer if wanted. Pure.
//!
//! It exists so that a newcomer can train, commit, compare and merge without Python; it is no framework.
//!
//! Everything is computed in f64, and gives the same numbers as torch with `dtype=torch.float64` from the same start
//! weights and the same order of rows (`tests/data/train`). The same seed gives the same bytes on every machine: random
//! numbers, the order of sums and the elementary functions are the project's own choice, not the system's. A model is
//! written in f32 ([`model`]).
//!
//! **Limitations.** All rows are held in memory. One target; classes are numbered from 0.

pub mod fit;
pub mod kind;
pub mod loss;
pub mod matrix;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod options;
pub mod random;
pub mod scale;
pub mod scores;
pub mod settings;
pub mod table;
