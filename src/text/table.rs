//! Columns for people.

use std::fmt::Write;

use super::width;

/// Rows whose cells are set under each other.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    is_left: bool,
}

impl Table {
    /// A table in which numbers stand to the left too: for names that may start with one.
    pub fn to_the_left() -> Self {
        Self { is_left: true, ..Self::default() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The rows as lines; columns two blanks apart, sizes and counts to the right.
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, &wanted) in row.iter().zip(&widths) {
                let pad = " ".repeat(wanted - width(cell));
                let is_number =
                    !self.is_left && console::strip_ansi_codes(cell).starts_with(|first: char| first.is_ascii_digit());
                // Writing to a string cannot fail.
                let _ = if is_number { write!(line, "{pad}{cell}  ") } else { write!(line, "{cell}{pad}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let mut table = Table::default();
        table.row(["a".to_owned(), "10 files".to_owned(), "x".to_owned()]);
        table.row(["bcd".to_owned(), "1 file".to_owned()]);
        assert_eq!(table.text(), "a    10 files  x\nbcd    1 file\n");
    }
}
