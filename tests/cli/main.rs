//! Tests through the real binary and the real git.

mod checkout;
mod completions;
mod corpus;
mod demo;
mod doctor;
mod filter;
mod fsck;
mod gc;
mod install;
mod ls_files;
mod man;
mod scenarios;
mod status;
mod support;
mod track;
