//! How good predictions are: two arrays to scores, a few rows at a time.
//!
//! What is not said is guessed from the numbers themselves ([`guess`]), for which they are read once more before; then
//! [`scorer`] takes in all rows. Memory does not depend on the rows, but for `roc_auc` (see [`crate::metrics::loss::Ranking`]).
//!
//! **Limitations.** Every row has one class: no sets of labels, no soft targets. No weights of rows. `roc_auc` is for two
//! classes.

use std::path::PathBuf;

use ndarray::ArrayView2;

use super::data::{self, DataError, Source};
use crate::progress::Progress;

pub mod guess;
mod metric;
mod scorer;

use guess::Observed;
pub use metric::Metric;
use scorer::Scorer;
pub use scorer::{IGNORED_TARGET, Wrong};

/// Values of a chunk of rows.
const CHUNK_VALUES: usize = 1 << 16;

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Task {
    /// Numbers.
    Regression,
    /// One of two classes, 0 and 1.
    Binary,
    /// One of several classes, 0, 1, 2, …
    Multiclass,
    /// The next token, among a vocabulary.
    Language,
}

/// What the predictions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// The predicted numbers.
    Values,
    /// The predicted classes.
    Labels,
    /// Scores before the sigmoid or softmax.
    Logits,
    /// Probabilities.
    Probabilities,
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// The array in it, if it has several.
    pub member: Option<String>,
    /// The columns, of a table; empty for all.
    pub columns: Vec<String>,
}

impl Input {
    fn open(&self) -> Result<Source, DataError> {
        let mut source = data::open(&self.path, self.member.as_deref())?;
        if !self.columns.is_empty() {
            source.select(&self.columns.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(source)
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// What a model says.
    pub predictions: Input,
    /// What is true.
    pub targets: Input,
    /// What is predicted, if that is known.
    pub task: Option<Task>,
    /// What the predictions are, if that is known.
    pub scale: Option<Scale>,
    /// The scores wanted; empty for those that are usual.
    pub metrics: Vec<Metric>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// What was predicted.
    pub task: Task,
    /// What the predictions were.
    pub scale: Scale,
    /// What was guessed, and from what, in words.
    pub guess: Option<String>,
    /// Rows (or tokens) that count.
    pub rows: u64,
    /// The scores, in the order asked for.
    pub scores: Vec<(Metric, f64)>,
    /// What to know about them.
    pub warnings: Vec<String>,
}

/// Why there are no scores.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// Numbers that cannot be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Not as many predictions as targets.
    #[error("`{predictions}` has {} of predictions, `{targets}` {} of targets", count(rows[0], "row"), count(rows[1], "row"))]
    Rows {
        /// The file of predictions.
        predictions: String,
        /// The file of targets.
        targets: String,
        /// Their rows.
        rows: [u64; 2],
    },
    /// No rows.
    #[error("`{0}` has no rows")]
    Empty(String),
    /// A row that cannot be scored.
    #[error("`{path}`: row {}: {}", wrong.row, wrong.what)]
    Row {
        /// The file.
        path: String,
        /// What is wrong.
        wrong: Wrong,
    },
    /// Shapes that do not fit each other or the task.
    #[error("{0}")]
    Shape(String),
    /// A score that these predictions have not.
    #[error("{0}")]
    Unfit(String),
}

fn count(rows: u64, what: &str) -> String {
    crate::progress::count(rows, what)
}

/// Scores the predictions.
///
/// # Errors
/// Files that cannot be read, rows that do not fit each other, scores that do not fit the task.
pub fn evaluate(question: &Question, progress: &dyn Progress) -> Result<Evaluation, EvalError> {
    let (mut predictions, mut targets) = open(question)?;
    let known = match (question.task, question.scale) {
        (Some(Task::Regression), _) => Some((Task::Regression, Scale::Values)),
        (Some(task), Some(scale)) => Some((task, scale)),
        _ => None,
    };
    let (task, scale, guess) = match known {
        Some((task, scale)) => (task, scale, None),
        None => {
            let mut observed = Observed::new(&predictions, &targets);
            each(
                question,
                &mut predictions,
                &mut targets,
                "looking at predictions",
                progress,
                |predictions, targets| {
                    observed.push(predictions, targets);
                    Ok(())
                },
            )?;
            (predictions, targets) = open(question)?;
            let guess = observed.guess(question.task, question.scale).map_err(EvalError::Shape)?;
            (guess.task, guess.scale, Some(guess.why))
        }
    };
    let metrics = Metric::chosen(task, scale, &question.metrics).map_err(EvalError::Unfit)?;
    let widths = [predictions.width(), targets.width()];
    scorer::check_widths(task, scale, widths).map_err(EvalError::Shape)?;
    let mut scorer = Scorer::new(task, scale, widths, predictions.epsilon(), &metrics);
    each(question, &mut predictions, &mut targets, "evaluating", progress, |predictions, targets| {
        scorer.push(predictions, targets).map_err(|wrong| {
            let input = if wrong.is_target { &question.targets } else { &question.predictions };
            EvalError::Row { path: input.shown(), wrong }
        })
    })?;
    let rows = scorer.rows();
    if rows == 0 {
        return Err(EvalError::Empty(question.targets.shown()));
    }
    let (scores, warnings) = scorer.finish(&metrics);
    Ok(Evaluation { task, scale, guess, rows, scores, warnings })
}

/// Both sources; of tokens one for each row.
fn open(question: &Question) -> Result<(Source, Source), EvalError> {
    let (mut predictions, mut targets) = (question.predictions.open()?, question.targets.open()?);
    let is_by_token = match question.task {
        Some(task) => task == Task::Language,
        None => guess::is_by_token(predictions.shape(), targets.shape()),
    };
    if is_by_token && predictions.shape().len() > 1 && predictions.rows_left().is_some() {
        let vocabulary = predictions.shape().last().copied().unwrap_or(1);
        predictions.regroup(vocabulary as usize)?;
        targets.regroup(1)?;
    }
    if let (Some(some), Some(others)) = (predictions.rows_left(), targets.rows_left())
        && some != others
    {
        return Err(unequal(question, [some, others]));
    }
    Ok((predictions, targets))
}

fn unequal(question: &Question, rows: [u64; 2]) -> EvalError {
    EvalError::Rows { predictions: question.predictions.shown(), targets: question.targets.shown(), rows }
}

/// Takes rows of both until they end, which they must do together.
fn each(
    question: &Question,
    predictions: &mut Source,
    targets: &mut Source,
    what: &str,
    progress: &dyn Progress,
    mut take: impl FnMut(ArrayView2<'_, f64>, ArrayView2<'_, f64>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    const VALUE_BYTES: u64 = 8;
    let bytes = |rows: u64, width: usize| rows.saturating_mul(width as u64 * VALUE_BYTES);
    let rows_max = (CHUNK_VALUES / predictions.width().max(targets.width())).max(1);
    progress.begin(what, predictions.rows_left().map(|rows| bytes(rows, predictions.width())));
    let mut run = || {
        let mut rows = [0; 2];
        loop {
            let chunks = [predictions.next_rows(rows_max)?, targets.next_rows(rows_max)?];
            let counts = [0, 1].map(|side| chunks[side].as_ref().map_or(0, |chunk| chunk.nrows() as u64));
            rows = [rows[0] + counts[0], rows[1] + counts[1]];
            if counts[0] != counts[1] {
                for (rows, source) in rows.iter_mut().zip([&mut *predictions, &mut *targets]) {
                    while let Some(chunk) = source.next_rows(rows_max)? {
                        *rows += chunk.nrows() as u64;
                    }
                }
                return Err(unequal(question, rows));
            }
            let [Some(some), Some(others)] = &chunks else { return Ok(()) };
            take(some.view(), others.view())?;
            progress.advance(bytes(counts[0], some.ncols()));
        }
    };
    let result = run();
    progress.end();
    result
}
