//! What people do with git all day, on models: git-lfs's own integration tests and more, most of them run twice, with
//! files restored through git and after it.

mod alternates;
mod checkout;
mod clone;
mod merge;
mod names;
mod rebase;
mod stash;
mod submodule;
mod umask;
mod worktree;
mod zero_length;
