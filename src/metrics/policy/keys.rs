//! Reading a table of TOML whose keys are all known.

use std::ops::Range;

use toml_edit::{Item, Table, Value};

use crate::params::load::LoadError;

/// A key that is not known is likely one of these if they are at least so alike.
const ALIKE_MIN: f64 = 0.6;

/// A table, and the text it stands in.
#[derive(Clone, Copy)]
pub struct Keys<'t> {
    pub text: &'t str,
    pub table: &'t Table,
    /// How it is called in messages.
    pub place: &'t str,
}

impl<'t> Keys<'t> {
    /// # Errors
    /// A key that is not among `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), LoadError> {
        let Some((key, item)) = self.table.iter().find(|(key, _)| !known.contains(key)) else { return Ok(()) };
        let place = if self.place.is_empty() { String::new() } else { format!(" in `{}`", self.place) };
        let advice = match nearest(key, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there may be `{}`", known.join("`, `")),
        };
        let span = self.table.key(key).and_then(|key| key.span()).or_else(|| item.span());
        Err(self.error(span, format!("there is no key `{key}`{place}; {advice}")))
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// An error about the value of `key`.
    pub fn wrong(&self, key: &str, wanted: &str) -> LoadError {
        let place = if self.place.is_empty() { String::new() } else { format!(" in `{}`", self.place) };
        self.error(self.span(key), format!("`{key}`{place} must be {wanted}"))
    }

    /// An error about the table itself.
    pub fn lacks(&self, what: &str) -> LoadError {
        self.error(self.table.span(), format!("`{}` needs {what}", self.place))
    }

    pub fn error(&self, span: Option<Range<usize>>, why: impl Into<String>) -> LoadError {
        LoadError { line: span.map(|span| line(self.text, span.start)), why: why.into() }
    }

    pub fn span(&self, key: &str) -> Option<Range<usize>> {
        self.table.key(key).and_then(|key| key.span()).or_else(|| self.table.get(key).and_then(Item::span))
    }

    pub fn string(&self, key: &str) -> Result<Option<String>, LoadError> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        item.as_str().map(|text| Some(text.to_owned())).ok_or_else(|| self.wrong(key, "text"))
    }

    /// A list of texts; one alone is a list of one.
    pub fn strings(&self, key: &str) -> Result<Vec<String>, LoadError> {
        let Some(item) = self.table.get(key) else { return Ok(Vec::new()) };
        if let Some(text) = item.as_str() {
            return Ok(vec![text.to_owned()]);
        }
        let list = item.as_array().and_then(|list| list.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        list.ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    pub fn number(&self, key: &str) -> Result<Option<f64>, LoadError> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let number = item.as_value().and_then(number).filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| self.wrong(key, "a number"))
    }

    pub fn flag(&self, key: &str) -> Result<bool, LoadError> {
        let Some(item) = self.table.get(key) else { return Ok(false) };
        item.as_bool().ok_or_else(|| self.wrong(key, "`true` or `false`"))
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, LoadError> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| item.as_str() == Some(word)).map(|&(_, meant)| meant);
        let names: Vec<String> = words.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
        found.map(Some).ok_or_else(|| self.wrong(key, &names.join(" or ")))
    }
}

pub fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// The line of a byte offset, counted from 1.
pub fn line(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count() + 1
}

/// The name among `known` that is most like `name`, if one is like it at all.
pub fn nearest<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k (impl AsRef<str> + ?Sized + 'k)>,
) -> Option<&'k str> {
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    let alike = known.into_iter().map(AsRef::as_ref).map(|other| (likeness(other), other));
    let best = alike.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 >= ALIKE_MIN).then_some(best.1)
}
