//! What an executable needs to run: for which machine it is, its loader, its libraries. Pure.
//!
//! Source: System V ABI, chapters 4 and 5 (`elf(5)`). 64-bit little-endian files are read, which is what Linux runs on all
//! machines that models are served from.

use std::io::{self, Read, Seek, SeekFrom};

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const DYNAMIC_BYTES: usize = 16;
/// More than any linker writes.
const TABLE_BYTES_MAX: u64 = 1 << 20;
/// Longer names are not followed.
const NAME_BYTES_MAX: u64 = 4096;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;

const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// An executable or a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The number of its machine, `e_machine`.
    pub machine: u16,
    /// The loader that the kernel starts for it; none if it is static.
    pub interpreter: Option<String>,
    /// The names of its libraries.
    pub needed: Vec<String>,
    /// The folders it has its libraries looked for in.
    pub search: Vec<String>,
}

/// A processor architecture as images name it. Source: the list of `GOARCH`, to which the OCI image specification refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture(pub &'static str);

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

impl Elf {
    /// Reads the parts of a file that say so; `None` if it is no such file.
    ///
    /// # Errors
    /// A file that cannot be read, or ends too early.
    pub fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        // The magic number, 64 bits, little-endian.
        if header[..6] != *b"\x7fELF\x02\x01" {
            return Ok(None);
        }
        let segments = segments(file, &header)?;
        let of_kind = |kind| segments.iter().find(move |segment| segment.kind == kind);
        let interpreter = match of_kind(PT_INTERP) {
            Some(segment) => Some(text(file, segment.offset, segment.size.min(NAME_BYTES_MAX))?),
            None => None,
        };
        let mut elf = Self { machine: u16_at(&header, 18), interpreter, needed: Vec::new(), search: Vec::new() };
        if let Some(dynamic) = of_kind(PT_DYNAMIC) {
            elf.read_dynamic(file, dynamic, &segments)?;
        }
        Ok(Some(elf))
    }

    fn read_dynamic(
        &mut self,
        file: &mut (impl Read + Seek),
        dynamic: &Segment,
        segments: &[Segment],
    ) -> io::Result<()> {
        let table = bytes(file, dynamic.offset, dynamic.size.min(TABLE_BYTES_MAX))?;
        let entries: Vec<(u64, u64)> = table
            .chunks_exact(DYNAMIC_BYTES)
            .map(|entry| (u64_at(entry, 0), u64_at(entry, 8)))
            .take_while(|(tag, _)| *tag != 0)
            .collect();
        let Some(&(_, names)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else { return Ok(()) };
        let names = offset_of(names, segments).ok_or_else(|| broken("its names lie in no segment"))?;
        for (tag, value) in entries {
            if !matches!(tag, DT_NEEDED | DT_RPATH | DT_RUNPATH) {
                continue;
            }
            let at = names.checked_add(value).ok_or_else(|| broken("a name lies outside of it"))?;
            let name = text(file, at, NAME_BYTES_MAX)?;
            match tag {
                DT_NEEDED => self.needed.push(name),
                _ => self.search.extend(name.split(':').map(str::to_owned)),
            }
        }
        Ok(())
    }

    /// The architecture; `None` for one that images have no name for.
    pub const fn architecture(&self) -> Option<Architecture> {
        Some(Architecture(match self.machine {
            21 => "ppc64le",
            62 => "amd64",
            183 => "arm64",
            243 => "riscv64",
            258 => "loong64",
            _ => return None,
        }))
    }
}

impl Architecture {
    /// The name that folders of libraries have for it on Debian and its like.
    pub fn triplet(self) -> &'static str {
        match self.0 {
            "amd64" => "x86_64-linux-gnu",
            "arm64" => "aarch64-linux-gnu",
            "riscv64" => "riscv64-linux-gnu",
            "ppc64le" => "powerpc64le-linux-gnu",
            _ => "loongarch64-linux-gnu",
        }
    }
}

fn segments(file: &mut (impl Read + Seek), header: &[u8]) -> io::Result<Vec<Segment>> {
    let (at, size, count) = (u64_at(header, 32), u16_at(header, 54), u16_at(header, 56));
    if count > 0 && usize::from(size) != SEGMENT_BYTES {
        return Err(broken("its segments have another size"));
    }
    let table = bytes(file, at, u64::from(count) * SEGMENT_BYTES as u64)?;
    let segment = |entry: &[u8]| Segment {
        kind: u32_at(entry, 0),
        offset: u64_at(entry, 8),
        address: u64_at(entry, 16),
        size: u64_at(entry, 32),
    };
    Ok(table.chunks_exact(SEGMENT_BYTES).map(segment).collect())
}

/// Where in the file an address is.
fn offset_of(address: u64, segments: &[Segment]) -> Option<u64> {
    let holds = |segment: &&Segment| {
        segment.kind == PT_LOAD && address.checked_sub(segment.address).is_some_and(|within| within < segment.size)
    };
    let segment = segments.iter().find(holds)?;
    segment.offset.checked_add(address - segment.address)
}

/// `len` bytes from `offset` on.
fn bytes(file: &mut (impl Read + Seek), offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let bytes = bytes_up_to(file, offset, len)?;
    if (bytes.len() as u64) < len {
        return Err(broken("it ends too early"));
    }
    Ok(bytes)
}

fn bytes_up_to(file: &mut (impl Read + Seek), offset: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text at `offset`, which a zero ends.
fn text(file: &mut (impl Read + Seek), offset: u64, len_max: u64) -> io::Result<String> {
    let bytes = bytes_up_to(file, offset, len_max)?;
    let end = bytes.iter().position(|&byte| byte == 0).ok_or_else(|| broken("a name has no end"))?;
    String::from_utf8(bytes[..end].to_vec()).map_err(|_| broken("a name is not UTF-8"))
}

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is a broken executable: {why}"))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// An executable with a loader, one library and one folder to look in, and nothing to run.
    fn executable() -> Vec<u8> {
        let names = b"\0libm.so.6\0/opt/lib:/usr/lib\0";
        let loader = b"/lib/ld.so\0";
        let (loader_at, dynamic_at) =
            (HEADER_BYTES + 3 * SEGMENT_BYTES, HEADER_BYTES + 3 * SEGMENT_BYTES + loader.len());
        let dynamic: Vec<u8> = [(DT_NEEDED, 1), (DT_RUNPATH, 11), (DT_STRTAB, 0x1000), (0, 0)]
            .iter()
            .flat_map(|(tag, value): &(u64, u64)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect();
        let names_at = dynamic_at + dynamic.len();
        let mut file = vec![0; HEADER_BYTES];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[18] = 62;
        file[32] = HEADER_BYTES as u8;
        file[54] = SEGMENT_BYTES as u8;
        file[56] = 3;
        for (kind, offset, address, size) in [
            (PT_LOAD, names_at, 0x1000, names.len()),
            (PT_INTERP, loader_at, 0, loader.len()),
            (PT_DYNAMIC, dynamic_at, 0, dynamic.len()),
        ] {
            let mut entry = [0; SEGMENT_BYTES];
            entry[..4].copy_from_slice(&kind.to_le_bytes());
            for (at, value) in [(8, offset), (16, address), (32, size)] {
                entry[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
            }
            file.extend_from_slice(&entry);
        }
        [file, loader.to_vec(), dynamic, names.to_vec()].concat()
    }

    fn read(bytes: &[u8]) -> io::Result<Option<Elf>> {
        Elf::read(&mut Cursor::new(bytes))
    }

    #[test]
    fn what_an_executable_needs() {
        let elf = read(&executable()).expect("read").expect("an executable");
        assert_eq!(elf.architecture(), Some(Architecture("amd64")));
        assert_eq!(elf.interpreter.as_deref(), Some("/lib/ld.so"));
        assert_eq!(elf.needed, ["libm.so.6"]);
        assert_eq!(elf.search, ["/opt/lib", "/usr/lib"]);
    }

    #[test]
    fn what_is_none() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x01\x01", &[0; 64], &executable()[..63]] {
            assert_eq!(read(bytes).expect("read"), None);
        }
    }

    #[test]
    fn no_broken_file_ends_in_a_panic() {
        let whole = executable();
        for len in HEADER_BYTES..whole.len() {
            // Whatever it is taken for, it is taken for something.
            let _ = read(&whole[..len]);
        }
        let mut refused = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            refused += usize::from(read(&bytes).is_err());
        }
        assert!(refused > 10, "offsets outside of the file are noticed: {refused}");
    }
}
