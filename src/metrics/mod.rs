//! How good a model is, what must hold for it, and whether it is sound.
//!
//! - [`data`]: arrays of numbers, row by row; [`loss`]: what is computed from them; [`evaluate`]: which of it for which task.
//! - [`document`]: results into a metrics file; [`fresh`]: which weights they are of; [`output`]: results for people.
//! - [`train`](mod@train): small models, pure; [`training`]: from files to files.
//! - [`policy`]: what `.gitmodel.toml` says. Pure.
//! - [`gate`]: metrics now and before, and the policy, to verdicts. Pure.
//! - [`check`](mod@check): gates of the index or of a commit; [`report`]: their verdicts as text. Pure.
//! - [`receive`]: what a server lets in.
//! - [`plot`]: metrics over versions as pictures. Pure.
//! - [`run`](mod@run): commands that train or evaluate, and what is written down about them.
//! - [`trust`]: which commands of `.gitmodel.toml` may run in this clone.
//! - [`health`]: NaN and other signs that something went wrong with weights.

pub mod check;
pub mod data;
pub mod document;
pub mod evaluate;
pub mod fresh;
pub mod gate;
pub mod health;
pub mod loss;
pub mod output;
pub mod plot;
pub mod policy;
pub mod receive;
pub mod report;
pub mod run;
pub mod train;
pub mod training;
pub mod trust;
