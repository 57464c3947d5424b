//! Differences as one page for a browser: a heat map of layers, and a table of tensors.
//!
//! The page needs nothing else: no network, no scripts, no fonts of its own. All text from names and paths is escaped,
//! and a policy in the page's head forbids scripts besides.
//!
//! **Limitations**: names are shown up to 200 characters; of many tensors the page has those that changed most, so that
//! it stays one that a browser opens and a mail carries.

use std::fmt::Write;

mod escape;
mod heading;
mod heat;
mod histogram;
mod matrix;
mod natural;
mod rows;
mod scale;
mod target;
#[cfg(test)]
mod testing;

pub use heading::{Heading, Point, today};
pub use target::{Target, WriteError};

use super::{Entry, FileDiff, Report, text};
use crate::progress::count;
use crate::text::{Style, Units};
use escape::{Escaped, short};
use matrix::Matrix;
use scale::Scale;

/// Rows of all tables of tensors together.
const ROWS_MAX: usize = 2000;
/// Cells of all heat maps together.
const CELLS_MAX: usize = 4000;
/// Files with a section of their own.
const FILES_MAX: usize = 500;

const HEAD: &str = include_str!("html/head.html");
const STYLE: &str = include_str!("html/page.css");
const GUIDE: &str = include_str!("html/guide.html");

/// The page for a report, with sizes in these units.
pub fn page(report: &Report, heading: &Heading, units: Units) -> String {
    let style = Style { units, ..Style::PLAIN };
    let scale = Scale::of(report.files.iter().flat_map(relatives));
    let mut html = head(report, heading);
    html.push_str(&header(report, heading, units));
    if report.files.is_empty() {
        html.push_str("<p class=\"lead\">No model differs.</p>\n");
    }
    let files = &report.files[..report.files.len().min(FILES_MAX)];
    if files.len() > 1 {
        html.push_str(&contents(files, &style));
    }
    let mut cells_left = CELLS_MAX;
    let mut first_anchor = 0;
    for (at, (file, rows)) in files.iter().zip(shares(files)).enumerate() {
        let matrix = Matrix::of(file, cells_left);
        cells_left = cells_left.saturating_sub(matrix.rows.len() * matrix.columns.len());
        html.push_str(&section(file, at, &rows, first_anchor, &matrix, &scale, &style));
        first_anchor += rows.len();
    }
    let left_out = report.files.len() - files.len();
    if left_out > 0 {
        let _ = writeln!(html, "<p class=\"more\">{} more: {ALL}</p>", count(left_out, "file"));
    }
    html.push_str(GUIDE);
    let _ = write!(
        html,
        "<footer>Written by <code>git model diff --html</code>, git-model {}, on <time>{}</time>.</footer>\n\
         </body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        Escaped(&heading.date)
    );
    html
}

/// How to get what a page leaves out.
const ALL: &str = "<code>git model diff --json</code> has all of them.";

fn relatives(file: &FileDiff) -> impl Iterator<Item = f64> {
    file.entries.iter().filter_map(|entry| entry.known()?.stats.relative())
}

/// Which entries of each file have a row, in the order of their rows: of all files together those that moved most.
fn shares(files: &[FileDiff]) -> Vec<Vec<usize>> {
    let mut all: Vec<(usize, usize, f64)> = Vec::new();
    for (file_at, file) in files.iter().enumerate() {
        all.extend(file.entries.iter().enumerate().map(|(at, entry)| (file_at, at, text::rating(entry))));
    }
    all.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut shares = vec![Vec::new(); files.len()];
    for (file, entry, _) in all.into_iter().take(ROWS_MAX) {
        shares[file].push(entry);
    }
    shares
}

fn head(report: &Report, heading: &Heading) -> String {
    let mut title = format!("{} → {}", heading.old.name, heading.new.name);
    match &report.files[..] {
        [] => {}
        [file] => title = format!("{}: {title}", text::path(file)),
        files => title = format!("{}: {title}", count(files.len(), "model")),
    }
    format!("{HEAD}<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n", Escaped(&short(&title)))
}

/// What was compared, and all of it in numbers.
fn header(report: &Report, heading: &Heading, units: Units) -> String {
    let mut html = format!(
        "<header>\n<h1><span>{}</span> <span class=\"arrow\">→</span> <span>{}</span></h1>\n<dl class=\"versions\">",
        Escaped(&short(&heading.old.name)),
        Escaped(&short(&heading.new.name))
    );
    for (term, point) in [("old", &heading.old), ("new", &heading.new)] {
        if let Some((commit, rest)) = point.commit.split_first() {
            let _ = write!(html, "<div><dt>{term}</dt><dd><code>{}</code>", Escaped(commit));
            for part in rest {
                let _ = write!(html, " · {}", Escaped(&short(part)));
            }
            html.push_str("</dd></div>");
        }
    }
    if !heading.paths.is_empty() {
        let paths: Vec<String> = heading.paths.iter().map(|path| short(path)).collect();
        let _ = write!(html, "<div><dt>in</dt><dd><code>{}</code></dd></div>", Escaped(&paths.join(" ")));
    }
    let mut counts = [0; 4];
    for file in &report.files {
        counts.iter_mut().zip(file.counts()).for_each(|(sum, number)| *sum += number);
    }
    let [changed, added, removed, renamed] = counts;
    let unchanged: usize = report.files.iter().map(|file| file.unchanged).sum();
    html.push_str("</dl>\n<dl class=\"totals\">");
    let numbers = [
        (if report.files.len() == 1 { "model" } else { "models" }, report.files.len()),
        (if changed == 1 { "tensor changed" } else { "tensors changed" }, changed),
        ("added", added),
        ("removed", removed),
        ("renamed", renamed),
        ("unchanged", unchanged),
    ];
    for (term, number) in numbers {
        let _ = write!(html, "<div><dt>{term}</dt><dd>{number}</dd></div>");
    }
    let _ =
        write!(html, "<div><dt>read to tell</dt><dd>{}</dd></div></dl>\n</header>\n", units.bytes(report.read.bytes));
    html
}

fn contents(files: &[FileDiff], style: &Style) -> String {
    let mut html = "<nav aria-label=\"Models\"><ul>\n".to_owned();
    for (at, file) in files.iter().enumerate() {
        let (path, facts) = (short(&text::path(file)), text::facts(file, style));
        let _ = writeln!(html, "<li><a href=\"#f{at}\">{}</a> {}</li>", Escaped(&path), Escaped(&facts));
    }
    html + "</ul></nav>\n"
}

/// One file: its heat map, and its rows.
fn section(
    file: &FileDiff,
    at: usize,
    rows: &[usize],
    first_anchor: usize,
    matrix: &Matrix<'_>,
    scale: &Scale,
    style: &Style,
) -> String {
    let (path, facts) = (short(&text::path(file)), text::facts(file, style));
    let mut html =
        format!("<section id=\"f{at}\">\n<h2>{}</h2>\n<p class=\"lead\">{}</p>\n", Escaped(&path), Escaped(&facts));
    let mut anchors = vec![None; file.entries.len()];
    rows.iter().enumerate().for_each(|(row, &entry)| anchors[entry] = Some(first_anchor + row));
    html.push_str(&heat::figure(file, matrix, scale, &|entry| anchors[entry]));
    let listed: Vec<(usize, &Entry)> =
        rows.iter().enumerate().map(|(row, &entry)| (first_anchor + row, &file.entries[entry])).collect();
    html.push_str(&rows::table(file, &listed, scale, style.units, at));
    let left_out = file.entries.len() - rows.len();
    if left_out > 0 {
        let _ = writeln!(html, "<p class=\"more\">{} that changed less: {ALL}</p>", count(left_out, "more tensor"));
    }
    html + "</section>\n"
}

#[cfg(test)]
mod tests {
    use super::testing::{added, file, moved};
    use super::*;
    use crate::diff::compare::Read;

    fn heading() -> Heading {
        let point = |name: &str| Point { name: name.into(), commit: Vec::new() };
        Heading { old: point("A"), new: point("<B>"), paths: vec!["<p>".into()], date: "2026-01-02".into() }
    }

    fn html(entries: impl Iterator<Item = Entry>) -> String {
        let report =
            Report { files: vec![file(entries)], unmerged: Vec::new(), read: Read { tensors: 0, bytes: 1000 } };
        page(&report, &heading(), Units::Si)
    }

    #[test]
    fn every_link_has_a_target_and_every_tensor_a_row() {
        let html =
            html((0..30).map(|layer| moved(&format!("m.{layer}.w"), 0.001 * layer as f32 + 0.001)).chain([added("x")]));
        let links: Vec<&str> = html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(links.len() >= 31);
        assert!(links.iter().all(|link| html.contains(&format!("id=\"{link}\""))), "{links:?}");
        assert_eq!(html.matches("<tr id=\"t").count(), 31);
        assert!(!html.contains("more tensors"));
    }

    #[test]
    fn hostile_names_stay_text() {
        let name = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
        let html = html([moved(name, 0.5), added(&format!("{name}.0.{name}"))].into_iter());
        for tag in ["<script", "<img", "\"'>", "<B>", "<code><p>"] {
            assert!(!html.contains(tag), "{tag}");
        }
        assert_eq!(html.matches("<title>").count(), html.matches("</title>").count());
    }

    #[test]
    fn the_largest_model_makes_a_page_of_bounded_size() {
        let name = |layer: usize, expert: usize| format!("model.layers.{layer}.mlp.experts.{expert}.down_proj.weight");
        let entries = (0..60).flat_map(|layer| (0..1000).map(move |expert| moved(&name(layer, expert), 0.01)));
        let html = html(entries);
        assert!(html.len() < 6_000_000, "{}", html.len());
        assert!(html.contains("58000 more tensors that changed less"));
        // All names in one column, and each name a module of its own.
        let html = self::html((0..60_000).map(|at| moved(&format!("t{at}"), 0.01)));
        assert!(html.len() < 6_000_000, "{}", html.len());
    }
}
