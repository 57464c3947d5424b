//! Tests through the real binary and the real git.

mod checkout;
mod filter;
mod install;
mod support;
mod track;
