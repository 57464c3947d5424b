//! Lines, their marks, what is no number, and limits.

use super::font;
use super::layout::Frame;
use super::legend::dash;
use super::scene::{Anchor, Dash, Ink, Mark, Point, Scene, Shape, Text};
use super::thin::thin;

/// Versions this far apart have a mark each.
const MARK_GAP_MIN: f64 = 7.0;
const RADIUS: f64 = 3.6;
const SMALL_RADIUS: f64 = 2.6;
/// From the border to a mark of what is no number.
const BORDER: f64 = 8.0;
const NOTE: f64 = 10.0;

/// The limits that are on the axis.
pub(super) fn limits(frame: &Frame<'_>, scene: &mut Scene) {
    for limit in frame.figure.limits.iter().filter(|limit| (0.0..=1.0).contains(&frame.axis.place(limit.value))) {
        let y = frame.y(limit.value);
        scene.line(&[(frame.left, y), (frame.right, y)], Ink::Limit, 1.4, Dash::Long);
    }
}

/// The names of the limits. Those beyond the axis stand at its end, with an arrow.
pub(super) fn limit_names(frame: &Frame<'_>, scene: &mut Scene, size: f64) {
    let mut taken: Vec<f64> = Vec::new();
    for limit in frame.figure.limits.iter().filter(|limit| limit.value.is_finite()) {
        let place = frame.axis.place(limit.value);
        let (name, mut base) = if place > 1.0 {
            (format!("{} ↑", limit.name), frame.top + size + 1.0)
        } else if place < 0.0 {
            (format!("{} ↓", limit.name), frame.bottom - 5.0)
        } else {
            let y = frame.y(limit.value);
            (limit.name.clone(), if y - size - 4.0 < frame.top { y + size + 2.0 } else { y - 4.0 })
        };
        while taken.iter().any(|other| (other - base).abs() < size + 2.0) && base < frame.bottom {
            base += size + 2.0;
        }
        taken.push(base);
        scene.shapes.push(Shape::Text(Text {
            at: Point { x: frame.right - 4.0, y: base },
            text: font::cut(&name, size, 240.0),
            ink: Ink::Limit,
            size,
            anchor: Anchor::End,
            turned: 0.0,
            has_halo: true,
        }));
    }
}

/// All lines with their marks; the first one on top.
pub(super) fn lines(frame: &Frame<'_>, scene: &mut Scene) {
    let mut notes: [Vec<f64>; 2] = Default::default();
    for (number, series) in frame.figure.series.iter().enumerate().rev() {
        let ink = Ink::Series(number);
        let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
        for &(version, value) in &series.points {
            match value {
                Some(value) if value.is_finite() => {
                    let point = Point { x: frame.x(version), y: frame.y(value) };
                    if let Some(run) = runs.last_mut() {
                        run.push(point);
                    }
                }
                other => {
                    runs.push(Vec::new());
                    if let Some(value) = other {
                        no_number(frame, scene, value, frame.x(version), ink, &mut notes);
                    }
                }
            }
        }
        let last = series.points.len().saturating_sub(1);
        let spread = series.points.first().zip(series.points.last());
        let gap = spread.map_or(0.0, |(first, end)| (frame.x(end.0) - frame.x(first.0)) / last.max(1) as f64);
        let is_sparse = last == 0 || gap >= MARK_GAP_MIN;
        let radius = if is_sparse && gap < 2.0 * MARK_GAP_MIN && last > 0 { SMALL_RADIUS } else { RADIUS };
        let mut marks = Vec::new();
        for run in runs.iter().filter(|run| !run.is_empty()) {
            if run.len() > 1 {
                let points = thin(run, 1.0);
                let width = if gap < 1.0 { 1.2 } else { 2.0 };
                scene.shapes.push(Shape::Line { points, ink, width, dash: dash(number) });
            }
            if is_sparse {
                marks.extend(run);
            } else if let [alone] = run[..] {
                marks.push(alone);
            } else {
                // So many that every one has a place of its own would cover the line.
                marks.extend(spaced(run, 90.0 + 13.0 * (number % 5) as f64).filter(|_| frame.figure.series.len() > 1));
            }
        }
        if let Some(&end) = runs.iter().flatten().last() {
            marks.push(end);
        }
        marks.dedup();
        let marks = marks.into_iter().map(|at| Shape::Mark { at, mark: Mark::of(number), ink, radius });
        scene.shapes.extend(marks);
    }
}

/// Points of a line that are at least `gap` pixels apart.
fn spaced(points: &[Point], gap: f64) -> impl Iterator<Item = Point> {
    let mut free = points.first().map_or(0.0, |first| first.x + gap / 2.0);
    points.iter().copied().filter(move |point| {
        let is_free = point.x >= free;
        if is_free {
            free = point.x + gap;
        }
        is_free
    })
}

/// Marks a value that has no place on the axis: at the upper border +∞, at the lower one −∞ and NaN.
fn no_number(frame: &Frame<'_>, scene: &mut Scene, value: f64, x: f64, ink: Ink, notes: &mut [Vec<f64>; 2]) {
    let (mark, name, is_above) = match value {
        value if value.is_nan() => (Mark::Cross, "NaN", false),
        value if value > 0.0 => (Mark::Up, "+∞", true),
        _ => (Mark::Down, "−∞", false),
    };
    let y = if is_above { frame.top + BORDER } else { frame.bottom - BORDER };
    let taken = &mut notes[usize::from(is_above)];
    // Marks so near to each other are one.
    if taken.iter().any(|other| (other - x).abs() < 1.0) && frame.step() < 1.0 {
        return;
    }
    scene.shapes.push(Shape::Mark { at: Point { x, y }, mark, ink, radius: RADIUS + 0.6 });
    let width = font::width(name, NOTE) + 6.0;
    if taken.iter().any(|other| (other - x).abs() < width) {
        return;
    }
    taken.push(x);
    let half = width / 2.0;
    let at = Point {
        x: x.clamp(frame.left + half, frame.right - half),
        y: if is_above { y + BORDER + NOTE } else { y - BORDER - 1.0 },
    };
    let (text, size, anchor) = (name.to_owned(), NOTE, Anchor::Middle);
    scene.shapes.push(Shape::Text(Text { at, text, ink: Ink::Text, size, anchor, turned: 0.0, has_halo: true }));
}
