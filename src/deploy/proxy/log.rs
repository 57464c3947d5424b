//! What a proxy says: no more than somebody would read.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::git::time::rfc3339;

/// So many lines a proxy says in its life.
const LINES_MAX: u32 = 10_000;
/// What happens again and again is said so often.
const RARELY: Duration = Duration::from_secs(60);

/// Lines on their way to whoever prints them.
pub(super) struct Log {
    lines: UnboundedSender<String>,
    said: Cell<u32>,
    rarely: RefCell<HashMap<&'static str, Instant>>,
}

impl Log {
    pub(super) fn new() -> (Self, UnboundedReceiver<String>) {
        let (lines, out) = unbounded_channel();
        (Self { lines, said: Cell::new(0), rarely: RefCell::default() }, out)
    }

    /// Says it, with the time.
    pub(super) fn say(&self, what: &str) {
        let said = self.said.replace(self.said.get().saturating_add(1));
        let line = match said {
            ..LINES_MAX => what,
            LINES_MAX => "no more is logged",
            _ => return,
        };
        // Nobody prints any more only when the proxy ends.
        let _ = self.lines.send(format!("{} {}", rfc3339(SystemTime::now()), line.replace(char::is_control, "?")));
    }

    /// Says it unless something of this `kind` was said just before.
    pub(super) fn say_rarely(&self, kind: &'static str, what: impl FnOnce() -> String) {
        let now = Instant::now();
        let mut rarely = self.rarely.borrow_mut();
        if rarely.get(kind).is_none_or(|before| now.duration_since(*before) >= RARELY) {
            rarely.insert(kind, now);
            self.say(&what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_an_end() {
        let (log, mut out) = Log::new();
        for _ in 0..3 {
            log.say_rarely("refused", || "nobody there\x1b".to_owned());
        }
        for number in 0..LINES_MAX + 5 {
            log.say(&number.to_string());
        }
        let lines: Vec<_> = std::iter::from_fn(|| out.try_recv().ok()).collect();
        assert_eq!(lines.len(), LINES_MAX as usize + 1);
        assert!(lines[0].ends_with("Z nobody there?") && lines[1].ends_with("Z 0"), "{:?}", &lines[..2]);
        assert!(lines.last().is_some_and(|line| line.ends_with("no more is logged")));
    }
}
