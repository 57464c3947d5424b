//! A text to a [`Policy`].

use toml_edit::{Document, Item, Table};

use super::keys::{Keys, line, nearest};
use super::{Amount, Base, Gate, Goal, MetricRule, Model, OnMissing, Pattern, Policy, Protect, Rule, deploy};
use crate::params::load::LoadError;

const TOP: [&str; 5] = ["model", "gate", "protect", "merge", "deploy"];
const MODEL: [&str; 4] = ["weights", "params", "metrics", "evaluate"];
const GATE: [&str; 11] =
    ["model", "models", "metric", "goal", "min", "max", "regression", "base", "on_missing", "fresh", "requires"];
/// What a gate without a metric has no use for.
const OF_METRICS: [&str; 7] = ["goal", "min", "max", "regression", "base", "on_missing", "fresh"];
const PROTECT: [&str; 3] = ["branches", "tags", "taggers"];

pub fn policy(text: &str) -> Result<Policy, LoadError> {
    let document = Document::parse(text).map_err(|error| LoadError {
        line: error.span().map(|span| line(text, span.start)),
        why: format!("no TOML: {}", error.message().replace('\n', ", ")),
    })?;
    let top = Keys { text, table: document.as_table(), place: "" };
    top.only(&TOP)?;
    let models = match top.table.get("model") {
        None => Vec::new(),
        Some(item) => {
            let models = item.as_table().ok_or_else(|| top.wrong("model", "written `[model.NAME]`"))?;
            models.iter().map(|(name, item)| model(text, models, name, item)).collect::<Result<_, _>>()?
        }
    };
    let mut policy = Policy { models, ..Policy::default() };
    if let Some(item) = top.table.get("gate") {
        let gates = item.as_array_of_tables().ok_or_else(|| top.wrong("gate", "written `[[gate]]`"))?;
        policy.gates = gates.iter().map(|table| gate(text, table, &policy)).collect::<Result<_, _>>()?;
    }
    if let Some(item) = top.table.get("protect") {
        let table = item.as_table().ok_or_else(|| top.wrong("protect", "written `[protect]`"))?;
        policy.protect = protect(text, table)?;
    }
    if let Some(item) = top.table.get("deploy") {
        policy.environments = deploy::environments(text, item, &policy)?;
    }
    Ok(policy)
}

fn model(text: &str, models: &Table, name: &str, item: &Item) -> Result<Model, LoadError> {
    let place = format!("[model.{name}]");
    let Some(table) = item.as_table() else {
        return Err(Keys { text, table: models, place: "[model]" }.wrong(name, "a table, written `[model.NAME]`"));
    };
    let keys = Keys { text, table, place: &place };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(
            keys.error(table.span(), format!("`{name}` is no name of a model: letters, digits, `-`, `_` and `/` only"))
        );
    }
    keys.only(&MODEL)?;
    Ok(Model {
        name: name.to_owned(),
        weights: patterns(&keys, "weights")?,
        params: path(&keys, "params")?,
        metrics: path(&keys, "metrics")?,
        evaluate: keys.strings("evaluate")?,
    })
}

/// A path within the repository.
pub(super) fn path(keys: &Keys, key: &str) -> Result<Option<String>, LoadError> {
    let Some(path) = keys.string(key)? else { return Ok(None) };
    let path = path.strip_prefix("./").unwrap_or(&path);
    let is_inside = !path.is_empty() && path.split('/').all(|part| !["", ".", ".."].contains(&part));
    if is_inside { Ok(Some(path.to_owned())) } else { Err(keys.wrong(key, "a path from the top of the repository")) }
}

fn patterns(keys: &Keys, key: &str) -> Result<Vec<Pattern>, LoadError> {
    let read = |text: String| {
        Pattern::new(text.strip_prefix("./").unwrap_or(&text))
            .map_err(|why| keys.error(keys.span(key), format!("the pattern `{text}` cannot be read: {why}")))
    };
    keys.strings(key)?.into_iter().map(read).collect()
}

fn gate(text: &str, table: &Table, policy: &Policy) -> Result<Gate, LoadError> {
    let keys = Keys { text, table, place: "[[gate]]" };
    keys.only(&GATE)?;
    let models = match (keys.string("model")?, keys.strings("models")?) {
        (Some(_), several) if !several.is_empty() => {
            return Err(keys.wrong("models", "left out where there is `model`"));
        }
        (Some(one), _) => vec![one],
        (None, several) if !several.is_empty() => several,
        _ => return Err(keys.lacks("`model = \"name\"` or `models = [\"name\", …]`")),
    };
    for name in &models {
        known(&keys, if keys.has("model") { "model" } else { "models" }, name, policy)?;
    }
    let stray = || OF_METRICS.into_iter().find(|key| keys.has(key));
    let rule = match (keys.string("metric")?, keys.string("requires")?) {
        (Some(_), Some(_)) => return Err(keys.wrong("requires", "in a gate of its own, without `metric`")),
        (Some(metric), None) => Rule::Metric(metric_rule(&keys, metric, policy, &models)?),
        (None, _) if stray().is_some() => {
            return Err(keys.lacks(&format!("`metric = \"path\"` for `{}`", stray().unwrap_or_default())));
        }
        (None, Some(required)) => requires(&keys, &required, policy)?,
        (None, None) if models.len() > 1 => Rule::Together,
        (None, None) => {
            return Err(keys.lacks("`metric = \"path\"`, `requires = \"model@>=1.2\"`, or several `models`"));
        }
    };
    Ok(Gate { models, rule, line: table.span().map_or(1, |span| line(text, span.start)) })
}

fn known(keys: &Keys, key: &str, name: &str, policy: &Policy) -> Result<(), LoadError> {
    if policy.model(name).is_some() {
        return Ok(());
    }
    let advice = match nearest(name, policy.models.iter().map(|model| &model.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("describe it in `[model.{name}]`"),
    };
    Err(keys.error(keys.span(key), format!("there is no model `{name}`; {advice}")))
}

fn metric_rule(keys: &Keys, metric: String, policy: &Policy, models: &[String]) -> Result<MetricRule, LoadError> {
    if let Some(name) = models.iter().find(|name| policy.model(name).is_some_and(|model| model.metrics.is_none())) {
        return Err(
            keys.error(keys.span("metric"), format!("`[model.{name}]` needs `metrics = \"file\"` for this gate"))
        );
    }
    let (min, max) = (keys.number("min")?, keys.number("max")?);
    let regression = amount(keys)?;
    if min.is_none() && max.is_none() && regression.is_none() {
        return Err(keys.lacks("`min`, `max` or `regression`"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        return Err(keys.wrong("min", "no larger than `max`"));
    }
    let goal = keys.word("goal", &[("minimize", Goal::Minimize), ("maximize", Goal::Maximize)])?;
    let goal = goal.or(match (min, max) {
        (None, Some(_)) => Some(Goal::Minimize),
        (Some(_), None) => Some(Goal::Maximize),
        _ => None,
    });
    let goal = match goal {
        Some(goal) => goal,
        None if regression.is_none() => Goal::Maximize,
        None => return Err(keys.lacks("`goal = \"minimize\"` or `goal = \"maximize\"`")),
    };
    let words = [("fail", OnMissing::Fail), ("warn", OnMissing::Warn), ("skip", OnMissing::Skip)];
    let base = match keys.string("base")?.as_deref() {
        None | Some("HEAD") => Base::Head,
        // What is good enough for the better parent is so for both.
        Some("better" | "both") => Base::Better,
        Some(revision)
            if revision.is_empty() || revision.starts_with('-') || revision.contains(char::is_whitespace) =>
        {
            return Err(keys.wrong("base", "`\"HEAD\"`, `\"better\"`, `\"both\"`, or a branch or tag"));
        }
        Some(revision) => Base::Revision(revision.to_owned()),
    };
    Ok(MetricRule {
        metric,
        goal,
        min,
        max,
        regression,
        base,
        on_missing: keys.word("on_missing", &words)?.unwrap_or(OnMissing::Fail),
        fresh: keys.flag("fresh")?,
    })
}

/// `"2%"`, or a number in the metric's own unit.
fn amount(keys: &Keys) -> Result<Option<Amount>, LoadError> {
    let wrong =
        || keys.wrong("regression", "a share such as `\"2%\"`, or a number in the metric's own unit, not negative");
    let amount = match keys.table.get("regression") {
        None => return Ok(None),
        Some(item) => match item.as_str() {
            Some(text) => {
                let share = text.strip_suffix('%').and_then(|share| share.trim().parse::<f64>().ok());
                Amount::Relative(share.ok_or_else(wrong)? / 100.0)
            }
            None => Amount::Absolute(keys.number("regression").map_err(|_| wrong())?.unwrap_or_default()),
        },
    };
    let (Amount::Relative(size) | Amount::Absolute(size)) = amount;
    if size.is_finite() && size >= 0.0 { Ok(Some(amount)) } else { Err(wrong()) }
}

/// `model@>=1.2`
fn requires(keys: &Keys, required: &str, policy: &Policy) -> Result<Rule, LoadError> {
    let wrong =
        |why: &str| keys.wrong("requires", &format!("a model with its versions, such as `\"retriever@>=1.2\"`{why}"));
    let (model, versions) = required.split_once('@').ok_or_else(|| wrong(""))?;
    known(keys, "requires", model, policy)?;
    let versions = versions.parse().map_err(|error| wrong(&format!(": {error}")))?;
    Ok(Rule::Requires { model: model.to_owned(), versions })
}

fn protect(text: &str, table: &Table) -> Result<Protect, LoadError> {
    let keys = Keys { text, table, place: "[protect]" };
    keys.only(&PROTECT)?;
    Ok(Protect {
        branches: patterns(&keys, "branches")?,
        tags: patterns(&keys, "tags")?,
        taggers: keys.strings("taggers")?,
    })
}
