//! What people do with git all day, on models: git-lfs's own integration tests and more, most of them run twice, with
//! files restored through git and after it.

mod alternates;
mod archive;
mod checkout;
mod clean_smudge;
mod clone;
mod commit;
mod environment;
mod eol;
mod filter_process;
mod foreign;
mod hash_object;
mod index;
mod merge;
mod missing;
mod names;
mod read_only;
mod rebase;
mod sparse;
mod stash;
mod submodule;
mod symlinks;
mod umask;
mod worktree;
mod zero_length;
