//! A figure as SVG 1.1 (W3C recommendation, 16 August 2011): for documents and browsers.
//!
//! Colours are those of a light sheet; where the reader's scheme is dark and styles are understood, those of a dark one.

use std::fmt::Write;

use super::layout;
use super::scene::{Anchor, Ink, Point, SERIES, Scene, Shape, Text};
use super::{Figure, scene::Dash};
use crate::text::Escaped;

const FONT: &str = "DejaVu Sans, Verdana, Geneva, sans-serif";

/// The figure as a file.
pub fn svg(figure: &Figure) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", element(&layout::scene(figure), figure))
}

/// The figure as an element of a page.
pub(super) fn element(scene: &Scene, figure: &Figure) -> String {
    let (width, height) = (scene.width, scene.height);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\" role=\"img\" aria-labelledby=\"plot-title\">\n\
         <title id=\"plot-title\">{}</title>\n{}\
         <rect class=\"plot-paper\" width=\"100%\" height=\"100%\" fill=\"{}\"/>\n",
        Escaped(&figure.title),
        dark(),
        hex(Ink::Paper.colours()[0])
    );
    for shape in &scene.shapes {
        // Writing to a string cannot fail.
        let _ = match shape {
            Shape::Line { points, ink, width, dash } => line(&mut svg, points, *ink, *width, *dash),
            Shape::Mark { at, mark, ink, radius } => {
                let corners = mark.corners(*at, *radius);
                let paint = format!("{} stroke=\"{}\"", fill("plot-mark ", *ink), hex(Ink::Paper.colours()[0]));
                match corners.is_empty() {
                    true => {
                        writeln!(svg, "<circle {paint} cx=\"{}\" cy=\"{}\" r=\"{radius}\"/>", round(at.x), round(at.y))
                    }
                    false => writeln!(svg, "<path {paint} d=\"{}z\"/>", path(&corners)),
                }
            }
            Shape::Text(shape) => text(&mut svg, shape),
        };
    }
    svg + "</svg>\n"
}

fn line(svg: &mut String, points: &[Point], ink: Ink, width: f64, dash: Dash) -> std::fmt::Result {
    let dashes = dash.lengths().map_or_else(String::new, |[on, off]| format!(" stroke-dasharray=\"{on} {off}\""));
    writeln!(
        svg,
        "<path class=\"plot-s-{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" stroke-linejoin=\"round\"{dashes} d=\"{}\"/>",
        class(ink),
        hex(ink.colours()[0]),
        path(points)
    )
}

fn text(svg: &mut String, text: &Text) -> std::fmt::Result {
    let (x, y) = (round(text.at.x), round(text.at.y));
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let turned =
        if text.turned == 0.0 { String::new() } else { format!(" transform=\"rotate({} {x} {y})\"", text.turned) };
    let shown = Escaped(&text.text);
    if text.has_halo {
        // Below the text itself, as not every program knows `paint-order`.
        let paper = hex(Ink::Paper.colours()[0]);
        writeln!(
            svg,
            "<text class=\"plot-halo\" aria-hidden=\"true\" x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{turned} fill=\"{paper}\" \
             stroke=\"{paper}\" stroke-width=\"3\" stroke-linejoin=\"round\">{shown}</text>",
            text.size
        )?;
    }
    writeln!(
        svg,
        "<text {} x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{turned}>{shown}</text>",
        fill("", text.ink),
        text.size
    )
}

fn fill(classes: &str, ink: Ink) -> String {
    format!("class=\"{classes}plot-f-{}\" fill=\"{}\"", class(ink), hex(ink.colours()[0]))
}

fn path(points: &[Point]) -> String {
    let mut path = String::new();
    for (at, point) in points.iter().enumerate() {
        let _ = write!(path, "{}{} {}", if at == 0 { 'M' } else { 'L' }, round(point.x), round(point.y));
    }
    path
}

fn class(ink: Ink) -> String {
    match ink {
        Ink::Paper => "paper".into(),
        Ink::Text => "text".into(),
        Ink::Muted => "muted".into(),
        Ink::Grid => "grid".into(),
        Ink::Limit => "limit".into(),
        Ink::Series(number) => format!("{}", number % SERIES.len()),
    }
}

/// The colours of a dark sheet, for readers who understand styles.
fn dark() -> String {
    let inks = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Limit].into_iter().chain((0..SERIES.len()).map(Ink::Series));
    let paper = hex(Ink::Paper.colours()[1]);
    let mut rules =
        format!(".plot-paper{{fill:{paper}}}.plot-halo{{fill:{paper};stroke:{paper}}}.plot-mark{{stroke:{paper}}}");
    for ink in inks {
        let (class, colour) = (class(ink), hex(ink.colours()[1]));
        let _ = write!(rules, ".plot-f-{class}{{fill:{colour}}}.plot-s-{class}{{stroke:{colour}}}");
    }
    format!("<style>@media (prefers-color-scheme: dark){{{rules}text{{stroke:none}}}}</style>\n")
}

fn hex(colour: u32) -> String {
    format!("#{colour:06x}")
}

/// With one digit: a tenth of a pixel is not seen.
fn round(value: f64) -> f64 {
    let rounded = (value * 10.0).round() / 10.0;
    if rounded == 0.0 { 0.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, figure};
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        let mut figure = figure(3);
        let name = "</title><script>alert(1)</script>&\"'\u{0}\u{fffe}]]>";
        figure.title = name.into();
        (figure.x_name, figure.y_name) = (name.into(), name.into());
        figure.versions.iter_mut().for_each(|version| version.name = name.into());
        figure.series.iter_mut().for_each(|series| series.name = name.into());
        let svg = svg(&figure);
        assert!(!svg.contains("<script") && !svg.contains(['\0', '\u{fffe}']), "{svg}");
        assert_eq!(svg.matches("<title").count(), 1);
    }

    #[test]
    fn no_number_is_unwritable() {
        for figure in all() {
            let svg = svg(&figure);
            for word in ["\"NaN", "NaN ", " NaN", "inf"] {
                let in_paths = svg.lines().filter(|line| line.contains(" d=\"") || line.contains(" cx=\""));
                assert!(in_paths.into_iter().all(|line| !line.contains(word)), "{svg}");
            }
            assert!(svg.len() < 400_000, "{}", svg.len());
        }
    }
}
