//! What `git model blame` prints.

use std::collections::HashMap;
use std::fmt::Write;

use serde::Serialize;

use crate::git::history::{CommitId, Description};
use crate::git::shown;
use crate::progress::count;
use crate::text::{Colour, Style, Table};
use crate::version::blame::{Boundary, Line};
use crate::version::collapse::collapse;

/// With `--by-commit`, more patterns of one commit's names are counted, not shown.
const PATTERNS_MAX: usize = 12;
/// A name gets no more than this part of a line.
const NAME_SHARE: usize = 2;
/// What stands in place of an author.
const NOT_COMMITTED: &str = "Not Committed Yet";

/// The commits that are named.
pub struct Commits {
    by_id: HashMap<CommitId, Description>,
    /// What stands in place of a commit's name.
    zeros: String,
}

impl Commits {
    pub fn new(descriptions: Vec<Description>, zeros: String) -> Self {
        Self { by_id: descriptions.into_iter().map(|commit| (commit.id, commit)).collect(), zeros }
    }

    fn get(&self, id: Option<CommitId>) -> Option<&Description> {
        self.by_id.get(&id?)
    }

    /// As in `git blame`: a digit more than the shortest unique name, in whose place `^` may stand.
    fn short(&self, id: Option<CommitId>, boundary: Option<Boundary>) -> String {
        let len = self.by_id.values().map(|commit| commit.short.len()).max().unwrap_or(7);
        let full = id.map_or_else(|| self.zeros.clone(), |id| id.to_string());
        let (mark, digits) = if boundary.is_some() { ("^", len) } else { ("", len + 1) };
        format!("{mark}{}", full.get(..digits).unwrap_or(&full))
    }

    fn author(&self, id: Option<CommitId>) -> &str {
        self.get(id).map_or(NOT_COMMITTED, |commit| &commit.author)
    }

    fn day(&self, id: Option<CommitId>) -> &str {
        self.get(id).and_then(|commit| commit.date.get(..10)).unwrap_or("-")
    }
}

fn shape(shape: &[u64]) -> String {
    let sizes: Vec<_> = shape.iter().map(u64::to_string).collect();
    format!("[{}]", sizes.join(","))
}

/// A line for each tensor.
pub fn lines_text(lines: &[Line], commits: &Commits, style: &Style) -> String {
    let name_room = style.width.map_or(usize::MAX, |columns| columns / NAME_SHARE);
    let mut table = Table::to_the_left();
    for Line { tensor, origin } in lines {
        let before = origin.renamed_from.as_ref();
        table.row([
            style.paint(Colour::Yellow, commits.short(origin.commit, origin.boundary)),
            commits.author(origin.commit).to_owned(),
            style.paint(Colour::Dim, commits.day(origin.commit)),
            style.name(&shown(tensor.name.as_bytes()), name_room),
            tensor.dtype.to_string(),
            shape(&tensor.shape),
            before.map_or_else(String::new, |name| format!("(renamed from {})", shown(name.as_bytes()))),
        ]);
    }
    table.text()
}

/// A line of `--incremental`.
pub fn incremental_line(name: &str, id: Option<CommitId>, boundary: Option<Boundary>, zeros: &str) -> String {
    let mark = if boundary.is_some() { "^" } else { "" };
    let id = id.map_or_else(|| zeros.to_owned(), |id| id.to_string());
    format!("{mark}{id}\t{}\n", shown(name.as_bytes()))
}

#[derive(Serialize)]
struct TensorJson<'a> {
    name: &'a str,
    dtype: String,
    shape: &'a [u64],
    sha256: String,
    /// `null`: staged, not committed yet.
    commit: Option<String>,
    /// The model's path in that commit.
    path: String,
    boundary: Option<&'static str>,
    renamed_from: Option<&'a str>,
}

#[derive(Serialize)]
struct CommitJson<'a> {
    author: &'a str,
    email: &'a str,
    date: &'a str,
    summary: &'a str,
}

impl<'a> From<&'a Description> for CommitJson<'a> {
    fn from(commit: &'a Description) -> Self {
        Self { author: &commit.author, email: &commit.email, date: &commit.date, summary: &commit.summary }
    }
}

#[derive(Serialize)]
struct LinesJson<'a> {
    path: String,
    tensors: Vec<TensorJson<'a>>,
    commits: serde_json::Map<String, serde_json::Value>,
}

const fn boundary_name(boundary: Boundary) -> &'static str {
    match boundary {
        Boundary::Shallow => "shallow",
        Boundary::Untracked => "untracked",
    }
}

/// All tensors, and the commits they come from by name.
pub fn lines_json(path: &[u8], lines: &[Line], order: &[Option<CommitId>], commits: &Commits) -> String {
    let tensors = lines.iter().map(|Line { tensor, origin }| TensorJson {
        name: &tensor.name,
        dtype: tensor.dtype.to_string(),
        shape: &tensor.shape,
        sha256: tensor.sha256.to_string(),
        commit: origin.commit.map(|id| id.to_string()),
        path: shown(&origin.path),
        boundary: origin.boundary.map(boundary_name),
        renamed_from: origin.renamed_from.as_deref(),
    });
    let described = order.iter().filter_map(|&id| commits.get(id));
    let described = described.map(|commit| (commit.id.to_string(), serde_json::json!(CommitJson::from(commit))));
    crate::cli::json(&LinesJson { path: shown(path), tensors: tensors.collect(), commits: described.collect() })
}

/// What one commit has changed.
struct Group<'a> {
    commit: Option<CommitId>,
    boundary: Option<Boundary>,
    lines: Vec<&'a Line>,
}

impl Group<'_> {
    fn bytes(&self) -> u64 {
        self.lines.iter().filter_map(|line| line.tensor.byte_len()).sum()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.tensor.name.as_str())
    }
}

/// The commits in this order, each with its tensors.
fn groups<'a>(lines: &'a [Line], order: &[Option<CommitId>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut numbers = HashMap::new();
    for &commit in order {
        numbers.entry(commit).or_insert_with(|| {
            groups.push(Group { commit, boundary: None, lines: Vec::new() });
            groups.len() - 1
        });
    }
    for line in lines {
        if let Some(&number) = numbers.get(&line.origin.commit) {
            groups[number].boundary = groups[number].boundary.or(line.origin.boundary);
            groups[number].lines.push(line);
        }
    }
    groups
}

/// A line for each commit, and its tensors' names below, joined where they differ in numbers.
pub fn groups_text(lines: &[Line], order: &[Option<CommitId>], commits: &Commits, style: &Style) -> String {
    let groups = groups(lines, order);
    let mut heads = Table::to_the_left();
    for group in &groups {
        heads.row([
            style.paint(Colour::Yellow, commits.short(group.commit, group.boundary)),
            commits.author(group.commit).to_owned(),
            style.paint(Colour::Dim, commits.day(group.commit)),
            count(group.lines.len() as u64, "tensor"),
            style.units.bytes(group.bytes()),
            commits.get(group.commit).map_or_else(String::new, |commit| commit.summary.clone()),
        ]);
    }
    let mut text = String::new();
    for (head, group) in heads.text().lines().zip(&groups) {
        let names = collapse(group.names());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{head}");
        for name in names.iter().take(PATTERNS_MAX) {
            let _ = writeln!(text, "    {}", shown(name.as_bytes()));
        }
        if names.len() > PATTERNS_MAX {
            let _ = writeln!(text, "    and {} more", names.len() - PATTERNS_MAX);
        }
    }
    text
}

#[derive(Serialize)]
struct GroupJson<'a> {
    commit: Option<String>,
    boundary: Option<&'static str>,
    #[serde(flatten)]
    description: Option<CommitJson<'a>>,
    bytes: u64,
    tensors: Vec<&'a str>,
}

#[derive(Serialize)]
struct GroupsJson<'a> {
    path: String,
    commits: Vec<GroupJson<'a>>,
}

/// The same with every name.
pub fn groups_json(path: &[u8], lines: &[Line], order: &[Option<CommitId>], all: &Commits) -> String {
    let groups = groups(lines, order);
    let commits = groups.iter().map(|group| GroupJson {
        commit: group.commit.map(|id| id.to_string()),
        boundary: group.boundary.map(boundary_name),
        description: all.get(group.commit).map(CommitJson::from),
        bytes: group.bytes(),
        tensors: group.names().collect(),
    });
    crate::cli::json(&GroupsJson { path: shown(path), commits: commits.collect() })
}
