//! Read-only memory maps of pack indexes: the one place of the crate with unsafe code.
//!
//! A store may hold millions of ids; mapped, a lookup touches a few pages and a process that looks up nothing reads
//! nothing. Packs are written once and never changed in place, which is what makes the map sound: truncating a mapped
//! file from outside would end the process with SIGBUS, as it does in git, which maps its packs the same way.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// Maps `len` bytes of `file` from `offset` on.
pub fn map(file: &File, offset: u64, len: usize) -> io::Result<memmap2::Mmap> {
    // SAFETY: the file is an immutable pack (see the module's comment); the map is read-only.
    unsafe { memmap2::MmapOptions::new().offset(offset).len(len).map(file) }
}
