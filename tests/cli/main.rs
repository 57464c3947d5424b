//! Tests through the real binary and the real git.

mod blame;
mod checkout;
mod completions;
mod corpus;
mod demo;
mod diff;
mod diff_html;
mod doctor;
mod du;
mod eval;
mod filter;
mod fsck;
mod gc;
mod install;
mod ls_files;
mod man;
mod merge;
mod merge_guard;
mod merge_params;
mod merge_tools;
mod scenarios;
mod show;
mod soup;
mod status;
mod support;
mod track;
