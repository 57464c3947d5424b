//! Which line is whose.

use super::scene::{Anchor, Dash, Ink, Mark, Point, Scene, Shape};
use super::{Figure, LEGEND_MAX, font};

const SIZE: f64 = 12.0;
const LINE: f64 = 19.0;
/// A piece of the line, before its name.
const SAMPLE: f64 = 22.0;
const GAP: f64 = 18.0;
const NAME_ROOM: f64 = 200.0;

/// Draws the names of several lines, in rows of `room` pixels. Returns the height they take.
pub(super) fn draw(figure: &Figure, scene: &mut Scene, left: f64, top: f64, room: f64) -> f64 {
    let count = figure.series.len();
    if count < 2 {
        return 0.0;
    }
    let (mut x, mut y) = (left, top + LINE * 0.8);
    let rest = count.saturating_sub(LEGEND_MAX);
    let names = figure.series.iter().take(LEGEND_MAX).map(|series| font::cut(&series.name, SIZE, NAME_ROOM));
    let more = (rest > 0).then(|| format!("and {rest} more"));
    for (number, name) in names.chain(more).enumerate() {
        let sample = if number < LEGEND_MAX { SAMPLE + 6.0 } else { 0.0 };
        let width = sample + font::width(&name, SIZE);
        if x + width > left + room {
            (x, y) = (left, y + LINE);
        }
        let ink = if sample > 0.0 { Ink::Text } else { Ink::Muted };
        if sample > 0.0 {
            let height = y - SIZE * 0.36;
            scene.line(&[(x, height), (x + SAMPLE, height)], Ink::Series(number), 2.0, dash(number));
            let at = Point { x: x + SAMPLE / 2.0, y: height };
            scene.shapes.push(Shape::Mark { at, mark: Mark::of(number), ink: Ink::Series(number), radius: 4.0 });
        }
        scene.text((x + sample, y), name, ink, SIZE, Anchor::Start);
        x += width + GAP;
    }
    y + 4.0 - top
}

/// How the line of this number is drawn: another way when all colours are used up.
pub(super) const fn dash(number: usize) -> Dash {
    match number / super::scene::SERIES.len() {
        0 => Dash::Solid,
        1 => Dash::Long,
        _ => Dash::Short,
    }
}
