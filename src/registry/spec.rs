//! A version of a model as users name it: `house`, `house@v1.2.0`, `house@latest`, `house#prod`. Pure.

use std::fmt;

use semver::Version;

use super::name::{is_model_name, is_name, version};

/// What a user has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The model.
    pub model: String,
    /// Which of its versions.
    pub which: Which,
}

/// Which version of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The highest version; if there is none, what is at `HEAD`.
    Latest,
    /// This version.
    Version(Version),
    /// What holds this stage.
    Stage(String),
}

impl Spec {
    /// Takes a name apart; `None` if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (model, which) = match text.split_once(['@', '#']) {
            None => (text, Which::Latest),
            Some((model, stage)) if text[model.len()..].starts_with('#') => {
                (model, Which::Stage(is_name(stage).then(|| stage.to_owned())?))
            }
            // GTO has both words.
            Some((model, "latest" | "greatest")) => (model, Which::Latest),
            Some((model, number)) => (model, Which::Version(version(number)?)),
        };
        is_model_name(model).then(|| Self { model: model.to_owned(), which })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Latest => f.write_str(&self.model),
            Which::Version(version) => write!(f, "{}@v{version}", self.model),
            Which::Stage(stage) => write!(f, "{}#{stage}", self.model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_versions() {
        let spec = |text: &str| Spec::parse(text).map(|spec| (spec.to_string(), spec.which));
        let one = Version::new(1, 2, 0);
        for (text, name, which) in [
            ("a/house-1", "a/house-1", Which::Latest),
            ("house@latest", "house", Which::Latest),
            ("house@v1.2.0", "house@v1.2.0", Which::Version(one.clone())),
            ("house@1.2.0", "house@v1.2.0", Which::Version(one)),
            ("house#prod", "house#prod", Which::Stage("prod".into())),
        ] {
            assert_eq!(spec(text), Some((name.to_owned(), which)), "{text}");
        }
        for text in
            ["", "@v1.2.0", "house@", "house@{1}", "house@v1", "house#", "house#prod#3", "HEAD~1", "m.safetensors"]
        {
            assert_eq!(spec(text), None, "{text}");
        }
    }
}
