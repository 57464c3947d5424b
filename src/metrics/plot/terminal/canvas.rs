//! Characters in rows and columns, each with dots of its own.

use super::super::Figure;
use super::super::axis::Axis;
use super::{Charset, Signs};
use crate::text::width;

/// Dots in a character of braille.
const DOTS: [usize; 2] = [2, 4];
/// The bit of each dot in a character of braille, by column and row. Unicode 15, chapter 21.1.
const BITS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const BRAILLE: u32 = 0x2800;
/// Columns between the marks of one of several lines.
const MARK_GAP: usize = 8;

#[derive(Clone, Copy, Default)]
struct Cell {
    /// Dots of a line.
    dots: u32,
    /// A character in place of them.
    sign: Option<char>,
    /// Whose it is; `None` for what belongs to no line.
    line: Option<usize>,
}

/// What is drawn on.
pub(super) struct Canvas {
    columns: usize,
    rows: usize,
    charset: Charset,
    cells: Vec<Cell>,
}

impl Canvas {
    pub fn new(columns: usize, rows: usize, charset: Charset) -> Self {
        Self { columns, rows, charset, cells: vec![Cell::default(); columns * rows] }
    }

    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Dots in a character.
    const fn dots(&self) -> [usize; 2] {
        match self.charset {
            Charset::Unicode => DOTS,
            Charset::Ascii => [1, 1],
        }
    }

    /// The column of one of `count` versions.
    pub fn column(&self, version: usize, count: usize) -> usize {
        self.x(version, count) / self.dots()[0]
    }

    /// The row of a place on the axis.
    pub fn row(&self, place: f64) -> usize {
        self.y(place) / self.dots()[1]
    }

    fn x(&self, version: usize, count: usize) -> usize {
        let last = (self.columns * self.dots()[0]).saturating_sub(1);
        match count {
            0 | 1 => last / 2,
            count => (version as f64 / (count - 1) as f64 * last as f64).round() as usize,
        }
    }

    fn y(&self, place: f64) -> usize {
        let last = self.rows * self.dots()[1] - 1;
        ((1.0 - place.clamp(0.0, 1.0)) * last as f64).round() as usize
    }

    /// A row's cells; `paint` colours those that belong to one line.
    pub fn text(&self, row: usize, paint: impl Fn(Option<usize>, &str) -> String) -> String {
        let cells = &self.cells[row * self.columns..(row + 1) * self.columns];
        let mut text = String::new();
        for same in cells.chunk_by(|a, b| a.line == b.line) {
            let shown: String = same.iter().map(|cell| self.shown(cell)).collect();
            let is_blank = shown.trim().is_empty();
            text.push_str(&if is_blank { shown } else { paint(same[0].line, &shown) });
        }
        text
    }

    fn shown(&self, cell: &Cell) -> char {
        match (cell.sign, cell.dots, self.charset) {
            (Some(sign), ..) => sign,
            (None, 0, _) => ' ',
            (None, dots, Charset::Unicode) => char::from_u32(BRAILLE + dots).unwrap_or(' '),
            (None, _, Charset::Ascii) => '.',
        }
    }

    /// Draws limits, each with its name at its right end.
    pub fn limits(&mut self, figure: &Figure, axis: &Axis, signs: &Signs) {
        for limit in figure.limits.iter().filter(|limit| limit.value.is_finite()) {
            let place = axis.place(limit.value);
            let arrow =
                [(place > 1.0, signs.arrows[0]), (place < 0.0, signs.arrows[1])].into_iter().find(|arrow| arrow.0);
            let row = self.row(place);
            let name: String = format!(" {}", limit.name)
                .chars()
                .map(|c| if self.charset == Charset::Ascii && !c.is_ascii() { '?' } else { c })
                .collect();
            let name = arrow.map_or_else(|| name.clone(), |(_, arrow)| format!("{name} {arrow}"));
            let begin = self.columns.saturating_sub(width(&name));
            let line = if arrow.is_none() { signs.limit } else { ' ' };
            let chars = (0..begin).map(|_| line).chain(name.chars()).take(self.columns);
            for (column, sign) in chars.enumerate().filter(|(_, sign)| *sign != ' ') {
                self.cells[row * self.columns + column].sign = Some(sign);
            }
        }
    }

    /// Draws all lines; the first one on top.
    pub fn lines(&mut self, figure: &Figure, axis: &Axis, signs: &Signs) {
        let count = figure.versions.len();
        for (number, series) in figure.series.iter().enumerate().rev() {
            let mut before: Option<(usize, usize)> = None;
            let mut marks = Vec::new();
            for (at, &(version, value)) in series.points.iter().enumerate() {
                let x = self.x(version, count);
                let Some(value) = value.filter(|value| value.is_finite()) else {
                    before = None;
                    if let Some(value) = value {
                        let (sign, row) = if value.is_nan() {
                            (signs.no_number[0], self.rows - 1)
                        } else if value > 0.0 {
                            (signs.no_number[1], 0)
                        } else {
                            (signs.no_number[2], self.rows - 1)
                        };
                        marks.push((x / self.dots()[0], row, sign, true));
                    }
                    continue;
                };
                let point = (x, self.y(axis.place(value)));
                self.stroke(before.unwrap_or(point), point, number);
                let is_alone = before.is_none()
                    && series.points.get(at + 1).is_none_or(|next| next.1.is_none_or(|value| !value.is_finite()));
                before = Some(point);
                let mark = (point.0 / self.dots()[0], point.1 / self.dots()[1]);
                marks.push((mark.0, mark.1, signs.marks[number % signs.marks.len()], is_alone));
            }
            self.marks(&marks, number, figure.series.len() > 1);
        }
    }

    /// Marks of a line: all of them where they are few, some where they only tell whose line it is.
    fn marks(&mut self, marks: &[(usize, usize, char, bool)], number: usize, are_many_lines: bool) {
        let all = marks.len() * 3 <= self.columns;
        let mut free = (number * 3) % MARK_GAP;
        for (at, &(column, row, sign, is_needed)) in marks.iter().enumerate() {
            let is_due = are_many_lines && (column >= free || at + 1 == marks.len());
            if is_needed || all || is_due {
                free = column + MARK_GAP;
                self.cells[row * self.columns + column] = Cell { dots: 0, sign: Some(sign), line: Some(number) };
            }
        }
    }

    /// Sets the dots from one to another. Bresenham, "Algorithm for computer control of a digital plotter" (1965).
    fn stroke(&mut self, from: (usize, usize), to: (usize, usize), number: usize) {
        let (mut x, mut y) = (from.0 as i64, from.1 as i64);
        let (end_x, end_y) = (to.0 as i64, to.1 as i64);
        let (dx, dy) = ((end_x - x).abs(), -(end_y - y).abs());
        let (step_x, step_y) = ((end_x - x).signum(), (end_y - y).signum());
        let mut error = dx + dy;
        loop {
            self.dot(x as usize, y as usize, number);
            if (x, y) == (end_x, end_y) {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += step_x;
            }
            if twice <= dx {
                error += dx;
                y += step_y;
            }
        }
    }

    fn dot(&mut self, x: usize, y: usize, number: usize) {
        let [across, down] = self.dots();
        let (column, row) = (x / across, y / down);
        if let Some(cell) = self.cells.get_mut(row * self.columns + column).filter(|_| column < self.columns) {
            // The bit of ASCII's only dot is as good as any.
            cell.dots |= BITS[x % across][y % down];
            cell.sign = None;
            cell.line = Some(number);
        }
    }
}
