//! What git's settings say about how output is shown.

use super::Git;
use crate::text::Units;

/// Settings of how output is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Display {
    /// `color.ui`.
    pub colour: Option<String>,
    /// `model.units`.
    pub units: Units,
}

/// Reads them; none where there is no git.
pub fn display_settings() -> Display {
    let names = r"^(color\.ui|model\.units)$";
    let output = Git::new(["config", "--null", "--get-regexp", names]).output().unwrap_or_default();
    parse(&String::from_utf8_lossy(&output))
}

/// `<key>\n<value>\0`; what comes later wins.
fn parse(output: &str) -> Display {
    let mut display = Display::default();
    for (key, value) in output.split('\0').filter_map(|entry| entry.split_once('\n')) {
        match key {
            "color.ui" => display.colour = Some(value.to_owned()),
            _ => display.units = Units::parse(value).unwrap_or_default(),
        }
    }
    display
}

/// The pager that git would use; `None` if it would use none.
pub fn pager() -> Option<String> {
    let answer = Git::new(["var", "GIT_PAGER"]).output().ok()?;
    let pager = String::from_utf8(answer).ok()?.trim().to_owned();
    (!pager.is_empty() && pager != "cat").then_some(pager)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_win() {
        let display = parse("color.ui\nauto\0model.units\nbinary\0color.ui\nfalse\0");
        assert_eq!(display, Display { colour: Some("false".into()), units: Units::Binary });
        assert_eq!(parse(""), Display::default());
    }
}
