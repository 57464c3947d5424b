//! Tests against a real container engine, started by `engine.sh` where none answers.
//!
//! Without an engine these tests fail. `GIT_MODEL_TEST_DOCKER=skip` says that there is none, and that nothing of this shall
//! be tested.

mod containers;
mod deploy;
mod dockerfile;
mod engine;
mod load;
mod proxy;
#[allow(unused_imports)]
#[path = "../cli/support/mod.rs"]
mod support;
