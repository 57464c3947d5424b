//! How the library tells what it is doing, without knowing who listens.

/// Told about work that takes time. All methods may be called from several threads.
pub trait Progress: Sync {
    /// Work on `what` begins; there are `total_bytes` to do, if that is known.
    fn begin(&self, what: &str, total_bytes: Option<u64>);

    /// So many more bytes are done.
    fn advance(&self, bytes: u64);

    /// The work that began last has ended.
    fn end(&self);

    /// A line for the user that no file's fate depends on.
    fn note(&self, line: &str);

    /// Something is wrong that does not stop the work; says what to do.
    fn warn(&self, line: &str);
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
