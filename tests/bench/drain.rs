//! The least a git filter can do: read all of a file, answer a few bytes, keep nothing.
//!
//! What `git add` costs with this filter is the price of git's pipe alone, so a real filter is
//! measured against it on the same machine in the same run. Clean only; a smudge is never asked
//! for, because the benchmark does not check out from a repository that has kept nothing.
//!
//! Std only, so that `rustc -O drain.rs` builds it without a package.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Two of git's largest packets, so that one `read` can take whatever the pipe holds.
const BUFFER_LEN: usize = 2 * 65520;

/// Reads pkt-lines in place: a payload is looked at, never copied.
struct Packets {
    /// Not `io::stdin()`, whose 8 KiB buffer would cost eight times the system calls.
    pipe: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Packets {
    fn from_stdin() -> io::Result<Self> {
        Ok(Packets { pipe: File::open("/dev/stdin")?, buffer: vec![0; BUFFER_LEN], start: 0, end: 0 })
    }

    /// Makes `len` bytes available at `start`; false at the end of input.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        while self.end - self.start < len {
            if self.start + len > self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match self.pipe.read(&mut self.buffer[self.end..])? {
                0 => return Ok(false),
                read => self.end += read,
            }
        }
        Ok(true)
    }

    /// The next packet: `None` at the end of input, an empty slice for a flush.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if !self.fill(4)? {
            return Ok(None);
        }
        let digits = std::str::from_utf8(&self.buffer[self.start..self.start + 4]).unwrap_or("");
        let len = usize::from_str_radix(digits, 16).map_err(|_| io::Error::other("not a pkt-line"))?;
        if !self.fill(len.max(4))? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let payload = self.start + 4..self.start + len.max(4);
        self.start = payload.end;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        Ok(Some(&self.buffer[payload]))
    }

    /// Reads up to the next flush; false at the end of input.
    fn skip_list(&mut self) -> io::Result<bool> {
        while let Some(packet) = self.next()? {
            if packet.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn send(lines: &[&str]) -> io::Result<()> {
    let text: String = lines
        .iter()
        .map(|line| if line.is_empty() { "0000".into() } else { format!("{:04x}{line}", line.len() + 4) })
        .collect();
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn run() -> io::Result<()> {
    let mut packets = Packets::from_stdin()?;
    packets.skip_list()?;
    send(&["git-filter-server\n", "version=2\n", ""])?;
    packets.skip_list()?;
    send(&["capability=clean\n", ""])?;
    while packets.skip_list()? {
        let mut size = 0_u64;
        // A few bytes of each packet, so that another version gets another pointer.
        let mut mark = 0_u64;
        while let Some(packet) = packets.next()? {
            if packet.is_empty() {
                break;
            }
            size += packet.len() as u64;
            for byte in packet.iter().take(16) {
                mark = (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        send(&["status=success\n", "", &format!("drained {size} {mark:016x}\n"), "", ""])?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drain: {error}");
            ExitCode::FAILURE
        }
    }
}
