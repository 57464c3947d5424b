//! What the current branch has and no remote-tracking ref has.

use std::ffi::OsString;

use super::{BlobId, Git, GitError, Repo};

/// Commits to be pushed, as git names sets of them.
const UNPUSHED: [&str; 3] = ["HEAD", "--not", "--remotes"];

/// Blobs and where they stand; folders are among them, as git lists them in the same way.
pub type Blobs = Vec<(BlobId, Vec<u8>)>;

/// What a push of the current branch would have to move.
#[derive(Debug, Default)]
pub struct Unpushed {
    /// Blobs that no remote-tracking ref reaches.
    pub new: Blobs,
    /// Blobs of the commits on which the unpushed ones stand: the remote has them.
    pub known: Blobs,
    /// There is no remote-tracking ref at all.
    pub is_everything: bool,
}

impl Repo {
    /// Whether a name that git has listed is that of a blob, not of a folder.
    pub fn is_blob(&self, id: BlobId) -> Result<bool, GitError> {
        let header = self.gix.find_header(id.0).map_err(|error| GitError::read(format!("object {id}"), error))?;
        Ok(header.kind().is_blob())
    }
}

/// Finds it; nothing if there is no commit yet.
pub fn unpushed() -> Result<Unpushed, GitError> {
    if !Git::new(["rev-parse", "--verify", "--quiet", "HEAD"]).succeeds()? {
        return Ok(Unpushed { is_everything: true, ..Unpushed::default() });
    }
    let is_everything = Git::new(["for-each-ref", "--count=1", "refs/remotes"]).output()?.is_empty();
    let listing = Git::new(["rev-list", "--objects"]).args(UNPUSHED).output()?;
    let new = listing.split(|&byte| byte == b'\n').filter_map(named).collect();
    let mut known = Vec::new();
    let boundary = Git::new(["rev-list", "--boundary"]).args(UNPUSHED).output()?;
    for commit in boundary.split(|&byte| byte == b'\n').filter_map(|line| line.strip_prefix(b"-")) {
        let commit = OsString::from(String::from_utf8_lossy(commit).into_owned());
        let tree = Git::new(["ls-tree", "-r", "-z", "--full-tree"]).arg(commit).output()?;
        known.extend(tree.split(|&byte| byte == 0).filter_map(in_tree));
    }
    Ok(Unpushed { new, known, is_everything })
}

/// `<object> <path>`; commits have no path, and the top tree an empty one.
fn named(line: &[u8]) -> Option<(BlobId, Vec<u8>)> {
    let at = line.iter().position(|&byte| byte == b' ')?;
    let path = line[at + 1..].to_vec();
    (!path.is_empty()).then_some((std::str::from_utf8(&line[..at]).ok()?.parse().ok()?, path))
}

/// `<mode> blob <object>\t<path>`
fn in_tree(line: &[u8]) -> Option<(BlobId, Vec<u8>)> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let mut head = std::str::from_utf8(&line[..tab]).ok()?.split(' ').skip(1);
    (head.next()? == "blob").then_some((head.next()?.parse().ok()?, line[tab + 1..].to_vec()))
}
