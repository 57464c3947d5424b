//! The methods of merging tensors: numbers in, numbers out. Pure.
//!
//! Formulas, parameters and defaults are those of mergekit 0.1.5; each file has its own with their sources. Arithmetic
//! is in f32, or f64 for tensors of f64; the result is rounded once, by whoever writes it.

use std::fmt;

mod arcee_fusion;
mod election;
mod karcher;
mod linear;
mod model_stock;
mod multislerp;
mod nearswap;
mod nuslerp;
mod params;
mod ram;
mod random;
mod real;
mod sce;
mod slerp;
mod sparsify;
mod task;

pub use params::{ParamError, Params, PerModel, Value};
pub use random::Random;
pub use real::Real;

use params::Taker;

/// The seed of random methods, if none is given.
pub const SEED: u32 = 42;

/// Versions of one tensor, all of the same shape.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a, T> {
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: &'a [usize],
    /// The version all others come from.
    pub base: Option<&'a [T]>,
    /// The versions to merge; ours first.
    pub models: &'a [&'a [T]],
}

/// Why a method cannot merge these tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It needs the version that the others come from.
    #[error("there is no base to compare with")]
    NoBase,
    /// It is for another number of models.
    #[error("it merges {wanted} models, not {given}")]
    Models {
        /// How many it takes, in words.
        wanted: &'static str,
        /// How many there are.
        given: usize,
    },
    /// A parameter has a value for each model, and there are others.
    #[error("`{name}` has {values} values for {models} models")]
    Values {
        /// The parameter.
        name: &'static str,
        /// How many values.
        values: usize,
        /// How many models.
        models: usize,
    },
    /// The formula has no result.
    #[error("{0}")]
    Degenerate(&'static str),
}

impl<'a, T: Real> Input<'a, T> {
    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    fn base(&self) -> Result<&'a [T], Refusal> {
        self.base.ok_or(Refusal::NoBase)
    }

    fn exactly<const N: usize>(&self) -> Result<[&'a [T]; N], Refusal> {
        let wanted = if N == 1 { "one" } else { "two" };
        self.models.try_into().map_err(|_| Refusal::Models { wanted, given: self.models.len() })
    }

    fn at_least(&self, count: usize) -> Result<(), Refusal> {
        let given = self.models.len();
        if given < count { Err(Refusal::Models { wanted: "two or more", given }) } else { Ok(()) }
    }

    fn check(&self, values: &PerModel, name: &'static str) -> Result<(), Refusal> {
        let models = self.models.len();
        if values.fits(models) { Ok(()) } else { Err(Refusal::Values { name, values: values.len(), models }) }
    }

    fn weights(&self, values: &PerModel, name: &'static str) -> Result<Vec<T>, Refusal> {
        self.check(values, name)?;
        Ok((0..self.models.len()).map(|model| T::of(values.of(model))).collect())
    }

    fn deltas(&self, base: &[T]) -> Vec<Vec<T>> {
        self.models.iter().map(|model| model.iter().zip(base).map(|(&x, &base)| x - base).collect()).collect()
    }
}

/// A method with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    name: &'static str,
    params: Params,
    seed: u32,
    formula: Formula,
}

#[derive(Debug, Clone, PartialEq)]
enum Formula {
    Linear(linear::Linear),
    Passthrough(linear::Passthrough),
    Slerp(slerp::Slerp),
    NuSlerp(nuslerp::NuSlerp),
    MultiSlerp(multislerp::MultiSlerp),
    Karcher(karcher::Karcher),
    Task(task::Task),
    ModelStock(model_stock::ModelStock),
    Sce(sce::Sce),
    NearSwap(nearswap::NearSwap),
    Ram(ram::Ram),
    ArceeFusion,
}

type Taking = fn(&mut Taker<'_>) -> Result<Formula, ParamError>;

const METHODS: &[(&str, Taking)] = &[
    ("linear", |params| linear::Linear::take(params).map(Formula::Linear)),
    ("slerp", |params| slerp::Slerp::take(params).map(Formula::Slerp)),
    ("nuslerp", |params| nuslerp::NuSlerp::take(params).map(Formula::NuSlerp)),
    ("multislerp", |params| multislerp::MultiSlerp::take(params).map(Formula::MultiSlerp)),
    ("karcher", |params| karcher::Karcher::take(params).map(Formula::Karcher)),
    ("task_arithmetic", |params| task::Task::arithmetic(params).map(Formula::Task)),
    ("ties", |params| task::Task::ties(params).map(Formula::Task)),
    ("dare_linear", |params| task::Task::dare(params, false).map(Formula::Task)),
    ("dare_ties", |params| task::Task::dare(params, true).map(Formula::Task)),
    ("della", |params| task::Task::della(params, true).map(Formula::Task)),
    ("della_linear", |params| task::Task::della(params, false).map(Formula::Task)),
    ("breadcrumbs", |params| task::Task::breadcrumbs(params, false).map(Formula::Task)),
    ("breadcrumbs_ties", |params| task::Task::breadcrumbs(params, true).map(Formula::Task)),
    ("model_stock", |params| model_stock::ModelStock::take(params).map(Formula::ModelStock)),
    ("sce", |params| sce::Sce::take(params).map(Formula::Sce)),
    ("nearswap", |params| nearswap::NearSwap::take(params).map(Formula::NearSwap)),
    ("ram", |params| ram::Ram::take(params).map(Formula::Ram)),
    ("ramplus_tl", |params| ram::Ram::take_plus(params).map(Formula::Ram)),
    ("arcee_fusion", |_| Ok(Formula::ArceeFusion)),
    ("passthrough", |params| linear::Passthrough::take(params).map(Formula::Passthrough)),
];

/// Why there is no such method.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// The name is none of [`Method::names`].
    #[error("there is no merge method `{0}`")]
    Unknown(String),
    /// A parameter is wrong.
    #[error(transparent)]
    Param(#[from] ParamError),
}

impl Method {
    /// The names of all methods.
    pub fn names() -> impl Iterator<Item = &'static str> {
        METHODS.iter().map(|(name, _)| *name)
    }

    /// The method of this name with these parameters.
    ///
    /// # Errors
    /// There is none, or it has no such parameter, or not with this value.
    pub fn new(name: &str, params: &Params) -> Result<Self, MethodError> {
        let &(name, take) =
            METHODS.iter().find(|(known, _)| *known == name).ok_or_else(|| MethodError::Unknown(name.into()))?;
        let mut taker = Taker::new(name, params);
        let formula = take(&mut taker)?;
        let is_random = matches!(&formula, Formula::Task(task) if task.is_random());
        let seed = if is_random { taker.number("seed", SEED.into(), 0.0..=u32::MAX.into())? as u32 } else { SEED };
        taker.finish()?;
        Ok(Self { name, params: params.clone(), seed, formula })
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The seed of its random numbers.
    pub const fn seed(&self) -> u32 {
        self.seed
    }

    /// Whether it draws random numbers.
    pub const fn is_random(&self) -> bool {
        matches!(&self.formula, Formula::Task(task) if task.is_random())
    }

    /// Whether it needs the version that the others come from.
    pub const fn needs_base(&self) -> bool {
        matches!(self.formula, Formula::Task(_) | Formula::ModelStock(_) | Formula::Sce(_) | Formula::Ram(_))
    }

    /// Merges versions of one tensor. `random` has a stream for each of the models.
    ///
    /// # Errors
    /// What the formula has no result for.
    ///
    /// # Panics
    /// The versions have other numbers of elements than the shape says, or streams are missing.
    pub fn merge<T: Real>(&self, input: &Input<'_, T>, random: &mut [Random]) -> Result<Vec<T>, Refusal> {
        let elements = input.elements();
        assert!(input.models.iter().chain(&input.base).all(|version| version.len() == elements), "sizes of versions");
        if input.models.is_empty() {
            return Err(Refusal::Models { wanted: "one or more", given: 0 });
        }
        match &self.formula {
            Formula::Linear(method) => method.merge(input),
            Formula::Passthrough(method) => method.merge(input),
            Formula::Slerp(method) => method.merge(input),
            Formula::NuSlerp(method) => method.merge(input),
            Formula::MultiSlerp(method) => method.merge(input),
            Formula::Karcher(method) => method.merge(input),
            Formula::Task(method) => method.merge(input, random),
            Formula::ModelStock(method) => method.merge(input),
            Formula::Sce(method) => method.merge(input),
            Formula::NearSwap(method) => method.merge(input),
            Formula::Ram(method) => method.merge(input),
            Formula::ArceeFusion => arcee_fusion::merge(input),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if self.params.is_empty() { Ok(()) } else { write!(f, " ({})", self.params) }
    }
}
