//! The settings that make git call git-model: `filter.model.*` and `merge.model.*`, written with `git config`.
//!
//! Nothing is written where the settings already are as wanted, so installing twice changes no byte; removing takes the
//! whole sections away, and the file too if that leaves it empty.
//!
//! **Limitations.** Keys that a user has added to these sections go with them. Git before 2.44 does not know the
//! placeholders `%S`, `%X` and `%Y` of a merge driver and passes them on as they stand; they are written all the same,
//! so that an update of git needs no new installation, and the driver takes them for unknown names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Git, GitError};

/// Which configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The user's.
    Global,
    /// The repository's.
    Local,
    /// The machine's.
    System,
    /// The work tree's.
    Worktree,
}

impl Scope {
    /// The option that `git config` and `git model install` take.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Global => "--global",
            Self::Local => "--local",
            Self::System => "--system",
            Self::Worktree => "--worktree",
        }
    }

    /// The file belongs to one repository.
    pub const fn is_in_repository(self) -> bool {
        matches!(self, Self::Local | Self::Worktree)
    }
}

/// How git and hooks call this program, quoted for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(String);

impl Program {
    /// Just the name where that finds the running binary, else its full path.
    pub fn current() -> std::io::Result<Self> {
        let binary = std::env::current_exe()?;
        let is_on_path = find_on_path("git-model").is_some_and(
            |found| matches!((found.canonicalize(), binary.canonicalize()), (Ok(found), Ok(binary)) if found == binary),
        );
        Ok(if is_on_path { Self("git-model".into()) } else { Self(quote(binary.as_os_str())) })
    }

    /// As a shell reads it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first executable of this name on PATH.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// A word for a shell, in quotes if it needs them.
pub fn quote(word: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./+:,@=~".contains(byte);
    if !word.is_empty() && word.as_bytes()[0] != b'~' && word.as_bytes().iter().all(is_plain) {
        return word.to_string_lossy().into_owned();
    }
    gix::quote::single(word.as_bytes().into()).to_string()
}

/// A key and its value.
pub type Setting = (&'static str, String);

/// What git needs to call `program`.
pub fn settings(program: &Program) -> Vec<Setting> {
    // Git expands `%` in all commands but that of the long-running filter.
    let escaped = program.as_str().replace('%', "%%");
    vec![
        ("filter.model.process", format!("{} filter-process", program.as_str())),
        ("filter.model.clean", format!("{escaped} clean %f")),
        ("filter.model.smudge", format!("{escaped} smudge %f")),
        ("filter.model.required", "true".into()),
        ("merge.model.name", "tensor by tensor".into()),
        ("merge.model.driver", format!("{escaped} merge-driver %O %A %B %L %P %S %X %Y")),
        ("merge.model.recursive", "model".into()),
        ("merge.model-params.name", "key by key".into()),
        ("merge.model-params.driver", format!("{escaped} merge-params %O %A %B %L %P %S %X %Y")),
    ]
}

/// Writes `settings` to the file of `scope`; those that changed.
pub fn write<K: AsRef<str> + Clone>(scope: Scope, settings: &[(K, String)]) -> Result<Vec<K>, GitError> {
    let mut changed = Vec::new();
    for (key, value) in settings {
        let name = key.as_ref();
        let there = Git::new(["config", scope.flag(), "-z", "--get-all", name]).answer()?;
        if there.is_some_and(|there| there.strip_suffix(b"\0") == Some(value.as_bytes())) {
            continue;
        }
        Git::new(["config", scope.flag(), "--replace-all", name, value]).output()?;
        changed.push(key.clone());
    }
    Ok(changed)
}

/// Removes these sections from the file of `scope`; those that were there.
pub fn remove_sections<'a>(scope: Scope, sections: &[&'a str]) -> Result<Vec<&'a str>, GitError> {
    let mut removed = Vec::new();
    for &section in sections {
        let keys = format!("^{}\\.", section.replace('.', "\\."));
        let list = Git::new(["config", scope.flag(), "-z", "--show-origin", "--get-regexp", &keys]).answer()?;
        let Some(list) = list else { continue };
        Git::new(["config", scope.flag(), "--remove-section", section]).output()?;
        removed.push(section);
        let origin = list.split(|&byte| byte == 0).next().and_then(|origin| origin.strip_prefix(b"file:"));
        if let Some(origin) = origin {
            remove_if_empty(Path::new(OsStr::from_bytes(origin)));
        }
    }
    Ok(removed)
}

/// An empty configuration file says as much as none. Not removing it is no failure.
fn remove_if_empty(path: &Path) {
    if path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        let _ = std::fs::remove_file(path);
    }
}

/// The sections that [`settings`] writes.
pub const SECTIONS: [&str; 3] = ["filter.model", "merge.model", "merge.model-params"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted) in [
            ("/a/b-c", "/a/b-c"),
            ("/a b", "'/a b'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("~", "'~'"),
            ("HEAD~", "HEAD~"),
        ] {
            assert_eq!(quote(OsStr::new(word)), quoted);
        }
    }

    #[test]
    fn percent_signs_are_for_git_to_expand() {
        let program = Program("/a%f/git-model".into());
        let settings = settings(&program);
        assert_eq!(settings[0].1, "/a%f/git-model filter-process");
        assert_eq!(settings[1].1, "/a%%f/git-model clean %f");
    }
}
