//! The font of pictures: how wide text is, and the outlines of its letters.
//!
//! It is DejaVu Sans, cut down to the Latin, Greek and Cyrillic scripts and some signs (`tests/plot/font.py`); its licence
//! stands beside it. SVG names it and Verdana, which has the same widths.

use std::sync::OnceLock;

use ttf_parser::{Face, GlyphId};

const BYTES: &[u8] = include_bytes!("font/DejaVuSans.ttf");
/// The width of a letter that the font lacks, in parts of the font's size; of one that takes two columns, twice.
const UNKNOWN_WIDTH: f64 = 0.6;
const ELLIPSIS: char = '…';

/// The font, if it can be read: a test makes sure that it can.
fn face() -> Option<&'static Face<'static>> {
    static FACE: OnceLock<Option<Face<'static>>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(BYTES, 0).ok()).as_ref()
}

/// A letter of a text.
pub(super) struct Letter {
    /// `None` for one that the font lacks.
    pub glyph: Option<GlyphId>,
    /// In parts of the font's size.
    pub width: f64,
}

/// The letters of a text, in their order.
pub(super) fn letters(text: &str) -> impl Iterator<Item = Letter> {
    text.chars().map(|c| {
        let glyph = face().and_then(|face| face.glyph_index(c));
        let advance = face()
            .zip(glyph)
            .and_then(|(face, glyph)| Some(f64::from(face.glyph_hor_advance(glyph)?) / f64::from(face.units_per_em())));
        let columns = crate::text::width(c.encode_utf8(&mut [0; 4])) as f64;
        Letter { glyph, width: advance.unwrap_or(UNKNOWN_WIDTH * columns) }
    })
}

/// Draws a letter's outline, in parts of the font's size, upwards.
pub(super) fn outline(glyph: GlyphId, builder: &mut impl ttf_parser::OutlineBuilder) {
    if let Some(face) = face() {
        face.outline_glyph(glyph, builder);
    }
}

/// Units of outlines in the font's size.
pub(super) fn units() -> f64 {
    face().map_or(1.0, |face| f64::from(face.units_per_em()))
}

/// The length of a text set in this size, in pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    letters(text).map(|letter| letter.width).sum::<f64>() * size
}

/// A text of at most `room` pixels: its middle gives way to `…`.
pub(super) fn cut(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let widths: Vec<f64> = letters(text).map(|letter| letter.width * size).collect();
    let mut left = room - width(&ELLIPSIS.to_string(), size);
    let (mut head, mut tail) = (0, 0);
    while head + tail < widths.len() {
        let at = if head <= tail { head } else { widths.len() - 1 - tail };
        left -= widths[at];
        if left < 0.0 {
            break;
        }
        if head <= tail { head += 1 } else { tail += 1 }
    }
    let chars = text.chars();
    chars.clone().take(head).chain([ELLIPSIS]).chain(chars.skip(widths.len() - tail)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_font_has_what_pictures_need() {
        let needed = "AZaz09 .,-+×/@#µÄéΔλЖя…→↓↑∞−⁰¹²³⁴⁵⁶⁷⁸⁹⁻≤≥";
        assert!(letters(needed).all(|letter| letter.glyph.is_some()));
        assert!((width("mmmm", 10.0) - 38.97).abs() < 0.1);
    }

    proptest! {
        #[test]
        fn what_is_cut_fits(text in ".{0,60}", room in 20.0..200.0_f64) {
            let short = cut(&text, 12.0, room);
            prop_assert!(width(&short, 12.0) <= room + 1e-6);
            prop_assert!(short == text || short.contains('…'));
        }
    }
}
