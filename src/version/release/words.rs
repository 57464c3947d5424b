//! What stands behind `git model tag`: a model, which may be left out, then a version, then a revision.

use super::{Bump, Number, ReleaseError};
use crate::registry::name::{version, version_like};
use crate::registry::spec::{Spec, Which};
use crate::version::named::NameError;

/// The model, if one is named, and the other words. The model comes first, last, or as `house@v1.2.0`.
pub fn split(words: &[String], known: &[String]) -> (Option<String>, Vec<String>) {
    let is_known = |word: &String| known.contains(word);
    match words {
        [first, rest @ ..] if is_known(first) => (Some(first.clone()), rest.to_vec()),
        [rest @ .., last] if is_known(last) => (Some(last.clone()), rest.to_vec()),
        // A model of another commit, or one that is misspelled.
        [first, rest @ ..] if version(first).is_none() && rest.first().is_some_and(|next| version(next).is_some()) => {
            (Some(first.clone()), rest.to_vec())
        }
        [first, rest @ ..] => match Spec::parse(first) {
            Some(Spec { model, which: Which::Version(number) }) => {
                (Some(model), std::iter::once(format!("v{number}")).chain(rest.iter().cloned()).collect())
            }
            Some(Spec { model, which: Which::Stage(_) }) => (Some(model), words.to_vec()),
            _ => (None, words.to_vec()),
        },
        [] => (None, Vec::new()),
    }
}

impl Number {
    /// The number of a new version, and the revision behind it, from the words behind the model.
    ///
    /// # Errors
    /// No number, or what is none.
    pub fn of(
        words: &[String],
        bump: Option<Bump>,
        model: Option<&str>,
        known: &[String],
    ) -> Result<(Self, Option<String>), ReleaseError> {
        let (number, rest) = match (bump, words) {
            (Some(part), rest) => (Self::Bump(part), rest),
            (None, []) => {
                let model = model.or(known.first().map(String::as_str)).unwrap_or("MODEL").to_owned();
                return Err(ReleaseError::NoNumber { model });
            }
            (None, [first, rest @ ..]) => {
                if model.is_none() && version(first).is_none() && version_like(first).is_none() {
                    let place = "this repository".to_owned();
                    return Err(NameError::Unknown { name: first.clone(), place, known: known.to_vec() }.into());
                }
                (Self::Exactly(number(first)?), rest)
            }
        };
        Ok((number, one(rest)?))
    }
}

/// A word as a version.
///
/// # Errors
/// It is none.
pub fn number(word: &str) -> Result<semver::Version, ReleaseError> {
    version(word).ok_or_else(|| {
        let meant = version_like(word).unwrap_or_else(|| "v1.0.0".to_owned());
        ReleaseError::NotAVersion { text: word.to_owned(), meant }
    })
}

/// The only word, if there is one.
///
/// # Errors
/// There are more.
pub fn one(words: &[String]) -> Result<Option<String>, ReleaseError> {
    match words {
        [] => Ok(None),
        [word] => Ok(Some(word.clone())),
        [_, second, ..] => Err(ReleaseError::Superfluous(second.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_model_may_be_left_out() {
        let known = words("house ranker");
        for (text, model, rest) in [
            ("house v1.0.0 HEAD~1", Some("house"), "v1.0.0 HEAD~1"),
            ("v1.0.0 house", Some("house"), "v1.0.0"),
            ("v1.0.0", None, "v1.0.0"),
            ("new@1.0.0 HEAD", Some("new"), "v1.0.0 HEAD"),
            ("house#dev", Some("house"), "house#dev"),
            ("old v1.0.0 HEAD~9", Some("old"), "v1.0.0 HEAD~9"),
            ("hause", None, "hause"),
            ("", None, ""),
        ] {
            assert_eq!(split(&words(text), &known), (model.map(str::to_owned), words(rest)), "{text}");
        }
    }

    #[test]
    fn the_number_of_a_version() {
        let of = |text: &str, bump, model| {
            Number::of(&words(text), bump, model, &words("house")).map_err(|error| error.to_string())
        };
        assert!(
            matches!(of("1.2.0 HEAD~1", None, None), Ok((Number::Exactly(_), Some(revision))) if revision == "HEAD~1")
        );
        assert!(matches!(of("HEAD~1", Some(Bump::Minor), None), Ok((Number::Bump(Bump::Minor), Some(_)))));
        assert!(of("v1.2", None, None).expect_err("no version").contains("`v1.2` is no version"));
        assert!(of("hause", None, None).expect_err("no model").contains("no model `hause`"));
        assert!(of("", None, None).expect_err("nothing").contains("no version is given for `house`"));
        assert!(of("v1.0.0 a b", None, Some("house")).expect_err("too many").contains("`b`"));
    }
}
