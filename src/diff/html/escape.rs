//! Text as HTML.

use std::fmt::{self, Display, Formatter, Write};

use crate::text::shorten_middle;

/// A longer name loses its middle: no name makes a page large.
const NAME_CHARS_MAX: usize = 200;

/// Text whose characters mean nothing to HTML, in elements and in quoted attributes. Characters that show nothing but
/// change what others look like are replaced.
pub(super) struct Escaped<'a>(pub &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER)?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

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
    fn nothing_gets_through() {
        let hostile = "</title><script>alert(\"1\")</script>&'\u{202e}\n";
        let safe = "&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\u{fffd}\u{fffd}";
        assert_eq!(Escaped(hostile).to_string(), safe);
        assert_eq!(Name("a.b<c").to_string(), "a.<wbr>b&lt;c");
        assert_eq!(Stacked("a.b_c<").to_string(), "a.<br>b_<wbr>c&lt;");
        assert!(Name(&short(&"<".repeat(1_000_000))).to_string().len() < 1000);
    }
}
