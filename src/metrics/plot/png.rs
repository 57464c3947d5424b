//! A figure as PNG: for where SVG is not shown.

use tiny_skia::{FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform};

use super::scene::{Anchor, Ink, Point, Shape, Text};
use super::{Figure, font, layout};

/// Pixels of the file for one of the sheet: so it is sharp on finer screens and in print.
const SCALE: f32 = 2.0;
/// The rim of a text over lines, and of a mark.
const HALO: f32 = 3.0;
const RIM: f32 = 1.0;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the picture: {0}")]
pub struct PngError(String);

/// The figure as a file, on a light sheet.
///
/// # Errors
/// None that is known of; a picture of these sizes can be had and written.
pub fn png(figure: &Figure) -> Result<Vec<u8>, PngError> {
    let scene = layout::scene(figure);
    let (width, height) = (scene.width as f32 * SCALE, scene.height as f32 * SCALE);
    let mut pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
        .ok_or_else(|| PngError(format!("no room for {width} × {height} pixels")))?;
    let [_, red, green, blue] = Ink::Paper.colours()[0].to_be_bytes();
    pixmap.fill(tiny_skia::Color::from_rgba8(red, green, blue, u8::MAX));
    let mut sheet = Sheet { pixmap };
    for shape in &scene.shapes {
        match shape {
            Shape::Line { points, ink, width, dash } => {
                let Some(path) = polygon(points, false) else { continue };
                let dash =
                    dash.lengths().and_then(|lengths| StrokeDash::new(lengths.map(|len| len as f32).to_vec(), 0.0));
                let stroke = Stroke { width: *width as f32, line_join: LineJoin::Round, dash, ..Stroke::default() };
                sheet.pixmap.stroke_path(&path, &paint(*ink), &stroke, scaled(), None);
            }
            Shape::Mark { at, mark, ink, radius } => {
                let corners = mark.corners(*at, *radius);
                let path = if corners.is_empty() {
                    PathBuilder::from_circle(at.x as f32, at.y as f32, *radius as f32)
                } else {
                    polygon(&corners, true)
                };
                let Some(path) = path else { continue };
                sheet.fill(&path, *ink, scaled());
                sheet.rim(&path, RIM, scaled());
            }
            Shape::Text(text) => sheet.text(text),
        }
    }
    sheet.pixmap.encode_png().map_err(|error| PngError(error.to_string()))
}

struct Sheet {
    pixmap: Pixmap,
}

impl Sheet {
    fn fill(&mut self, path: &Path, ink: Ink, transform: Transform) {
        self.pixmap.fill_path(path, &paint(ink), FillRule::Winding, transform, None);
    }

    /// Draws a path's outline in the colour of the sheet.
    fn rim(&mut self, path: &Path, width: f32, transform: Transform) {
        let stroke = Stroke { width, line_join: LineJoin::Round, ..Stroke::default() };
        self.pixmap.stroke_path(path, &paint(Ink::Paper), &stroke, transform, None);
    }

    fn text(&mut self, text: &Text) {
        let width = font::width(&text.text, text.size) as f32;
        let begin = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let Some(path) = letters(&text.text, text.size as f32, begin) else { return };
        let place = Transform::from_translate(text.at.x as f32, text.at.y as f32);
        let transform = place.pre_concat(Transform::from_rotate(text.turned as f32)).post_concat(scaled());
        if text.has_halo {
            self.rim(&path, HALO, transform);
        }
        self.fill(&path, text.ink, transform);
    }
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE, SCALE)
}

fn paint(ink: Ink) -> Paint<'static> {
    let [_, red, green, blue] = ink.colours()[0].to_be_bytes();
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, u8::MAX);
    paint
}

fn polygon(points: &[Point], is_closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (at, point) in points.iter().enumerate() {
        let (x, y) = (point.x as f32, point.y as f32);
        if at == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    if is_closed {
        builder.close();
    }
    builder.finish()
}

/// The outlines of a text on the base line, from `x` on; a letter that the font lacks is a box.
fn letters(text: &str, size: f32, x: f32) -> Option<Path> {
    let mut outlines = Outlines { builder: PathBuilder::new(), scale: size / font::units() as f32, x };
    for letter in font::letters(text) {
        let width = letter.width as f32 * size;
        match letter.glyph {
            Some(glyph) => font::outline(glyph, &mut outlines),
            None => outlines.unknown(width, size),
        }
        outlines.x += width;
    }
    outlines.builder.finish()
}

struct Outlines {
    builder: PathBuilder,
    scale: f32,
    x: f32,
}

impl Outlines {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }

    /// A frame: the outer way round, and the inner one back.
    fn unknown(&mut self, width: f32, size: f32) {
        if width <= 0.0 {
            return;
        }
        let (left, right, top) = (self.x + 0.08 * size, self.x + width - 0.08 * size, -0.72 * size);
        let line = 0.07 * size;
        let outer = [(left, 0.0), (right, 0.0), (right, top), (left, top)];
        let inner =
            [(left + line, -line), (left + line, top + line), (right - line, top + line), (right - line, -line)];
        for corners in [outer, inner] {
            self.builder.move_to(corners[0].0, corners[0].1);
            corners[1..].iter().for_each(|&(x, y)| self.builder.line_to(x, y));
            self.builder.close();
        }
    }
}

impl ttf_parser::OutlineBuilder for Outlines {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::all;
    use super::*;

    #[test]
    fn every_figure_is_a_picture_with_ink_on_it() {
        for figure in all() {
            let bytes = png(&figure).expect("a picture");
            let pixmap = Pixmap::decode_png(&bytes).expect("a PNG");
            assert_eq!(pixmap.width(), 1600);
            let inked = pixmap.data().iter().step_by(4).filter(|&&red| red < 200).count();
            assert!(inked > 2000, "{inked} {}", figure.title);
        }
    }
}
