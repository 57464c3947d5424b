//! A figure as one page for a browser: the picture, and a table of its values.
//!
//! The page needs nothing else: no network, no fonts of its own. Its one script shows the values under the pointer; a
//! policy in the page's head forbids every other one. All text is escaped. Without scripts nothing is lost but that.
//!
//! **Limitations.** The table has the newest 2000 versions and the first 12 lines.

use std::fmt::Write;

use super::{Figure, LEGEND_MAX, Series, layout, svg};
use crate::metrics::gate;
use crate::progress::count;
use crate::text::{Escaped, shorten_middle};

/// Rows of the table.
const ROWS_MAX: usize = 2000;
/// Longer names lose their middle.
const NAME_MAX: usize = 200;

const HEAD: &str = include_str!("html/head.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page for a figure, written on this day.
pub fn page(figure: &Figure, date: &str) -> String {
    let scene = layout::scene(figure);
    let title = short(&figure.title);
    let mut html =
        format!("{HEAD}<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n", title = Escaped(&title));
    let _ = writeln!(
        html,
        "<header>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n</header>",
        Escaped(&title),
        Escaped(&facts(figure))
    );
    let [top, bottom] = scene.rows;
    let _ = writeln!(html, "<figure class=\"scroll\" data-top=\"{top}\" data-bottom=\"{bottom}\">");
    html.push_str(&svg::element(&scene, figure));
    html.push_str("<div id=\"tip\" hidden></div>\n</figure>\n");
    html.push_str(&table(figure, &scene.columns));
    let _ = write!(
        html,
        "<footer>Written by <code>git model metrics plot</code>, git-model {}, on <time>{}</time>.</footer>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        Escaped(date)
    );
    html
}

/// What is in the figure, in one line.
fn facts(figure: &Figure) -> String {
    let mut facts = vec![count(figure.versions.len(), "version")];
    facts.extend(figure.goal.map(|goal| goal.words().to_owned()));
    facts.extend(figure.limits.iter().map(|limit| short(&limit.name)));
    facts.join(" · ")
}

/// The values, the newest first.
fn table(figure: &Figure, columns: &[f64]) -> String {
    let mut html = "<div class=\"scroll\">\n<table>\n<thead><tr><th>version</th><th>about</th>".to_owned();
    let series: Vec<&Series> = figure.series.iter().take(LEGEND_MAX).collect();
    for series in &series {
        let _ = write!(html, "<th class=\"value\">{}</th>", Escaped(&short(&series.name)));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (at, version) in figure.versions.iter().enumerate().rev().take(ROWS_MAX) {
        let x = columns.get(at).copied().unwrap_or_default();
        let _ = write!(
            html,
            "<tr data-x=\"{x:.1}\"><th>{}</th><td class=\"about\">{}</td>",
            Escaped(&short(&version.name)),
            Escaped(&short(&version.detail))
        );
        for series in &series {
            let _ = match value(series, at) {
                Some(value) if value.is_finite() => write!(html, "<td class=\"value\">{}</td>", gate::short(value)),
                Some(value) => write!(html, "<td class=\"value bad\">{}</td>", gate::short(value)),
                None => write!(html, "<td class=\"value\"></td>"),
            };
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    let older = figure.versions.len().saturating_sub(ROWS_MAX);
    if older > 0 {
        let _ = writeln!(html, "<p class=\"more\">{} not listed.</p>", count(older, "older version"));
    }
    let more = figure.series.len() - series.len();
    if more > 0 {
        let _ = writeln!(html, "<p class=\"more\">{} not listed.</p>", count(more, "more line"));
    }
    html
}

fn value(series: &Series, version: usize) -> Option<f64> {
    let at = series.points.binary_search_by_key(&version, |point| point.0).ok()?;
    series.points[at].1
}

fn short(name: &str) -> String {
    shorten_middle(name, NAME_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{all, figure};
    use super::*;

    #[test]
    fn every_version_has_a_row_with_its_value() {
        let html = page(&figure(30), "2026-01-02");
        assert_eq!(html.matches("<tr data-x=").count(), 30);
        assert!(!html.contains("http://") || html.matches("http://").count() == 1, "the name of SVG's elements alone");
        assert!(!html.contains("https://"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let mut figure = figure(2);
        let name = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
        figure.title = name.into();
        figure.series[0].name = name.into();
        figure.versions.iter_mut().for_each(|version| (version.name, version.detail) = (name.into(), name.into()));
        let html = page(&figure, name);
        assert_eq!(
            (html.matches("<script").count(), html.matches("</script").count(), html.matches("<img").count()),
            (1, 1, 0)
        );
    }

    #[test]
    fn pages_stay_small() {
        for figure in all() {
            let html = page(&figure, "2026-01-02");
            assert!(html.len() < 1_000_000, "{}", html.len());
        }
    }

    /// The policy names the script by its SHA-256, in base 64: RFC 4648, section 4.
    #[test]
    fn the_policy_lets_the_script_run() {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let id = crate::id::ObjectId::of(SCRIPT.as_bytes());
        let text: String = id
            .as_bytes()
            .chunks(3)
            .flat_map(|bytes| {
                let bits =
                    bytes.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - bytes.len()));
                let digit = move |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
                (0..4).map(move |at| if at <= bytes.len() { digit(at) } else { '=' })
            })
            .collect();
        assert!(HEAD.contains(&format!("script-src 'sha256-{text}'")), "the script's hash is sha256-{text}");
    }
}
