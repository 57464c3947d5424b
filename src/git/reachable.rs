//! Every blob that git can still bring back.
//!
//! Refs of all namespaces, their reflogs, `HEAD`, the pseudo refs (`MERGE_HEAD`, `ORIG_HEAD`, …), the refs of their own,
//! the index with all stages, and what a rebase or a sequence of picks has noted down, of every work tree. Git's own walk
//! (`rev-list --objects`) finds what hangs on these; a missing or broken object ends it with an error, because a set
//! that is too small would let a collection delete what is still wanted.
//!
//! **Limitations.** An object that nothing refers to any more is not found, even while git still keeps it. A repository
//! that borrows objects from this one (`git clone --shared`) is not known here.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{BlobId, GitError, HashKind};

/// Variables that make git look elsewhere than in the repository it is told.
const MISLEADING: [&str; 9] = [
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_QUARANTINE_PATH",
];
/// What git prints when it leaves something out of a walk and goes on.
const LEFT_OUT: [&str; 4] = ["pruned commits", "broken ref", "does not point to a valid object", "error:"];
/// Files that stand beside `HEAD`; a larger one is no list of object names.
const PSEUDO_REF_BYTES_MAX: u64 = 16 << 20;

/// Calls `visit` with every reachable blob of at most `len_max` bytes that starts with `prefix`, each once.
///
/// `common_dir` is the folder that all work trees share.
///
/// # Errors
/// A git that fails, or that left something out; the first error of `visit`.
pub fn blobs_starting_with<E: From<GitError>>(
    common_dir: &Path,
    prefix: &[u8],
    len_max: u64,
    mut visit: impl FnMut(BlobId, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    check_indexes(common_dir)?;
    let roots = extra_roots(common_dir)?;
    // No `--filter`, and `--missing` only where a remote has promised the rest: with these, git 2.47 takes a missing tree
    // for an empty one, and leaves out refs whose object is gone.
    let mut walk_args =
        vec!["rev-list", "--objects", "--no-object-names", "--all", "--reflog", "--indexed-objects", "--stdin"];
    if is_partial_clone(common_dir)? {
        walk_args.push("--missing=allow-promisor");
    }
    let mut walk = Process::start(common_dir, &walk_args)?;
    walk.feed(&roots.join("\n"))?;
    let mut kinds = Process::start_reading(
        common_dir,
        &["cat-file", "--buffer", "--batch-check=%(objectname) %(objecttype) %(objectsize)"],
        walk.output()?.into(),
    )?;
    let mut contents = Process::start(common_dir, &["cat-file", "--buffer", "--batch"])?;
    let (kinds_output, contents_input) = (kinds.output()?, contents.input()?);
    let lens = prefix.len() as u64..=len_max;
    std::thread::scope(|scope| {
        let choose = scope.spawn(|| choose_blobs(BufReader::new(kinds_output), contents_input, &lens));
        let read = read_contents(&mut contents, prefix, &mut visit);
        // A visit that failed leaves output unread, which the others would wait for.
        if read.is_err() {
            contents.stop();
            kinds.stop();
        }
        let chosen = choose.join().unwrap_or_else(|_| Err(GitError::read("git's objects", "a thread ended early")));
        read.and(chosen.map_err(E::from))
    })?;
    // Each counts: where one fails, those it feeds just see less.
    contents.finish()?;
    kinds.finish()?;
    walk.finish()?;
    Ok(())
}

/// The index locks that are held: a git command is at work in these work trees.
pub fn index_locks(common_dir: &Path) -> Vec<PathBuf> {
    let folders = std::iter::once(common_dir.to_owned()).chain(linked_work_trees(common_dir).unwrap_or_default());
    folders.map(|folder| folder.join("index.lock")).filter(|lock| lock.exists()).collect()
}

/// From lines of name, type and length to the names of blobs whose length is within `lens`.
fn choose_blobs(lines: impl BufRead, out: impl Write, lens: &RangeInclusive<u64>) -> Result<(), GitError> {
    let failed = |error: io::Error| GitError::read("git's objects", error);
    let mut out = BufWriter::new(out);
    for line in lines.lines() {
        let line = line.map_err(failed)?;
        let words: Vec<&str> = line.split(' ').collect();
        let &[id, kind, len] = &words[..] else { return Err(missing(&line)) };
        let len: u64 = len.parse().map_err(|_| missing(&line))?;
        if kind == "blob" && lens.contains(&len) {
            writeln!(out, "{id}").map_err(failed)?;
        }
    }
    out.flush().map_err(failed)
}

fn missing(line: &str) -> GitError {
    GitError::read("git's objects", format!("`{line}`; run `git fsck`"))
}

fn read_contents<E: From<GitError>>(
    contents: &mut Process,
    prefix: &[u8],
    visit: &mut impl FnMut(BlobId, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut output = BufReader::with_capacity(1 << 18, contents.output()?);
    let failed = |error: io::Error| GitError::read("git's objects", error);
    let mut line = String::new();
    let mut content = Vec::new();
    loop {
        line.clear();
        if output.read_line(&mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let &[id, "blob", len] = &words[..] else { return Err(missing(line.trim_end()).into()) };
        let len: u64 = len.parse().map_err(|_| missing(line.trim_end()))?;
        content.clear();
        output.by_ref().take(prefix.len() as u64).read_to_end(&mut content).map_err(failed)?;
        let mut left = len - content.len() as u64;
        if content == prefix {
            left -= output.by_ref().take(left).read_to_end(&mut content).map_err(failed)? as u64;
        }
        // The rest, and the line feed that ends it.
        let skipped = io::copy(&mut output.by_ref().take(left + 1), &mut io::sink()).map_err(failed)?;
        if skipped != left + 1 {
            return Err(GitError::read(format!("blob {id}"), "git's answer ends early").into());
        }
        if content.starts_with(prefix) {
            visit(id.parse()?, &content)?;
        }
    }
}

/// Git reads an index without checking the digest at its end; a damaged one may name fewer blobs than it did.
fn check_indexes(common_dir: &Path) -> Result<(), GitError> {
    for folder in std::iter::once(common_dir.to_owned()).chain(linked_work_trees(common_dir)?) {
        let path = folder.join("index");
        let failed = |why: &dyn std::fmt::Display| GitError::read(format!("`{}`", path.display()), why);
        let index = match std::fs::read(&path) {
            Ok(index) => index,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&error)),
        };
        let ends_as_it_should = |kind: HashKind| {
            let Some((body, digest)) = index.split_at_checked(index.len().saturating_sub(kind.byte_len())) else {
                return false;
            };
            // With `index.skipHash` there is no digest.
            digest.iter().all(|&byte| byte == 0) || kind.digest(body) == digest
        };
        if !ends_as_it_should(HashKind::Sha1) && !ends_as_it_should(HashKind::Sha256) {
            return Err(failed(&"it is damaged; run `git read-tree HEAD` there and add again what was staged"));
        }
    }
    Ok(())
}

/// Objects that git's walk does not start from by itself.
fn extra_roots(common_dir: &Path) -> Result<Vec<String>, GitError> {
    let (mut refs, mut noted) = (BTreeSet::new(), BTreeSet::new());
    let work_trees = linked_work_trees(common_dir)?;
    for folder in std::iter::once(common_dir).chain(work_trees.iter().map(PathBuf::as_path)) {
        // The refs of a linked work tree (`refs/bisect`, `refs/worktree`, `refs/rewritten`) are its own.
        let mut listing = Process::start(folder, &["for-each-ref", "--format=%(objectname)"])?;
        refs.extend(listing.lines()?);
        collect_noted(folder, &mut refs, &mut noted)?;
    }
    let present = existing(common_dir, &refs)?;
    if let Some(gone) = refs.difference(&present).next() {
        return Err(GitError::read(format!("object {gone}"), "a ref names it and it is missing; run `git fsck`"));
    }
    // What is only noted down may be gone, and nobody minds: git deletes it when its time has come.
    refs.extend(existing(common_dir, &noted)?);
    Ok(refs.into_iter().collect())
}

/// Whether a remote has promised objects that are not here.
fn is_partial_clone(common_dir: &Path) -> Result<bool, GitError> {
    let settings = Process::start(common_dir, &["config", "--list", "--name-only"])?.lines()?;
    Ok(settings
        .iter()
        .any(|name| name == "extensions.partialclone" || name.starts_with("remote.") && name.ends_with(".promisor")))
}

fn linked_work_trees(common_dir: &Path) -> Result<Vec<PathBuf>, GitError> {
    let dir = common_dir.join("worktrees");
    let failed = |error: io::Error| GitError::read(format!("`{}`", dir.display()), error);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let folders = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut work_trees = Vec::new();
    for folder in folders {
        if folder.join("HEAD").exists() {
            work_trees.push(folder);
        } else if folder.join("index").exists() {
            let why = "it has an index but no HEAD; run `git worktree repair` or `git worktree prune`";
            return Err(GitError::read(format!("the work tree `{}`", folder.display()), why));
        }
    }
    Ok(work_trees)
}

/// Gathers the object names in the pseudo refs of a git folder: a detached `HEAD` into `refs`, all others, and what
/// rebases and sequences have noted down, into `noted`.
fn collect_noted(folder: &Path, refs: &mut BTreeSet<String>, noted: &mut BTreeSet<String>) -> Result<(), GitError> {
    for path in files_in(folder)? {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_pseudo_ref = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if name == "HEAD" {
            let is_symbolic = std::fs::read(&path).is_ok_and(|text| text.starts_with(b"ref:"));
            if !is_symbolic {
                collect_names(&path, refs)?;
            }
        } else if is_pseudo_ref {
            collect_names(&path, noted)?;
        }
    }
    for sequence in ["rebase-merge", "rebase-apply", "sequencer"] {
        for path in files_in(&folder.join(sequence))? {
            collect_names(&path, noted)?;
        }
    }
    Ok(())
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>, GitError> {
    let failed = |error: io::Error| GitError::read(format!("`{}`", folder.display()), error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= PSEUDO_REF_BYTES_MAX) {
            files.push(path);
        }
    }
    Ok(files)
}

/// Every word of the file that is as long as an object's name and as hexadecimal.
fn collect_names(path: &Path, names: &mut BTreeSet<String>) -> Result<(), GitError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(GitError::read(format!("`{}`", path.display()), error)),
    };
    let words = text.split(|byte| !byte.is_ascii_alphanumeric());
    let is_name = |word: &&[u8]| matches!(word.len(), 40 | 64) && word.iter().all(u8::is_ascii_hexdigit);
    names.extend(words.filter(is_name).map(|word| String::from_utf8_lossy(word).into_owned()));
    Ok(())
}

/// Those of the names that are objects git has.
fn existing(common_dir: &Path, names: &BTreeSet<String>) -> Result<BTreeSet<String>, GitError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut check = Process::start(common_dir, &["cat-file", "--batch-check=%(objectname)"])?;
    let list: Vec<&str> = names.iter().map(String::as_str).collect();
    check.feed(&list.join("\n"))?;
    Ok(check.lines()?.into_iter().filter(|line| names.contains(line)).collect())
}

/// A git at work.
pub(super) struct Process {
    child: Child,
    args: String,
    stderr: Option<std::thread::JoinHandle<String>>,
    feeder: Option<std::thread::JoinHandle<()>>,
}

impl Process {
    pub(super) fn start(git_dir: &Path, args: &[&str]) -> Result<Self, GitError> {
        Self::start_reading(git_dir, args, Stdio::piped())
    }

    fn start_reading(git_dir: &Path, args: &[&str], input: Stdio) -> Result<Self, GitError> {
        let mut command = Command::new("git");
        // Replaced objects count as themselves; their replacements are refs.
        command.arg("--git-dir").arg(git_dir).arg("--no-replace-objects").args(args);
        for name in MISLEADING {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C").env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0").current_dir(git_dir);
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let args = args.join(" ");
        let mut child =
            command.spawn().map_err(|error| GitError::Command { args: args.clone(), why: error.to_string() })?;
        let stderr = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What cannot be read any more says nothing.
                let _ = stderr.take(1 << 20).read_to_end(&mut text);
                String::from_utf8_lossy(&text).trim().to_owned()
            })
        });
        Ok(Self { child, args, stderr, feeder: None })
    }

    fn input(&mut self) -> Result<ChildStdin, GitError> {
        self.child.stdin.take().ok_or_else(|| self.failed("its input is closed"))
    }

    pub(super) fn output(&mut self) -> Result<ChildStdout, GitError> {
        self.child.stdout.take().ok_or_else(|| self.failed("its output is closed"))
    }

    fn stop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
    }

    /// Writes all of `input` to git, in the background.
    fn feed(&mut self, input: &str) -> Result<(), GitError> {
        let mut stdin = self.input()?;
        let input = format!("{input}\n");
        let input = if input == "\n" { String::new() } else { input };
        self.feeder = Some(std::thread::spawn(move || {
            // A git that does not read all of its input says so by its exit code.
            let _ = stdin.write_all(input.as_bytes());
        }));
        Ok(())
    }

    /// Everything it prints, when it has ended.
    pub(super) fn lines(&mut self) -> Result<Vec<String>, GitError> {
        drop(self.child.stdin.take());
        let mut output = self.output()?;
        let mut text = String::new();
        output.read_to_string(&mut text).map_err(|error| self.failed(error))?;
        self.finish()?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn failed(&self, why: impl std::fmt::Display) -> GitError {
        GitError::Command { args: self.args.clone(), why: why.to_string() }
    }

    pub(super) fn finish(&mut self) -> Result<(), GitError> {
        let status = self.child.wait().map_err(|error| self.failed(error))?;
        drop(self.feeder.take().map(std::thread::JoinHandle::join));
        let said = self.stderr.take().and_then(|stderr| stderr.join().ok()).unwrap_or_default();
        if !status.success() {
            return Err(self.failed(if said.is_empty() { status.to_string() } else { said }));
        }
        match said.lines().find(|line| LEFT_OUT.iter().any(|sign| line.contains(sign))) {
            Some(line) if line.contains("pruned commits") => Err(self.failed(format!(
                "{line}; if nothing of it is wanted, run `git reflog expire --stale-fix --all` first"
            ))),
            Some(line) => Err(self.failed(line)),
            None => Ok(()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After an error elsewhere: it has ended already, or is not wanted any more.
        self.stop();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
