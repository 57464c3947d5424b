//! What answers over HTTP: a model that is served.

pub mod serving;
