//! From a figure to shapes: where title, axes, lines and names stand.

use super::axis::Axis;
use super::labels::{self, Placed, Room, Wish};
use super::scene::{Anchor, Dash, Ink, Point, Scene, Shape, Text};
use super::{Figure, Goal, font, legend, marks};

/// The width of every picture, in pixels: legible at that, and scaled where there is more room.
const WIDTH: f64 = 800.0;
/// The height of where lines are drawn.
const PLOT_HEIGHT: f64 = 300.0;
/// Between the sheet's edge and what stands on it.
const EDGE: f64 = 16.0;
/// Free to the left of the first version and to the right of the last one.
const INSET: f64 = 14.0;
const TITLE: f64 = 16.0;
const NAME: f64 = 12.5;
const SMALL: f64 = 11.0;
/// How many numbers the y axis has, about.
const TICKS: usize = 6;
/// The angle of names that do not fit in level.
const TURN: f64 = 45.0;
/// The longest name below the axis.
const LABEL_ROOM: f64 = 120.0;
/// Versions this far apart have a stroke on the axis each.
const STROKE_GAP_MIN: f64 = 4.0;

/// Where lines are drawn.
pub(super) struct Frame<'f> {
    pub figure: &'f Figure,
    pub axis: Axis,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame<'_> {
    /// The x of a version.
    pub fn x(&self, version: usize) -> f64 {
        let (left, right) = (self.left + INSET, self.right - INSET);
        match self.figure.versions.len() {
            0 | 1 => (left + right) / 2.0,
            count => left + (right - left) * version as f64 / (count - 1) as f64,
        }
    }

    /// The y of a value, which is on the sheet for all that the axis was made for.
    pub fn y(&self, value: f64) -> f64 {
        self.height(self.axis.place(value))
    }

    fn height(&self, place: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * place
    }

    /// Pixels from one version to the next.
    pub fn step(&self) -> f64 {
        self.x(1) - self.x(0)
    }
}

/// The shapes of a figure.
pub(super) fn scene(figure: &Figure) -> Scene {
    let limits: Vec<f64> = figure.limits.iter().map(|limit| limit.value).collect();
    let axis = Axis::fit(figure.finite(), &limits, TICKS);
    let mut scene = Scene { width: WIDTH, ..Scene::default() };
    let mut top = title(figure, &mut scene);
    top += legend::draw(figure, &mut scene, EDGE, top, WIDTH - 2.0 * EDGE) + 14.0;
    let numbers = axis.ticks.iter().map(|tick| font::width(&tick.1, SMALL)).fold(0.0, f64::max);
    let left = EDGE + NAME + 10.0 + numbers + 8.0;
    let frame = Frame { figure, axis, left, right: WIDTH - EDGE, top, bottom: top + PLOT_HEIGHT };
    y_axis(&frame, &mut scene);
    marks::limits(&frame, &mut scene);
    marks::lines(&frame, &mut scene);
    marks::limit_names(&frame, &mut scene, SMALL);
    let below = x_axis(&frame, &mut scene);
    scene.text(((frame.left + frame.right) / 2.0, below + NAME), &figure.x_name, Ink::Muted, NAME, Anchor::Middle);
    scene.height = (below + NAME + EDGE).ceil();
    scene.columns = (0..figure.versions.len()).map(|at| frame.x(at)).collect();
    scene.rows = [frame.top, frame.bottom];
    scene
}

/// The title, and to its right which values are better. Returns where what follows may begin.
fn title(figure: &Figure, scene: &mut Scene) -> f64 {
    let base = EDGE + TITLE * 0.9;
    let goal = figure.goal.map(|goal| {
        let arrow = if goal == Goal::Lower { '↓' } else { '↑' };
        format!("{arrow} {}", goal.words())
    });
    let goal_room = goal.as_ref().map_or(0.0, |goal| font::width(goal, NAME) + 16.0);
    let title = font::cut(&figure.title, TITLE, WIDTH - 2.0 * EDGE - goal_room);
    scene.text((EDGE, base), title, Ink::Text, TITLE, Anchor::Start);
    if let Some(goal) = goal {
        scene.text((WIDTH - EDGE, base), goal, Ink::Muted, NAME, Anchor::End);
    }
    base + 6.0
}

fn y_axis(frame: &Frame<'_>, scene: &mut Scene) {
    for (value, text) in &frame.axis.ticks {
        let y = frame.height(frame.axis.place_of_tick(*value));
        scene.line(&[(frame.left, y), (frame.right, y)], Ink::Grid, 1.0, Dash::Solid);
        scene.text((frame.left - 8.0, y + SMALL * 0.36), text, Ink::Muted, SMALL, Anchor::End);
    }
    let name = font::cut(&frame.axis.titled(&frame.figure.y_name), NAME, PLOT_HEIGHT);
    scene.shapes.push(Shape::Text(Text {
        at: Point { x: EDGE + NAME * 0.8, y: (frame.top + frame.bottom) / 2.0 },
        text: name,
        ink: Ink::Muted,
        size: NAME,
        anchor: Anchor::Middle,
        turned: -90.0,
        has_halo: false,
    }));
}

/// The axis of versions with their names. Returns where what follows may begin.
fn x_axis(frame: &Frame<'_>, scene: &mut Scene) -> f64 {
    let bottom = frame.bottom;
    scene.line(&[(frame.left, bottom), (frame.right, bottom)], Ink::Muted, 1.0, Dash::Solid);
    let versions = &frame.figure.versions;
    let names: Vec<String> = versions.iter().map(|version| font::cut(&version.name, SMALL, LABEL_ROOM)).collect();
    let wish = |at: usize| Wish { at: frame.x(at), width: font::width(&names[at], SMALL), is_tag: versions[at].is_tag };
    let turned_gap = SMALL * 1.25 / TURN.to_radians().sin();
    let room = Room { left: EDGE, right: WIDTH - EDGE, gap: 10.0, turned_gap: Some(turned_gap) };
    let Placed { is_turned, names: placed } = labels::place(&(0..versions.len()).map(wish).collect::<Vec<_>>(), &room);
    if frame.step() >= STROKE_GAP_MIN || versions.len() == 1 {
        for at in 0..versions.len() {
            scene.line(&[(frame.x(at), bottom), (frame.x(at), bottom + 3.0)], Ink::Muted, 1.0, Dash::Solid);
        }
    }
    let mut depth: f64 = SMALL;
    for (at, begin) in placed {
        let x = frame.x(at);
        scene.line(&[(x, bottom), (x, bottom + 6.0)], Ink::Muted, 1.0, Dash::Solid);
        let ink = if versions[at].is_tag { Ink::Text } else { Ink::Muted };
        if !is_turned {
            scene.text((begin, bottom + 10.0 + SMALL), &names[at], ink, SMALL, Anchor::Start);
            continue;
        }
        // What stands to the left has less room before the sheet ends.
        let (sin, cos) = TURN.to_radians().sin_cos();
        let text = font::cut(&names[at], SMALL, LABEL_ROOM.min((x - 4.0) / cos));
        depth = depth.max(font::width(&text, SMALL) * sin + SMALL);
        scene.shapes.push(Shape::Text(Text {
            at: Point { x: x + SMALL * 0.3, y: bottom + 8.0 + SMALL * 0.7 },
            text,
            ink,
            size: SMALL,
            anchor: Anchor::End,
            turned: -TURN,
            has_halo: false,
        }));
    }
    bottom + 10.0 + depth + 12.0
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, figure};
    use super::*;

    #[test]
    fn everything_is_on_the_sheet() {
        for figure in all() {
            let scene = scene(&figure);
            let is_inside = |x: f64, y: f64| {
                assert!((-0.5..=scene.width + 0.5).contains(&x) && (-0.5..=scene.height + 0.5).contains(&y), "{x} {y}");
            };
            for shape in &scene.shapes {
                match shape {
                    Shape::Line { points, .. } => points.iter().for_each(|point| is_inside(point.x, point.y)),
                    Shape::Mark { at, .. } => is_inside(at.x, at.y),
                    Shape::Text(text) => {
                        let width = font::width(&text.text, text.size);
                        let before = match text.anchor {
                            Anchor::Start => 0.0,
                            Anchor::Middle => width / 2.0,
                            Anchor::End => width,
                        };
                        let (sin, cos) = text.turned.to_radians().sin_cos();
                        for end in [-before, width - before] {
                            is_inside(text.at.x + end * cos, text.at.y + end * sin);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_of_many_versions_stays_small() {
        let scene = scene(&figure(10_000));
        let points: usize = scene
            .shapes
            .iter()
            .map(|shape| if let Shape::Line { points, .. } = shape { points.len() } else { 1 })
            .sum();
        assert!(points < 4000, "{points}");
    }
}
