//! The only place that prints: data on stdout, talk on stderr, progress bars only on a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::Error;
use crate::progress::Progress;

pub use crate::progress::count;

/// Work that takes less time shows no bar.
const BAR_DELAY: Duration = Duration::from_millis(500);

/// Talks to the person who runs the command.
pub struct Ui {
    quiet: bool,
    bar: Mutex<Option<Bar>>,
}

struct Bar {
    bar: ProgressBar,
    begun: std::time::Instant,
    style: Option<ProgressStyle>,
}

impl Ui {
    /// Quiet: no bars and no notes; warnings and errors are still printed.
    pub const fn new(quiet: bool) -> Self {
        Self { quiet, bar: Mutex::new(None) }
    }

    /// Prints data. A reader that has gone away ends the command quietly.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::failed(format!("cannot write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Prints why the command failed and what to do next.
    pub fn error(&self, error: &Error) {
        self.talk(&format!("error: {error}"));
        for hint in error.hints() {
            self.talk(&format!("hint: {hint}"));
        }
    }

    fn talk(&self, line: &str) {
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
        if self.quiet || !io::stderr().is_terminal() {
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
        if !self.quiet {
            self.talk(line);
        }
    }

    fn warn(&self, line: &str) {
        self.talk(&format!("warning: {line}"));
    }
}

/// A number of bytes for people, in powers of 1000: `10.2 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_no_plural() {
        assert_eq!([0_u64, 1, 2].map(|count| super::count(count, "pack")), ["0 packs", "1 pack", "2 packs"]);
    }

    #[test]
    fn bytes_for_people() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (10_200_000, "10.2 MB"), (999_960_000, "1.0 GB")];
        for (count, text) in cases {
            assert_eq!(super::bytes(count), text);
        }
    }
}
