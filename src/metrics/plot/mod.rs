//! Metrics over versions as pictures: for a browser, for a document, for a terminal.
//!
//! A [`Figure`] is what is to be seen; `layout` makes a scene of shapes of it, which [`svg`] and [`png`] write down.
//! [`html`] is a page around the former, and [`terminal`] draws with characters. All of it is pure: values in, bytes out.
//!
//! **Limitations.** PNG has letters of the Latin, Greek and Cyrillic scripts; others are boxes there. SVG and HTML use the
//! fonts of whoever looks.

mod axis;
mod font;
pub mod html;
mod labels;
mod layout;
mod legend;
mod marks;
pub mod png;
mod scene;
pub mod svg;
pub mod terminal;
#[cfg(test)]
pub(crate) mod testing;
mod thin;

/// Series that are told apart in a legend; of more, it says how many there are.
const LEGEND_MAX: usize = 12;

/// What is to be seen: values of series at versions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figure {
    /// Above all.
    pub title: String,
    /// What the versions are.
    pub x_name: String,
    /// What the values are.
    pub y_name: String,
    /// Along the x axis, the oldest first.
    pub versions: Vec<Version>,
    /// The lines.
    pub series: Vec<Series>,
    /// Which values are better, if that is known.
    pub goal: Option<Goal>,
    /// Values that must be kept.
    pub limits: Vec<Limit>,
}

/// A place on the x axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Version {
    /// What stands below the axis: a tag or a short commit.
    pub name: String,
    /// More about it: the date, the first line of the message.
    pub detail: String,
    /// A tag: its name is left out last where there is no room for all.
    pub is_tag: bool,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Places in [`Figure::versions`], ascending, each with the value there. `None` interrupts the line: a version without
    /// a value. The line goes on over versions that are not listed.
    pub points: Vec<(usize, Option<f64>)>,
}

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Lower ones.
    Lower,
    /// Higher ones.
    Higher,
}

/// A value that must be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Such as `max 30`.
    pub name: String,
    /// In the units of the values.
    pub value: f64,
}

impl Goal {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Lower => "lower is better",
            Self::Higher => "higher is better",
        }
    }
}

impl Figure {
    /// All values that have a place on an axis.
    fn finite(&self) -> impl Iterator<Item = f64> + Clone {
        self.series
            .iter()
            .flat_map(|series| &series.points)
            .filter_map(|point| point.1)
            .filter(|value| value.is_finite())
    }
}
