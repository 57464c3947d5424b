//! `git model param`.

use std::ffi::{OsStr, OsString};

use clap::Subcommand;

use crate::error::{Error, Kind, Result};
use crate::git::Repo;
use crate::metrics::policy::nearest;
use crate::params::edit::EditError;
use crate::ui::Ui;
use crate::version::named::{self, NameError};
use crate::version::parameters::{self, At, File, ParametersError};

mod diff;
mod get;
mod set;

/// Read, set and compare the parameters a model is trained with.
///
/// The file is the one that `.gitmodel.toml` names as the model's `params`, or `params.json`, `.yaml` or `.toml` at the top.
/// A value is named by the keys that lead to it, with dots between them: `optimizer.lr`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Get(get::Args),
    Set(set::Args),
    Diff(diff::Args),
}

/// Which file.
#[derive(clap::Args)]
struct Which {
    /// The model whose parameters these are, if there are several.
    #[arg(long)]
    model: Option<String>,

    /// Another file: JSON, YAML or TOML.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    file: Option<OsString>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    match args.command {
        Command::Get(args) => get::run(args, ui),
        Command::Set(args) => set::run(args, ui),
        Command::Diff(args) => diff::run(args, ui),
    }
}

impl Which {
    fn file(&self, repo: &Repo) -> Result<File> {
        Ok(parameters::file(repo, self.model.as_deref(), self.file.as_deref())?)
    }
}

/// The commit that a revision names, `house@v1.2.0` and `house#prod` included.
fn at(revision: &OsStr) -> Result<At> {
    let name = revision.to_string_lossy().into_owned();
    let commit = named::commit(&named::revision(revision)?.to_string_lossy())?;
    Ok(At::Commit(commit, name))
}

impl From<ParametersError> for Error {
    fn from(error: ParametersError) -> Self {
        let failure = Self::failed(error.to_string());
        match error {
            ParametersError::Nowhere => {
                failure.hint("name it: `params = \"FILE\"` under `[model.NAME]` in `.gitmodel.toml`, or `--file FILE`")
            }
            ParametersError::None(model) => failure.hint(format!("add `params = \"FILE\"` to `[model.{model}]`")),
            ParametersError::Syntax(_) => failure.hint("its name must end in `.json`, `.yaml`, `.yml` or `.toml`"),
            ParametersError::Absent { path, place } if place.is_empty() => {
                failure.hint(format!("write the first values into `{path}` by hand"))
            }
            ParametersError::Absent { path, .. } => {
                failure.hint(format!("`git log --oneline -- {path}` lists the commits that have it"))
            }
            ParametersError::Load { .. } => failure.hint("mend it by hand"),
            ParametersError::Edit { source, .. } => edit_hint(failure, &source),
            ParametersError::NoKey { key, known, .. } => match nearest(&key, &known) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`git model param get` prints all of it"),
            },
            ParametersError::Name(error @ NameError::Several { .. }) => {
                let failure = Self::from(error);
                failure.hint("name it with `--model NAME`, or the file with `--file FILE`")
            }
            ParametersError::Name(error) => error.into(),
            ParametersError::Long { .. } | ParametersError::Io { .. } => failure,
        }
    }
}

fn edit_hint(failure: Error, error: &EditError) -> Error {
    match error {
        EditError::Unsafe(_) | EditError::Load(_) => failure.hint("edit it by hand; nothing was changed"),
        EditError::Kind { old: "a list", .. } => {
            failure.with_kind(Kind::Usage).hint("a list is written as JSON: `[1, 2]`")
        }
        EditError::Kind { .. } => {
            failure.with_kind(Kind::Usage).hint("`--json` takes a value of any kind, `--string` takes it for text")
        }
        EditError::Json { .. } => {
            failure.with_kind(Kind::Usage).hint("text is written `\"so\"` in JSON; or use `--string`")
        }
        EditError::Map { keys, .. } if keys.is_empty() => failure.hint("edit it by hand; nothing was changed"),
        EditError::Map { keys, .. } => failure.hint(format!("set one of them: `{}`", keys.join("`, `"))),
        EditError::Blocked { path, kind: "a list", .. } => failure.hint(format!("set the whole list: `{path}=[…]`")),
        EditError::Blocked { path, .. } => failure.hint(format!("make it a map first: `--json '{path}={{…}}'`")),
        EditError::Path(_) => {
            failure.with_kind(Kind::Usage).hint("`optimizer.lr`; a key with dots in it stands in double quotes")
        }
        EditError::Null => failure.hint("leave the key out"),
    }
}
