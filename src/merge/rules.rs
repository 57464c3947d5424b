//! What becomes of a tensor that both sides changed: a conflict, unless a rule says otherwise. Pure.
//!
//! Rules stand in `.gitmodel.toml`; the last one whose pattern matches the tensor's name decides:
//!
//! ```toml
//! [merge]
//! strategy = "ties"
//! density = 0.5
//!
//! [[merge.rule]]
//! tensors = "lm_head.*"
//! strategy = "ours"
//! ```
//!
//! For one merge, `git -c model.merge.strategy='ties density=0.5' merge …` takes the place of all of them.

use globset::{Glob, GlobMatcher};
use toml_edit::{DocumentMut, Item, Table};

use super::strategy::{Method, MethodError, Params, Value};

/// What to do with a tensor that both sides changed, in different ways.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Ask.
    Conflict,
    /// Take this version.
    Take(Version),
    /// Compute the result.
    Merge(Method),
}

/// One of the three versions of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one both sides come from.
    Base,
    /// The one that is merged into.
    Ours,
    /// The one that is merged.
    Theirs,
}

/// Rules, and what decides where none matches.
#[derive(Debug, Clone)]
pub struct Rules {
    default: Decision,
    rules: Vec<(GlobMatcher, Decision)>,
    made: Vec<(GlobMatcher, Decision)>,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// The file is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// No such strategy, or not with these parameters.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A pattern cannot be read.
    #[error("the pattern `{pattern}` cannot be read: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something else is not as it should be.
    #[error("{0}")]
    Form(String),
}

impl Decision {
    /// The strategy of this name.
    ///
    /// # Errors
    /// There is none, or it has no such parameters.
    pub fn new(name: &str, params: &Params) -> Result<Self, MethodError> {
        let taken = match name {
            "ours" => Version::Ours,
            "theirs" => Version::Theirs,
            "base" => Version::Base,
            "conflict" => return Ok(Self::Conflict),
            name => return Method::new(name, params).map(Self::Merge),
        };
        Ok(Self::Take(taken))
    }

    /// Reads `NAME [PARAMETER=VALUE]…`.
    ///
    /// # Errors
    /// No such strategy or parameter, or a word that is no parameter.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut params = Params::default();
        for word in words {
            let value = word.split_once('=').and_then(|(name, value)| Some((name, Value::parse(value)?)));
            let (name, value) = value.ok_or_else(|| {
                RulesError::Form(format!("`{word}` is no parameter; parameters are written `density=0.5`"))
            })?;
            params.set(name, value);
        }
        Ok(Self::new(name, &params)?)
    }

    /// The names that [`Decision::new`] knows.
    pub fn names() -> Vec<&'static str> {
        ["ours", "theirs", "base", "conflict"].into_iter().chain(Method::names()).collect()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::all(Decision::Conflict)
    }
}

impl Rules {
    /// One decision for all tensors.
    pub const fn all(decision: Decision) -> Self {
        Self { default: decision, rules: Vec::new(), made: Vec::new() }
    }

    /// For a merge of two common versions, of which one is to be made: what they have changed in different ways is as it
    /// was before, so that whoever has kept either has changed it.
    pub fn to_base() -> Self {
        let made = matcher("*").map(|all| (all, Decision::Take(Version::Base)));
        Self { default: Decision::Conflict, rules: Vec::new(), made: made.into_iter().collect() }
    }

    /// Reads the part `[merge]` of a `.gitmodel.toml`.
    ///
    /// # Errors
    /// Text that is no TOML, and rules that cannot be followed.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let document: DocumentMut =
            text.parse().map_err(|error: toml_edit::TomlError| RulesError::Syntax(error.to_string()))?;
        let Some(merge) = document.get("merge") else { return Ok(Self::default()) };
        let merge = merge.as_table().ok_or_else(|| RulesError::Form("`merge` must be a table".into()))?;
        let stray = merge.iter().map(|(key, _)| key).find(|&key| key != "rule");
        let default = match (merge.contains_key("strategy"), stray) {
            (true, _) => decision(merge, "[merge]")?,
            (false, None) => Decision::Conflict,
            (false, Some(key)) => {
                return Err(RulesError::Form(format!(
                    "`{key}` in `[merge]` belongs to nothing: there may be a `strategy = \"name\"` with its parameters, and \
                     `[[merge.rule]]`"
                )));
            }
        };
        let mut rules = Vec::new();
        if let Some(listed) = merge.get("rule") {
            let listed = listed.as_array_of_tables();
            let listed = listed.ok_or_else(|| RulesError::Form("rules are written `[[merge.rule]]`".into()))?;
            for rule in listed {
                rules.push((pattern(rule)?, decision(rule, "[[merge.rule]]")?));
            }
        }
        Ok(Self { default, rules, made: Vec::new() })
    }

    /// Adds a decision that somebody has made about the tensors whose names match `pattern`. It comes before all rules,
    /// and decides about any kind of conflict.
    ///
    /// # Errors
    /// A pattern that cannot be read.
    pub fn decided(&mut self, pattern: &str, decision: Decision) -> Result<(), RulesError> {
        self.made.push((matcher(pattern)?, decision));
        Ok(())
    }

    /// What decides about the tensor of this name.
    pub fn decide(&self, tensor: &str) -> &Decision {
        let rule = self.rules.iter().rev().find(|(pattern, _)| pattern.is_match(tensor));
        self.made(tensor).unwrap_or_else(|| rule.map_or(&self.default, |(_, decision)| decision))
    }

    /// What decides about tensors that come from one side together: the last decision, or else the last rule, that one of
    /// their names matches.
    pub fn decide_together<'n>(&self, tensors: impl Iterator<Item = &'n str> + Clone) -> &Decision {
        let is_meant = |pattern: &GlobMatcher| tensors.clone().any(|tensor| pattern.is_match(tensor));
        let last = |rules: &'_ [(GlobMatcher, Decision)]| rules.iter().rposition(|(pattern, _)| is_meant(pattern));
        let made = last(&self.made).map(|at| &self.made[at].1);
        made.or_else(|| last(&self.rules).map(|at| &self.rules[at].1)).unwrap_or(&self.default)
    }

    /// What somebody has decided about the tensor of this name.
    pub fn made(&self, tensor: &str) -> Option<&Decision> {
        self.made.iter().rev().find(|(pattern, _)| pattern.is_match(tensor)).map(|(_, decision)| decision)
    }
}

/// What tells whether a name matches `pattern`.
///
/// # Errors
/// A pattern that cannot be read.
pub fn matcher(pattern: &str) -> Result<GlobMatcher, RulesError> {
    let glob = Glob::new(pattern);
    let glob = glob.map_err(|error| RulesError::Pattern { pattern: pattern.into(), why: error.kind().to_string() })?;
    Ok(glob.compile_matcher())
}

fn pattern(rule: &Table) -> Result<GlobMatcher, RulesError> {
    let pattern = rule.get("tensors").and_then(Item::as_str);
    matcher(pattern.ok_or_else(|| RulesError::Form("`[[merge.rule]]` needs `tensors = \"pattern\"`".into()))?)
}

fn decision(table: &Table, place: &str) -> Result<Decision, RulesError> {
    let mut params = Params::default();
    for (name, item) in table {
        if !["strategy", "tensors", "rule"].contains(&name) {
            let value = value(item);
            params.set(
                name,
                value.ok_or_else(|| {
                    RulesError::Form(format!(
                        "`{name}` in `{place}` must be a number, a list of numbers, or `true` or `false`"
                    ))
                })?,
            );
        }
    }
    let name = table.get("strategy").and_then(Item::as_str);
    let name = name.ok_or_else(|| RulesError::Form(format!("`{place}` needs `strategy = \"name\"`")))?;
    Ok(Decision::new(name, &params)?)
}

fn value(item: &Item) -> Option<Value> {
    let number = |value: &toml_edit::Value| value.as_float().or_else(|| value.as_integer().map(|value| value as f64));
    let value = item.as_value()?;
    if let Some(flag) = value.as_bool() {
        return Some(Value::Bool(flag));
    }
    match value.as_array() {
        Some(values) => Some(Value::List(values.iter().map(number).collect::<Option<_>>()?)),
        None => number(value).map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str, params: &[(&str, Value)]) -> Decision {
        let mut all = Params::default();
        params.iter().for_each(|(name, value)| all.set(*name, value.clone()));
        Decision::new(name, &all).expect("a strategy")
    }

    #[test]
    fn the_last_rule_that_matches_decides() {
        let rules = Rules::parse(
            "[merge]\nstrategy = \"ties\"\ndensity = 0.5\n\n\
             [[merge.rule]]\ntensors = \"model.*\"\nstrategy = \"linear\"\nweight = [0.3, 1]\n\n\
             [[merge.rule]]\ntensors = \"*.bias\"\nstrategy = \"ours\"\n",
        );
        let rules = rules.expect("rules");
        assert_eq!(rules.decide("lm_head.weight"), &method("ties", &[("density", Value::Number(0.5))]));
        let weight = Value::List(vec![0.3, 1.0]);
        assert_eq!(rules.decide("model.layers.0.weight"), &method("linear", &[("weight", weight)]));
        assert_eq!(rules.decide("model.layers.0.bias"), &Decision::Take(Version::Ours));
    }

    #[test]
    fn without_rules_there_are_conflicts() {
        for text in ["", "[other]\nstrategy = 1\n", "[merge]\n"] {
            assert_eq!(Rules::parse(text).expect("rules").decide("w"), &Decision::Conflict);
        }
    }

    #[test]
    fn words_of_one_line() {
        let weight = Value::List(vec![0.3, 0.7]);
        assert_eq!(Decision::parse("linear weight=0.3,0.7"), Ok(method("linear", &[("weight", weight)])));
        assert_eq!(Decision::parse(" theirs "), Ok(Decision::Take(Version::Theirs)));
        assert!(Decision::parse("ties density").is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("[merge]\nstrategy = \"tees\"\n", "no merge method `tees`"),
            ("[merge]\nstrategy = \"ties\"\ndensity = 1.5\n", "from 0 to 1"),
            ("[merge]\nstrategy = \"ties\"\ndensity = \"a\"\n", "`density`"),
            ("[merge]\nstrategy = \"slerp\"\ndensity = 0.5\n", "no parameter `density`; it has `t`"),
            ("[[merge.rule]]\nstrategy = \"ours\"\n", "tensors"),
            ("[[merge.rule]]\ntensors = \"[\"\nstrategy = \"ours\"\n", "pattern `[`"),
            ("[[merge.rule]]\ntensors = \"*\"\n", "strategy"),
            ("[merge]\nstrtegy = \"ties\"\n", "`strtegy` in `[merge]` belongs to nothing"),
            ("[merge]\ndensity = 0.5\n", "`density` in `[merge]` belongs to nothing"),
            ("[[merge.rules]]\ntensors = \"*\"\nstrategy = \"ours\"\n", "`rules` in `[merge]` belongs to nothing"),
            ("merge = 3\n", "table"),
            ("[merge\n", "TOML parse error"),
        ];
        for (text, expected) in cases {
            let error = Rules::parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
