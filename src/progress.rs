//! How the library tells what it is doing, without knowing who listens.

use std::fmt::Display;
use std::io::{self, Read};

/// Told about work that takes time. All methods may be called from several threads.
pub trait Progress: Sync {
    /// Work on `what` begins; there are `total_bytes` to do, if that is known.
    fn begin(&self, what: &str, total_bytes: Option<u64>);

    /// Work on `what` begins that is counted in steps, not in bytes.
    fn begin_steps(&self, _what: &str, _total: u64) {}

    /// How it stands with the work that began last: a few words beside its bar.
    fn status(&self, _text: &str) {}

    /// So many more bytes, or steps, are done.
    fn advance(&self, bytes: u64);

    /// The work that began last has ended.
    fn end(&self);

    /// A line for the user that no file's fate depends on.
    fn note(&self, line: &str);

    /// Something is wrong that does not stop the work; says what to do.
    fn warn(&self, line: &str);
}

/// A number of things for people: `1 pack`, `2 packs`.
pub fn count(count: impl Display + PartialEq + From<u8>, what: &str) -> String {
    let plural = if count == 1.into() { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Tells of the bytes that are read through it.
pub struct Counted<'a, R> {
    input: R,
    progress: &'a dyn Progress,
}

impl<'a, R: Read> Counted<'a, R> {
    /// Work on `what` begins, whose `total_bytes` come from `input`; it ends when this is dropped.
    pub fn new(input: R, progress: &'a dyn Progress, what: &str, total_bytes: Option<u64>) -> Self {
        progress.begin(what, total_bytes);
        Self { input, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

impl<R> Drop for Counted<'_, R> {
    fn drop(&mut self) {
        self.progress.end();
    }
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);

    impl Log {
        fn push(&self, line: String) {
            self.0.lock().expect("no panic").push(line);
        }
    }

    impl Progress for Log {
        fn begin(&self, what: &str, total_bytes: Option<u64>) {
            self.push(format!("begin {what} {total_bytes:?}"));
        }
        fn advance(&self, bytes: u64) {
            self.push(format!("advance {bytes}"));
        }
        fn end(&self) {
            self.push("end".into());
        }
        fn note(&self, _: &str) {}
        fn warn(&self, _: &str) {}
    }

    #[test]
    fn what_is_read_is_told() {
        let log = Log::default();
        let mut counted = Counted::new(&b"weights"[..], &log, "a.bin", Some(7));
        let mut four = [0; 4];
        counted.read_exact(&mut four).expect("read");
        assert_eq!(io::copy(&mut counted, &mut io::sink()).expect("read"), 3);
        drop(counted);
        let expected = ["begin a.bin Some(7)", "advance 4", "advance 3", "advance 0", "end"];
        assert_eq!(*log.0.lock().expect("no panic"), expected);
    }
}
