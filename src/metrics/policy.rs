//! `.gitmodel.toml`: which models a repository has, and what must hold for a version to go in. Pure.
//!
//! ```toml
//! [model.house-pricing]
//! weights = ["models/house-pricing.safetensors"]
//! metrics = "metrics.json"
//!
//! [[gate]]
//! model = "house-pricing"
//! metric = "test.mse"
//! goal = "minimize"
//! max = 30.0
//! regression = "2%"
//! ```
//!
//! A key that nobody knows is an error: a gate with a typo in it would let everything pass. The part `[merge]` is read by
//! the merge.

pub mod deploy;
mod keys;
mod read;
#[cfg(test)]
mod tests;

pub use keys::nearest;

use deploy::Environment;
use globset::{GlobBuilder, GlobMatcher};
use semver::VersionReq;

use crate::params::load::LoadError;

/// The file's name, at the top of the work tree.
pub const FILE: &str = ".gitmodel.toml";

/// What a `.gitmodel.toml` says.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The models, in the order of the file.
    pub models: Vec<Model>,
    /// What must hold, in the order of the file.
    pub gates: Vec<Gate>,
    /// What a server guards.
    pub protect: Protect,
    /// Where models run, in the order of the file.
    pub environments: Vec<Environment>,
}

/// A model.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Which files are its weights.
    pub weights: Vec<Pattern>,
    /// Its file of parameters, from the top.
    pub params: Option<String>,
    /// Its file of metrics, from the top.
    pub metrics: Option<String>,
    /// The command that computes its metrics, word by word; none if empty.
    pub evaluate: Vec<String>,
}

/// A pattern for paths from the top, or for names of branches and tags. `*` does not match `/`, `**` does.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

/// What must hold.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The models it is about.
    pub models: Vec<String>,
    /// What is asked of them.
    pub rule: Rule,
    /// The line of the file it begins in.
    pub line: usize,
}

/// What a gate asks.
#[derive(Debug, Clone)]
pub enum Rule {
    /// A metric must be good enough.
    Metric(MetricRule),
    /// Another model must be there in some version.
    Requires {
        /// The other model.
        model: String,
        /// Its versions that will do.
        versions: VersionReq,
    },
    /// A commit that changes the weights of one of the models must change those of all.
    Together,
}

/// How good a metric must be.
#[derive(Debug, Clone)]
pub struct MetricRule {
    /// Its dotted path in the metrics file.
    pub metric: String,
    /// What is better.
    pub goal: Goal,
    /// The smallest value that passes.
    pub min: Option<f64>,
    /// The largest value that passes.
    pub max: Option<f64>,
    /// How much worse than the base it may be.
    pub regression: Option<Amount>,
    /// What it is compared with.
    pub base: Base,
    /// What happens if it cannot be judged.
    pub on_missing: OnMissing,
    /// Whether the metrics must be of the very weights that are committed.
    pub fresh: bool,
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The smaller.
    Minimize,
    /// The larger.
    Maximize,
}

/// How much worse something may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// In the metric's own unit.
    Absolute(f64),
    /// In parts of the base's size: 0.02 for `2%`.
    Relative(f64),
}

/// What a metric is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The commit before; in a merge the branch that is merged into.
    Head,
    /// In a merge the better parent, else the commit before.
    Better,
    /// A branch, a tag or another revision.
    Revision(String),
}

/// What happens if a gate cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMissing {
    /// It stops the commit.
    Fail,
    /// It is said.
    Warn,
    /// Nothing.
    Skip,
}

/// What a server guards.
#[derive(Debug, Clone, Default)]
pub struct Protect {
    /// Branches whose new commits are checked, and that are neither rewound nor deleted.
    pub branches: Vec<Pattern>,
    /// Tags that are neither moved nor deleted.
    pub tags: Vec<Pattern>,
    /// Who may make such tags: names as the server knows them, or addresses; everybody if empty.
    pub taggers: Vec<String>,
}

impl Policy {
    /// Reads a `.gitmodel.toml`.
    ///
    /// # Errors
    /// What is no TOML, keys that are unknown, values of another kind than they should be, and gates about models that are
    /// not there; with its line.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        read::policy(text)
    }

    /// The model of this name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The same with the gates of one model only.
    pub fn only(mut self, model: &str) -> Self {
        self.gates.retain(|gate| gate.models.iter().any(|name| name == model));
        for gate in self.gates.iter_mut().filter(|gate| !matches!(gate.rule, Rule::Together)) {
            gate.models = vec![model.to_owned()];
        }
        self
    }

    /// The gates on metrics of a model.
    pub fn metric_rules<'p>(&'p self, model: &'p str) -> impl Iterator<Item = &'p MetricRule> {
        self.gates.iter().filter(move |gate| gate.models.iter().any(|name| name == model)).filter_map(
            |gate| match &gate.rule {
                Rule::Metric(rule) => Some(rule),
                _ => None,
            },
        )
    }
}

impl Model {
    /// Whether the file at `path`, from the top, is one of its weight files.
    pub fn has_weights(&self, path: &str) -> bool {
        self.weights.iter().any(|pattern| pattern.is_match(path))
    }

    /// Whether the file at `path`, from the top, has something to do with it.
    pub fn has_file(&self, path: &str) -> bool {
        [&self.params, &self.metrics].into_iter().any(|file| file.as_deref() == Some(path)) || self.has_weights(path)
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| error.kind().to_string())?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher() })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a path or a name matches.
    pub fn is_match(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }
}

impl Goal {
    /// Whether `one` is better than `other`. NaN is worse than all numbers.
    pub fn is_better(self, one: f64, other: f64) -> bool {
        match self {
            _ if other.is_nan() => !one.is_nan(),
            Self::Minimize => one < other,
            Self::Maximize => one > other,
        }
    }
}
