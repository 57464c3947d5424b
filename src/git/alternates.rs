//! The repositories whose objects a repository borrows.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Repo;

/// Lenders of lenders are followed this far, as git does.
const DEPTH_MAX: u32 = 5;

impl Repo {
    /// The object folders this repository borrows from, lenders of lenders included (`objects/info/alternates`).
    pub fn alternate_object_dirs(&self) -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        add_listed(&self.common_dir().join("objects"), DEPTH_MAX, &mut dirs);
        dirs
    }

    /// The object folders that `GIT_ALTERNATE_OBJECT_DIRECTORIES` names, and those they borrow from.
    pub fn environment_object_dirs() -> Vec<PathBuf> {
        let mut dirs = Vec::new();
        let listed = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
        for dir in std::env::split_paths(&listed).filter(|dir| !dir.as_os_str().is_empty()) {
            add(dir, DEPTH_MAX, &mut dirs);
        }
        dirs
    }
}

fn add(dir: PathBuf, depth: u32, dirs: &mut Vec<PathBuf>) {
    let dir = dir.canonicalize().unwrap_or(dir);
    if !dirs.contains(&dir) {
        dirs.push(dir.clone());
        add_listed(&dir, depth, dirs);
    }
}

/// Lines of the file are paths, relative to the object folder; comments start with `#`.
fn add_listed(objects: &Path, depth: u32, dirs: &mut Vec<PathBuf>) {
    if depth == 0 {
        return;
    }
    let listed = std::fs::read(objects.join("info/alternates")).unwrap_or_default();
    let lines = listed.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    for line in lines {
        add(objects.join(OsStr::from_bytes(line)), depth - 1, dirs);
    }
}
