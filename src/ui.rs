//! The only place that prints: data on stdout, talk on stderr, progress bars only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;
use crate::git::display as git;
use crate::progress::Progress;
use crate::text::Style;

pub use crate::progress::count;

/// Work that takes less time shows no bar.
const BAR_DELAY: Duration = Duration::from_millis(500);

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// Where a terminal shows them, unless `NO_COLOR` or `color.ui` says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// No bars and no notes; warnings and errors are still printed.
    pub is_quiet: bool,
    /// Print long output at once.
    pub has_no_pager: bool,
    /// Colours.
    pub colour: When,
}

/// Talks to the person who runs the command.
pub struct Ui {
    options: Options,
    style: OnceLock<Style>,
    bar: Mutex<Option<Bar>>,
}

struct Bar {
    bar: ProgressBar,
    begun: std::time::Instant,
    style: Option<ProgressStyle>,
}

impl Ui {
    /// As the command line asks for.
    pub const fn new(options: Options) -> Self {
        Self { options, style: OnceLock::new(), bar: Mutex::new(None) }
    }

    /// How text on standard output is set.
    pub fn style(&self) -> Style {
        *self.style.get_or_init(|| {
            let is_seen = is_terminal();
            let settings = git::display_settings();
            let has_colour = match (self.options.colour, settings.colour.as_deref()) {
                (When::Always, _) => true,
                (When::Never, _) => false,
                (When::Auto, Some("always")) => true,
                (When::Auto, Some("never" | "false" | "no" | "off" | "0")) => false,
                (When::Auto, _) => is_seen && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            };
            Style { has_colour, width: is_seen.then(columns), units: settings.units }
        })
    }

    /// A number of bytes in the user's units.
    pub fn bytes(&self, count: u64) -> String {
        self.style().units.bytes(count)
    }

    /// Prints data that may be long: on a terminal, in git's pager.
    pub fn page(&self, text: &str) -> Result<(), Error> {
        let is_paged = io::stdout().is_terminal() && !self.options.has_no_pager;
        let Some(pager) = is_paged.then(git::pager).flatten() else { return self.print(text) };
        let mut command = Command::new("sh");
        command.arg("-c").arg(&pager).stdin(Stdio::piped());
        // What git itself sets for its pager.
        for (variable, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(variable).is_none() {
                command.env(variable, value);
            }
        }
        let Ok(mut child) = command.spawn() else { return self.print(text) };
        if let Some(mut input) = child.stdin.take() {
            // Whoever leaves the pager early has seen enough.
            let _ = input.write_all(text.as_bytes());
        }
        child.wait().map(drop).map_err(|error| Error::failed(format!("cannot run the pager `{pager}`: {error}")))
    }

    /// Prints data. A reader that has gone away ends the command quietly.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        self.print_bytes(text.as_bytes())
    }

    /// Prints data that is no text.
    pub fn print_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::failed(format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Prints why the command failed and what to do next.
    pub fn error(&self, error: &Error) {
        if error.is_silent() {
            return;
        }
        self.talk(&format!("error: {error}"));
        for hint in error.hints() {
            self.talk(&format!("hint: {hint}"));
        }
    }

    /// Prints lines on standard error, quiet or not.
    pub fn talk(&self, line: &str) {
        let write = || {
            // Nobody can be told that standard error is closed.
            let _ = writeln!(io::stderr().lock(), "{line}");
        };
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.bar.suspend(write),
            None => write(),
        }
    }
}

impl Progress for Ui {
    fn begin(&self, what: &str, total_bytes: Option<u64>) {
        if self.options.is_quiet || !io::stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(total_bytes, ProgressDrawTarget::hidden());
        let template = match total_bytes {
            Some(_) => "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
            None => "{msg} {spinner} {decimal_bytes} {decimal_bytes_per_sec}",
        };
        bar.set_message(what.to_owned());
        let style = ProgressStyle::with_template(template).ok();
        let bar = Bar { bar, begun: std::time::Instant::now(), style };
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.bar.inc(bytes);
            if bar.begun.elapsed() > BAR_DELAY
                && let Some(style) = bar.style.take()
            {
                bar.bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.bar.set_style(style);
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.bar.finish_and_clear();
        }
    }

    fn note(&self, line: &str) {
        if !self.options.is_quiet {
            self.talk(line);
        }
    }

    fn warn(&self, line: &str) {
        self.talk(&format!("warning: {line}"));
    }
}

/// Whether somebody looks at standard output: on a terminal, or through the pager that `git` has started.
fn is_terminal() -> bool {
    io::stdout().is_terminal() || std::env::var("GIT_PAGER_IN_USE").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether text may hold more than ASCII: the locale is one of UTF-8. POSIX.1-2017, XBD 8.2.
pub fn is_utf8() -> bool {
    let is_set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(is_set).unwrap_or_default();
    locale.to_ascii_lowercase().replace('-', "").contains("utf8")
}

/// The terminal's columns; `COLUMNS` comes first, as in git.
fn columns() -> usize {
    const COLUMNS: usize = 80;
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns| columns > 0);
    told.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| columns.into())).unwrap_or(COLUMNS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_no_plural() {
        assert_eq!([0_u64, 1, 2].map(|count| super::count(count, "pack")), ["0 packs", "1 pack", "2 packs"]);
    }
}
