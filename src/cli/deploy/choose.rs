//! Which environment is meant.

use crate::deploy::reconcile;
use crate::error::{Error, Result};
use crate::git::Repo;
use crate::metrics::policy::deploy::Environment;
use crate::metrics::policy::{FILE, nearest};

/// The environment of this name, or the only one.
pub fn environment(repo: &Repo, name: Option<&str>) -> Result<Environment> {
    let mut all = reconcile::policy(repo)?.environments;
    if all.is_empty() {
        return Err(Error::failed(format!("`{FILE}` at `HEAD` has no `[deploy.NAME]`"))
            .hint("commit one: `git model init` writes it, docs/deploying.md describes it"));
    }
    let names: Vec<String> = all.iter().map(|environment| environment.name.clone()).collect();
    match name {
        None if all.len() == 1 => Ok(all.remove(0)),
        None => Err(Error::failed("there are several environments").hint(format!("name one of {}", listed(&names)))),
        Some(name) => {
            let found = all.into_iter().find(|environment| environment.name == name);
            found.ok_or_else(|| {
                let failure = Error::failed(format!("there is no environment `{name}`"));
                match nearest(name, &names) {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure.hint(format!("there are {}", listed(&names))),
                }
            })
        }
    }
}

/// Tells `ENV`, `REV` and `ENV REV` apart: with one environment only its name may be left out.
pub fn words(repo: &Repo, first: Option<String>, second: Option<String>) -> Result<(Option<String>, Option<String>)> {
    let Some(word) = first else { return Ok((None, None)) };
    if second.is_some() {
        return Ok((Some(word), second));
    }
    let all = reconcile::policy(repo)?.environments;
    let is_name = all.len() != 1 || all.iter().any(|environment| environment.name == word);
    Ok(if is_name { (Some(word), None) } else { (None, Some(word)) })
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
