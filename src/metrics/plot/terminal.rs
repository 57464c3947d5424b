//! A figure drawn with characters: dots of braille, four by two in each character, or plain ASCII.

use std::fmt::Write;

use super::axis::Axis;
use super::labels::{self, Room, Wish};
use super::{Figure, LEGEND_MAX};
use crate::text::{Colour, Style, shorten_middle, width};

mod canvas;

use canvas::Canvas;

/// Rows of the part where lines are.
const ROWS: usize = 16;
/// Columns where nobody says how many there are, and the fewest and the most that are used.
const COLUMNS: usize = 80;
const COLUMNS_MIN: usize = 30;
const COLUMNS_MAX: usize = 160;
/// How many numbers the y axis has, about.
const TICKS: usize = 5;
/// The longest name below the axis.
const NAME_COLUMNS: usize = 16;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Braille and lines.
    Unicode,
    /// Nothing but ASCII.
    Ascii,
}

/// The characters that are not the same in both.
pub(super) struct Signs {
    marks: [char; 6],
    tick: char,
    wall: char,
    corner: char,
    floor: char,
    stroke: char,
    limit: char,
    /// NaN, infinite, and negative infinite.
    no_number: [char; 3],
    arrows: [char; 2],
}

const UNICODE: Signs = Signs {
    marks: ['●', '■', '▲', '◆', '▼', '✚'],
    tick: '┤',
    wall: '│',
    corner: '└',
    floor: '─',
    stroke: '┬',
    limit: '╌',
    no_number: ['×', '↑', '↓'],
    arrows: ['↑', '↓'],
};
const ASCII: Signs = Signs {
    marks: ['*', 'o', '+', '#', '%', '@'],
    tick: '+',
    wall: '|',
    corner: '+',
    floor: '-',
    stroke: '+',
    limit: '-',
    no_number: ['x', '^', 'v'],
    arrows: ['^', 'v'],
};
/// Colours of lines, in turn.
const COLOURS: [Colour; 4] = [Colour::Cyan, Colour::Yellow, Colour::Green, Colour::Red];

/// The figure as lines of text.
pub fn draw(figure: &Figure, style: &Style, charset: Charset) -> String {
    let signs = if charset == Charset::Unicode { &UNICODE } else { &ASCII };
    let columns = style.width.unwrap_or(COLUMNS).clamp(COLUMNS_MIN, COLUMNS_MAX);
    let limits: Vec<f64> = figure.limits.iter().map(|limit| limit.value).collect();
    let axis = Axis::fit(figure.finite(), &limits, TICKS);
    let gutter = axis.ticks.iter().map(|tick| width(&tick.1)).max().unwrap_or(0) + 1;
    let mut canvas = Canvas::new(columns.saturating_sub(gutter + 2), ROWS, charset);
    canvas.limits(figure, &axis, signs);
    canvas.lines(figure, &axis, signs);
    let mut text = heading(figure, &axis, style, columns, signs, charset);
    for row in 0..ROWS {
        let tick = axis.ticks.iter().find(|tick| canvas.row(axis.place_of_tick(tick.0)) == row);
        let (number, wall) = tick.map_or(("", signs.wall), |tick| (tick.1.as_str(), signs.tick));
        let cells = canvas.text(row, |line, cells| match line {
            Some(line) => style.paint(COLOURS[line % COLOURS.len()], cells),
            None => style.paint(Colour::Dim, cells),
        });
        let _ = writeln!(text, "{number:>gutter$} {wall}{}", cells.trim_end());
    }
    text.push_str(&floor(figure, &canvas, gutter, columns, signs, charset));
    text.push_str(&no_numbers(figure, columns, signs));
    text
}

/// Title, what the values are, and whose line is which.
fn heading(figure: &Figure, axis: &Axis, style: &Style, columns: usize, signs: &Signs, charset: Charset) -> String {
    let mut text = style.paint(Colour::Bold, shorten(&figure.title, columns, charset)) + "\n";
    let power = if axis.exponent == 0 { String::new() } else { format!(", in units of 1e{}", axis.exponent) };
    let goal = figure.goal.map_or_else(String::new, |goal| format!(", {}", goal.words()));
    let values = shorten(&format!("{}{power}{goal}", figure.y_name), columns, charset);
    text.push_str(&(style.paint(Colour::Dim, values) + "\n"));
    if figure.series.len() > 1 {
        let mut used = 0;
        for (number, series) in figure.series.iter().take(LEGEND_MAX).enumerate() {
            let name = shorten(&series.name, columns.saturating_sub(2).min(40), charset);
            let wanted = 2 + width(&name);
            if used > 0 && used + 3 + wanted > columns {
                text.push('\n');
                used = 0;
            }
            let mark = style.paint(COLOURS[number % COLOURS.len()], signs.marks[number % signs.marks.len()]);
            let _ = write!(text, "{}{mark} {name}", if used > 0 { "   " } else { "" });
            used += wanted + if used > 0 { 3 } else { 0 };
        }
        if figure.series.len() > LEGEND_MAX {
            let _ = write!(text, "\nand {} more", figure.series.len() - LEGEND_MAX);
        }
        text.push('\n');
    }
    text
}

/// The x axis and the names below it.
fn floor(figure: &Figure, canvas: &Canvas, gutter: usize, columns: usize, signs: &Signs, charset: Charset) -> String {
    let names: Vec<String> =
        figure.versions.iter().map(|version| shorten(&version.name, NAME_COLUMNS, charset)).collect();
    let count = names.len();
    let place = |at: usize| canvas.column(at, count);
    let wish = |at: usize| Wish {
        at: (gutter + 2 + place(at)) as f64 + 0.5,
        width: width(&names[at]) as f64,
        is_tag: figure.versions[at].is_tag,
    };
    let room = Room { left: 0.0, right: columns as f64, gap: 2.0, turned_gap: None };
    let placed = labels::place(&(0..count).map(wish).collect::<Vec<_>>(), &room);
    let mut axis = vec![signs.floor; canvas.columns()];
    let mut line = String::new();
    for (at, begin) in placed.names {
        if let Some(stroke) = axis.get_mut(place(at)) {
            *stroke = signs.stroke;
        }
        let pad = (begin.floor() as usize).saturating_sub(width(&line));
        let _ = write!(line, "{}{}", " ".repeat(pad), names[at]);
    }
    let axis: String = axis.into_iter().collect();
    let name = shorten(&figure.x_name, columns, charset);
    let pad = " ".repeat(
        (gutter + 2 + canvas.columns() / 2).saturating_sub(width(&name) / 2).min(columns - width(&name).min(columns)),
    );
    format!("{:gutter$} {}{axis}\n{line}\n{pad}{name}\n", "", signs.corner)
}

/// Where there is no number, in words.
fn no_numbers(figure: &Figure, columns: usize, signs: &Signs) -> String {
    let kind_of = |value: f64| match value {
        value if value.is_nan() => 0,
        value if value.is_finite() => 3,
        value => {
            if value > 0.0 {
                1
            } else {
                2
            }
        }
    };
    let mut text = String::new();
    for (kind, (name, sign)) in ["NaN", "+inf", "-inf"].into_iter().zip(signs.no_number).enumerate() {
        let points = figure.series.iter().flat_map(|series| &series.points);
        let mut at: Vec<usize> =
            points.filter(|point| point.1.is_some_and(|value| kind_of(value) == kind)).map(|point| point.0).collect();
        at.sort_unstable();
        at.dedup();
        if at.is_empty() {
            continue;
        }
        let mut line = format!("{sign} {name} at ");
        for (number, version) in at.iter().filter_map(|&at| figure.versions.get(at)).enumerate() {
            let rest = format!(" and {} more", at.len() - number);
            if number > 0 && width(&line) + 2 + width(&version.name) + rest.len() > columns {
                line.push_str(&rest);
                break;
            }
            let _ = write!(line, "{}{}", if number > 0 { ", " } else { "" }, version.name);
        }
        text.push_str(&(line + "\n"));
    }
    text
}

/// A name that fits, and that the terminal can show.
fn shorten(name: &str, columns: usize, charset: Charset) -> String {
    match charset {
        Charset::Unicode => shorten_middle(name, columns),
        Charset::Ascii => {
            let name: String = name.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
            let short = shorten_middle(&name, columns);
            short.replace('…', "~")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, figure};
    use super::*;

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for columns in [30, 80, 120] {
            for figure in all() {
                let style = Style { width: Some(columns), ..Style::PLAIN };
                for charset in [Charset::Unicode, Charset::Ascii] {
                    let text = draw(&figure, &style, charset);
                    let widest = text.lines().map(width).max().unwrap_or(0);
                    assert!(widest <= columns, "{widest} of {columns}\n{text}");
                    assert!(charset == Charset::Unicode || text.is_ascii(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_told() {
        let mut figure = figure(3);
        figure.series[0].points = vec![(0, Some(1.0)), (1, Some(f64::NAN)), (2, None)];
        let text = draw(&figure, &Style::PLAIN, Charset::Ascii);
        assert!(text.contains(&format!("x NaN at {}\n", figure.versions[1].name)), "{text}");
        assert!(!text.contains("inf at"));
    }
}
