//! Parameters of merge methods: as they were given, and as the methods use them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

/// A parameter's value as it was given.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A number for each model.
    List(Vec<f64>),
}

impl Value {
    /// Reads `true`, `0.5` or `0.3,0.7`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "true" => Some(Self::Bool(true)),
            "false" => Some(Self::Bool(false)),
            text => {
                let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| number.trim().parse()).collect();
                let numbers = numbers.ok()?;
                Some(if let [number] = numbers[..] { Self::Number(number) } else { Self::List(numbers) })
            }
        }
    }
}

/// One number for all models, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub struct PerModel(Vec<f64>);

impl PerModel {
    /// The number of the model in this place.
    pub fn of(&self, model: usize) -> f64 {
        self.0.get(model).or(self.0.first()).copied().unwrap_or(1.0)
    }

    /// Whether there is one for all of `models`.
    pub(super) fn fits(&self, models: usize) -> bool {
        self.0.len() == 1 || self.0.len() == models
    }

    /// The numbers that were given.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<f64> for PerModel {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParamError {
    /// The method does not have it.
    #[error("`{method}` has no parameter `{name}`; {}", known_text(known))]
    Unknown {
        /// The method.
        method: &'static str,
        /// As it was given.
        name: String,
        /// Those it has.
        known: Vec<&'static str>,
    },
    /// It is of another kind.
    #[error("`{name}` of `{method}` must be {wanted}")]
    Kind {
        /// The method.
        method: &'static str,
        /// The parameter.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// It is out of range.
    #[error("`{name}` of `{method}` is {value}; it must be from {min} to {max}")]
    Range {
        /// The method.
        method: &'static str,
        /// The parameter.
        name: &'static str,
        /// As it was given.
        value: f64,
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
}

fn known_text(known: &[&str]) -> String {
    if known.is_empty() { "it has none".into() } else { format!("it has `{}`", known.join("`, `")) }
}

/// Parameters by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Params(BTreeMap<String, Value>);

impl Params {
    /// Sets a parameter.
    pub fn set(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            match value {
                Value::Bool(value) => write!(f, "{separator}{name} = {value}")?,
                Value::Number(value) => write!(f, "{separator}{name} = {value}")?,
                Value::List(values) => write!(f, "{separator}{name} = {values:?}")?,
            }
        }
        Ok(())
    }
}

/// Takes the parameters of one method out of those that were given.
pub(super) struct Taker<'a> {
    method: &'static str,
    params: &'a Params,
    known: Vec<&'static str>,
}

/// Any finite number.
pub(super) const ANY: RangeInclusive<f64> = f64::MIN..=f64::MAX;
/// A share.
pub(super) const SHARE: RangeInclusive<f64> = 0.0..=1.0;

impl<'a> Taker<'a> {
    pub(super) const fn new(method: &'static str, params: &'a Params) -> Self {
        Self { method, params, known: Vec::new() }
    }

    fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.params.0.get(name)
    }

    fn kind(&self, name: &'static str, wanted: &'static str) -> ParamError {
        ParamError::Kind { method: self.method, name, wanted }
    }

    fn in_range(&self, name: &'static str, value: f64, range: &RangeInclusive<f64>) -> Result<f64, ParamError> {
        let (min, max) = (*range.start(), *range.end());
        if range.contains(&value) {
            Ok(value)
        } else {
            Err(ParamError::Range { method: self.method, name, value, min, max })
        }
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Result<f64, ParamError> {
        match self.value(name) {
            None => Ok(default),
            Some(&Value::Number(value)) => self.in_range(name, value, &range),
            Some(_) => Err(self.kind(name, "a number")),
        }
    }

    pub(super) fn per_model(
        &mut self,
        name: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Result<PerModel, ParamError> {
        let values = match self.value(name) {
            None => vec![default],
            Some(Value::Number(value)) => vec![*value],
            Some(Value::List(values)) if !values.is_empty() => values.clone(),
            Some(_) => return Err(self.kind(name, "a number, or a list of one for each model")),
        };
        values.iter().try_for_each(|&value| self.in_range(name, value, &range).map(drop))?;
        Ok(PerModel(values))
    }

    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, ParamError> {
        match self.value(name) {
            None => Ok(default),
            Some(&Value::Bool(value)) => Ok(value),
            Some(_) => Err(self.kind(name, "`true` or `false`")),
        }
    }

    /// To be called when all have been taken.
    pub(super) fn finish(self) -> Result<(), ParamError> {
        match self.params.0.keys().find(|name| !self.known.contains(&name.as_str())) {
            Some(name) => Err(ParamError::Unknown { method: self.method, name: name.clone(), known: self.known }),
            None => Ok(()),
        }
    }
}
