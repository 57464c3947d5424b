//! Which model for which task.

use super::loss::Loss;

/// A model, by what it predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A number.
    Linear,
    /// One of two classes, 0 and 1.
    Logistic,
    /// One of several classes, 0, 1, 2, …
    Softmax,
}

impl Kind {
    /// All, the simplest first.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Logistic, Self::Softmax];

    /// The name as in options and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Logistic => "logistic",
            Self::Softmax => "softmax",
        }
    }

    /// The task as `git model eval` names it.
    pub const fn task(self) -> &'static str {
        match self {
            Self::Linear => "regression",
            Self::Logistic => "binary",
            Self::Softmax => "multiclass",
        }
    }

    /// What training makes small.
    pub const fn loss(self) -> Loss {
        match self {
            Self::Linear => Loss::MeanSquaredError,
            Self::Logistic => Loss::BinaryCrossEntropy,
            Self::Softmax => Loss::CrossEntropy,
        }
    }

    /// How many classes there are, where the last layer has so many outputs.
    pub const fn classes(self, outputs: usize) -> Option<usize> {
        match self {
            Self::Linear => None,
            Self::Logistic => Some(2),
            Self::Softmax => Some(outputs),
        }
    }
}
