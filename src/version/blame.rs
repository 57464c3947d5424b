//! Which commit last changed each tensor of a model, as `git blame` tells it of lines.
//!
//! A tensor whose record is the same in a parent is passed on to that parent, to the first one that has it; what no
//! parent has was changed by the commit. As in `git blame`, a commit whose whole file is the same in some parent passes
//! all on to that parent, and a file that a parent lacks is looked for under the name it had before.
//!
//! **Limitations.** What in the work tree is not staged is not looked at: it would have to be cleaned first. A tensor that
//! was renamed counts as changed, with a note of its name before.

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use self::divide::divide;
use self::scout::Scout;
use super::compare::Lines;
use crate::git::history::rope::Rope;
use crate::git::history::texts::{Source, Texts, with_texts};
use crate::git::history::{Commit, CommitId, History};
use crate::git::{BlobId, GitError};
use crate::manifest::{BYTES_MAX, Content, Manifest, ParseError, Tensor};
use crate::progress::Progress;
use crate::worktree::manifest_deltas;

mod divide;
mod scout;

/// Where the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With a commit.
    Commit(CommitId),
    /// With what is staged, on top of `HEAD`.
    Index,
}

/// Why a history goes no further back than a commit, though the commit need not be the origin of what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The clone is shallow and ends there.
    Shallow,
    /// Before it, git had the file as it was, or it was stored without its tensors.
    Untracked,
}

/// Where a tensor comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The commit that last changed it; `None` if that is staged and not committed yet.
    pub commit: Option<CommitId>,
    /// The file's path in that commit, from the top.
    pub path: Arc<[u8]>,
    /// The history ends there.
    pub boundary: Option<Boundary>,
    /// The name of a tensor with the same bytes in a parent, which the commit has no more.
    pub renamed_from: Option<String>,
}

/// A tensor and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The tensor as it is now.
    pub tensor: Tensor,
    /// Where it comes from.
    pub origin: Origin,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BlameError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// There is no such file at the start.
    #[error("it is not there")]
    NoFile,
    /// The file is no manifest there.
    #[error("git has it as it is, not as a manifest")]
    NotAModel,
    /// The file is a manifest that cannot be read.
    #[error("its manifest is broken: {0}")]
    Broken(ParseError),
    /// The file is a manifest without tensors.
    #[error("it is stored as one piece, so it has no tensors")]
    Opaque,
}

/// Is told of tensors whose origin is known now.
pub type Found<'f, E> = dyn FnMut(&[(&Tensor, Origin)]) -> Result<(), E> + 'f;

/// For each tensor of the model at `path` that `is_wanted` by its name, in file order: where it comes from.
///
/// `found` is told of each as soon as it is known: the tensors that stay with one commit, newest commit first.
///
/// # Errors
/// A file that is no model at the start; a git that fails, objects that are missing; the first error of `found`.
pub fn blame<E: From<BlameError>>(
    history: &History<'_>,
    start: Start,
    path: &[u8],
    is_wanted: &dyn Fn(&str) -> bool,
    progress: &dyn Progress,
    found: &mut Found<'_, E>,
) -> Result<Vec<Line>, E> {
    let source = Source::new(history.repo(), manifest_deltas::read(history.repo()), BYTES_MAX);
    with_texts(&source, |mut texts| {
        let (place, blob) = first_place(history, start, path).map_err(E::from)?;
        let text = texts.get(blob).map_err(BlameError::from)?.ok_or(BlameError::NotAModel)?;
        let tensors = parse(&text)?;
        let places = Lines::new(&text).skip(1).map(|(at, _)| at);
        let pending: Vec<Pending> = places
            .zip(0..)
            .filter(|&(_, tensor)| tensors.get(tensor).is_some_and(|tensor| is_wanted(&tensor.name)))
            .map(|(at, tensor)| Pending { at, tensor })
            .collect();
        let mut origins = vec![None; tensors.len()];
        let mut walk = Walk {
            history,
            scout: Scout::new(history, &place, blob).map_err(BlameError::from)?,
            texts,
            progress,
            queue: BinaryHeap::new(),
            nodes: HashMap::new(),
            queued: 0,
        };
        walk.pass(place, blob, pending).map_err(E::from)?;
        progress.begin("reading history", None);
        let ended = walk.run(&mut |ended: Vec<(usize, Origin)>| -> Result<(), E> {
            let told: Vec<_> = ended.iter().map(|(tensor, origin)| (&tensors[*tensor], origin.clone())).collect();
            ended.into_iter().for_each(|(tensor, origin)| origins[tensor] = Some(origin));
            found(&told)
        });
        progress.end();
        ended?;
        let lines = tensors.into_iter().zip(origins);
        Ok(lines.filter_map(|(tensor, origin)| Some(Line { tensor, origin: origin? })).collect())
    })
}

/// Where the search begins, and what is there. What is staged is a place of its own only if it differs from `HEAD`.
fn first_place(history: &History<'_>, start: Start, path: &[u8]) -> Result<(Place, BlobId), BlameError> {
    let at = |commit| Place { commit, path: path.into() };
    let commit = match start {
        Start::Commit(commit) => Some(commit),
        Start::Index => history.head()?,
    };
    let committed = match commit {
        Some(commit) => history.blob_at(commit, path)?,
        None => None,
    };
    let staged = if start == Start::Index { history.repo().index_blob(path) } else { None };
    match (staged, committed) {
        (Some(blob), committed) if committed != Some(blob) => Ok((at(None), blob)),
        (_, Some(blob)) => Ok((at(commit), blob)),
        (_, None) => Err(BlameError::NoFile),
    }
}

fn parse(text: &Rope) -> Result<Vec<Tensor>, BlameError> {
    match Manifest::parse(&text.slice(0..text.len())).map(|manifest| manifest.content) {
        Ok(Content::Model { tensors, .. }) => Ok(tensors),
        Ok(Content::Opaque { .. }) => Err(BlameError::Opaque),
        Err(ParseError::NotAManifest) => Err(BlameError::NotAModel),
        Err(error) => Err(BlameError::Broken(error)),
    }
}

/// A file in a commit; without a commit, in the index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    commit: Option<CommitId>,
    path: Arc<[u8]>,
}

impl Place {
    /// What comes before it.
    fn commit(&self, history: &History<'_>) -> Result<Commit, GitError> {
        match self.commit {
            Some(id) => history.commit(id),
            None => Ok(Commit { parents: history.heads()?, seconds: i64::MAX, is_cut: false }),
        }
    }
}

/// A tensor whose origin is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    /// Where its line begins, in the text of the place it waits at.
    at: usize,
    /// Its number in the file the search began with.
    tensor: usize,
}

struct Node {
    blob: BlobId,
    pending: Vec<Pending>,
}

/// Newest first; what was queued first among the equally old.
type Turn = (i64, std::cmp::Reverse<usize>, Place);

struct Walk<'a> {
    history: &'a History<'a>,
    scout: Scout<'a>,
    texts: Texts<'a>,
    progress: &'a dyn Progress,
    queue: BinaryHeap<Turn>,
    /// The places that are queued.
    nodes: HashMap<Place, Node>,
    queued: usize,
}

impl Walk<'_> {
    /// Hands tensors to a place, which will have its turn; again, where a clock was wrong and it has had it already.
    fn pass(&mut self, place: Place, blob: BlobId, pending: Vec<Pending>) -> Result<(), BlameError> {
        if pending.is_empty() {
            return Ok(());
        }
        if let Some(node) = self.nodes.get_mut(&place) {
            node.pending.extend(pending);
            return Ok(());
        }
        let seconds = place.commit(self.history)?.seconds;
        self.queue.push((seconds, std::cmp::Reverse(self.queued), place.clone()));
        self.queued += 1;
        self.nodes.insert(place, Node { blob, pending });
        Ok(())
    }

    fn run<E: From<BlameError>>(
        &mut self,
        found: &mut dyn FnMut(Vec<(usize, Origin)>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some((_, _, place)) = self.queue.pop() {
            let Some(node) = self.nodes.remove(&place) else { continue };
            let Left { tensors, boundary } = self.pass_on(&place, node).map_err(E::from)?;
            if !tensors.is_empty() {
                let origin = |renamed_from| {
                    let Place { commit, path } = place.clone();
                    Origin { commit, path, boundary, renamed_from }
                };
                found(tensors.into_iter().map(|(pending, before)| (pending.tensor, origin(before))).collect())?;
            }
        }
        Ok(())
    }

    /// Hands what the parents have to them.
    fn pass_on(&mut self, place: &Place, node: Node) -> Result<Left, BlameError> {
        let Node { blob, mut pending } = node;
        let commit = place.commit(self.history)?;
        let mut parents = Vec::new();
        for parent in commit.parents {
            let there = self.history.blob_at(parent, &place.path)?;
            let parent = Place { commit: Some(parent), path: Arc::clone(&place.path) };
            if there == Some(blob) {
                self.pass(parent, blob, pending)?;
                return Ok(Left::default());
            }
            parents.push((parent, there));
        }
        let mut boundary = commit.is_cut.then_some(Boundary::Shallow);
        let mut renamed = HashMap::new();
        pending.sort_unstable();
        // A search for renamed files is long; it is for what no parent has under this name.
        parents.sort_by_key(|(_, there)| there.is_none());
        for (mut parent, there) in parents {
            if pending.is_empty() {
                break;
            }
            let there = match (there, parent.commit) {
                (None, Some(id)) => {
                    let before = self.history.renamed_from(id, place.commit, &place.path)?;
                    before.map(|(path, blob)| {
                        parent.path = path.into();
                        blob
                    })
                }
                (there, _) => there,
            };
            let Some(there) = there else { continue };
            let passed = if there == blob {
                std::mem::take(&mut pending)
            } else {
                self.look_ahead()?;
                let (Some(text), Some(before)) = (self.texts.get(blob)?, self.texts.get(there)?) else {
                    boundary = boundary.or(Some(Boundary::Untracked));
                    continue;
                };
                self.progress.advance(before.len() as u64);
                if !has_tensors(&before) {
                    boundary = boundary.or(Some(Boundary::Untracked));
                    continue;
                }
                let divided = divide(&text, &before, &pending);
                pending = divided.left;
                renamed.extend(divided.renamed);
                divided.same
            };
            self.pass(parent, there, passed)?;
        }
        let tensors = pending.into_iter().map(|pending| (pending, renamed.remove(&pending.tensor))).collect();
        Ok(Left { tensors, boundary })
    }

    /// Has the texts read that come next.
    fn look_ahead(&mut self) -> Result<(), GitError> {
        while self.texts.has_room() {
            match self.scout.next()? {
                Some(blob) => self.texts.announce(blob),
                None => break,
            }
        }
        Ok(())
    }
}

/// What stays with a commit.
#[derive(Default)]
struct Left {
    tensors: Vec<(Pending, Option<String>)>,
    boundary: Option<Boundary>,
}

/// Whether a text is a manifest with tensors; its header is all that is looked at.
fn has_tensors(text: &Rope) -> bool {
    #[derive(Deserialize)]
    struct Header {
        format: String,
    }
    let line = text.line(0);
    Manifest::looks_like(&line) && serde_json::from_slice(&line).is_ok_and(|header: Header| header.format != "opaque")
}
