//! Names as HTML.

use std::fmt::{self, Display, Formatter};

pub(super) use crate::text::Escaped;
use crate::text::shorten_middle;

/// A longer name loses its middle: no name makes a page large.
const NAME_CHARS_MAX: usize = 200;

/// A tensor's or a module's name, which may break behind its dots.
pub(super) struct Name<'a>(pub &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, part) in short(self.0).split_inclusive(['.', '/', '_']).enumerate() {
            if at > 0 {
                f.write_str("<wbr>")?;
            }
            Escaped(part).fmt(f)?;
        }
        Ok(())
    }
}

/// A name with each of its parts on a line of its own.
pub(super) struct Stacked<'a>(pub &'a str);

impl Display for Stacked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.split_inclusive(['.', '/']).enumerate() {
            if at > 0 {
                f.write_str("<br>")?;
            }
            Name(part).fmt(f)?;
        }
        Ok(())
    }
}

/// A name of bounded length.
pub(super) fn short(name: &str) -> String {
    shorten_middle(name, NAME_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_behind_their_parts() {
        assert_eq!(Name("a.b<c").to_string(), "a.<wbr>b&lt;c");
        assert_eq!(Stacked("a.b_c<").to_string(), "a.<br>b_<wbr>c&lt;");
        assert!(Name(&short(&"<".repeat(1_000_000))).to_string().len() < 1000);
    }
}
