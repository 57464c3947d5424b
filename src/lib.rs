//! git-model makes stock git understand AI models.
//!
//! The map of the crate, in reading order:
//!
//! - [`id`]: the names of things, each a type of its own.
//! - [`tensor`]: element types and shapes.
//! - [`mod@format`]: one file per weight format: bytes to a [`format::Layout`].
//! - [`manifest`]: the text that git keeps in place of a weight file.
//! - [`params`]: files of parameters and metrics.
//! - [`merge`]: three versions of a model to one.
//! - [`metrics`]: how good a model is, and whether it is sound.
//! - [`store`]: objects, packs, index, codecs, collection and checks.
//! - [`registry`]: versions and stages of models, as tags.
//! - [`version`]: which commit changed what.
//! - [`deploy`]: from a commit to a running model.
//! - [`server`]: a model behind HTTP.
//! - [`git`]: everything that talks to git: config, index, filter protocol, processes.
//! - [`scaffold`]: a repository for a model, from nothing.
//! - [`doctor`]: what is wrong, and the command that mends it.
//! - [`demo`]: the main job, shown on a small model.
//! - [`progress`]: how the library tells what it is doing.

pub mod atomic_file;
pub mod cli;
pub mod config;
pub mod demo;
pub mod deploy;
pub mod diff;
pub mod doctor;
pub mod error;
pub mod format;
pub mod git;
pub mod id;
pub mod manifest;
pub mod merge;
pub mod metrics;
pub mod parallel;
pub mod params;
pub mod progress;
pub mod registry;
pub mod scaffold;
pub mod server;
pub mod store;
pub mod sync;
pub mod tensor;
pub mod text;
pub mod ui;
pub mod varint;
pub mod version;
pub mod worktree;
