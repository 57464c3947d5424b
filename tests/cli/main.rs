//! Tests through the real binary and the real git.

mod checkout;
mod completions;
mod demo;
mod filter;
mod fsck;
mod gc;
mod install;
mod man;
mod scenarios;
mod support;
mod track;
