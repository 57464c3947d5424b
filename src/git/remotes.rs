//! Remotes on this machine's file system.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Repo;

const FILE_SCHEME: &[u8] = b"file://";

impl Repo {
    /// The repositories of remotes on this machine's file system, found as git finds them: after
    /// `url.*.insteadOf`, with the escapes of `file://` resolved, and with `.git` added where only that is there.
    pub fn local_remotes(&self) -> Vec<Self> {
        let base = self.work_dir().unwrap_or_else(|| self.git_dir());
        let mut repos: Vec<Self> = Vec::new();
        for name in self.gix.remote_names() {
            let Ok(remote) = self.gix.find_remote(&name) else { continue };
            for url in remote.urls(gix::remote::Direction::Fetch) {
                if url.scheme == gix::url::Scheme::File
                    && let Some(repo) = open_at(&base, &url.to_bstring())
                    && repos.iter().all(|known| known.common_dir() != repo.common_dir())
                {
                    repos.push(repo);
                }
            }
        }
        repos
    }
}

fn open_at(base: &Path, url: &[u8]) -> Option<Repo> {
    let path = url.strip_prefix(FILE_SCHEME).map_or_else(|| url.to_vec(), percent_decoded);
    let mut with_suffix = path.clone();
    with_suffix.extend_from_slice(b".git");
    [path, with_suffix].iter().find_map(|path| Repo::open(&base.join(OsStr::from_bytes(path))).ok())
}

/// `%` and two hexadecimal digits stand for a byte; a `%` without them for itself.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high << 4 | low) as u8);
                &tail[2..]
            }
            _ => {
                bytes.push(first);
                tail
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_urls() {
        for (text, bytes) in [("a%20b", "a b"), ("100%", "100%"), ("%zz%2", "%zz%2"), ("%2525", "%25"), ("", "")] {
            assert_eq!(percent_decoded(text.as_bytes()), bytes.as_bytes());
        }
    }
}
