//! What people do with git all day, on models: git-lfs's own integration tests and more, most of them run twice, with
//! files restored through git and after it.

mod checkout;
mod clone;
