//! Text for people: columns, colours, sizes, and names that fit.

mod escape;
mod table;
mod units;

use std::fmt::Display;

pub use escape::Escaped;
pub use table::Table;
pub use units::Units;

/// How text is set for whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// With colours. They are never the only sign.
    pub has_colour: bool,
    /// Columns of the terminal; `None` if nobody looks, who would want lines cut short.
    pub width: Option<usize>,
    /// How sizes are written.
    pub units: Units,
}

impl Style {
    /// For programs: no colours, no limit.
    pub const PLAIN: Self = Self { has_colour: false, width: None, units: Units::Si };

    /// `text` in a colour.
    pub fn paint(&self, colour: Colour, text: impl Display) -> String {
        if self.has_colour { format!("\x1b[{}m{text}\x1b[m", colour as u8) } else { text.to_string() }
    }

    /// A name in at most `width` columns, of which the first and the last part are left; whole if there is no terminal.
    pub fn name(&self, name: &str, width: usize) -> String {
        if self.width.is_some() { shorten_middle(name, width) } else { name.to_owned() }
    }
}

/// Colours, by their ANSI codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Colour {
    /// For titles.
    Bold = 1,
    /// For what matters less.
    Dim = 2,
    /// For what went away or is wrong.
    Red = 31,
    /// For what is new.
    Green = 32,
    /// For what has changed.
    Yellow = 33,
    /// For what has moved.
    Cyan = 36,
}

/// The columns that `text` takes; colours take none.
pub fn width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `name` in at most `columns` columns (never fewer than three), with `…` in place of its middle.
pub fn shorten_middle(name: &str, columns: usize) -> String {
    let columns = columns.max(3);
    if width(name) <= columns {
        return name.to_owned();
    }
    // The end of a tensor's name tells more than its start.
    let (mut head, mut tail) = ((columns - 1) / 2, columns - 1 - (columns - 1) / 2);
    let chars: Vec<char> = name.chars().collect();
    loop {
        let cut: String = chars[..head.min(chars.len())].iter().chain(['…'].iter()).collect();
        let cut = cut + &chars[chars.len() - tail.min(chars.len())..].iter().collect::<String>();
        if width(&cut) <= columns || head + tail == 0 {
            return cut;
        }
        // Wide characters take two columns each.
        if head >= tail { head -= 1 } else { tail -= 1 }
    }
}

/// A bar of `columns` columns, filled by `share` (0 to 1) in eighths of a column.
pub fn bar(share: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// A share as a percentage in at most four characters: `41 %`, `0.3 %`; never 0 or 100 unless it is exactly that.
pub fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".into();
    }
    if part == whole {
        return "100 %".into();
    }
    let value = part as f64 / whole as f64 * 100.0;
    match value {
        value if value < 0.1 => "<0.1 %".into(),
        value if value < 9.95 => format!("{value:.1} %"),
        value if value < 99.5 => format!("{value:.0} %"),
        _ => ">99 %".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_both_ends() {
        let cases = [
            ("layers.0.weight", 15, "layers.0.weight"),
            ("layers.0.weight", 9, "laye…ight"),
            ("layers.0.weight", 8, "lay…ight"),
            ("abcdef", 0, "a…f"),
            ("模型模型模型", 7, "模…模型"),
        ];
        for (name, columns, expected) in cases {
            assert_eq!(shorten_middle(name, columns), expected, "{name} in {columns}");
        }
    }

    #[test]
    fn shares() {
        let cases = [(0, 5, "0 %"), (1, 5000, "<0.1 %"), (1, 300, "0.3 %"), (41, 100, "41 %"), (999, 1000, ">99 %")];
        for (part, whole, expected) in cases {
            assert_eq!(percent(part, whole), expected);
        }
        assert_eq!([0.0, 0.5, 1.0, 7.0].map(|share| bar(share, 3)), ["", "█▌", "███", "███"]);
    }

    #[test]
    fn colours_only_where_there_are_any() {
        let colourful = Style { has_colour: true, ..Style::PLAIN };
        assert_eq!(colourful.paint(Colour::Green, "+"), "\x1b[32m+\x1b[m");
        assert_eq!(width(&colourful.paint(Colour::Green, "‖Δ‖")), 3);
        assert_eq!(Style::PLAIN.paint(Colour::Green, "+"), "+");
    }
}
