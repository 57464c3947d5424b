//! Tar archives in which nothing is left to chance: the same entries give the same bytes, on every machine.
//!
//! Source: POSIX.1-1988 ustar, with GNU's long names and large sizes, which all engines read.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::ImageError;

/// Bytes of a header, to whose multiple all content is filled up.
pub const BLOCK_BYTES: u64 = 512;
/// An archive ends with two blocks of zeros.
pub const END_BYTES: u64 = 2 * BLOCK_BYTES;
/// A longer name needs a header of its own.
const NAME_BYTES_MAX: usize = 100;
/// The name that GNU tar gives to an entry that bears a long name.
const LONG_NAME: &[u8] = b"././@LongLink";

/// An archive that is being written.
pub struct Archive<'w> {
    out: &'w mut dyn Write,
    mtime: u64,
}

/// Bytes of an entry with a name and content of these lengths.
pub const fn entry_len(name_len: usize, size: u64) -> u64 {
    let long = if name_len > NAME_BYTES_MAX { BLOCK_BYTES + filled_up(name_len as u64 + 1) } else { 0 };
    long + BLOCK_BYTES + filled_up(size)
}

const fn filled_up(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES) * BLOCK_BYTES
}

impl<'w> Archive<'w> {
    /// A new archive, whose entries were all changed at `mtime`, in seconds since 1970.
    pub fn new(out: &'w mut dyn Write, mtime: u64) -> Self {
        Self { out, mtime }
    }

    /// A folder. `path` is relative.
    pub fn folder(&mut self, path: &[u8], mode: u32) -> io::Result<()> {
        let path = [path, b"/"].concat();
        self.header(EntryType::Directory, &path, &[], mode, 0)
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        self.header(EntryType::Symlink, path, target, 0o777, 0)
    }

    /// A file of `size` bytes, which `fill` writes.
    ///
    /// # Errors
    /// Those of `fill`, which has to write as many bytes as it said.
    pub fn file(
        &mut self,
        path: &[u8],
        mode: u32,
        size: u64,
        fill: &mut dyn FnMut(&mut dyn Write) -> Result<(), ImageError>,
    ) -> Result<(), ImageError> {
        self.header(EntryType::Regular, path, &[], mode, size)?;
        let mut content = Content { out: self.out, left: size };
        fill(&mut content)?;
        if content.left > 0 {
            return Err(ImageError::Changed(format!("`{}`", String::from_utf8_lossy(path))));
        }
        Ok(self.fill_up(size)?)
    }

    /// A file of these bytes.
    pub fn bytes(&mut self, path: &[u8], mode: u32, bytes: &[u8]) -> io::Result<()> {
        self.header(EntryType::Regular, path, &[], mode, bytes.len() as u64)?;
        self.out.write_all(bytes)?;
        self.fill_up(bytes.len() as u64)
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; END_BYTES as usize])?;
        self.out.flush()
    }

    fn header(&mut self, kind: EntryType, path: &[u8], target: &[u8], mode: u32, size: u64) -> io::Result<()> {
        self.long_name(EntryType::GNULongName, path)?;
        self.long_name(EntryType::GNULongLink, target)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(self.mtime);
        self.put(header, path, target, size)
    }

    /// The entry before one whose name does not fit into its header.
    fn long_name(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() <= NAME_BYTES_MAX {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_mtime(0);
        let len = name.len() as u64 + 1;
        self.put(header, LONG_NAME, &[], len)?;
        self.out.write_all(name)?;
        self.out.write_all(&[0])?;
        self.fill_up(len)
    }

    fn put(&mut self, mut header: Header, name: &[u8], target: &[u8], size: u64) -> io::Result<()> {
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        if let Some(gnu) = header.as_gnu_mut() {
            for (field, value) in [(&mut gnu.name, name), (&mut gnu.linkname, target)] {
                let len = value.len().min(NAME_BYTES_MAX);
                field[..len].copy_from_slice(&value[..len]);
            }
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    fn fill_up(&mut self, size: u64) -> io::Result<()> {
        let missing = filled_up(size) - size;
        self.out.write_all(&[0; BLOCK_BYTES as usize][..missing as usize])
    }
}

/// The content of a file, which may not be longer than its header says.
struct Content<'w> {
    out: &'w mut dyn Write,
    left: u64,
}

impl Write for Content<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("a file has grown while it was read"));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn written(write: impl FnOnce(&mut Archive<'_>) -> Result<(), ImageError>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut archive = Archive::new(&mut out, 7);
        write(&mut archive).expect("written");
        archive.finish().expect("finished");
        out
    }

    #[test]
    fn another_reader_finds_all_entries() {
        let long = format!("a/{}/b", "x".repeat(200));
        let bytes = written(|archive| {
            archive.folder(b"a", 0o755)?;
            archive.link(b"a/link", b"../elsewhere")?;
            archive.bytes(long.as_bytes(), 0o555, b"program")?;
            archive.file(b"a/empty", 0o444, 0, &mut |_| Ok(()))
        });
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut found = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut content = String::new();
            entry.read_to_string(&mut content).expect("read");
            assert_eq!(entry.header().mtime().expect("a time"), 7);
            found.push((path, entry.header().mode().expect("a mode"), content));
        }
        let found: Vec<(&str, u32, &str)> = found.iter().map(|(path, mode, text)| (&**path, *mode, &**text)).collect();
        assert_eq!(
            found,
            [("a/", 0o755, ""), ("a/link", 0o777, ""), (&long, 0o555, "program"), ("a/empty", 0o444, "")]
        );
    }

    #[test]
    fn lengths_are_known_before() {
        for (name, size) in [("a".to_owned(), 0), ("b".repeat(100), 512), ("c".repeat(101), 513)] {
            let bytes = written(|archive| Ok(archive.bytes(name.as_bytes(), 0o444, &vec![1; size])?));
            assert_eq!(bytes.len() as u64, entry_len(name.len(), size as u64) + END_BYTES);
        }
    }

    #[test]
    fn content_has_the_length_it_was_said_to_have() {
        for said in [2, 4] {
            let mut out = Vec::new();
            let mut archive = Archive::new(&mut out, 0);
            let put = archive.file(b"a", 0o444, said, &mut |out| Ok(out.write_all(b"abc")?));
            assert!(put.is_err(), "{said}");
        }
    }
}
