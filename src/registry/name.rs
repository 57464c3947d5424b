//! Names of tags that speak of models, as GTO has them. Pure.
//!
//! | tag | says |
//! |---|---|
//! | `house@v1.2.0` | this commit is that version of the model |
//! | `house@v1.2.0!` | that version is deprecated: nobody should take it any more |
//! | `house#prod#3` | this commit is in that stage |
//! | `house#prod!#4` | it is not any more |
//! | `house@deprecated` | the model is deprecated as a whole |
//!
//! Each may have a counter at its end, `#3`, so that the same can be said again. Versions are those of Semantic Versioning
//! 2.0.0, with a `v`. In the name of a model, `=` stands for a `:`.
//!
//! Source: GTO (Git Tag Ops) 1.10, `gto/constants.py` and `gto/tag.py`.

use std::fmt;

use semver::Version;

/// The name of a tag, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName {
    /// The model.
    pub model: String,
    /// What it says of it.
    pub action: Action,
    /// Its counter, which makes it another tag.
    pub counter: Option<u64>,
}

/// What a tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Its commit is this version.
    Register(Version),
    /// The version is deprecated.
    Deregister(Version),
    /// Its commit is in this stage.
    Assign(String),
    /// Its commit is not in this stage any more.
    Unassign(String),
    /// The model is deprecated.
    Deprecate,
}

const DEPRECATED: &str = "deprecated";

impl TagName {
    /// Takes the name of a tag apart; `None` if it does not speak of a model.
    pub fn parse(name: &str) -> Option<Self> {
        let at = name.find(['@', '#'])?;
        let (model, rest) = (name[..at].replace('=', ":"), &name[at + 1..]);
        let (said, counter) = match rest.split_once('#') {
            Some((said, counter)) => (said, Some(self::counter(counter)?)),
            None => (rest, None),
        };
        let (what, is_cancelled) = said.strip_suffix('!').map_or((said, false), |what| (what, true));
        let action = match (name.as_bytes()[at], is_cancelled) {
            (b'@', false) if what == DEPRECATED => Action::Deprecate,
            (b'@', false) => Action::Register(what.strip_prefix('v')?.parse().ok()?),
            (b'@', true) => Action::Deregister(what.strip_prefix('v')?.parse().ok()?),
            (_, false) => Action::Assign(stage(what)?),
            (_, true) => Action::Unassign(stage(what)?),
        };
        is_model_name(&model).then_some(Self { model, action, counter })
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.model.replace(':', "="))?;
        match &self.action {
            Action::Register(version) => write!(f, "@v{version}"),
            Action::Deregister(version) => write!(f, "@v{version}!"),
            Action::Assign(stage) => write!(f, "#{stage}"),
            Action::Unassign(stage) => write!(f, "#{stage}!"),
            Action::Deprecate => write!(f, "@{DEPRECATED}"),
        }?;
        self.counter.map_or(Ok(()), |counter| write!(f, "#{counter}"))
    }
}

fn counter(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn stage(text: &str) -> Option<String> {
    is_name(text).then(|| text.to_owned())
}

/// Letters, digits, `-`, `_` and `/`, with a letter or a digit at either end: the name of a stage.
pub fn is_name(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_end) && text.ends_with(is_end) && text.chars().all(|c| is_end(c) || "-_/".contains(c))
}

/// A name as [`is_name`] has it; before it there may be a folder and `:`.
pub fn is_model_name(text: &str) -> bool {
    match text.split_once(':') {
        Some((folder, name)) => {
            !folder.is_empty()
                && folder.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
                && is_name(name)
        }
        None => is_name(text),
    }
}

/// A version as users write it, with or without the `v`.
pub fn version(text: &str) -> Option<Version> {
    text.strip_prefix('v').unwrap_or(text).parse().ok()
}

/// For what is meant as a version and is none, how it may have been meant: `v1.2.0` for `1.2`.
pub fn version_like(text: &str) -> Option<String> {
    let numbers = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if !numbers.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let numbers = numbers.split(['-', '+']).next().unwrap_or_default();
    let mut parts: Vec<String> = numbers
        .split('.')
        .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>())
        .map(|digits| digits.parse().unwrap_or(0_u64).to_string())
        .take(3)
        .collect();
    parts.resize(3, "0".to_owned());
    Some(format!("v{}", parts.join(".")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_of_models() {
        let version = |text: &str| Version::parse(text).expect("a version");
        for (name, action, counter) in [
            ("m@v1.2.0", Action::Register(version("1.2.0")), None),
            ("m@v1.2.0-rc.1+build.5", Action::Register(version("1.2.0-rc.1+build.5")), None),
            ("m@v1.2.0#7", Action::Register(version("1.2.0")), Some(7)),
            ("m@v1.2.0!", Action::Deregister(version("1.2.0")), None),
            ("m@v1.2.0!#2", Action::Deregister(version("1.2.0")), Some(2)),
            ("m#prod", Action::Assign("prod".into()), None),
            ("m#prod#3", Action::Assign("prod".into()), Some(3)),
            ("m#eu/prod-1!#4", Action::Unassign("eu/prod-1".into()), Some(4)),
            ("m#3", Action::Assign("3".into()), None),
            ("m@deprecated", Action::Deprecate, None),
            ("m@deprecated#9", Action::Deprecate, Some(9)),
        ] {
            let expected = TagName { model: "m".into(), action, counter };
            assert_eq!(TagName::parse(name), Some(expected.clone()), "{name}");
            assert_eq!(expected.to_string(), name);
        }
        assert_eq!(TagName::parse("a/b=m#prod").expect("a tag").model, "a/b:m");
    }

    #[test]
    fn other_tags() {
        for name in [
            "v1.0.0",
            "m",
            "m@",
            "m#",
            "m@1.2.0",
            "m@v1.2",
            "m@v01.2.0",
            "m@V1.2.0",
            "m@v1.2.0#",
            "m@v1.2.0#x",
            "m@v1.2.0#1#2",
            "m@latest",
            "m@deprecated!",
            "m#-prod",
            "m#prod_",
            "-m@v1.0.0",
            "m-@v1.0.0",
            "@v1.0.0",
            "m n@v1.0.0",
            "ü@v1.0.0",
            "m@v1.2.0#99999999999999999999999",
            "m@v1.2.0!!",
            "m@created",
        ] {
            assert_eq!(TagName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn how_a_version_may_have_been_meant() {
        for (text, meant) in
            [("1.2", "v1.2.0"), ("v1", "v1.0.0"), ("1.2.3.4", "v1.2.3"), ("v1.02.x", "v1.2.0"), ("V2.0.0", "v2.0.0")]
        {
            assert_eq!(version_like(text).as_deref(), Some(meant), "{text}");
        }
        for text in ["", "v", "main", "HEAD~1", "vx.1"] {
            assert_eq!(version_like(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_written_the_same(name in "[a-z0-9=/]{1,4}[@#](v[0-9]\\.[0-9]{1,2}\\.[0-9]|deprecated|[a-z0-9-]{1,4})!?(#[0-9]{1,2})?") {
            if let Some(parsed) = TagName::parse(&name) {
                prop_assert_eq!(TagName::parse(&parsed.to_string()), Some(parsed));
            }
        }
    }
}
