//! `git model show`.

use std::ffi::OsString;
use std::fmt::Write;

use serde_json::json;

use crate::error::{Error, Result};
use crate::git::shown;
use crate::text::{Colour, Style, Table, Units, percent};
use crate::ui::{Ui, count};
use crate::version::find::{self, FindError, Found, Model};
use crate::version::tree::{self, Node};

mod named;

/// A name gets so much of a line.
const NAME_SHARE: usize = 2;

/// Show the tensors of a model as a tree: type, shape, size, and what each module takes of the whole.
///
/// A model may be named, too: `house` is its latest version, `house@v1.2.0` that one, `house#prod` what holds that stage.
#[derive(clap::Args)]
pub struct Args {
    /// `FILE` as it is now, `REVISION:FILE` as it was, `:FILE` as it is in the index; or `MODEL[@VERSION|#STAGE]`.
    #[arg(value_name = "[REVISION:]FILE|MODEL")]
    model: OsString,

    /// Show so many levels of modules, with what is below summed up.
    #[arg(long, value_name = "LEVELS")]
    depth: Option<usize>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let name = args.model.to_string_lossy();
    let (style, depth) = (ui.style(), args.depth.unwrap_or(usize::MAX));
    match find::find_all(&args.model)? {
        Found::File(model) => {
            let tree = tree::tree(&model);
            if args.json {
                return ui.print(&super::json(&as_json(&name, &model, &tree)));
            }
            ui.page(&as_text(&name, &model, &tree, depth, &style))
        }
        Found::Named(resolved, files) => {
            let metrics = named::metrics(&super::context()?.repo, &resolved)?;
            if args.json {
                let files = files.iter().map(|(path, model)| as_json(&shown(path), model, &tree::tree(model)));
                let files = files.collect::<Vec<_>>();
                return ui.print(&super::json(&named::as_json(&resolved, &metrics, files)));
            }
            let files =
                files.iter().map(|(path, model)| as_text(&shown(path), model, &tree::tree(model), depth, &style));
            ui.page(&(named::as_text(&resolved, &metrics, &style) + &files.collect::<String>()))
        }
    }
}

fn as_text(name: &str, model: &Model, tree: &Node<'_>, depth: usize, style: &Style) -> String {
    let mut head = format!("{}: {}, {}", style.paint(Colour::Bold, name), model.format, style.units.bytes(model.size));
    if model.tensors.is_empty() {
        if let Some(id) = model.opaque() {
            let _ = write!(head, ", stored as one piece\nsha256 {id}");
        }
        return head + "\n";
    }
    let (tensors, parameters) = (count(tree.tensors, "tensor"), Units::count(tree.parameters));
    let _ = writeln!(head, ", {tensors}, {parameters} parameters");
    let mut table = Table::default();
    for child in &tree.children {
        rows(&mut table, child, 0, depth, tree.bytes, style);
    }
    head + &table.text()
}

fn rows(table: &mut Table, node: &Node<'_>, level: usize, depth: usize, total: u64, style: &Style) {
    let room = style.width.map_or(usize::MAX, |columns| columns / NAME_SHARE);
    let name = style.name(&node.name, room.saturating_sub(2 * level));
    let indent = "  ".repeat(level);
    let (size, share) = (style.units.bytes(node.bytes), percent(node.bytes, total));
    if let Some(tensor) = node.tensor {
        let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        let shape = format!("[{}]", shape.join(","));
        return table.row([format!("{indent}{name}"), size, share, format!("{} {shape}", tensor.dtype)]);
    }
    let name = style.paint(Colour::Bold, name);
    let sum = format!("in {}, {} parameters", count(node.tensors, "tensor"), Units::count(node.parameters));
    table.row([format!("{indent}{name}"), size, share, style.paint(Colour::Dim, sum)]);
    if level + 1 < depth {
        for child in &node.children {
            rows(table, child, level + 1, depth, total, style);
        }
    }
}

fn as_json(name: &str, model: &Model, tree: &Node<'_>) -> serde_json::Value {
    let tensors: Vec<_> = model
        .tensors
        .iter()
        .map(|tensor| {
            json!({
                "name": tensor.name, "dtype": tensor.dtype.to_string(), "shape": tensor.shape, "bytes": tensor.len,
                "sha256": tensor.sha256.map(|id| id.to_string()),
            })
        })
        .collect();
    let mut modules = Vec::new();
    for child in &tree.children {
        collect(&mut modules, child, String::new());
    }
    json!({
        "model": name, "format": model.format, "bytes": model.size, "parameters": tree.parameters,
        "sha256": model.opaque().map(|id| id.to_string()), "tensors": tensors, "modules": modules,
    })
}

fn collect(modules: &mut Vec<serde_json::Value>, node: &Node<'_>, parent: String) {
    if node.tensor.is_some() {
        return;
    }
    let name = if parent.is_empty() { node.name.clone() } else { format!("{parent}.{}", node.name) };
    modules.push(json!({
        "name": name, "tensors": node.tensors, "parameters": node.parameters, "bytes": node.bytes,
    }));
    for child in &node.children {
        collect(modules, child, name.clone());
    }
}

impl From<FindError> for Error {
    fn from(error: FindError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            FindError::Open(error) => super::open_error(error),
            FindError::Git(error) => error.into(),
            FindError::Name(error) => error.into(),
            FindError::NoFile(_) => {
                failure.hint("`git model ls-files` lists the files of models, `git model list` their names")
            }
            FindError::NotAModel { .. } => {
                failure.hint("`git model track` says how to have weight files stored by tensor")
            }
            FindError::NotOne { revision, paths } if paths.is_empty() => {
                failure.hint(format!("`git ls-tree -r --name-only {revision}` lists its files"))
            }
            FindError::NotOne { revision, paths } => failure.hint(format!(
                "name one: `{}`",
                paths.iter().map(|path| format!("{revision}:{path}")).collect::<Vec<_>>().join("`, `")
            )),
            FindError::File { .. } => failure,
        }
    }
}
