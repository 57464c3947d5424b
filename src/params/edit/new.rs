//! The new value: of which kind it is, and how it is written.

use jsonc_parser::ast::Value as Ast;

use super::{As, EditError};
use crate::params::json::ast;
use crate::params::load::{Tree, load};
use crate::params::tree::{Content, DEPTH_MAX, Node};
use crate::params::value::{Number, Value};
use crate::params::{Syntax, read};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum New {
    /// A number as JSON writes it, with the `NaN` and `Infinity` of Python.
    Number(String),
    /// Text.
    Text(String),
    /// Text that stands without quotes: a date, or a word such as `yes`.
    Plain(String),
    /// `true` or `false`.
    Bool(bool),
    /// Nothing.
    Null,
    /// Values.
    List(Vec<Self>),
    /// Keys and values.
    Map(Vec<(String, Self)>),
}

/// The kind of the old value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Whole,
    Number,
    Text,
    Bool,
    Null,
    List,
    Map,
    Plain,
}

impl Kind {
    /// The kind of a value that is written so.
    pub fn of(syntax: Syntax, node: &Node, written: &str) -> Self {
        let Content::Value(value) = &node.content else { return Self::Map };
        let is_whole = written.parse::<i128>().is_ok();
        match value {
            Value::Map(_) => Self::Map,
            Value::List(_) => Self::List,
            Value::Text(_) => Self::Text,
            Value::Bool(_) => Self::Bool,
            Value::Null => Self::Null,
            Value::Number(_) if is_whole => Self::Whole,
            Value::Number(_) => Self::Number,
            Value::Other(_) => {
                let text = format!("{}{written}\n", if syntax == Syntax::Toml { "a = " } else { "a: " });
                let loaded = match syntax {
                    Syntax::Json => Tree::Number(f64::NAN),
                    _ => {
                        load(syntax, text.as_bytes()).ok().and_then(|tree| tree.get("a").cloned()).unwrap_or(Tree::Null)
                    }
                };
                let digits = written.trim_start_matches(['+', '-']);
                let is_word = digits.is_empty() || digits.contains(['.', 'n', 'i']) && !digits.starts_with("0x");
                match loaded {
                    Tree::Number(_) if syntax == Syntax::Json || is_word => Self::Number,
                    Tree::Number(_) => Self::Whole,
                    _ => Self::Plain,
                }
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Whole => "a whole number",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Bool => "`true` or `false`",
            Self::Null => "nothing",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Plain => "a word without quotes",
        }
    }
}

impl New {
    /// A value in place of one of this kind.
    pub fn of(kind: Kind, value: &str, how: As) -> Result<Self, EditError> {
        if how != As::Same {
            return Self::guess(value, how);
        }
        let wrong = || EditError::Kind { path: String::new(), old: kind.name(), value: value.to_owned() };
        match kind {
            Kind::Text => Ok(Self::Text(value.to_owned())),
            Kind::Plain => Ok(Self::Plain(value.to_owned())),
            Kind::Null => Self::guess(value, how),
            Kind::Bool => match value {
                "true" | "True" => Ok(Self::Bool(true)),
                "false" | "False" => Ok(Self::Bool(false)),
                _ => Err(wrong()),
            },
            Kind::Whole => whole(value).map(Self::Number).ok_or_else(wrong),
            Kind::Number => number(value).map(Self::Number).ok_or_else(wrong),
            Kind::List | Kind::Map => match (Self::json(value), kind) {
                (Ok(list @ Self::List(_)), Kind::List) => Ok(list),
                (Ok(map @ Self::Map(_)), Kind::Map) => Ok(map),
                _ => Err(wrong()),
            },
        }
    }

    /// A value where there was none.
    pub fn guess(value: &str, how: As) -> Result<Self, EditError> {
        match how {
            As::Text => Ok(Self::Text(value.to_owned())),
            As::Json => Self::json(value),
            As::Same => Ok(match Self::json(value) {
                // Words of Python that are rather text.
                Ok(Self::Number(_)) if value.ends_with(['N', 'y']) => Self::Text(value.to_owned()),
                Ok(Self::Text(_)) | Err(_) => match number(value).filter(|_| is_decimal(value)) {
                    Some(number) => Self::Number(number),
                    None => Self::Text(value.to_owned()),
                },
                Ok(new) => new,
            }),
        }
    }

    fn json(value: &str) -> Result<Self, EditError> {
        let wrong = |why: &str| EditError::Json { value: value.to_owned(), why: why.to_owned() };
        let found = ast(value).map_err(|error| wrong(error.kind().to_string().trim_end_matches('.')))?;
        Self::from_ast(found.ok_or_else(|| wrong("it is empty"))?, 0).ok_or_else(|| wrong("it is nested too deep"))
    }

    fn from_ast(ast: Ast, depth: usize) -> Option<Self> {
        if depth > DEPTH_MAX {
            return None;
        }
        Some(match ast {
            Ast::StringLit(text) => Self::Text(text.value.into_owned()),
            Ast::NumberLit(number) => Self::Number(number.value.to_owned()),
            Ast::BooleanLit(flag) => Self::Bool(flag.value),
            Ast::NullKeyword(_) => Self::Null,
            Ast::Array(items) => Self::List(
                items.elements.into_iter().map(|item| Self::from_ast(item, depth + 1)).collect::<Option<_>>()?,
            ),
            Ast::Object(object) => {
                let member = |property: jsonc_parser::ast::ObjectProp| {
                    Some((property.name.into_string(), Self::from_ast(property.value, depth + 1)?))
                };
                Self::Map(object.properties.into_iter().map(member).collect::<Option<_>>()?)
            }
        })
    }

    /// What it says.
    pub fn tree(&self) -> Tree {
        match self {
            Self::Number(number) => Tree::Number(match number.as_str() {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                number => number.parse().unwrap_or(f64::NAN),
            }),
            Self::Text(text) | Self::Plain(text) => Tree::Text(text.clone()),
            Self::Bool(flag) => Tree::Bool(*flag),
            Self::Null => Tree::Null,
            Self::List(items) => Tree::List(items.iter().map(Self::tree).collect()),
            Self::Map(members) => Tree::Map(members.iter().map(|(key, value)| (key.clone(), value.tree())).collect()),
        }
    }

    /// How it is written, in one line; text in the quotes of the old value.
    ///
    /// # Errors
    /// TOML has no word for nothing.
    pub fn text(&self, syntax: Syntax, old: Option<&str>) -> Result<String, EditError> {
        Ok(match self {
            Self::Number(number) => written(syntax, number),
            Self::Text(text) => quoted(syntax, text, old),
            Self::Plain(text) => text.clone(),
            Self::Bool(flag) => flag.to_string(),
            Self::Null if syntax == Syntax::Toml => return Err(EditError::Null),
            Self::Null => "null".to_owned(),
            Self::List(items) => {
                let items = items.iter().map(|item| item.text(syntax, None));
                format!("[{}]", items.collect::<Result<Vec<_>, _>>()?.join(", "))
            }
            Self::Map(members) => {
                let colon = if syntax == Syntax::Toml { " = " } else { ": " };
                let member = |(key, value): &(String, Self)| {
                    Ok([&key_text(syntax, key), colon, &value.text(syntax, None)?].concat())
                };
                format!("{{{}}}", members.iter().map(member).collect::<Result<Vec<_>, EditError>>()?.join(", "))
            }
        })
    }
}

/// How a key is written.
pub fn key_text(syntax: Syntax, key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    match syntax {
        Syntax::Toml if is_bare => key.to_owned(),
        Syntax::Yaml => quoted(syntax, key, None),
        _ => double(key),
    }
}

/// A whole number without a plus or leading zeros.
fn whole(value: &str) -> Option<String> {
    let digits = value.trim_start_matches(['+', '-']);
    let is_plain =
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && value.len() - digits.len() <= 1;
    is_plain.then(|| {
        let digits = digits.trim_start_matches('0');
        let sign = if value.starts_with('-') { "-" } else { "" };
        if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") }
    })
}

/// A number that is not taken for a whole one.
fn number(value: &str) -> Option<String> {
    match value.trim_start_matches('.').to_ascii_lowercase().as_str() {
        "nan" => return Some("NaN".to_owned()),
        "inf" | "+inf" | "infinity" => return Some("Infinity".to_owned()),
        "-inf" | "-infinity" | "-.inf" => return Some("-Infinity".to_owned()),
        _ => {}
    }
    Number::parse(value)?;
    let (mantissa, power) = value.split_at(value.find(['e', 'E']).unwrap_or(value.len()));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let before = whole(if before.trim_start_matches(['+', '-']).is_empty() { "0" } else { before })?;
    // The sign of `-0.5` and of `-.5`.
    let sign = if value.starts_with('-') && !before.starts_with('-') { "-" } else { "" };
    let after = if after.is_empty() && power.is_empty() { "0" } else { after };
    Some(if after.is_empty() { format!("{sign}{before}{power}") } else { format!("{sign}{before}.{after}{power}") })
}

/// Digits in the first place, and no leading zero such as in a telephone number.
fn is_decimal(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && !(digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit()))
}

/// A number in the words of a syntax.
fn written(syntax: Syntax, number: &str) -> String {
    let special = |nan: &str, inf: &str| match number {
        "NaN" => Some(nan.to_owned()),
        "Infinity" => Some(inf.to_owned()),
        "-Infinity" => Some(format!("-{inf}")),
        _ => None,
    };
    match syntax {
        Syntax::Json => number.to_owned(),
        Syntax::Toml => special("nan", "inf").unwrap_or_else(|| number.to_owned()),
        Syntax::Yaml => special(".nan", ".inf").unwrap_or_else(|| match number.split_once(['e', 'E']) {
            // YAML 1.1 takes others for text.
            Some((mantissa, power)) => {
                let mantissa = if mantissa.contains('.') { mantissa.to_owned() } else { format!("{mantissa}.0") };
                let sign = if power.starts_with(['+', '-']) { "" } else { "+" };
                format!("{mantissa}e{sign}{power}")
            }
            None => number.to_owned(),
        }),
    }
}

fn quoted(syntax: Syntax, text: &str, old: Option<&str>) -> String {
    let is_plain_line = !text.contains(char::is_control);
    match syntax {
        Syntax::Json => double(text),
        Syntax::Toml => match old {
            Some(old) if old.starts_with('\'') && is_plain_line && !text.contains('\'') => format!("'{text}'"),
            _ => double(text),
        },
        Syntax::Yaml => match old.and_then(|old| old.chars().next()) {
            Some('\'') if is_plain_line => format!("'{}'", text.replace('\'', "''")),
            Some('"') => double(text),
            _ if is_plain_line && means_itself(text) => text.to_owned(),
            _ => double(text),
        },
    }
}

/// In the quotes of JSON, which YAML and TOML read alike.
fn double(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    // Of the characters that JSON leaves alone, TOML and YAML do not take these.
    quoted.chars().map(|c| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.to_string() }).collect()
}

/// Whether YAML of either version takes a text without quotes for itself, in braces too.
fn means_itself(text: &str) -> bool {
    [format!("a: {text}\n"), format!("a: {{a: {text}}}\n"), format!("{text}: a\n")].iter().enumerate().all(
        |(at, line)| {
            let Some((source, _)) = read(Syntax::Yaml, line.as_bytes()) else { return false };
            let value = source.root.value();
            let member = |value: &Value, key: &str| value.members().and_then(|members| members.get(key)).cloned();
            match at {
                0 => member(&value, "a") == Some(Value::Text(text.to_owned())),
                1 => member(&value, "a").and_then(|value| member(&value, "a")) == Some(Value::Text(text.to_owned())),
                _ => member(&value, text) == Some(Value::Text("a".to_owned())),
            }
        },
    )
}
