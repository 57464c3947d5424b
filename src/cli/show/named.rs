//! What stands above the files of a model that was named: which version it is, and how good.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::error::Result;
use crate::git::Repo;
use crate::metrics::check;
use crate::metrics::check::version::short;
use crate::metrics::gate::{self, Metrics};
use crate::params::load::Tree;
use crate::text::{Colour, Style};
use crate::version::named::{Resolved, version_of};

/// The numbers of its metrics file, in their order there; none if it has none that can be read.
pub fn metrics(repo: &Repo, resolved: &Resolved) -> Result<Vec<(String, f64)>> {
    let Some(path) = resolved.model.policy.as_ref().and_then(|policy| policy.metrics.as_ref()) else {
        return Ok(Vec::new());
    };
    Ok(match check::metrics(repo, &version_of(resolved.commit), path)? {
        Metrics::Read(tree) => tree.leaves().into_iter().filter_map(|(path, leaf)| number(path, leaf)).collect(),
        Metrics::Absent(_) | Metrics::Unreadable(_) => Vec::new(),
    })
}

fn number(path: String, leaf: &Tree) -> Option<(String, f64)> {
    match leaf {
        Tree::Number(number) => Some((path, *number)),
        _ => None,
    }
}

pub fn as_text(resolved: &Resolved, metrics: &[(String, f64)], style: &Style) -> String {
    let mut head = style.paint(Colour::Bold, &resolved.model.name);
    if let Some(version) = &resolved.version {
        let _ = write!(head, " v{}", version.version);
        if version.is_deprecated {
            let _ = write!(head, " {}", style.paint(Colour::Yellow, "deprecated"));
        }
    }
    let _ = writeln!(head, ", commit {}", short(resolved.commit));
    if !resolved.stages.is_empty() {
        let _ = writeln!(head, "stages: {}", resolved.stages.join(", "));
    }
    if !metrics.is_empty() {
        let metrics: Vec<_> = metrics.iter().map(|(path, number)| format!("{path} {}", gate::short(*number))).collect();
        let _ = writeln!(head, "metrics: {}", metrics.join(", "));
    }
    head + "\n"
}

pub fn as_json(resolved: &Resolved, metrics: &[(String, f64)], files: Vec<Value>) -> Value {
    // Numbers that are not finite are texts: JSON has no other word for them.
    let number =
        |number: f64| serde_json::Number::from_f64(number).map_or_else(|| gate::short(number).into(), Value::from);
    let metrics: serde_json::Map<String, Value> =
        metrics.iter().map(|(path, value)| (path.clone(), number(*value))).collect();
    json!({
        "model": resolved.model.name,
        "version": resolved.version.as_ref().map(|version| format!("v{}", version.version)),
        "deprecated": resolved.version.as_ref().is_some_and(|version| version.is_deprecated),
        "commit": resolved.commit.to_string(), "stages": resolved.stages, "metrics": metrics, "files": files,
    })
}
