//! Tests through the real binary and the real git.

mod checkout;
mod filter;
mod install;
mod scenarios;
mod support;
mod track;
