//! The scores there are, and which of them a task has.

use super::{Scale, Task};

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A score; formulas and units are in `docs/metrics.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric { $($(#[$doc])* $variant),* }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the command line and in metrics files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

metrics! {
    /// Mean squared error.
    Mse = "mse";
    /// Its root.
    Rmse = "rmse";
    /// Mean absolute error.
    Mae = "mae";
    /// Coefficient of determination.
    R2 = "r2";
    /// Mean cross-entropy in nats.
    CrossEntropy = "cross_entropy";
    /// The same number, by its other name.
    LogLoss = "log_loss";
    /// Share of right classes.
    Accuracy = "accuracy";
    /// Precision of class 1.
    Precision = "precision";
    /// Recall of class 1.
    Recall = "recall";
    /// F1 of class 1.
    F1 = "f1";
    /// Mean of the classes' precisions.
    PrecisionMacro = "precision_macro";
    /// Mean of the classes' recalls.
    RecallMacro = "recall_macro";
    /// Mean of the classes' F1.
    F1Macro = "f1_macro";
    /// Precision over all classes together.
    PrecisionMicro = "precision_micro";
    /// Recall over all classes together.
    RecallMicro = "recall_micro";
    /// F1 over all classes together.
    F1Micro = "f1_micro";
    /// Area under the ROC curve.
    RocAuc = "roc_auc";
    /// exp of the cross-entropy.
    Perplexity = "perplexity";
}

impl Metric {
    /// The score of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|metric| metric.name() == name)
    }

    const fn is_of(self, task: Task) -> bool {
        match self {
            Self::Mse | Self::Rmse | Self::Mae | Self::R2 => matches!(task, Task::Regression),
            Self::CrossEntropy | Self::LogLoss | Self::Accuracy => !matches!(task, Task::Regression),
            Self::Precision | Self::Recall | Self::F1 | Self::RocAuc => matches!(task, Task::Binary),
            Self::Perplexity => matches!(task, Task::Language),
            Self::PrecisionMacro | Self::RecallMacro | Self::F1Macro => matches!(task, Task::Binary | Task::Multiclass),
            Self::PrecisionMicro | Self::RecallMicro | Self::F1Micro => matches!(task, Task::Binary | Task::Multiclass),
        }
    }

    /// Whether it is computed from scores, so that labels do not do.
    pub const fn needs_scores(self) -> bool {
        matches!(self, Self::CrossEntropy | Self::LogLoss | Self::RocAuc | Self::Perplexity)
    }

    /// Those that are wanted, or if none is, the usual ones; what is wrong if one cannot be had.
    pub fn chosen(task: Task, scale: Scale, wanted: &[Self]) -> Result<Vec<Self>, String> {
        let has = |metric: Self| !(metric.needs_scores() && scale == Scale::Labels);
        if wanted.is_empty() {
            return Ok(Self::usual(task).iter().copied().filter(|&metric| has(metric)).collect());
        }
        for &metric in wanted {
            let name = metric.name();
            if !metric.is_of(task) {
                let known: Vec<_> = Self::ALL.iter().filter(|metric| metric.is_of(task)).map(|m| m.name()).collect();
                let task = format!("{task:?}").to_lowercase();
                return Err(format!("`{name}` is no metric of the task `{task}`, which has {}", known.join(", ")));
            }
            if !has(metric) {
                return Err(format!("`{name}` is computed from scores, and the predictions are classes"));
            }
        }
        Ok(wanted.to_vec())
    }

    const fn usual(task: Task) -> &'static [Self] {
        match task {
            Task::Regression => &[Self::Mse, Self::Rmse, Self::Mae, Self::R2],
            Task::Binary => {
                &[Self::CrossEntropy, Self::Accuracy, Self::Precision, Self::Recall, Self::F1, Self::RocAuc]
            }
            Task::Multiclass => {
                &[Self::CrossEntropy, Self::Accuracy, Self::PrecisionMacro, Self::RecallMacro, Self::F1Macro]
            }
            Task::Language => &[Self::CrossEntropy, Self::Perplexity, Self::Accuracy],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_the_usual_fit() {
        for &metric in Metric::ALL {
            assert_eq!(Metric::parse(metric.name()), Some(metric));
        }
        for task in [Task::Regression, Task::Binary, Task::Multiclass, Task::Language] {
            assert_eq!(Metric::chosen(task, Scale::Logits, Metric::usual(task)), Ok(Metric::usual(task).to_vec()));
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        let error = Metric::chosen(Task::Multiclass, Scale::Logits, &[Metric::F1]).expect_err("of two classes only");
        assert!(error.starts_with("`f1` is no metric of the task `multiclass`, which has cross_entropy,"), "{error}");
        let error = Metric::chosen(Task::Binary, Scale::Labels, &[Metric::RocAuc]).expect_err("no scores");
        assert!(error.contains("the predictions are classes"), "{error}");
        let usual = Metric::chosen(Task::Binary, Scale::Labels, &[]).expect("some");
        assert_eq!(usual, [Metric::Accuracy, Metric::Precision, Metric::Recall, Metric::F1]);
    }
}
